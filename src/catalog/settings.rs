//! Where the catalog lies and how much it may hold. Every limit has a name, a unit and a value that suits one node.

use std::time::Duration;

/// The catalog's settings. [`CatalogSettings::new`] gives the built-in values for a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogSettings {
    /// `sqlite://PATH`, relative or absolute, taken literally; `sqlite::memory:` forgets all at the end.
    pub url: String,
    /// How long minted links are kept, in days.
    pub link_days: u32,
    /// How long fetches are kept, in days.
    pub fetch_days: u32,
    /// How many records of fetches and objects may wait to be written; past it new ones are dropped and counted.
    pub queue_records: usize,
    /// How many bytes those may hold; past it new ones are dropped and counted.
    pub queue_bytes: usize,
    /// How many bytes the waiting mints may hold; past it a mint waits for room.
    pub mint_bytes: usize,
    /// How long a mint waits for room before its record is dropped and counted.
    pub mint_wait: Duration,
    /// How many records go into one transaction at most.
    pub batch_records: usize,
    /// How long the first record of a batch waits for others.
    pub batch_wait: Duration,
    /// How long mints wait instead, while more of them do than one transaction takes: where many are minted, some are the same.
    pub mint_rest: Duration,
    /// How long SQLite waits for another process's lock.
    pub busy_timeout: Duration,
    /// How long to wait before a batch that failed is tried again.
    pub retry_after: Duration,
    /// How often a batch is tried before its records are dropped and counted.
    pub attempts: u32,
    /// How many connections read at once.
    pub readers: u32,
    /// How long a caller waits for an answer, the queue included.
    pub answer_max: Duration,
    /// How often old rows are deleted.
    pub prune_every: Duration,
}

impl CatalogSettings {
    /// The built-in values for the database at `url`.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            link_days: 30,
            fetch_days: 90,
            queue_records: 16_384,
            queue_bytes: 48 << 20,
            mint_bytes: 24 << 20,
            mint_wait: Duration::from_secs(5),
            batch_records: 2048,
            batch_wait: Duration::from_millis(100),
            mint_rest: Duration::from_millis(500),
            busy_timeout: Duration::from_secs(5),
            retry_after: Duration::from_secs(1),
            attempts: 10,
            readers: 4,
            answer_max: Duration::from_secs(10),
            prune_every: Duration::from_hours(1),
        }
    }

    /// The same settings within the bounds that channels, timers and SQLite's C interface take without a panic.
    pub(super) fn bounded(mut self) -> Self {
        self.queue_records = self.queue_records.clamp(1, 1 << 20);
        self.batch_records = self.batch_records.clamp(1, 16_384);
        self.mint_wait = self.mint_wait.min(Duration::from_mins(1));
        self.batch_wait = self.batch_wait.min(Duration::from_secs(10));
        self.mint_rest = self.mint_rest.clamp(self.batch_wait, Duration::from_secs(10));
        self.busy_timeout = self.busy_timeout.min(Duration::from_mins(1));
        self.retry_after = self.retry_after.clamp(Duration::from_millis(1), Duration::from_mins(1));
        self.attempts = self.attempts.max(1);
        self.readers = self.readers.clamp(1, 64);
        self.answer_max = self.answer_max.min(Duration::from_hours(1));
        self.prune_every = self.prune_every.clamp(Duration::from_secs(1), Duration::from_hours(24));
        self
    }
}
