//! One experiment on one server, once.

use std::sync::Arc;
use std::time::Duration;

use crate::load::Group;
use crate::rows::What;
use crate::secure::attacks::attacks;
use crate::secure::measure as secure;
use crate::servers::Peer;
use crate::steady::{Detail, steady};
use crate::support::gateway::Gateway;
use crate::support::memory::resident;
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
        What::Memory => peer.gateway().filter(|_| number == 0).map(|gateway| memory(world, peer, gateway)),
        What::Mint => peer.gateway().map(|_| mints::single(world)),
        What::Batch => peer.gateway().map(|_| mints::batch(world)),
        What::Presigned => peer.gateway().map(|_| world.presigned().compare(world)),
        What::SecureIdle => {
            if number == 0 {
                secure::idle(world, peer)
            } else {
                None
            }
        }
        What::Handshake { resumed } => secure::handshake(world, peer, resumed),
        What::SecureHot(hot) => secure::hot(world, peer, hot),
        What::Http2(hot, streams) => secure::hot_http2(world, peer, hot, streams),
        // Hallpass, and another server where only that is wanted.
        What::Attacks if peer.gateway().is_none() && world.peers.len() > 1 => None,
        What::Attacks => attacks(world, peer),
    }
}

fn hot_one(world: &World, peer: &Peer, hot: Hot) -> Outcome {
    let group = world.group(peer, hot, CONNECTIONS);
    let length = group.body.as_ref().map_or(1, bytes::Bytes::len);
    let run = steady(world, world.connect(peer, &[group]), &peer.pids());
    // By bytes: of large bodies, few end within the time.
    let rate = run.came[0].bytes as f64 / length as f64 / run.took.as_secs_f64();
    Outcome { values: vec![rate], detail: Some(run.detail), faults: run.faults }
}

fn refused(world: &World, peer: &Peer) -> Option<Outcome> {
    if peer.forged.is_empty() {
        return None;
    }
    let requests: Arc<[Vec<u8>]> = peer.forged.iter().map(|path| asked(peer.at, path, "").into_bytes()).collect();
    let group = Group { connections: CONNECTIONS, requests, status: 403, body: None };
    let run = steady(world, world.connect(peer, &[group]), &peer.pids());
    let rate = run.came[0].answers as f64 / run.took.as_secs_f64();
    Some(Outcome { values: vec![rate], detail: Some(run.detail), faults: run.faults })
}

fn beside(world: &World, peer: &Peer) -> Outcome {
    let groups = [world.group(peer, SMALL, CONNECTIONS - PULLING), world.group(peer, SIXTEEN, PULLING)];
    let run = steady(world, world.connect(peer, &groups), &peer.pids());
    let large = run.came[1].bytes as f64 / world.bytes(SIXTEEN.0).len() as f64 / run.took.as_secs_f64();
    let small = run.detail.p99.as_secs_f64() * 1e3;
    Outcome { values: vec![small, large], detail: Some(run.detail), faults: run.faults }
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

/// The highest that was seen so far, with a full cache at last, and what was left undone to stay quick.
fn memory(world: &World, peer: &Peer, gateway: &Gateway) -> Outcome {
    let faults = cold::fill(world, peer);
    // The watch looks five times a second.
    std::thread::sleep(Duration::from_millis(500));
    let metrics = world.runtime.block_on(gateway.metrics());
    let count = |name: &str| metrics.series(name).iter().map(|(_, value)| value).sum();
    let lost = [count("hallpass_access_records_dropped_total"), count("hallpass_fetch_records_dropped_total")];
    let values = [world.watch.highest_judged() as f64, world.watch.highest() as f64].into_iter().chain(lost).collect();
    Outcome { values, detail: None, faults }
}

/// Keep-alive connections under steady load, and how many of them pull large bodies beside the others.
pub const CONNECTIONS: usize = 64;
const PULLING: usize = 16;
const IDLE: usize = 5000;
