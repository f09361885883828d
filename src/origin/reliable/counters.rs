//! What a store was asked and how it ended, as plain numbers for whoever shows them.
//!
//! They know no metrics library. Each head and each read is counted once, at its true end, also when its reader just leaves.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::origin::OriginError;

/// How a request to a store ended, its retries included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Everything that was asked for arrived.
    Complete,
    /// Whoever asked left before the end.
    Dropped,
    /// [`OriginError::NotFound`].
    NotFound,
    /// [`OriginError::Changed`].
    Changed,
    /// [`OriginError::Denied`].
    Denied,
    /// [`OriginError::Unaddressable`].
    Unaddressable,
    /// [`OriginError::Timeout`].
    Timeout,
    /// [`OriginError::Unavailable`].
    Unavailable,
    /// [`OriginError::Failed`].
    Failed,
}

impl Outcome {
    /// Every outcome, in the order of their declaration.
    pub const ALL: [Self; 9] = [
        Self::Complete,
        Self::Dropped,
        Self::NotFound,
        Self::Changed,
        Self::Denied,
        Self::Unaddressable,
        Self::Timeout,
        Self::Unavailable,
        Self::Failed,
    ];

    /// The outcome as a metric's label.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Dropped => "dropped",
            Self::NotFound => "not-found",
            Self::Changed => "changed",
            Self::Denied => "denied",
            Self::Unaddressable => "unaddressable",
            Self::Timeout => "timeout",
            Self::Unavailable => "unavailable",
            Self::Failed => "failed",
        }
    }

    const fn of(error: Option<&OriginError>) -> Self {
        match error {
            None => Self::Complete,
            Some(OriginError::NotFound) => Self::NotFound,
            Some(OriginError::Changed) => Self::Changed,
            Some(OriginError::Denied(_)) => Self::Denied,
            Some(OriginError::Unaddressable(_)) => Self::Unaddressable,
            Some(OriginError::Timeout(_)) => Self::Timeout,
            Some(OriginError::Unavailable(_)) => Self::Unavailable,
            Some(OriginError::Failed(_)) => Self::Failed,
        }
    }
}

/// The counters of one store. They only grow.
#[derive(Debug, Default)]
pub struct OriginCounters {
    heads: PerOutcome,
    reads: PerOutcome,
    bytes: AtomicU64,
    retries: AtomicU64,
    resumed: AtomicU64,
    unpaid: AtomicU64,
}

#[derive(Debug, Default)]
struct PerOutcome([AtomicU64; Outcome::ALL.len()]);

impl OriginCounters {
    /// Heads that ended so.
    pub fn heads(&self, outcome: Outcome) -> u64 {
        self.heads.get(outcome)
    }

    /// Reads that ended so. A read that was resumed is one read.
    pub fn reads(&self, outcome: Outcome) -> u64 {
        self.reads.get(outcome)
    }

    /// Bytes of bodies that were passed on.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Requests that were made again, resumed bodies included.
    pub fn retries(&self) -> u64 {
        self.retries.load(Ordering::Relaxed)
    }

    /// Breaks in bodies that were mended.
    pub fn resumed(&self) -> u64 {
        self.resumed.load(Ordering::Relaxed)
    }

    /// Retries that the budget did not allow. When this grows, the store is down or overloaded.
    pub fn unpaid_retries(&self) -> u64 {
        self.unpaid.load(Ordering::Relaxed)
    }

    pub(super) fn retry(&self) {
        self.retries.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn unpaid(&self) {
        self.unpaid.fetch_add(1, Ordering::Relaxed);
    }
}

impl PerOutcome {
    fn get(&self, outcome: Outcome) -> u64 {
        self.0.get(outcome as usize).map_or(0, |count| count.load(Ordering::Relaxed))
    }

    fn add(&self, outcome: Outcome) {
        if let Some(count) = self.0.get(outcome as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Counts one request when it is dropped: as what it was settled to, else as left by whoever asked.
pub(super) struct Tally {
    counters: Arc<OriginCounters>,
    of: fn(&OriginCounters) -> &PerOutcome,
    outcome: Outcome,
}

impl Tally {
    /// Of a head.
    pub(super) fn head(counters: &Arc<OriginCounters>) -> Self {
        Self { counters: Arc::clone(counters), of: |counters| &counters.heads, outcome: Outcome::Dropped }
    }

    /// Of a read.
    pub(super) fn read(counters: &Arc<OriginCounters>) -> Self {
        Self { counters: Arc::clone(counters), of: |counters| &counters.reads, outcome: Outcome::Dropped }
    }

    /// Says how the request ended; the last word counts.
    pub(super) fn settle(&mut self, error: Option<&OriginError>) {
        self.outcome = Outcome::of(error);
    }

    /// Counts bytes that were passed on.
    pub(super) fn bytes(&self, length: u64) {
        self.counters.bytes.fetch_add(length, Ordering::Relaxed);
    }

    /// Counts a break that was mended.
    pub(super) fn resumed(&self) {
        self.counters.resumed.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        (self.of)(&self.counters).add(self.outcome);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_has_a_counter_and_a_name_of_its_own() {
        let counts = PerOutcome::default();
        for outcome in Outcome::ALL {
            counts.add(outcome);
            assert_eq!(counts.get(outcome), 1, "{outcome:?}");
        }
        let names: std::collections::BTreeSet<_> = Outcome::ALL.iter().map(|outcome| outcome.name()).collect();
        assert_eq!(names.len(), Outcome::ALL.len());
    }

    #[test]
    fn a_request_is_counted_once_and_at_its_end() {
        let counters = Arc::new(OriginCounters::default());
        let mut tally = Tally::read(&counters);
        tally.settle(None);
        tally.settle(Some(&OriginError::Changed));
        assert_eq!(counters.reads(Outcome::Changed), 0);
        drop(tally);
        drop(Tally::head(&counters));
        assert_eq!(counters.reads(Outcome::Changed), 1);
        assert_eq!(counters.heads(Outcome::Dropped), 1);
        assert_eq!(counters.reads(Outcome::Complete) + counters.reads(Outcome::Dropped), 0);
    }
}
