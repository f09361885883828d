//! What waits for the writer: records that nobody waits for, and jobs whose caller does. Mints wait in a line of their own.
//!
//! They travel in two channels, so that a revocation overtakes thousands of fetch records. The records' channel is bounded in
//! number, the [`Tally`] bounds it in bytes; what does not fit is dropped and counted, and the caller is never delayed.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::CatalogError;
use super::batch::Batch;
use super::record::{FetchRecord, KnownObject, NewRevocation, Pruned, RevocationRecord};
use crate::value::{ClientName, Fingerprint, ObjectKey, ObjectVersion, StoreName, UnixTime};

/// What became of the records so far. `queued` = written + given up + waiting. Each mint and each fetch is one, also where many made one row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CatalogCounters {
    /// Records that found room in the queue.
    pub queued: u64,
    /// Records that were committed.
    pub written: u64,
    /// Records that were lost: no room in the queue, or given up after the last attempt.
    pub dropped: u64,
    /// Batches that failed, each attempt counted.
    pub failures: u64,
    /// Bytes that the waiting records hold.
    pub waiting_bytes: u64,
    /// How long the oldest record of the last committed batch had waited; longer, if one that waits now has waited longer.
    pub lag: Duration,
}

/// A record that nobody waits for.
#[derive(Debug)]
pub(super) enum Record {
    Object(Box<KnownObject>),
    Manifest(Box<ManifestRecord>),
    Fetch(Box<FetchRecord>),
}

/// The manifest of one content.
#[derive(Debug)]
pub(super) struct ManifestRecord {
    pub(super) fingerprint: Fingerprint,
    pub(super) bytes: Vec<u8>,
}

impl Record {
    /// How many records it stands for.
    pub(super) fn count(&self) -> u64 {
        match self {
            Self::Object(_) | Self::Manifest(_) => 1,
            Self::Fetch(fetch) => fetch.times,
        }
    }

    /// About how many bytes it holds; the fixed part stands for the fields whose types bound them.
    fn weight(&self) -> usize {
        FIXED_BYTES
            + match self {
                Self::Object(o) => o.facts.len(),
                Self::Manifest(m) => m.bytes.len(),
                Self::Fetch(f) => f.agent.len() + f.client_address.len() + f.range.as_ref().map_or(0, String::len),
            }
    }
}

/// A record in the queue.
#[derive(Debug)]
pub(super) struct Queued {
    pub(super) record: Record,
    pub(super) since: Instant,
    weight: usize,
}

/// Where a job's answer goes.
pub(super) type Reply<T> = oneshot::Sender<Result<T, CatalogError>>;

/// What a caller waits for.
pub(super) enum Job {
    /// Commits a revocation, or finds the one in force.
    Revoke(NewRevocation, UnixTime, Reply<RevocationRecord>),
    /// Ends a revocation.
    Lift(u64, ClientName, UnixTime, Reply<Option<RevocationRecord>>),
    /// Commits what was learned about an object, queued records first.
    Remember(Box<KnownObject>, Reply<()>),
    /// Deletes one known object, queued records first.
    Forget(StoreName, ObjectKey, ObjectVersion, Reply<bool>),
    /// Deletes one slice of old rows.
    PruneSlice(Cutoffs, Reply<Pruned>),
    /// Commits everything that was queued before.
    Flush(Reply<()>),
    /// Takes and leaves the write lock.
    Ping(Reply<()>),
    /// Commits everything and ends.
    Close(Reply<()>),
}

/// Before which time rows are old.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cutoffs {
    pub(super) links_minted: UnixTime,
    pub(super) fetches_at: UnixTime,
    pub(super) revocations_lapsed: UnixTime,
    pub(super) revocations_lifted: UnixTime,
}

/// The counters that callers and the writer share.
#[derive(Debug)]
pub(super) struct Tally {
    max_bytes: usize,
    bytes: AtomicUsize,
    queued: AtomicU64,
    written: AtomicU64,
    dropped: AtomicU64,
    failures: AtomicU64,
    lag_ms: AtomicU64,
    /// Since when the batch that is being gathered or written waits.
    gathering: Mutex<Option<Instant>>,
}

impl Tally {
    pub(super) const fn new(max_bytes: usize) -> Self {
        Self {
            max_bytes,
            bytes: AtomicUsize::new(0),
            queued: AtomicU64::new(0),
            written: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            lag_ms: AtomicU64::new(0),
            gathering: Mutex::new(None),
        }
    }

    /// Takes the bytes of `record` from the budget; `None` drops and counts it.
    pub(super) fn admit(&self, record: Record) -> Option<Queued> {
        let weight = record.weight();
        let before = self.bytes.fetch_add(weight, Ordering::Relaxed);
        if before.saturating_add(weight) > self.max_bytes {
            self.refuse(weight);
            return None;
        }
        self.queued.fetch_add(1, Ordering::Relaxed);
        Some(Queued { record, since: Instant::now(), weight })
    }

    /// The channel had no room after all.
    pub(super) fn turn_away(&self, queued: &Queued) {
        self.queued.fetch_sub(1, Ordering::Relaxed);
        self.refuse(queued.weight);
    }

    fn refuse(&self, weight: usize) {
        self.bytes.fetch_sub(weight, Ordering::Relaxed);
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }

    /// A mint is in the line, or was lost. Their bytes are counted where their room is.
    pub(super) fn mint(&self, is_queued: bool) {
        let count = if is_queued { &self.queued } else { &self.dropped };
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// What is to be committed next waits since `since`.
    pub(super) fn gathers(&self, since: Option<Instant>) {
        *self.gathering.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }

    pub(super) fn wrote(&self, batch: &Batch) {
        self.release(batch);
        let lag = batch.oldest().map_or(Duration::ZERO, |oldest| oldest.elapsed());
        self.lag_ms.store(u64::try_from(lag.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
        // Last, so that whoever sees these records counted sees their lag and their bytes too.
        self.written.fetch_add(batch.count(), Ordering::Release);
    }

    /// A record that waits needs no memory of its own any more.
    pub(super) fn folded(&self, queued: &Queued) {
        self.bytes.fetch_sub(queued.weight, Ordering::Relaxed);
    }

    pub(super) fn gave_up(&self, batch: &Batch) {
        self.release(batch);
        self.dropped.fetch_add(batch.count(), Ordering::Relaxed);
    }

    pub(super) fn failed(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    fn release(&self, batch: &Batch) {
        self.bytes.fetch_sub(batch.records.iter().map(|queued| queued.weight).sum(), Ordering::Relaxed);
    }

    /// The counters; `mint_bytes` are what waiting mints hold.
    pub(super) fn read(&self, mint_bytes: usize) -> CatalogCounters {
        let waiting = *self.gathering.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = waiting.map_or(Duration::ZERO, |since| since.elapsed());
        CatalogCounters {
            written: self.written.load(Ordering::Acquire),
            queued: self.queued.load(Ordering::Relaxed),
            dropped: self.dropped.load(Ordering::Relaxed),
            failures: self.failures.load(Ordering::Relaxed),
            waiting_bytes: self.bytes.load(Ordering::Relaxed).saturating_add(mint_bytes) as u64,
            lag: waited.max(Duration::from_millis(self.lag_ms.load(Ordering::Relaxed))),
        }
    }
}

/// What a record weighs beside the texts that are counted, in bytes.
const FIXED_BYTES: usize = size_of::<FetchRecord>() + 256;
