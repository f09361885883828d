//! The catalog's handle: what the rest of the house sees of the database.
//!
//! Methods that give back `Result` wait for the database, at most `answer_max`. `remember`, `keep_manifest` and `record_fetch` give back nothing
//! and never wait; `record_mint` may wait for room. [`Catalog::counters`] tells what became of them.

use std::future::{Future, ready};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::Either;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tracing::{info, warn};

use super::mints::Mints;
use super::queue::{Cutoffs, Job, ManifestRecord, Queued, Record, Reply, Tally};
use super::record::{
    FetchRecord, KnownObject, LinkRecord, MintRecord, NewRevocation, Pruned, RevocationRecord, RevocationsState,
    WhichRevocations,
};
use super::sqlite::Reader;
use super::writer::{Inbox, WriterTask};
use super::{CatalogCounters, CatalogError, CatalogSettings, sqlite};
use crate::value::{ClientName, Clock, Fingerprint, ObjectKey, ObjectVersion, StoreName};

/// The open catalog. Clones share it; when the last one is dropped, what is queued is still written, but nobody waits for it:
/// a graceful stop calls [`Catalog::close`].
#[derive(Clone)]
pub struct Catalog(Arc<Inner>);

struct Inner {
    reader: Reader,
    requests: Requests,
    records: mpsc::Sender<Queued>,
    mints: Arc<Mints>,
    tally: Arc<Tally>,
    clock: Clock,
    settings: CatalogSettings,
    pruner: JoinHandle<()>,
}

/// The way to the writer task.
#[derive(Clone)]
struct Requests {
    jobs: mpsc::Sender<Job>,
    answer_max: Duration,
}

/// What a look at a database finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CatalogLook {
    /// There is none yet; opening makes it.
    Missing,
    /// It is of this release.
    Current,
    /// It is of an older release, and lacks so many steps; opening takes them.
    Older(usize),
}

impl Catalog {
    /// Opens the database at `settings.url`, makes it (mode 0600) where there is none, and brings its schema up to date.
    ///
    /// Must be called within a tokio runtime: it starts the writer and the pruning task.
    pub async fn open(settings: &CatalogSettings, clock: Clock) -> Result<Self, CatalogError> {
        let settings = settings.clone().bounded();
        let (reader, store) = sqlite::open(&settings).await?;
        let tally = Arc::new(Tally::new(settings.queue_bytes));
        let mints = Arc::new(Mints::new(&settings));
        let (jobs, job_inbox) = mpsc::channel(MAX_WAITING_JOBS);
        let (records, record_inbox) = mpsc::channel(settings.queue_records);
        let requests = Requests { jobs, answer_max: settings.answer_max };
        let inbox = Inbox { jobs: job_inbox, records: record_inbox, mints: Arc::clone(&mints) };
        tokio::spawn(WriterTask::new(store, settings.clone(), tally.clone(), inbox).run());
        let pruner = tokio::spawn(prune_forever(requests.clone(), settings.clone(), clock.clone()));
        Ok(Self(Arc::new(Inner { reader, requests, records, mints, tally, clock, settings, pruner })))
    }

    /// Looks at the database at `settings.url` and changes nothing.
    pub async fn look(settings: &CatalogSettings) -> Result<CatalogLook, CatalogError> {
        sqlite::look(&settings.clone().bounded()).await
    }

    /// What is known of this version of an object. A record that is still queued is not seen.
    pub async fn known(
        &self,
        store: &StoreName,
        key: &ObjectKey,
        version: &ObjectVersion,
    ) -> Result<Option<KnownObject>, CatalogError> {
        self.in_time(self.0.reader.known(store, key, version)).await
    }

    /// Queues what was learned about an object.
    pub fn remember(&self, object: KnownObject) {
        self.queue(Record::Object(Box::new(object)));
    }

    /// As [`Catalog::remember`], but returns when it is committed.
    pub async fn remember_now(&self, object: KnownObject) -> Result<(), CatalogError> {
        self.0.requests.ask(|reply| Job::Remember(Box::new(object), reply)).await
    }

    /// Deletes what is known of this version, also what is still queued. Says whether anything was.
    pub async fn forget(
        &self,
        store: &StoreName,
        key: &ObjectKey,
        version: &ObjectVersion,
    ) -> Result<bool, CatalogError> {
        let (store, key, version) = (store.clone(), key.clone(), version.clone());
        self.0.requests.ask(|reply| Job::Forget(store, key, version, reply)).await
    }

