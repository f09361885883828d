//! Objects that no cache holds yet. Each repetition takes new ones.

use std::sync::Arc;
use std::time::Duration;

use crate::load::{Fleet, Group};
use crate::measure::Outcome;
use crate::servers::Peer;
use crate::support::BLOCK;
use crate::support::bucket::OPEN;
use crate::support::numbers::share;
use crate::world::{FIRSTS, World, asked, fill_key, first_key, herd_key, long_key};

/// 500 clients at once for one object of 16 MiB.
pub fn herd(world: &World, peer: &Peer, number: usize) -> Outcome {
    let key = herd_key(number);
    let mut fleet = world.connect(peer, &[group(world, peer, &key, "", CLIENTS)]);
    let before = world.origin.counted();
    let (came, took) = fleet.each(1);
    let reads = world.origin.counted().since(before).reads;
    let mut faults: Vec<_> = came[0].faults.iter().take(3).cloned().collect();
    if came[0].answers != CLIENTS as u64 {
        faults.push(format!("{} of {CLIENTS} bodies came whole", came[0].answers));
    }
    let values = vec![ms(took), ms(median(&came[0].firsts)), reads as f64];
    Outcome { values, detail: None, faults }
}

/// One client, object after object, each of them new; and what one block costs that is read from the store itself.
pub fn first_byte(world: &World, peer: &Peer, number: usize) -> Outcome {
    let (mut firsts, mut blocks, mut faults) = (Vec::new(), Vec::new(), Vec::new());
    for key in (0..FIRSTS).map(|one| first_key(number * FIRSTS + one)) {
        let mut fleet = world.connect(peer, &[group(world, peer, &key, "", 1)]);
        let came = fleet.each(1).0.remove(0);
        faults.extend(came.faults);
        firsts.extend(came.firsts);
        let came = block_of_store(world, &key);
        faults.extend(came.1);
        blocks.push(came.0);
    }
    Outcome { values: vec![ms(median(&firsts)), ms(median(&blocks))], detail: None, faults }
}

/// From the first byte of a block to its last, as the store sends it.
fn block_of_store(world: &World, key: &str) -> (Duration, Vec<String>) {
    let at = world.origin.endpoint.trim_start_matches("http://").parse().unwrap();
    let range = format!("bytes=0-{}", BLOCK - 1);
    let requests = Arc::from([asked(at, &format!("/{OPEN}/{key}"), &range).into_bytes()]);
    let body = world.bytes(key).slice(..BLOCK as usize);
    let group = Group { connections: 1, requests, status: 206, body: Some(body) };
    let came = Fleet::connect(at, &[group]).unwrap().each(1).0.remove(0);
    (median(&came.lasts).saturating_sub(median(&came.firsts)), came.faults)
}

/// One byte out of the middle of 95 MiB.
pub fn one_byte(world: &World, peer: &Peer, number: usize) -> Outcome {
    let key = long_key(number);
    let range = format!("bytes={PLACE}-{PLACE}");
    let mut fleet = world.connect(peer, &[group(world, peer, &key, &range, 1)]);
    let before = world.origin.counted();
    let came = fleet.each(1).0.remove(0);
    drop(fleet);
    // Who reads on behind the answer, has read it now.
    let mut sent = world.origin.counted();
    loop {
        std::thread::sleep(Duration::from_millis(300));
        let now = world.origin.counted();
        if now == sent {
            break;
        }
        sent = now;
    }
    let faults = came.faults;
    Outcome { values: vec![sent.since(before).bytes as f64], detail: None, faults }
}

/// Fetches more than the cache holds, each object by a few clients; gives what was not right.
pub fn fill(world: &World, peer: &Peer) -> Vec<String> {
    let one = |number| {
        let mut fleet = world.connect(peer, &[group(world, peer, &fill_key(number), "", FILLING)]);
        fleet.each(1).0.remove(0).faults
    };
    (0..world.pace.fill).flat_map(one).collect()
}

fn group(world: &World, peer: &Peer, key: &str, range: &str, connections: usize) -> Group {
    let requests = Arc::from([asked(peer.at, &peer.links[key], range).into_bytes()]);
    let (status, whole) = (if range.is_empty() { 200 } else { 206 }, world.bytes(key));
    let body = if range.is_empty() { whole } else { whole.slice(PLACE..=PLACE) };
    Group { connections, requests, status, body: Some(body) }
}

fn median(times: &[Duration]) -> Duration {
    if times.is_empty() { Duration::MAX } else { share(times, 0.5) }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

const CLIENTS: usize = 500;
const FILLING: usize = 8;
const PLACE: usize = 50_000_001;
