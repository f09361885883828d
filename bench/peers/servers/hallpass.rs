//! Hallpass itself: the program of this repository, built as for a release with its bench profile, and its built-in settings.
//!
//! Access log (to a file) and metrics are on, the write budget is the built-in one. Only the lifetime of links is the longest that is
//! allowed, so that none ends within the bench. It reads all objects once to mint their links, and is then started anew: what is
//! cold is cold, and its catalog knows what the bytes must be.

use std::collections::BTreeMap;

use tokio::runtime::Runtime;

use super::{FORGED, Peer, Runs};
use crate::process::{OURS, SERVER, stay_on};
use crate::support::bucket::PLAIN;
use crate::support::gateway::{Gateway, Store};
use crate::support::origin::Origin;

pub const STORE: &str = "media";

/// A gateway before `origin`, running on the servers' core.
pub fn gateway(runtime: &Runtime, origin: &Origin, more: &str) -> Gateway {
    let settings = format!("links = {{ ttl_default = \"30m\" }}\n{more}");
    let gateway = Gateway::place(origin, &[Store { name: STORE, bucket: PLAIN }], &settings);
    start(runtime, &gateway);
    gateway
}

fn start(runtime: &Runtime, gateway: &Gateway) {
    stay_on(SERVER);
    runtime.block_on(gateway.start());
    stay_on(OURS);
}

pub fn peer(runtime: &Runtime, origin: &Origin, keys: &[String]) -> Peer {
    let gateway = gateway(runtime, origin, "");
    let mut links = BTreeMap::new();
    for key in keys {
        links.insert(key.clone(), runtime.block_on(gateway.mint(STORE, key)).path);
    }
    let good = links.values().next().unwrap();
    let forged = (0..FORGED).map(|number| forged(good, number)).collect();
    runtime.block_on(gateway.stop());
    start(runtime, &gateway);
    let (at, version) = (gateway.public, format!("Hallpass {}", env!("CARGO_PKG_VERSION")));
    Peer { name: "Hallpass", version, at, links, forged, has_store: true, runs: Runs::Gateway(Box::new(gateway)) }
}

/// The same link with other letters within the sealed part of its token.
fn forged(good: &str, number: usize) -> String {
    const LETTERS: &[u8] = b"abcdefghijklmnop";
    let false_letters = [LETTERS[number / 16 % 16], LETTERS[number % 16]];
    let mut link = good.as_bytes().to_vec();
    let at = "/m/".len() + 40;
    let beginning = if link[at..at + 2] == false_letters { b"zz" } else { &false_letters };
    link[at..at + 2].copy_from_slice(beginning);
    String::from_utf8(link).unwrap()
}