    /// The manifest of this content, as it was given to [`Catalog::keep_manifest`]; whoever asks proves it. One that is still queued is not
    /// seen.
    pub async fn manifest(&self, fingerprint: &Fingerprint) -> Result<Option<Vec<u8>>, CatalogError> {
        self.in_time(self.0.reader.manifest(fingerprint)).await
    }

    /// Queues the manifest of a content, whichever objects hold it; it takes the place of an older one.
    pub fn keep_manifest(&self, fingerprint: Fingerprint, manifest: Vec<u8>) {
        self.queue(Record::Manifest(Box::new(ManifestRecord { fingerprint, bytes: manifest })));
    }

    /// Queues a mint; it may be written 100 ms later, or 500 ms where many are minted, and is lost in a crash before that. Where too many
    /// wait it waits for room, at most `mint_wait`. While the database is known to be stuck it does not, and the record is dropped and counted.
    ///
    /// What has room is queued at once, by the call itself.
    pub fn record_mint(&self, mut mint: MintRecord) -> impl Future<Output = ()> + Send + use<> {
        mint.cut();
        match self.0.mints.enter(mint) {
            Ok(is_queued) => {
                self.0.tally.mint(is_queued);
                Either::Left(ready(()))
            }
            // In a box, because it is rare and a mint is large.
            Err(mint) => {
                let (mints, tally) = (Arc::clone(&self.0.mints), Arc::clone(&self.0.tally));
                Either::Right(Box::pin(async move { tally.mint(mints.wait(mint).await) }))
            }
        }
    }

    /// Queues a fetch. Never waits; it may be written 100 ms later, and is lost in a crash before that.
    pub fn record_fetch(&self, mut fetch: FetchRecord) {
        fetch.cut();
        self.queue(Record::Fetch(Box::new(fetch)));
    }

    /// Commits a revocation to the disk and returns it.
    ///
    /// When the same kind and value are already in force, that record comes back, with the later of both ends. After
    /// [`CatalogError::Late`] it may or may not be in force: revoke again.
    pub async fn revoke(&self, new: NewRevocation) -> Result<RevocationRecord, CatalogError> {
        new.check()?;
        let now = self.0.clock.now();
        self.0.requests.ask(|reply| Job::Revoke(new, now, reply)).await
    }

    /// Ends the revocation `id` on behalf of `by`; `None` when there is none in force with this number.
    pub async fn lift(&self, id: u64, by: &ClientName) -> Result<Option<RevocationRecord>, CatalogError> {
        let (now, by) = (self.0.clock.now(), by.clone());
        self.0.requests.ask(|reply| Job::Lift(id, by, now, reply)).await
    }

    /// The revocations, oldest first. They are never cut short: a missing one would admit a fetch.
    pub async fn revocations(&self, which: WhichRevocations) -> Result<Vec<RevocationRecord>, CatalogError> {
        self.in_time(self.0.reader.revocations(which, self.0.clock.now())).await
    }

    /// A value that differs whenever a revocation was made, lifted or extended since, by this process or another.
    pub async fn revocations_state(&self) -> Result<RevocationsState, CatalogError> {
        self.in_time(self.0.reader.revocations_state()).await
    }

    /// The minted link with this id. A mint that is still queued is not seen.
    pub async fn link(&self, id: &str) -> Result<Option<LinkRecord>, CatalogError> {
        self.in_time(self.0.reader.link(id)).await
    }

    /// The newest fetches of a link, newest first, at most `limit` and at most [`Catalog::MAX_FETCHES_LISTED`].
    pub async fn fetches_of(&self, id: &str, limit: u32) -> Result<Vec<FetchRecord>, CatalogError> {
        self.in_time(self.0.reader.fetches_of(id, limit.min(Self::MAX_FETCHES_LISTED))).await
    }

    /// How many fetches one call lists.
    pub const MAX_FETCHES_LISTED: u32 = 1000;

    /// Deletes what is older than the settings keep, in slices. The catalog does so itself every hour.
    pub async fn prune(&self) -> Result<Pruned, CatalogError> {
        prune(&self.0.requests, &self.0.settings, &self.0.clock).await
    }

    /// Returns when everything that was queued before is committed.
    pub async fn flush(&self) -> Result<(), CatalogError> {
        self.0.requests.ask(Job::Flush).await
    }

