//! The integration tests, in one binary: they link once and share one S3 server.
#![cfg(test)]

mod architecture;
mod catalog;
mod ranges;
