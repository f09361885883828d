//! it

mod ranges;
