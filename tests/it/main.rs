//! it

mod catalog;
mod keys;
mod settings;
