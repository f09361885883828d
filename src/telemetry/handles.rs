//! Handles for what is counted by a name of the settings: a fetcher profile, a store, a listener.
//!
//! A handle is made once for its name and then counts without a look-up in the registry. Handles of one name share their counts.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;

use super::book::Seconds;
use super::counters::Counters;

/// What is counted for one fetcher profile.
#[derive(Debug)]
pub struct ProfileMetrics {
    pub(super) verdicts: Counters<3>,
    pub(super) list_age: Seconds,
}

/// What is counted for one store.
#[derive(Debug)]
pub struct StoreMetrics {
    pub(super) reads: Counters<1>,
    pub(super) bytes: Counter,
}

/// What is counted for one listener.
#[derive(Debug)]
pub struct ListenerMetrics {
    pub(super) open: Gauge,
    pub(super) waits: Counter,
    pub(super) accept_errors: Counter,
    pub(super) endings: Counters<1>,
    pub(super) refusals: Counters<1>,
    pub(super) handshakes: Counters<1>,
    pub(super) zero_copy_bytes: Counter,
}

impl ProfileMetrics {
    /// Counts a judgement by its agent class, network verdict, and what came of it.
    pub fn verdict(&self, agent: &'static str, network: &'static str, verdict: &'static str) {
        self.verdicts.at([agent, network, verdict]).inc();
    }

    /// Sets the age of the profile's network list.
    pub fn list_age(&self, age: Duration) {
        self.list_age.set(age.as_secs_f64());
    }
}

impl StoreMetrics {
    /// Counts reads of the store that ended so; an outcome that never came has no series.
    pub fn reads(&self, outcome: &'static str, count: u64) {
        if count > 0 {
            self.reads.at([outcome]).inc_by(count);
        }
    }

    /// Counts bytes that the store sent.
    pub fn bytes(&self, bytes: u64) {
        self.bytes.inc_by(bytes);
    }
}

impl ListenerMetrics {
    /// Counts a connection that begins.
    pub fn opened(&self) {
        self.open.inc();
    }

    /// Counts a connection that ended, and how.
    pub fn closed(&self, ending: &'static str) {
        self.open.dec();
        self.endings.at([ending]).inc();
    }

    /// Counts a connection that was closed because of this limit.
    pub fn refused(&self, limit: &'static str) {
        self.refusals.at([limit]).inc();
    }

    /// Counts a TLS handshake, by whether it was full or resumed.
    pub fn handshake(&self, kind: &'static str) {
        self.handshakes.at([kind]).inc();
    }

    /// Counts that the listener stopped accepting at its connection limit.
    pub fn waited(&self) {
        self.waits.inc();
    }

    /// Counts bytes that were sent from block memory without a copy.
    pub fn sent_without_copy(&self, bytes: u64) {
        self.zero_copy_bytes.inc_by(bytes);
    }

    /// Counts a connection that could not be accepted.
    pub fn accept_failed(&self) {
        self.accept_errors.inc();
    }
}
