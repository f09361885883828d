//! What is measured with: the store and its objects, the servers before it, and the pace.
//!
//! All objects lie in two buckets: one for Hallpass, which signs, and one that the others may read. Before anything is measured, every
//! server has every hot object in its cache.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::load::{Fleet, Group};
use crate::mints::Known;
use crate::presigned::Presigned;
use crate::secure::{Door, Papers, measure};
use crate::servers::bare::{Given, GivenBody};
use crate::servers::{Peer, bare, hallpass, nginx, traffic_server, varnish};
use crate::support::bucket::{OPEN, PLAIN};
use crate::support::origin::Origin;
use crate::support::wire::{Answer, Wire, request};
use crate::support::{KIB, MIB, content};
use crate::watch::Watch;

/// Requests of this kind are hot: the key, and a Range field or nothing.
pub type Hot = (&'static str, &'static str);

pub const SMALL: Hot = ("hot-4k.bin", "");
pub const PICTURE: Hot = ("hot-100k.bin", "");
pub const TAIL: Hot = ("hot-16m.bin", "bytes=-65536");
pub const ONE: Hot = ("hot-1m.bin", "");
pub const FIVE: Hot = ("hot-5m.bin", "");
pub const SIXTEEN: Hot = ("hot-16m.bin", "");
pub const OPENING: Hot = ("hot-16m.bin", "bytes=0-524287");
/// Wholes before their parts: there are servers that keep nothing of an answer to a range.
const ALL_HOT: [Hot; 7] = [SMALL, PICTURE, ONE, FIVE, SIXTEEN, TAIL, OPENING];

/// How long and how often.
#[derive(Clone, Copy)]
pub struct Pace {
    pub repetitions: usize,
    /// Cold objects serve once, so these are fewer.
    pub cold_repetitions: usize,
    /// Over TLS, of which one repetition tells more: what is compared is CPU.
    pub secure_repetitions: usize,
    /// How many objects of 16 MiB are fetched before memory is judged: more than the cache holds.
    pub fill: usize,
    pub warm: Duration,
    pub measured: Duration,
}

pub struct World {
    pub runtime: Runtime,
    pub origin: Origin,
    pub peers: Vec<Peer>,
    pub pace: Pace,
    /// Of Hallpass's memory.
    pub watch: Watch,
    objects: BTreeMap<String, (u64, Bytes)>,
    known: OnceCell<Known>,
    presigned: OnceCell<Presigned>,
    /// Hallpass with TLS: with limits out of the way, and as it is built.
    open: OnceCell<Peer>,
    guarded: OnceCell<Peer>,
    /// The certificate of all listeners for TLS.
    pub papers: Papers,
    dir: TempDir,
}

