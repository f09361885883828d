//! The integration tests: one binary, which links once; one module per room or story; and a kit that they share.
#![allow(
    missing_docs,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    unreachable_pub,
    reason = "a test says what it means, and fails by panicking; clippy.toml exempts test functions, but not the kit they call"
)]

mod kit;

mod architecture;
mod audit;
mod cache;
mod cache_memory;
mod catalog;
mod clients;
mod cloud_stores;
mod control;
mod deploy;
mod docs;
mod doctor;
mod examination;
mod keys;
mod life;
mod origin;
mod presign_settings;
mod presign_suite;
mod presigned;
mod public;
mod publish;
mod ranges;
mod settings;
mod siege;
mod smuggling;
mod supervised;
mod tls;
mod upgrade;
