//! The places for connections: so many in all, and so many for each client network.
//!
//! A place in all comes before the accept: at the limit, connections wait in the kernel's queue, where they cost us nothing, instead of
//! being accepted and refused. Proxies of ours carry everybody's requests, so they take no places; where there are any, whoever
//! comes past the limit is accepted and closed, since the next one in the queue may be a proxy.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ipnet::IpNet;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::ConnectionLimits;
use crate::fetcher::ClientNetwork;
use crate::telemetry::ListenerMetrics;
use crate::value::Live;

/// The places of one listener. Clones share them.
#[derive(Clone, Debug)]
pub(super) struct Places {
    all: Arc<Semaphore>,
    per_network: u32,
    taken: Arc<Mutex<HashMap<ClientNetwork, u32>>>,
    trusted_proxies: Live<Vec<IpNet>>,
    /// Whether the next connection waits for a place, which is counted once.
    full: Arc<AtomicBool>,
}

/// The right to hold one connection open: a place in all, unless its peer is a proxy of ours.
pub(super) type Place = Option<OwnedSemaphorePermit>;

/// One of the places of a client network, given back when it is dropped.
#[derive(Debug)]
pub(super) struct NetworkPlace {
    network: ClientNetwork,
    taken: Arc<Mutex<HashMap<ClientNetwork, u32>>>,
}

impl Places {
    pub(super) fn new(limits: &ConnectionLimits, trusted_proxies: Live<Vec<IpNet>>) -> Self {
        let all = limits.max_connections.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            all: Arc::new(Semaphore::new(all)),
            per_network: limits.connections_per_network,
            taken: Arc::default(),
            trusted_proxies,
            full: Arc::default(),
        }
    }

    /// Whether the peer is a proxy of ours.
    pub(super) fn trusts(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.trusted_proxies.get().iter().any(|network| network.contains(&peer))
    }

    /// A place for the next connection, if it needs one: waits for it, unless the next one may be a proxy.
    pub(super) async fn next(&self, metrics: &ListenerMetrics) -> Place {
        if let Ok(place) = Arc::clone(&self.all).try_acquire_owned() {
            self.full.store(false, Ordering::Relaxed);
            return Some(place);
        }
        if !self.trusted_proxies.get().is_empty() {
            return None;
        }
        if !self.full.swap(true, Ordering::Relaxed) {
            metrics.waited();
        }
        // Only a closed semaphore gives no place, and nobody closes this one.
        Arc::clone(&self.all).acquire_owned().await.ok()
    }

    /// A place for one connection of the client at `ip`, or `None` when its network has all of its own.
    pub(super) fn of_network(&self, ip: IpAddr) -> Option<NetworkPlace> {
        let network = ClientNetwork::of(ip);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(network).or_insert(0);
        if *count >= self.per_network {
            return None;
        }
        *count += 1;
        Some(NetworkPlace { network, taken: Arc::clone(&self.taken) })
    }
}

impl Drop for NetworkPlace {
    fn drop(&mut self) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.network) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_network_has_its_own_places_and_gets_them_back() {
        let limits = ConnectionLimits { connections_per_network: 2, ..ConnectionLimits::default() };
        let places = Places::new(&limits, Live::new(Vec::new()));
        let at = |text: &str| places.of_network(text.parse().unwrap());
        let (first, _second) = (at("192.0.2.1"), at("192.0.2.2"));
        assert!(at("192.0.2.3").is_none() && at("::ffff:192.0.2.3").is_none());
        assert!(at("192.0.3.1").is_some());
        drop(first);
        assert!(at("192.0.2.3").is_some());
        assert_eq!(places.taken.lock().unwrap().len(), 1, "nothing is remembered of those that left");
    }
}
