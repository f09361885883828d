//! The one task that writes. It answers jobs first, gathers records into batches, and never sleeps while something waits.
//!
//! A batch that fails is kept and tried again after `retry_after`; meanwhile jobs are still served and the queue fills. After
//! `attempts` the batch is dropped and counted, so a dead disk costs records, never memory or callers. The first failure is
//! logged, and the recovery; what lies between shows in the counters.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::mpsc;
use tracing::{error, info, warn};

use super::queue::{Job, Queued, Record, Tally};
use super::sqlite::Writer;
use super::{CatalogError, CatalogSettings};

/// The writer task's state.
pub(super) struct WriterTask {
    store: Writer,
    settings: CatalogSettings,
    tally: Arc<Tally>,
    jobs: mpsc::Receiver<Job>,
    records: mpsc::Receiver<Queued>,
    /// The batch that is being gathered, or waits for another attempt.
    batch: Vec<Queued>,
    /// When the batch is to be committed; `None` while it is empty.
    due: Option<Instant>,
    /// How often in a row this batch failed.
    failures: u32,
    /// Whether the last commit failed, so that a fault is logged once.
    failing: bool,
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
    pub(super) fn new(
        store: Writer,
        settings: CatalogSettings,
        tally: Arc<Tally>,
        jobs: mpsc::Receiver<Job>,
        records: mpsc::Receiver<Queued>,
    ) -> Self {
        let batch = Vec::with_capacity(settings.batch_records);
        Self { store, settings, tally, jobs, records, batch, due: None, failures: 0, failing: false }
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
                Woken::Due => drop(self.commit().await),
                Woken::Received => self.received().await,
                Woken::Abandoned => return drop(self.finish().await),
            }
        }
    }

    async fn next(&mut self) -> Woken {
        let room = self.settings.batch_records.saturating_sub(self.batch.len());
        let due = self.due.unwrap_or_else(Instant::now);
        tokio::select! {
            biased;
            job = self.jobs.recv() => job.map_or(Woken::Abandoned, Woken::Job),
            () = tokio::time::sleep_until(due.into()), if self.due.is_some() => Woken::Due,
            _ = self.records.recv_many(&mut self.batch, room), if room > 0 => Woken::Received,
        }
    }

    async fn received(&mut self) {
        let wait = self.settings.batch_wait;
        self.due.get_or_insert_with(|| Instant::now() + wait);
        // While the disk fails, a batch that fills up waits for its turn like one that is full.
        if self.batch.len() >= self.settings.batch_records && self.failures == 0 {
            drop(self.commit().await);
        }
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
                    Ok(()) => self.store.write([&Record::Object(object)].into_iter()).await,
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
        let mut before = self.records.len();
        self.commit().await?;
        while before > 0 {
            let taken = self.records.recv_many(&mut self.batch, before.min(self.settings.batch_records)).await;
            if taken == 0 {
                break;
            }
            before = before.saturating_sub(taken);
            self.commit().await?;
        }
        Ok(())
    }

    /// Commits the batch in one transaction; on failure it stays, up to its last attempt.
    async fn commit(&mut self) -> Result<(), CatalogError> {
        if self.batch.is_empty() {
            self.due = None;
            return Ok(());
        }
        match self.store.write(self.batch.iter().map(|queued| &queued.record)).await {
            Ok(()) => {
                self.tally.wrote(&self.batch);
                self.next_batch();
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
            warn!(records = self.batch.len(), "records dropped: the catalog still cannot be written");
            self.tally.gave_up(&self.batch);
        }
        self.next_batch();
    }

    fn next_batch(&mut self) {
        self.batch.clear();
        self.failures = 0;
        self.due = None;
    }

    /// Writes what is queued, takes no more, and closes the database. After a first failure nothing more is tried: a stop
    /// must not wait for a dead disk once per batch.
    async fn finish(&mut self) -> Result<(), CatalogError> {
        self.records.close();
        let mut done = Ok(());
        loop {
            if done.is_ok() {
                done = self.commit().await;
            }
            if done.is_err() {
                self.give_up();
            }
            if self.records.recv_many(&mut self.batch, self.settings.batch_records).await == 0 {
                break;
            }
        }
        self.store.close().await;
        done
    }
}
