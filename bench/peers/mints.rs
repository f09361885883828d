//! Mints over the control API, by a gateway of their own: 20,000 small objects that it knows, its catalog on.
//!
//! The store's word about an object is believed for an hour here instead of two seconds: else the store and its client would be
//! measured, for each object would be asked after every two seconds.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::load::{Fleet, Group};
use crate::measure::Outcome;
use crate::process::tree;
use crate::servers::hallpass;
use crate::steady::steady;
use crate::support::bucket::PLAIN;
use crate::support::gateway::Gateway;
use crate::support::{KIB, content};
use crate::world::World;

/// One link in each request, 64 connections.
pub fn single(world: &World) -> Outcome {
    let known = world.known();
    let one = |number: usize| (known.post("/v1/links", &wish(number * (OBJECTS / SINGLES))), 201);
    known.measure(world, (0..SINGLES).map(one).collect(), 64, 1)
}

/// A thousand in each, eight connections.
pub fn batch(world: &World) -> Outcome {
    let known = world.known();
    let all = (0..OBJECTS / BATCH).map(|number| (known.post("/v1/links/batch", &wishes(number)), 200)).collect();
    known.measure(world, all, 8, BATCH)
}

/// A gateway that knows all its objects.
pub struct Known {
    gateway: Gateway,
}

impl Known {
    /// Takes seconds, so it is done once, and only where mints are measured.
    pub fn build(world: &World) -> Self {
        for number in 0..OBJECTS {
            world.origin.put(PLAIN, &key(number), content(1_000_000 + number as u64, 4 * KIB));
        }
        let gateway = hallpass::gateway(&world.runtime, &world.origin, "mint = { fresh_for = \"1h\" }");
        let known = Self { gateway };
        let requests = (0..OBJECTS / BATCH).map(|number| known.post("/v1/links/batch", &wishes(number))).collect();
        // One connection goes round all of them.
        let group = Group { connections: 1, requests, status: 200, body: None };
        let (came, took) = Fleet::connect(known.gateway.control, &[group]).unwrap().each(OBJECTS / BATCH);
        assert!(came[0].faults.is_empty(), "{:?}", came[0].faults);
        eprintln!("  {OBJECTS} objects minted for the first time in {:.1} s", took.as_secs_f64());
        known.settle();
        known
    }

    fn post(&self, path: &str, body: &str) -> Vec<u8> {
        let head = format!("POST {path} HTTP/1.1\r\nHost: {}\r\n", self.gateway.control);
        let fields = format!("Authorization: Bearer {}\r\nContent-Type: application/json\r\n", self.gateway.key);
        format!("{head}{fields}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
    }

    fn measure(&self, world: &World, posts: Vec<(Vec<u8>, u16)>, connections: usize, links: usize) -> Outcome {
        let status = posts[0].1;
        let requests: Arc<[Vec<u8>]> = posts.into_iter().map(|(post, _)| post).collect();
        let group = Group { connections, requests, status, body: None };
        let fleet = Fleet::connect(self.gateway.control, &[group]).unwrap();
        let ended = AtomicBool::new(false);
        let before = self.dropped(world);
        let (run, lag) = std::thread::scope(|scope| {
            let watching = scope.spawn(|| greatest_lag(&self.gateway, &ended));
            let run = steady(world, fleet, &tree(self.gateway.pid()));
            self.settle();
            ended.store(true, Ordering::Relaxed);
            (run, watching.join().unwrap())
        });
        let (came, mut faults) = (&run.came[0], run.faults);
        let made = links_in(&came.kept);
        if made != links {
            faults.push(format!("{made} links in an answer that should have {links}"));
        }
        let dropped = self.dropped(world) - before;
        let rate = (came.answers as usize * links) as f64 / run.took.as_secs_f64();
        Outcome { values: vec![rate, lag * 1e3, dropped], detail: Some(run.detail), faults }
    }

    /// How many records its catalog could not take so far.
    fn dropped(&self, world: &World) -> f64 {
        let metrics = world.runtime.block_on(self.gateway.metrics());
        metrics.series("hallpass_fetch_records_dropped_total").iter().map(|(_, value)| value).sum()
    }

    /// Waits until the catalog has written what it holds: a lag that stands still has been told of.
    fn settle(&self) {
        let begun = Instant::now();
        let file = self.gateway.file("hallpass.db-wal");
        let written = || std::fs::metadata(&file).and_then(|about| about.modified()).ok();
        let mut last = written();
        while begun.elapsed() < Duration::from_secs(30) {
            std::thread::sleep(Duration::from_millis(600));
            let now = written();
            if now == last {
                break;
            }
            last = now;
        }
    }
}

/// In seconds, as the gateway's metrics tell it, ten times a second.
fn greatest_lag(gateway: &Gateway, ended: &AtomicBool) -> f64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut greatest: f64 = 0.0;
    while !ended.load(Ordering::Relaxed) {
        let metrics = runtime.block_on(gateway.metrics());
        let now = metrics.series("hallpass_catalog_write_lag_seconds");
        greatest = now.iter().fold(greatest, |greatest, (_, lag)| greatest.max(*lag));
        std::thread::sleep(Duration::from_millis(100));
    }
    greatest
}

/// How many links an answer holds: of one mint, or of a batch.
fn links_in(body: &[u8]) -> usize {
    let said: Value = serde_json::from_slice(body).unwrap_or_default();
    match &said["links"] {
        Value::Array(all) => all.iter().filter(|one| one["url"].is_string()).count(),
        _ => usize::from(said["url"].is_string()),
    }
}

fn key(number: usize) -> String {
    format!("known/{number:05}.bin")
}

fn wish(number: usize) -> String {
    format!(r#"{{"store":"{}","key":"{}"}}"#, hallpass::STORE, key(number))
}

fn wishes(batch: usize) -> String {
    let mut text = r#"{"links":["#.to_owned();
    for number in batch * BATCH..(batch + 1) * BATCH {
        let comma = if number % BATCH == 0 { "" } else { "," };
        write!(text, "{comma}{}", wish(number)).unwrap();
    }
    text + "]}"
}

const OBJECTS: usize = 20_000;
const BATCH: usize = 1000;
/// How many distinct objects single mints go round.
const SINGLES: usize = 2000;
