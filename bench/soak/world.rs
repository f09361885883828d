//! What the actors of a soak share: the gateway, its origin, the links that are out, and the book of what happened.
//!
//! Every content that was ever put is known by its fingerprint until no link to it is out, so every body can be compared with what its
//! link promised.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::support::gateway::{Gateway, Link, Store};
use crate::support::origin::Origin;
use crate::support::{Dice, KIB, MIB, bucket, content, zero_copy};

/// Small enough that everything has to be fought for.
pub const MEMORY: u64 = 64 * MIB;
pub const IN_FLIGHT: u64 = 16 * MIB;
/// Each store's name is its bucket's.
pub const STORES: [&str; 2] = [bucket::PLAIN, bucket::KEPT];
/// How many links are out at once.
const LINKS: usize = 240;
/// How many contents of one object links are kept to. Less than what the bucket with versions keeps.
const CONTENTS: usize = 4;
/// Links are forgotten here long before they end.
const OLDEST: Duration = Duration::from_secs(600);

/// A link that is out, and what it promised.
pub struct Known {
    pub link: Link,
    pub content: Bytes,
    pub overwritten: Arc<AtomicBool>,
    /// A revocation was asked for.
    pub revoking: AtomicBool,
    /// A revocation was answered for: from now on the link must not be served.
    pub revoked: AtomicBool,
    since: Instant,
}

/// One content that lies, or lay, at a key.
#[derive(Clone)]
struct Put {
    fingerprint: String,
    bytes: Bytes,
    overwritten: Arc<AtomicBool>,
}

#[derive(Default)]
struct Desk {
    puts: BTreeMap<(String, String), Vec<Put>>,
    links: Vec<Arc<Known>>,
    seed: u64,
}

/// How the origin treats single objects, which the weather must know.
#[derive(Default)]
pub struct Marks {
    /// Objects that nobody has minted since they were written: what is read of them first is what they are taken for.
    pub unread: BTreeSet<String>,
    /// Objects of which a turned bit was sent since they were written.
    pub flipped: BTreeSet<String>,
}

/// What happened, counted; and what must not happen, told.
#[derive(Default)]
pub struct Book {
    pub counts: BTreeMap<(&'static str, String), u64>,
    pub violations: BTreeMap<&'static str, (u64, String)>,
}

pub struct World {
    pub gateway: Gateway,
    pub origin: Origin,
    pub marks: Arc<Mutex<Marks>>,
    pub book: Mutex<Book>,
    pub ends: Instant,
    desk: Mutex<Desk>,
}

impl World {
    /// An origin with objects, and a gateway before it that has not been started.
    pub fn build(length: Duration) -> Self {
        let origin = Origin::start();
        let stores = STORES.map(|name| Store { name, bucket: name });
        let settings = format!(
            "cache = {{ memory = \"{MEMORY}B\", in_flight = \"{IN_FLIGHT}B\", zero_copy = {} }}\n\
             mint = {{ fresh_for = \"500ms\" }}\n\
             origin = {{ first_byte = \"1s\", stall = \"1s\", patience = \"4s\" }}\n",
            zero_copy()
        );
        let gateway = Gateway::place(&origin, &stores, &settings);
        let world = Self {
            gateway,
            origin,
            marks: Arc::default(),
            book: Mutex::default(),
            ends: Instant::now() + length,
            desk: Mutex::default(),
        };
        for (store, key) in objects() {
            world.write(store, &key);
        }
        world
    }

    pub fn is_over(&self) -> bool {
        Instant::now() >= self.ends
    }

    /// Waits, but not past the end.
    pub async fn pause(&self, time: Duration) {
        tokio::time::sleep(time.min(self.ends.saturating_duration_since(Instant::now()))).await;
    }

    pub fn count(&self, what: &'static str, outcome: impl Into<String>) {
        *self.book.lock().unwrap().counts.entry((what, outcome.into())).or_default() += 1;
    }

    /// Notes what must not happen; the first case of each is told in full.
    pub fn violation(&self, what: &'static str, case: impl FnOnce() -> String) {
        let mut book = self.book.lock().unwrap();
        book.violations.entry(what).or_insert_with(|| (0, case())).0 += 1;
    }

