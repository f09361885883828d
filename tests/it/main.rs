//! it

mod catalog;
mod ranges;
