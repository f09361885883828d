//! The one task that writes. It answers jobs first, gathers records into batches, and never sleeps while something waits.
//!
//! Mints stay in their line until they are due, so that more of the same fold into one row; then one transaction takes as many as it may. That
//! may be later than it seemed when the first of them came, so what is due is looked at once more.
//!
//! A batch that fails is kept and tried again after `retry_after`; meanwhile jobs are still served, the queue fills, and no mint waits
//! for room. After `attempts` the batch is dropped and counted, so a dead disk costs records, never memory or callers. The first
//! failure is logged, and the recovery; what lies between shows in the counters.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tracing::{error, info, warn};

use super::batch::Batch;
use super::mints::Mints;
use super::queue::{Job, Queued, Tally};
use super::sqlite::Writer;
use super::{CatalogError, CatalogSettings};

/// The writer task's state.
pub(super) struct WriterTask {
    store: Writer,
    settings: CatalogSettings,
    tally: Arc<Tally>,
    inbox: Inbox,
    /// Records that have just left the queue.
    received: Vec<Queued>,
    /// The batch that is being gathered, or waits for another attempt.
    batch: Batch,
    /// When the batch is to be committed; `None` while it is empty and no mint waits.
    due: Option<Instant>,
    /// How often in a row this batch failed.
    failures: u32,
    /// Whether the last commit failed, so that a fault is logged once.
    failing: bool,
}

/// Where the writer's work comes from.
pub(super) struct Inbox {
    pub(super) jobs: mpsc::Receiver<Job>,
    pub(super) records: mpsc::Receiver<Queued>,
    pub(super) mints: Arc<Mints>,
}

/// Why the writer woke.
enum Woken {
    Job(Job),
    Due,
    Received,
    /// Every handle is gone.
    Abandoned,
}

impl WriterTask {
    pub(super) fn new(store: Writer, settings: CatalogSettings, tally: Arc<Tally>, inbox: Inbox) -> Self {
        Self {
            store,
            settings,
            tally,
            inbox,
            received: Vec::new(),
            batch: Batch::default(),
            due: None,
            failures: 0,
            failing: false,
        }
    }

    /// Works until it is closed, or until the last handle is dropped; both times what is queued is written first.
    pub(super) async fn run(mut self) {
        loop {
            match self.next().await {
                Woken::Job(Job::Close(reply)) => {
                    let done = self.finish().await;
                    // A caller that stopped waiting is no reason to do less.
                    let _ = reply.send(done);
                    return;
                }
                Woken::Job(job) => self.serve(job).await,
                Woken::Due => {
                    self.schedule();
                    if self.due.is_some_and(|due| due <= Instant::now()) {
                        drop(self.commit().await);
                    }
                }
                Woken::Received => {
                    self.gather();
                    self.schedule();
                }
                Woken::Abandoned => return drop(self.finish().await),
            }
        }
    }

    async fn next(&mut self) -> Woken {
        let room = self.most().saturating_sub(self.batch.records.len());
        let due = self.due.unwrap_or_else(Instant::now);
        tokio::select! {
            biased;
            job = self.inbox.jobs.recv() => job.map_or(Woken::Abandoned, Woken::Job),
            () = tokio::time::sleep_until(due.into()), if self.due.is_some() => Woken::Due,
            _ = self.inbox.records.recv_many(&mut self.received, room), if room > 0 => Woken::Received,
            () = self.inbox.mints.news() => Woken::Received,
        }
    }

    /// Takes what was received into the batch.
    fn gather(&mut self) {
        for queued in self.received.drain(..) {
            if let Some(folded) = self.batch.add(queued) {
                self.tally.folded(&folded);
            }
        }
    }

    /// How many mints, and how many other records, a batch takes at most: neither kind keeps the other waiting.
    const fn most(&self) -> usize {
        self.settings.batch_records
    }

    /// Says when what waits is due: at once where it is enough for a batch. While the disk fails, its turn is settled already.
    fn schedule(&mut self) {
        if self.failures > 0 {
            return;
        }
        let (records, mints) = (self.batch.oldest(), &self.inbox.mints);
        let is_full = self.batch.records.len() >= self.most();
        let wait = if is_full { Duration::ZERO } else { self.settings.batch_wait };
        self.due = records.map(|oldest| oldest + wait).into_iter().chain(mints.due()).min();
        self.tally.gathers(records.into_iter().chain(mints.oldest()).min());
    }