    /// Whether the database can be read, and its write lock taken.
    pub async fn ping(&self) -> Result<(), CatalogError> {
        self.in_time(self.0.reader.ping()).await?;
        self.0.requests.ask(Job::Ping).await
    }

    /// What became of the queued records.
    pub fn counters(&self) -> CatalogCounters {
        self.0.tally.read(self.0.mints.bytes())
    }

    /// Commits what is queued and closes the database; what cannot be written is dropped and counted. Later calls answer
    /// [`CatalogError::Closed`], later records are dropped and counted. Closing twice is no error.
    pub async fn close(&self) -> Result<(), CatalogError> {
        self.0.pruner.abort();
        // Readers first: SQLite removes the log only when the last to leave can write.
        let read = self.in_time(async {
            self.0.reader.close().await;
            Ok(())
        });
        let read = read.await;
        match self.0.requests.ask(Job::Close).await.and(read) {
            Err(CatalogError::Closed) => Ok(()),
            other => other,
        }
    }

    fn queue(&self, record: Record) {
        let Some(queued) = self.0.tally.admit(record) else { return };
        if let Err(mpsc::error::TrySendError::Full(queued) | mpsc::error::TrySendError::Closed(queued)) =
            self.0.records.try_send(queued)
        {
            self.0.tally.turn_away(&queued);
        }
    }

    async fn in_time<T>(&self, read: impl Future<Output = Result<T, CatalogError>>) -> Result<T, CatalogError> {
        tokio::time::timeout(self.0.requests.answer_max, read).await.unwrap_or(Err(CatalogError::Late))
    }
}

impl std::fmt::Debug for Catalog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Catalog").field("counters", &self.counters()).finish_non_exhaustive()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // The pruner holds a way to the writer, which would otherwise outlive the last handle.
        self.pruner.abort();
    }
}

impl Requests {
    async fn ask<T>(&self, job: impl FnOnce(Reply<T>) -> Job) -> Result<T, CatalogError> {
        let (reply, answer) = oneshot::channel();
        let asked = async {
            self.jobs.send(job(reply)).await.map_err(|_| CatalogError::Closed)?;
            answer.await.map_err(|_| CatalogError::Closed)?
        };
        tokio::time::timeout(self.answer_max, asked).await.unwrap_or(Err(CatalogError::Late))
    }
}

async fn prune_forever(requests: Requests, settings: CatalogSettings, clock: Clock) {
    // A node that restarts in a loop should first serve, then tidy.
    let first = settings.prune_every.min(FIRST_PRUNE_AFTER);
    let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + first, settings.prune_every);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match prune(&requests, &settings, &clock).await {
            Ok(gone) if gone == Pruned::default() => {}
            Ok(Pruned { links, fetches, revocations }) => info!(links, fetches, revocations, "old rows deleted"),
            Err(CatalogError::Closed) => return,
            Err(error) => warn!(%error, "old rows could not be deleted; the next try is at the next full period"),
        }
    }
}

async fn prune(requests: &Requests, settings: &CatalogSettings, clock: &Clock) -> Result<Pruned, CatalogError> {
    let now = clock.now();
    let cutoffs = Cutoffs {
        links_minted: now.minus(days(settings.link_days)),
        fetches_at: now.minus(days(settings.fetch_days)),
        revocations_lapsed: now.minus(LAPSED_KEPT),
        revocations_lifted: now.minus(days(settings.link_days)),
    };
    let mut gone = Pruned::default();
    loop {
        let slice = requests.ask(|reply| Job::PruneSlice(cutoffs, reply)).await?;
        if slice == Pruned::default() {
            return Ok(gone);
        }
        gone.add(slice);
        // Records and revocations get the writer in between.
        tokio::time::sleep(PRUNE_BREATH).await;
    }
}

fn days(count: u32) -> Duration {
    Duration::from_secs(u64::from(count) * 86_400)
}

/// How many callers may wait for the writer before the next one waits for room.
const MAX_WAITING_JOBS: usize = 256;
/// How long after the start old rows are deleted first.
const FIRST_PRUNE_AFTER: Duration = Duration::from_mins(1);
/// How long a lapsed revocation is still listed: a clock that was set back must not bring its link to life.
const LAPSED_KEPT: Duration = Duration::from_hours(24);
/// The pause between two slices of a pruning.
const PRUNE_BREATH: Duration = Duration::from_millis(10);
