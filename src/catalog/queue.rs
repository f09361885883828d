//! What waits for the writer: records that nobody waits for, and jobs whose caller does.
//!
//! They travel in two channels, so that a revocation overtakes thousands of fetch records. The records' channel is bounded in
//! number, the [`Tally`] bounds it in bytes; what does not fit is dropped and counted, and the caller is never delayed.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::CatalogError;
use super::record::{FetchRecord, KnownObject, LinkRecord, MintRecord, NewRevocation, Pruned, RevocationRecord};
use crate::value::{ClientName, Fingerprint, ObjectKey, ObjectVersion, StoreName, UnixTime};

/// What became of the records so far. `queued` = written + given up + waiting.
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
    /// How long the oldest record of the last committed batch had waited.
    pub last_lag: Duration,
}

/// A record that nobody waits for.
#[derive(Debug)]
pub(super) enum Record {
    Object(Box<KnownObject>),
    Manifest(Box<ManifestRecord>),
    Mint(Box<MintRecord>),
    Fetch(Box<FetchRecord>),
}

/// The manifest of one content.
#[derive(Debug)]
pub(super) struct ManifestRecord {
    pub(super) fingerprint: Fingerprint,
    pub(super) bytes: Vec<u8>,
}

impl Record {
    /// About how many bytes it holds; the fixed part stands for the fields whose types bound them.
    fn weight(&self) -> usize {
        FIXED_BYTES
            + match self {
                Self::Object(o) => o.facts.len(),
                Self::Manifest(m) => m.bytes.len(),
                Self::Mint(m) => m.key.as_str().len() + m.reference.as_ref().map_or(0, String::len),
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

    pub(super) fn wrote(&self, batch: &[Queued]) {
        self.release(batch);
        let lag = batch.first().map_or(Duration::ZERO, |oldest| oldest.since.elapsed());
        self.lag_ms.store(u64::try_from(lag.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
        // Last, so that whoever sees these records counted sees their lag and their bytes too.
        self.written.fetch_add(count(batch), Ordering::Release);
    }

    pub(super) fn gave_up(&self, batch: &[Queued]) {
        self.release(batch);
        self.dropped.fetch_add(count(batch), Ordering::Relaxed);
    }

    pub(super) fn failed(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    fn release(&self, batch: &[Queued]) {
        self.bytes.fetch_sub(batch.iter().map(|queued| queued.weight).sum(), Ordering::Relaxed);
    }

    pub(super) fn read(&self) -> CatalogCounters {
        CatalogCounters {
            written: self.written.load(Ordering::Acquire),
            queued: self.queued.load(Ordering::Relaxed),
            dropped: self.dropped.load(Ordering::Relaxed),
            failures: self.failures.load(Ordering::Relaxed),
            waiting_bytes: self.bytes.load(Ordering::Relaxed) as u64,
            last_lag: Duration::from_millis(self.lag_ms.load(Ordering::Relaxed)),
        }
    }
}

fn count(batch: &[Queued]) -> u64 {
    batch.len() as u64
}

/// What a record weighs beside the texts that are counted, in bytes.
const FIXED_BYTES: usize = size_of::<LinkRecord>() + 256;