impl World {
    /// Starts everything; only the servers that are `wanted` are measured, by the beginnings of their names.
    pub fn build(pace: Pace, wanted: &[String]) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (origin, objects) = (Origin::start(), objects(pace));
        for (key, (_, bytes)) in &objects {
            origin.put(PLAIN, key, bytes.clone());
            origin.put(OPEN, key, bytes.clone());
        }
        let dir = tempfile::tempdir().unwrap();
        let keys: Vec<_> = objects.keys().cloned().collect();
        eprintln!("Hallpass reads {} objects to mint their links, and starts again", keys.len());
        let ours = hallpass::peer(&runtime, &origin, &keys);
        let watch = Watch::start(ours.gateway().unwrap().pid());
        let papers = Papers::make(dir.path());
        let mut world = Self {
            runtime,
            origin,
            peers: vec![ours],
            pace,
            watch,
            objects,
            known: OnceCell::new(),
            presigned: OnceCell::new(),
            open: OnceCell::new(),
            guarded: OnceCell::new(),
            papers,
            dir,
        };
        world.add_peers(&keys);
        world.peers.retain(|peer| is_wanted(peer.name, wanted));
        world
    }

    fn add_peers(&mut self, keys: &[String]) {
        let (ours, store) = (&self.peers[0], self.origin.endpoint.trim_start_matches("http://").to_owned());
        let answers = self.answers_of(ours);
        let dir = self.dir.path();
        let bare = bare::peer(dir, &ours.links, &ours.forged, &answers, &self.papers);
        let nginx = nginx::peer(dir, &store, keys, &self.papers);
        let varnish = varnish::peer(dir, &store, keys);
        let traffic_server = traffic_server::peer(dir, &store, keys);
        self.peers.extend([nginx, varnish, traffic_server, bare]);
        for peer in &self.peers {
            self.make_hot(peer);
        }
    }

    /// Fetches every hot object until the store is not asked for it any more, and compares what comes.
    fn make_hot(&self, peer: &Peer) {
        eprintln!("{} ({}) is made hot", peer.name, peer.version);
        for hot in ALL_HOT {
            let mut fetched_hot = 0;
            for _ in 0..20 {
                let before = self.origin.counted();
                let answer = self.fetch(peer.at, &peer.links[hot.0], hot.1);
                assert!(answer.body == self.expected(hot), "{}: {hot:?} is not right: {:?}", peer.name, answer.head);
                fetched_hot = if self.origin.counted() == before { fetched_hot + 1 } else { 0 };
                if fetched_hot == 3 {
                    break;
                }
            }
            assert!(fetched_hot == 3, "{} does not keep {hot:?}", peer.name);
        }
        if let Some(forged) = peer.forged.first() {
            assert_eq!(self.fetch(peer.at, forged, "").status, 403, "{} believes a forged link", peer.name);
        }
    }

    /// What the bare server is to answer: the heads are Hallpass's.
    fn answers_of(&self, ours: &Peer) -> Vec<Given> {
        let hot = ALL_HOT.map(|hot| {
            let (seed, whole) = &self.objects[hot.0];
            let path = &ours.links[hot.0];
            let answer = self.fetch(ours.at, path, hot.1);
            let (from, to) = part(whole.len() as u64, hot.1);
            let body = GivenBody::Part { seed: *seed, length: whole.len() as u64, from, to };
            given(path, hot.1, &answer, body)
        });
        let refusals = ours.forged.iter().map(|path| {
            let answer = self.fetch(ours.at, path, "");
            let body = GivenBody::Text(String::from_utf8(answer.body.clone()).unwrap());
            given(path, "", &answer, body)
        });
        hot.into_iter().chain(refusals).collect()
    }

    pub fn fetch(&self, at: SocketAddr, path: &str, range: &str) -> Answer {
        let answered = self.runtime.block_on(async {
            let mut wire = Wire::connect(at).await?;
            wire.send(&asked(at, path, range)).await?;
            wire.answer(false).await
        });
        answered.unwrap_or_else(|fault| panic!("{at}{path}: {fault}"))
    }

    /// The gateway for mints.
    pub fn known(&self) -> &Known {
        self.known.get_or_init(|| Known::build(self))
    }

    /// The gateway for presigned URLs.
    pub fn presigned(&self) -> &Presigned {
        self.presigned.get_or_init(|| Presigned::build(self))
    }

    /// The listener for TLS of a server that has one; Hallpass's with its limits out of the way.
    pub fn door<'a>(&'a self, peer: &'a Peer) -> Option<Door<'a>> {
        let ours = || self.open.get_or_init(|| self.secure(hallpass::OUT_OF_THE_WAY));
        Door::of(if peer.gateway().is_some() { ours() } else { peer })
    }

    /// The same; Hallpass's with its built-in limits.
    pub fn guarded_door<'a>(&'a self, peer: &'a Peer) -> Option<Door<'a>> {
        let ours = || self.guarded.get_or_init(|| self.secure(hallpass::BUILT_IN));
        Door::of(if peer.gateway().is_some() { ours() } else { peer })
    }

    fn secure(&self, limits: &str) -> Peer {
        let hot: Vec<_> = self.objects.keys().filter(|key| key.starts_with("hot")).cloned().collect();
        let peer = hallpass::secure_peer(&self.runtime, &self.origin, &hot, &self.papers, limits);
        for hot in ALL_HOT {
            let body = measure::fetch(self, &Door::of(&peer).unwrap(), hot);
            assert!(body.is_ok(), "{hot:?} is not right over TLS: {body:?}");
        }
        peer
    }

    /// Those servers with TLS that are none of the peers.
    pub fn secured(&self) -> impl Iterator<Item = &Peer> {
        self.open.get().into_iter().chain(self.guarded.get())
    }

    /// The bytes of an object.
    pub fn bytes(&self, key: &str) -> Bytes {
        self.objects[key].1.clone()
    }

    /// The body that such a request must get.
    pub fn expected(&self, (key, range): Hot) -> Bytes {
        let whole = self.bytes(key);
        let (from, to) = part(whole.len() as u64, range);
        whole.slice(from as usize..to as usize)
    }

    /// So many connections that ask for one thing.
    pub fn group(&self, peer: &Peer, hot: Hot, connections: usize) -> Group {
        let requests = Arc::from([asked(peer.at, &peer.links[hot.0], hot.1).into_bytes()]);
        let status = if hot.1.is_empty() { 200 } else { 206 };
        Group { connections, requests, status, body: Some(self.expected(hot)) }
    }

    /// Opens the connections of these groups.
    pub fn connect(&self, peer: &Peer, groups: &[Group]) -> Fleet {
        let all = groups.iter().map(|group| group.connections).sum::<usize>();
        self.watch.expect_connections(if peer.gateway().is_some() { all as u64 } else { 0 });
        Fleet::connect(peer.at, groups).unwrap_or_else(|fault| panic!("{}: {fault}", peer.name))
    }
}

