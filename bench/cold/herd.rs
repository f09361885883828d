//! Many clients at once, on one thread, each with a connection of its own that is open before the first of them asks.
//!
//! Bodies are compared with what they should be, piece by piece as they come. A few are kept and hashed afterwards, so that nobody
//! has to believe the comparison.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::task::JoinSet;

use crate::support::wire::{Came, End, Pace, Wire, request};

/// How many bodies of each herd are hashed.
pub const HASHED: usize = 20;

/// What came of one client.
pub struct Fetched {
    pub status: u16,
    pub cache: String,
    /// From the start of all to the first byte of this body.
    pub first: Duration,
    /// From the start of all to its last byte.
    pub last: Duration,
    pub came: Came,
    kept: Option<Vec<u8>>,
}

/// What came of all of them.
pub struct Herd {
    pub all: Vec<Fetched>,
    pub took: Duration,
    hashed_right: usize,
}

impl Herd {
    /// How many were answered 200 with every byte in its place, and to the end.
    pub fn right(&self) -> usize {
        self.all.iter().filter(|one| one.status == 200 && one.came.end == End::Whole).count()
    }

    pub fn is_sound(&self) -> bool {
        self.right() == self.all.len() && self.hashed_right == HASHED.min(self.all.len())
    }

    pub fn firsts(&self) -> Vec<Duration> {
        self.all.iter().map(|one| one.first).collect()
    }

    /// What was not right, in words.
    pub fn faults(&self) -> String {
        let wrong = self.all.iter().filter(|one| one.status != 200 || one.came.end != End::Whole);
        let told: Vec<_> = wrong.take(5).map(|one| format!("{} {:?}", one.status, one.came)).collect();
        format!("{} of {} right, {} hashes right; {told:?}", self.right(), self.all.len(), self.hashed_right)
    }
}

/// Fetches `path` so many times at once, on a thread of its own.
pub async fn herd(at: SocketAddr, path: &str, clients: usize, content: &Bytes) -> Herd {
    let (path, content) = (path.to_owned(), content.clone());
    let work = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(run(at, path, clients, content))
    };
    tokio::task::spawn_blocking(work).await.unwrap()
}

async fn run(at: SocketAddr, path: String, clients: usize, content: Bytes) -> Herd {
    let mut wires = Vec::new();
    for _ in 0..clients {
        wires.push(Wire::connect(at).await.unwrap());
    }
    let asked = request("GET", &path, at, &[]);
    let begun = Instant::now();
    let mut running = JoinSet::new();
    for (number, wire) in wires.into_iter().enumerate() {
        let keeps = number < HASHED;
        running.spawn(one(wire, asked.clone(), begun, keeps, content.clone()));
    }
    let mut all = running.join_all().await;
    let took = begun.elapsed();
    let wanted = blake3::hash(&content);
    let kept = all.iter_mut().filter_map(|one| one.kept.take());
    let hashed_right = kept.filter(|body| blake3::hash(body) == wanted).count();
    Herd { all, took, hashed_right }
}

async fn one(mut wire: Wire, asked: String, begun: Instant, keeps: bool, content: Bytes) -> Fetched {
    let mut kept = keeps.then(|| Vec::with_capacity(content.len()));
    let nothing = Came { bytes: 0, end: End::Reset };
    let mut fetched = Fetched {
        status: 0,
        cache: String::new(),
        first: Duration::MAX,
        last: Duration::MAX,
        came: nothing,
        kept: None,
    };
    if wire.send(&asked).await.is_err() {
        return fetched;
    }
    let Ok(head) = wire.head().await else { return fetched };
    head.field("cache-status").unwrap_or_default().clone_into(&mut fetched.cache);
    fetched.status = head.status;
    if head.status != 200 {
        return fetched;
    }
    if head.length != u64::try_from(content.len()).unwrap() {
        fetched.came.end = End::Wrong;
        return fetched;
    }
    let mut first = Duration::MAX;
    let compare = |offset: u64, piece: &[u8]| {
        if offset == 0 {
            first = begun.elapsed();
        }
        if let Some(kept) = &mut kept {
            kept.extend_from_slice(piece);
        }
        let at = usize::try_from(offset).unwrap();
        content[at..at + piece.len()] == *piece
    };
    fetched.came = wire.body(head.length, Pace::default(), compare).await;
    fetched.first = first;
    fetched.last = begun.elapsed();
    fetched.kept = kept;
    fetched
}
