//! How much of what is fetched lies in memory, by policy, over made-up traces: `cargo bench --bench hit_ratio`.
//!
//! Nothing here is timed and nothing is random: each run prints the same tables. All sizes are a 64th of the real ones, save the
//! 416 bytes of account for each block, which count in every policy alike. A fetch asks for all blocks of an object; what is missing is read
//! and offered to the policy. A mint reads the whole object anyway, so the policies that prewarm may take its blocks for nothing.
#![allow(
    missing_docs,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::print_stdout,
    clippy::unwrap_used,
    unreachable_pub,
    reason = "a benchmark says what it means, and fails by panicking; clippy.toml exempts tests, but not benchmarks"
)]

mod optimum;
mod ours;
mod policy;
mod rivals;
mod traces;

use policy::{Policy, play};
use traces::Trace;

fn main() {
    println!("Hit ratio in requests / in bytes, in per cent. A request hits if all its blocks do.");
    for trace in [traces::campaign(), traces::invoices(), traces::scan(), traces::mixed()] {
        report(&trace);
    }
}

/// Memory, as a part of the trace's working set.
const SIZES: [(&str, f64); 4] = [("tight", 0.25), ("half", 0.5), ("full", 1.25), ("ample", 2.0)];

type Maker = fn(u64) -> Box<dyn Policy>;

const POLICIES: [(&str, Maker); 10] = [
    ("ours", |memory| Box::new(ours::Ours::new(memory, memory / 2, true))),
    ("ours, no prewarm", |memory| Box::new(ours::Ours::new(memory, 0, false))),
    ("ours, filled at the mint, none held", |memory| Box::new(ours::Ours::new(memory, 0, true))),
    ("LRU", |memory| Box::new(rivals::Lru::new(memory, false))),
    ("W-TinyLFU (moka)", |memory| Box::new(rivals::TinyLfu::new(memory, false))),
    ("quick_cache", |memory| Box::new(rivals::Quick::new(memory, false))),
    ("LRU, filled at the mint", |memory| Box::new(rivals::Lru::new(memory, true))),
    ("W-TinyLFU, filled at the mint", |memory| Box::new(rivals::TinyLfu::new(memory, true))),
    ("quick_cache, filled at the mint", |memory| Box::new(rivals::Quick::new(memory, true))),
    ("optimum (Belady)", |memory| Box::new(optimum::Belady::new(memory))),
];

fn report(trace: &Trace) {
    let (set, touches) = (trace.working_set(), trace.touches());
    println!("\n### {}\n\n{}\n", trace.name, trace.story);
    println!(
        "{} fetches, {} mints, working set {} MiB (unscaled).\n",
        trace.fetches(),
        trace.mints(),
        (set * 64) >> 20
    );
    println!("| policy |{}", SIZES.map(|(name, part)| format!(" {name} ({part} of it) |")).concat());
    println!("|---|{}", "---|".repeat(SIZES.len()));
    let memories = SIZES.map(|(_, part)| (set as f64 * part) as u64);
    let rows = POLICIES.map(|(name, make)| (name, memories.map(|memory| play(trace, &touches, &mut *make(memory)))));
    for (name, ratios) in &rows {
        println!("| {name} |{}", ratios.map(|ratio| format!(" {ratio} |")).concat());
    }
    let [(_, ours), .., (_, best)] = &rows;
    let parts = ours.iter().zip(best).map(|(ours, best)| format!(" {} |", ours.of(*best)));
    println!("| *ours as a part of the optimum* |{}", parts.collect::<String>());
}
