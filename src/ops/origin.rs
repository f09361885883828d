//! What stores were asked, taken over into the metrics.
//!
//! The origin room counts by itself and knows no metrics library; each look adds what has come since the last one.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::origin::{OriginCounters, Outcome, StoreCounters};
use crate::telemetry::Metrics;
use crate::value::StoreName;

/// How much of each store's counters is in the metrics already.
#[derive(Debug, Default)]
pub(super) struct Told(Mutex<BTreeMap<StoreName, Seen>>);

#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    reads: [u64; Outcome::ALL.len()],
    bytes: u64,
}

impl Told {
    /// Adds to `metrics` what has come to `counters` since the last time.
    pub(super) fn add(&self, counters: &StoreCounters, metrics: &Metrics) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, counters) in counters.all() {
            let now = Seen::of(&counters);
            let before = told.insert(name.clone(), now).unwrap_or_default();
            let store = metrics.store(name.as_str());
            for ((outcome, now), before) in Outcome::ALL.into_iter().zip(now.reads).zip(before.reads) {
                store.reads(outcome.name(), now.saturating_sub(before));
            }
            store.bytes(now.bytes.saturating_sub(before.bytes));
        }
    }
}

impl Seen {
    fn of(counters: &OriginCounters) -> Self {
        Self { reads: Outcome::ALL.map(|outcome| counters.reads(outcome)), bytes: counters.bytes() }
    }
}