    /// Writes new content at a key.
    pub fn write(&self, store: &str, key: &str) {
        let seed = {
            let mut desk = self.desk.lock().unwrap();
            desk.seed += 1;
            desk.seed
        };
        let bytes = content(seed, length_of(key, seed));
        let put =
            Put { fingerprint: blake3::hash(&bytes).to_string(), bytes: bytes.clone(), overwritten: Arc::default() };
        let path = format!("/{store}/{key}");
        let mut desk = self.desk.lock().unwrap();
        let puts = desk.puts.entry((store.to_owned(), key.to_owned())).or_default();
        if let Some(last) = puts.last() {
            last.overwritten.store(true, Ordering::SeqCst);
        }
        puts.push(put);
        let surplus = puts.len().saturating_sub(CONTENTS);
        let gone: BTreeSet<_> = puts.drain(..surplus).map(|put| put.fingerprint).collect();
        desk.links.retain(|known| !gone.contains(&known.link.fingerprint));
        let mut marks = self.marks.lock().unwrap();
        marks.unread.insert(path.clone());
        marks.flipped.remove(&path);
        self.origin.put(store, key, bytes);
    }

    /// Puts a fresh link among those that are out; nothing where what it promises was never written.
    pub fn remember(&self, store: &str, key: &str, link: Link) -> Option<Arc<Known>> {
        let mut desk = self.desk.lock().unwrap();
        let puts = desk.puts.get(&(store.to_owned(), key.to_owned()))?;
        let put = puts.iter().find(|put| put.fingerprint == link.fingerprint)?.clone();
        if puts.last().is_some_and(|last| last.fingerprint == link.fingerprint) {
            self.marks.lock().unwrap().unread.remove(&format!("/{store}/{key}"));
        }
        if let Some(known) = desk.links.iter().find(|known| known.link.id == link.id) {
            return Some(Arc::clone(known));
        }
        let (content, overwritten) = (put.bytes, put.overwritten);
        let (revoking, revoked) = (AtomicBool::default(), AtomicBool::default());
        let known = Arc::new(Known { link, content, overwritten, revoking, revoked, since: Instant::now() });
        desk.links.push(Arc::clone(&known));
        let surplus = desk.links.len().saturating_sub(LINKS);
        desk.links.drain(..surplus);
        desk.links.retain(|known| known.since.elapsed() < OLDEST);
        Some(known)
    }

    /// One of the links that are out: mostly one of the ten newest.
    pub fn link(&self, dice: &mut Dice) -> Option<Arc<Known>> {
        let desk = self.desk.lock().unwrap();
        let from = if dice.once_in(3) { 0 } else { desk.links.len().saturating_sub(10) };
        let some = &desk.links[from..];
        (!some.is_empty()).then(|| Arc::clone(dice.pick(some)))
    }

    /// Forgets an object that was for one fetch.
    pub fn forget(&self, store: &str, key: &str) {
        let mut desk = self.desk.lock().unwrap();
        let gone = desk.puts.remove(&(store.to_owned(), key.to_owned())).unwrap_or_default();
        desk.links.retain(|known| gone.iter().all(|put| put.fingerprint != known.link.fingerprint));
    }
}

/// Every object that is there from the beginning.
pub fn objects() -> Vec<(&'static str, String)> {
    let keys = |store| {
        let small = (0..24).map(|n| format!("small-{n}.bin"));
        let medium = (0..8).map(|n| format!("medium-{n}.bin"));
        let large = (0..2).map(|n| format!("large-{n}.bin"));
        small.chain(medium).chain(large).map(move |key| (store, key))
    };
    STORES.into_iter().flat_map(keys).collect()
}

fn length_of(key: &str, seed: u64) -> u64 {
    let mut dice = Dice::new(seed);
    match key.split('-').next() {
        // Whole blocks now and then: their ends are where mistakes live.
        Some("medium") if dice.once_in(3) => 256 * KIB * (1 + dice.below(12)),
        Some("medium") => MIB + dice.below(3 * MIB),
        // More than a quarter of the memory: these stream through.
        Some("large") => 17 * MIB + dice.below(4 * MIB),
        _ => 1 + dice.below(400 * KIB),
    }
}
