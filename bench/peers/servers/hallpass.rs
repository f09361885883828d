//! Hallpass itself: the program of this repository, built as for a release with its bench profile, and its built-in settings.
//!
//! Access log (to a file) and metrics are on, the write budget is the built-in one. Only the lifetime of links is the longest that is
//! allowed, so that none ends within the bench. It reads all objects once to mint their links, and is then started anew: what is
//! cold is cold, and its catalog knows what the bytes must be.

use std::collections::BTreeMap;

use tokio::runtime::Runtime;

use super::{FORGED, Peer, Runs};
use crate::process::{OURS, SERVER, stay_on};
use crate::secure::{NAME, Papers};
use crate::support::bucket::PLAIN;
use crate::support::gateway::{AccessKey, Gateway, Store};
use crate::support::origin::Origin;

pub const STORE: &str = "media";

/// A gateway before `origin`, running on the servers' core.
pub fn gateway(runtime: &Runtime, origin: &Origin, more: &str) -> Gateway {
    let settings = format!("links = {{ ttl_default = \"30m\" }}\n{OUT_OF_THE_WAY}\n{more}");
    let gateway = Gateway::place(origin, &[Store { name: STORE, bucket: PLAIN }], &settings);
    start(runtime, &gateway);
    gateway
}

/// The same, for whom one key may presign.
pub fn presigning_gateway(runtime: &Runtime, origin: &Origin) -> (Gateway, AccessKey) {
    let gateway = Gateway::place(origin, &[Store { name: STORE, bucket: PLAIN }], OUT_OF_THE_WAY);
    let key = gateway.presigner();
    start(runtime, &gateway);
    (gateway, key)
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
    let (secure, runs) = (None, Runs::Gateway(Box::new(gateway)));
    Peer { name: "Hallpass", version, at, secure, links, forged, has_store: true, runs }
}

/// The same behind TLS: a gateway of its own, for its public listener speaks either.
pub fn secure_peer(runtime: &Runtime, origin: &Origin, keys: &[String], papers: &Papers, limits: &str) -> Peer {
    let (chain, key, root) = (papers.chain.display(), papers.key.display(), papers.root.display());
    let tls = format!(
        "links = {{ ttl_default = \"30m\" }}\n{limits}\n\
         tls = {{ certificates = [{{ chain = \"{chain}\", key = \"{key}\" }}], roots = \"{root}\" }}"
    );
    let stores = [Store { name: STORE, bucket: PLAIN }];
    let gateway = Gateway::place_at(origin, &stores, &format!("https://{NAME}"), &tls);
    start(runtime, &gateway);
    let mint = |key: &String| (key.clone(), runtime.block_on(gateway.mint(STORE, key)).path);
    let links: BTreeMap<_, _> = keys.iter().map(mint).collect();
    let forged = (0..FORGED).map(|number| forged(links.values().next().unwrap(), number)).collect();
    let (at, version) = (gateway.public, format!("Hallpass {}", env!("CARGO_PKG_VERSION")));
    let (secure, runs) = (Some(at), Runs::Gateway(Box::new(gateway)));
    Peer { name: "Hallpass", version, at, secure, links, forged, has_store: true, runs }
}

/// What clients of the bench, which all have one address, go beyond: requests each second, and open connections.
pub const OUT_OF_THE_WAY: &str = "limits = { max_connections = 20000, connections_per_network = 20000, \
    requests_per_second = 1000000, control_requests_per_second = 1000000, idle_timeout = \"10m\" }";
/// For attacks.
pub const BUILT_IN: &str = "";

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
