//! Ten minutes of everything at once against the real program: `bench/soak/run [SECONDS]`.
//!
//! Fetchers quick and slow, mints, overwrites, revocations, reloads and one-hit objects, before an origin in changing weather. Every
//! byte of every body is compared with what its link promised. In the end it prints what it did, and ends with 1 where anything
//! happened that must not.
#![allow(
    missing_docs,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    unreachable_pub,
    reason = "a soak says what it means, and fails by panicking; clippy.toml exempts tests, but not benchmarks"
)]

#[path = "../support/mod.rs"]
mod support;

mod changing;
mod fetching;
mod report;
mod skies;
mod world;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use self::world::World;

const QUICK: u64 = 14;
const SLOW: u64 = 40;
const MINTERS: u64 = 2;

fn main() -> ExitCode {
    let length = length();
    eprintln!("soaking for {} s", length.as_secs());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    if runtime.block_on(soak(length)) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// From the arguments, else from `SOAK_SECONDS`, else ten minutes.
fn length() -> Duration {
    let argument = std::env::args().skip(1).find_map(|argument| argument.parse().ok());
    let variable = || std::env::var("SOAK_SECONDS").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(argument.or_else(variable).unwrap_or(600))
}

async fn soak(length: Duration) -> bool {
    let world = Arc::new(World::build(length));
    world.gateway.start().await;
    let watching = tokio::spawn(report::watch(Arc::clone(&world)));
    let mut actors = JoinSet::new();
    let each = || Arc::clone(&world);
    for seed in 0..MINTERS {
        actors.spawn(changing::minter(each(), 1000 + seed));
    }
    for seed in 0..QUICK {
        actors.spawn(fetching::quick(each(), 2000 + seed));
    }
    for seed in 0..SLOW {
        actors.spawn(fetching::slow(each(), 3000 + seed));
    }
    actors.spawn(changing::overwriter(each(), 1));
    actors.spawn(changing::revoker(each(), 2));
    actors.spawn(changing::reloader(each()));
    actors.spawn(changing::one_hit(each(), 3));
    actors.spawn(skies::weather(each(), 4));
    actors.join_all().await;
    let watched = watching.await.unwrap();
    let quiet = report::quiet(&world).await;
    let metrics = world.gateway.metrics().await;
    let ended = world.gateway.stop().await;
    if !ended.is_some_and(|status| status.success()) {
        world.violation("it did not end well", || format!("{ended:?}"));
    }
    report::read_log(&world);
    report::print(&world, &watched, quiet, &metrics, world.origin.counted())
}
