//! What a cold cache costs: `cargo bench --bench cold`. It prints markdown tables, and ends with 1 where a body was not right.
//!
//! The real program stands as a process of its own before an S3 server of ours on loopback. Links are minted, the program is started
//! again over the same catalog, and then it is fetched from: the cache is cold, and what the blocks must hash to is known. Every byte
//! of every body is compared. Time is taken from the moment at which the first of all clients may send.
#![allow(
    missing_docs,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    unreachable_pub,
    reason = "a measurement says what it means, and fails by panicking; clippy.toml exempts tests, but not benchmarks"
)]

#[path = "../support/mod.rs"]
mod support;

mod herd;
mod rows;

use std::process::ExitCode;

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let sound = runtime.block_on(async {
        let herds = rows::herds().await;
        let bytes = rows::one_byte().await;
        let resumed = rows::resumed().await;
        herds && bytes && resumed
    });
    if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
