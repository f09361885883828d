//! What a soak looked at besides the answers, and what it prints in the end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::support::KIB;
use crate::support::gateway::{Memory, Metrics};
use crate::support::numbers::{mib, table};
use crate::support::{MIB, origin::Counted};
use crate::world::{IN_FLIGHT, MEMORY, World};

/// What the process may take besides its blocks, and for each open connection.
const BESIDES: u64 = 64 * MIB;
const EACH_CONNECTION: u64 = 32 * KIB;

/// The memory of the process over time.
#[derive(Default)]
pub struct Watched {
    samples: Vec<(Duration, Memory)>,
    most_connections: u64,
}

/// Looks at the process once a second until the end.
pub async fn watch(world: Arc<World>) -> Watched {
    let (begun, mut watched) = (Instant::now(), Watched::default());
    while !world.is_over() && world.gateway.is_running() {
        watched.samples.push((begun.elapsed(), world.gateway.memory()));
        let open = world.gateway.metrics().await.series("hallpass_connections");
        let open = open.iter().map(|(_, value)| *value as u64).sum();
        watched.most_connections = watched.most_connections.max(open);
        world.pause(Duration::from_secs(1)).await;
    }
    watched
}

/// Waits until nothing is in flight any more, which must come.
pub async fn quiet(world: &World) -> Memory {
    let begun = Instant::now();
    loop {
        let metrics = world.gateway.metrics().await;
        let left = metrics.of("hallpass_cache_bytes", "in-flight");
        if left == Some(0.0) {
            break;
        }
        if begun.elapsed() > Duration::from_secs(40) {
            world.violation("a leak", || format!("40 s after the end, {left:?} bytes are still in flight"));
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    world.gateway.memory()
}

/// What the process said that it must not say.
pub fn read_log(world: &World) {
    let log = world.gateway.log();
    for line in log.lines().filter(|line| line.contains("panic")) {
        world.violation("a panic", || line.to_owned());
    }
    let done = log.matches("new settings are in force").count();
    let refused = log.matches("the old ones stay in force").count();
    if done == 0 {
        world.violation("no reload", || "no settings came into force".to_owned());
    }
    world.count("log", format!("new settings in force: {done}, refused: {refused}"));
}

/// Prints everything; true where nothing happened that must not.
pub fn print(world: &World, watched: &Watched, quiet: Memory, metrics: &Metrics, asked: Counted) -> bool {
    let highest = quiet.highest;
    let ceiling = MEMORY + IN_FLIGHT + BESIDES + EACH_CONNECTION * watched.most_connections;
    if highest > ceiling {
        world.violation("memory above the ceiling", || format!("{highest} of {ceiling} bytes"));
    }
    let book = world.book.lock().unwrap();
    let counts: Vec<_> =
        book.counts.iter().map(|((what, how), n)| vec![(*what).to_owned(), how.clone(), n.to_string()]).collect();
    println!("{}", table(&["what", "how it went", "times"], &counts));
    println!("{}", table(&["series of the gateway", "value"], &series(metrics)));
    let (reads, bytes) = (asked.reads.to_string(), mib(asked.bytes));
    println!("{}", table(&["origin: heads", "reads", "sent"], &[vec![asked.heads.to_string(), reads, bytes]]));
    println!("{}", table(&["memory of the process", "resident"], &memory(watched, quiet, ceiling)));
    let names = [
        "wrong bytes",
        "another length",
        "a body fell silent",
        "unexpected answer",
        "no answer",
        "no connection",
        "a revoked link was served",
        "revoked without cause",
        "changed without cause",
        "unexpected answer to a mint",
        "a mint without an answer",
        "a revocation that failed",
        "a panic",
        "a leak",
        "memory above the ceiling",
        "no reload",
        "it did not end well",
    ];
    let row = |name: &&'static str| {
        let (times, case) = book.violations.get(name).cloned().unwrap_or_default();
        vec![(*name).to_owned(), times.to_string(), case.replace(['\r', '\n'], " ")]
    };
    println!("{}", table(&["must not happen", "times", "first case"], &names.iter().map(row).collect::<Vec<_>>()));
    let unnamed = book.violations.keys().find(|name| !names.contains(name));
    assert_eq!(unnamed, None, "a violation is missing in the table");
    book.violations.is_empty()
}

fn series(metrics: &Metrics) -> Vec<Vec<String>> {
    let names = [
        "hallpass_flights_total",
        "hallpass_cache_lookups_total",
        "hallpass_cache_bytes",
        "hallpass_cache_evictions_total",
        "hallpass_cache_left_behind_total",
        "hallpass_prewarm_drops_total",
        "hallpass_verification_failures_total",
        "hallpass_overload_refusals_total",
        "hallpass_bodies_cut_total",
        "hallpass_connection_endings_total",
        "hallpass_reloads_total",
    ];
    let each = |name: &str| {
        let found = metrics.series(name).into_iter().filter(|(_, value)| *value > 0.0);
        found.map(|(labels, value)| vec![format!("`{name}{labels}`"), value.to_string()]).collect::<Vec<_>>()
    };
    names.into_iter().flat_map(each).collect()
}

fn memory(watched: &Watched, quiet: Memory, ceiling: u64) -> Vec<Vec<String>> {
    let samples = &watched.samples;
    let at = |name: &str, index: usize| {
        let (when, memory) = samples[index.min(samples.len() - 1)];
        vec![format!("{name} ({:.0} s)", when.as_secs_f64()), mib(memory.resident)]
    };
    let mut rows = vec![
        at("at the start", 0),
        at("after a quarter", samples.len() / 4),
        at("in the middle", samples.len() / 2),
        at("after three quarters", samples.len() * 3 / 4),
        at("at the end", samples.len() - 1),
    ];
    rows.push(vec!["after a quiet time".to_owned(), mib(quiet.resident)]);
    rows.push(vec!["the highest ever".to_owned(), mib(quiet.highest)]);
    let words = format!("the ceiling, with {} connections open at most", watched.most_connections);
    rows.push(vec![words, mib(ceiling)]);
    rows
}
