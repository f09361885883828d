//! it

mod catalog;