    async fn serve(&mut self, job: Job) {
        // Nobody may wait for an answer any more; the change is made all the same, and that is what `Late` says.
        match job {
            Job::Revoke(new, now, reply) => drop(reply.send(self.store.revoke(&new, now).await)),
            Job::Lift(id, by, now, reply) => drop(reply.send(self.store.lift(id, &by, now).await)),
            Job::PruneSlice(cutoffs, reply) => drop(reply.send(self.store.prune_slice(cutoffs).await)),
            Job::Ping(reply) => drop(reply.send(self.store.ping().await)),
            Job::Flush(reply) => drop(reply.send(self.settle().await)),
            Job::Remember(object, reply) => {
                let done = match self.settle().await {
                    Ok(()) => self.store.remember(&object).await,
                    Err(error) => Err(error),
                };
                drop(reply.send(done));
            }
            Job::Forget(store, key, version, reply) => {
                let done = match self.settle().await {
                    Ok(()) => self.store.forget(&store, &key, &version).await,
                    Err(error) => Err(error),
                };
                drop(reply.send(done));
            }
            Job::Close(reply) => drop(reply.send(Err(CatalogError::Closed))),
        }
    }

    /// Commits everything that was queued before now.
    async fn settle(&mut self) -> Result<(), CatalogError> {
        let (mut records, mut mints) = (self.inbox.records.len(), self.batch.mints.len() + self.inbox.mints.len());
        loop {
            let most = records.min(self.most().saturating_sub(self.batch.records.len()));
            if most > 0 {
                records -= self.inbox.records.recv_many(&mut self.received, most).await;
                self.gather();
            }
            self.take_mints();
            mints = mints.saturating_sub(self.batch.mints.len());
            self.commit().await?;
            if records == 0 && mints == 0 {
                return Ok(());
            }
        }
    }

    /// Fills the batch up with mints.
    fn take_mints(&mut self) {
        let room = self.most().saturating_sub(self.batch.mints.len());
        self.batch.mints.append(&mut self.inbox.mints.take(room));
    }

    /// Commits the batch, filled up, in one transaction; on failure it stays, up to its last attempt.
    async fn commit(&mut self) -> Result<(), CatalogError> {
        self.take_mints();
        if self.batch.is_empty() {
            self.due = None;
            return Ok(());
        }
        match self.store.write(&self.batch).await {
            Ok(()) => {
                self.tally.wrote(&self.batch);
                self.next_batch();
                self.inbox.mints.is_now_stuck(false);
                if std::mem::take(&mut self.failing) {
                    info!("the catalog can be written again");
                }
                Ok(())
            }
            Err(error) => {
                self.failed(&error);
                Err(error)
            }
        }
    }

    fn failed(&mut self, error: &CatalogError) {
        self.tally.failed();
        self.inbox.mints.is_now_stuck(true);
        if !std::mem::replace(&mut self.failing, true) {
            error!(%error, "the catalog cannot be written; mint and fetch records wait, and are dropped when too many do");
        }
        // A job that wants everything settled may come long before the next try is due; it uses up none of them.
        if self.failures > 0 && self.due.is_some_and(|due| Instant::now() < due) {
            return;
        }
        self.failures += 1;
        self.due = Some(Instant::now() + self.settings.retry_after);
        if self.failures >= self.settings.attempts {
            self.give_up();
        }
    }

    fn give_up(&mut self) {
        if !self.batch.is_empty() {
            warn!(records = self.batch.count(), "records dropped: the catalog still cannot be written");
            self.tally.gave_up(&self.batch);
        }
        self.next_batch();
    }

    fn next_batch(&mut self) {
        self.inbox.mints.release(&self.batch.mints);
        self.batch.clear();
        self.failures = 0;
        self.schedule();
    }

    /// Writes what is queued, takes no more, and closes the database. After a first failure nothing more is tried: a stop
    /// must not wait for a dead disk once per batch.
    async fn finish(&mut self) -> Result<(), CatalogError> {
        self.inbox.records.close();
        self.inbox.mints.close();
        let mut done = Ok(());
        loop {
            if done.is_ok() {
                done = self.commit().await;
            }
            if done.is_err() {
                self.give_up();
            }
            self.take_mints();
            let received = self.inbox.records.recv_many(&mut self.received, self.settings.batch_records).await;
            self.gather();
            if received == 0 && self.batch.is_empty() {
                break;
            }
        }
        self.store.close().await;
        done
    }
}
