//! One experiment on one server, once.

use std::sync::Arc;
use std::time::Duration;

use crate::load::{Came, Group};
use crate::process::{cpu, own_cpu};
use crate::rows::What;
use crate::servers::Peer;
use crate::support::memory::resident;
use crate::support::numbers::share;
use crate::support::origin::Counted;
use crate::world::{Hot, SIXTEEN, SMALL, World, asked};
use crate::{cold, mints};

/// What one repetition gave.
#[derive(Default)]
pub struct Outcome {
    /// One for each row of the experiment.
    pub values: Vec<f64>,
    pub detail: Option<Detail>,
    pub faults: Vec<String>,
}

/// What else is known of a run under steady load.
#[derive(Clone, Copy)]
pub struct Detail {
    pub p50: Duration,
    pub p99: Duration,
    pub p999: Duration,
    /// The server's, of one answer.
    pub cpu: Duration,
    pub resident: u64,
    /// How much of a core the server, the load generator, and all other servers took.
    pub server_share: f64,
    pub own_share: f64,
    pub others_share: f64,
    pub compared: u64,
}

/// Nothing where this server cannot take part.
pub fn once(world: &World, peer: &Peer, what: What, number: usize) -> Option<Outcome> {
    match what {
        What::Hot(hot) => Some(hot_one(world, peer, hot)),
        What::Refused => refused(world, peer),
        What::Beside => Some(beside(world, peer)),
        What::Herd => peer.has_store.then(|| cold::herd(world, peer, number)),
        What::FirstByte => peer.has_store.then(|| cold::first_byte(world, peer, number)),
        What::OneByte => peer.has_store.then(|| cold::one_byte(world, peer, number)),
        What::Idle => (number == 0).then(|| idle(world, peer)),
        What::Memory => (number == 0 && peer.gateway().is_some()).then(|| memory(world)),
        What::Mint => peer.gateway().map(|_| mints::single(world)),
        What::Batch => peer.gateway().map(|_| mints::batch(world)),
    }
}

fn hot_one(world: &World, peer: &Peer, hot: Hot) -> Outcome {
    let group = world.group(peer, hot, CONNECTIONS);
    let length = group.body.as_ref().map_or(1, bytes::Bytes::len);
    let (came, took, detail, mut faults) = steady(world, peer, &[group]);
    faults.extend(came[0].faults.iter().take(3).cloned());
    // By bytes: of large bodies, few end within the time.
    let rate = came[0].bytes as f64 / length as f64 / took.as_secs_f64();
    Outcome { values: vec![rate], detail: Some(detail), faults }
}

fn refused(world: &World, peer: &Peer) -> Option<Outcome> {
    if peer.forged.is_empty() {
        return None;
    }
    let requests: Arc<[Vec<u8>]> = peer.forged.iter().map(|path| asked(peer.at, path, "").into_bytes()).collect();
    let group = Group { connections: CONNECTIONS, requests, status: 403, body: None };
    let (came, took, detail, mut faults) = steady(world, peer, &[group]);
    faults.extend(came[0].faults.iter().take(3).cloned());
    Some(Outcome { values: vec![came[0].answers as f64 / took.as_secs_f64()], detail: Some(detail), faults })
}

fn beside(world: &World, peer: &Peer) -> Outcome {
    let groups = [world.group(peer, SMALL, CONNECTIONS - PULLING), world.group(peer, SIXTEEN, PULLING)];
    let (came, took, detail, mut faults) = steady(world, peer, &groups);
    faults.extend(came.iter().flat_map(|came| came.faults.iter().take(3).cloned()));
    let large = came[1].bytes as f64 / world.bytes(SIXTEEN.0).len() as f64 / took.as_secs_f64();
    Outcome { values: vec![detail.p99.as_secs_f64() * 1e3, large], detail: Some(detail), faults }
}

/// Steady load; the times in the detail are the first group's. That the store was asked nothing is part of what is measured.
fn steady(world: &World, peer: &Peer, groups: &[Group]) -> (Vec<Came>, Duration, Detail, Vec<String>) {
    let mut fleet = world.connect(peer, groups);
    let pids = peer.pids();
    let others: Vec<_> = world.peers.iter().filter(|other| other.name != peer.name).flat_map(Peer::pids).collect();
    let mut edges = Vec::new();
    let before = world.origin.counted();
    let edge = || edges.push((cpu(&pids), cpu(&others), own_cpu()));
    let (came, took) = fleet.run(world.pace.warm, world.pace.measured, edge);
    let resident = resident(&pids);
    drop(fleet);
    let mut faults = Vec::new();
    let asked = world.origin.counted().since(before);
    if asked != Counted::default() {
        faults.push(format!("not hot: the store was asked {asked:?}"));
    }
    let whole: f64 = came.iter().zip(groups).map(|(came, group)| answers(came, group)).sum();
    let (from, to) = (edges[0], edges[1]);
    let lasts: Vec<_> = if came[0].lasts.is_empty() { vec![Duration::MAX] } else { came[0].lasts.clone() };
    let part = |time: Duration| time.as_secs_f64() / took.as_secs_f64();
    let detail = Detail {
        p50: share(&lasts, 0.5),
        p99: share(&lasts, 0.99),
        p999: share(&lasts, 0.999),
        cpu: (to.0.saturating_sub(from.0)).div_f64(whole.max(1.0)),
        resident,
        server_share: part(to.0.saturating_sub(from.0)),
        own_share: part(to.2.saturating_sub(from.2)),
        others_share: part(to.1.saturating_sub(from.1)),
        compared: came.iter().map(|came| came.compared).sum(),
    };
    (came, took, detail, faults)
}

/// How many answers came, with parts of one counted where its length is known.
fn answers(came: &Came, group: &Group) -> f64 {
    group.body.as_ref().map_or(came.answers as f64, |body| came.bytes as f64 / body.len() as f64)
}

/// What a connection keeps resident after one request, when thousands stay open.
fn idle(world: &World, peer: &Peer) -> Outcome {
    let pids = peer.pids();
    let before = resident(&pids);
    let group = world.group(peer, SMALL, IDLE);
    let mut fleet = world.connect(peer, &[group]);
    let (came, _) = fleet.each(1);
    std::thread::sleep(Duration::from_millis(500));
    let after = resident(&pids);
    let each = after.saturating_sub(before) as f64 / IDLE as f64;
    let mut faults: Vec<_> = came[0].faults.iter().take(3).cloned().collect();
    if came[0].answers != IDLE as u64 {
        faults.push(format!("{} of {IDLE} answered", came[0].answers));
    }
    Outcome { values: vec![each], detail: None, faults }
}

fn memory(world: &World) -> Outcome {
    let values = vec![world.watch.highest_judged() as f64, world.watch.highest() as f64];
    Outcome { values, ..Outcome::default() }
}

/// Keep-alive connections under steady load, and how many of them pull large bodies beside the others.
pub const CONNECTIONS: usize = 64;
const PULLING: usize = 16;
const IDLE: usize = 5000;