/// The request of Meta's fetcher.
pub fn asked(at: SocketAddr, path: &str, range: &str) -> String {
    let lines: Vec<_> = (!range.is_empty()).then(|| format!("Range: {range}")).into_iter().collect();
    request("GET", path, at, &lines)
}

pub fn herd_key(number: usize) -> String {
    format!("herd-{number}.bin")
}

pub fn first_key(number: usize) -> String {
    format!("first-{number}.bin")
}

pub fn fill_key(number: usize) -> String {
    format!("fill-{number}.bin")
}

pub fn long_key(number: usize) -> String {
    format!("long-{number}.bin")
}

/// How many first bytes are waited for in each repetition.
pub const FIRSTS: usize = 5;

fn objects(pace: Pace) -> BTreeMap<String, (u64, Bytes)> {
    let hot = [("4k", 4 * KIB), ("100k", 100 * KIB), ("1m", MIB), ("5m", 5 * MIB), ("16m", 16 * MIB)];
    let mut all: Vec<_> = hot.map(|(name, length)| (format!("hot-{name}.bin"), length)).into();
    let of = |key: fn(usize) -> String, many, length| (0..many).map(move |number| (key(number), length));
    all.extend(of(herd_key, pace.cold_repetitions, 16 * MIB));
    all.extend(of(first_key, pace.cold_repetitions * FIRSTS, 5 * MIB));
    all.extend(of(fill_key, pace.fill, 16 * MIB));
    all.extend(of(long_key, pace.cold_repetitions, 95 * MIB));
    let numbered = all.into_iter().zip(1..);
    numbered.map(|((key, length), seed)| (key, (seed, content(seed, length)))).collect()
}

/// Which part of a whole the few Range fields above mean.
fn part(whole: u64, range: &str) -> (u64, u64) {
    let Some(range) = range.strip_prefix("bytes=") else { return (0, whole) };
    match range.split_once('-').unwrap() {
        ("", last) => (whole - last.parse::<u64>().unwrap(), whole),
        (first, last) => (first.parse().unwrap(), last.parse::<u64>().unwrap() + 1),
    }
}

fn given(path: &str, range: &str, answer: &Answer, body: GivenBody) -> Given {
    let fields = answer.head.text.lines().filter_map(|line| line.split_once(':'));
    let kept = fields.filter(|(name, _)| !name.eq_ignore_ascii_case("date"));
    let fields = kept.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect();
    Given { path: path.to_owned(), range: range.to_owned(), status: answer.status, fields, body }
}

fn is_wanted(name: &str, wanted: &[String]) -> bool {
    let plain = name.to_lowercase().replace(' ', "-");
    wanted.is_empty() || wanted.iter().any(|wanted| plain.starts_with(&wanted.to_lowercase()))
}
