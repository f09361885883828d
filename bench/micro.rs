//! Micro benchmarks, friendly and hostile input side by side: `cargo bench --bench micro`.
//!
//! What a figure means depends on the machine; what the hostile one costs *beside the friendly one* does not. So each group measures
//! both in one run, and `bench/RESULTS.md` judges ratios. Before anything is timed it is asked once, and what came out is compared
//! with what should: a benchmark that quietly measures a refusal is worse than none.
#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    unreachable_pub,
    reason = "a benchmark says what it means, and fails by panicking; clippy.toml exempts tests, but not benchmarks"
)]

mod samples;
mod stage;

mod answers;
mod mints;
mod posts;
mod ranges;
mod tokens;
mod verify;

use std::time::Duration;

use criterion::Criterion;

fn main() {
    let settings = || {
        Criterion::default()
            .sample_size(50)
            .warm_up_time(Duration::from_secs(1))
            .measurement_time(Duration::from_secs(2))
            .without_plots()
            .configure_from_args()
    };
    let mut criterion = settings();
    tokens::bench(&mut criterion);
    ranges::bench(&mut criterion);
    answers::bench(&mut criterion);
    mints::bench(&mut criterion);
    verify::bench(&mut criterion);
    // Requests over sockets vary more than calls: fewer samples, each of more requests.
    let mut criterion = settings().sample_size(20).measurement_time(Duration::from_secs(5));
    posts::bench(&mut criterion);
    criterion.final_summary();
}
