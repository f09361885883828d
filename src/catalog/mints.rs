//! The mints that wait for the writer.
//!
//! The same link minted again while its first mint still waits is one entry with a count: whoever mints one link a million times makes one
//! row of it. What is not the same needs room, which is counted in bytes. Where there is none, a mint waits for it, so that a healthy
//! database loses no record however fast links are minted. A database that is stuck is waited for once, not by every mint: while
//! [`Mints::is_stuck`], what finds no room is lost at once, for a link needs no record to be good.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, Semaphore, SemaphorePermit, TryAcquireError};

use super::CatalogSettings;
use super::record::MintRecord;
use crate::value::UnixTime;

/// All mints that wait.
#[derive(Debug)]
pub(super) struct Mints {
    line: Mutex<Line>,
    /// One permit for each byte that may wait, what the writer holds included.
    room: Semaphore,
    room_bytes: usize,
    room_wait: Duration,
    /// How long the first one waits: alone, and among more than `many`.
    rests: [Duration; 2],
    many: usize,
    news: Notify,
    stuck: AtomicBool,
}

/// One link's mints.
#[derive(Debug)]
pub(super) struct QueuedMint {
    /// The first of them, with the newest reference that any of them gave.
    pub(super) record: MintRecord,
    /// How many they are.
    pub(super) mints: u32,
    pub(super) last_minted_at: UnixTime,
    pub(super) since: Instant,
    weight: u32,
}

#[derive(Debug, Default)]
struct Line {
    mints: VecDeque<QueuedMint>,
    /// Under which number each link stands in the line; the first one has the number `taken`.
    numbers: HashMap<String, usize>,
    taken: usize,
    /// Whether the writer was told that the room grows short.
    told: bool,
    closed: bool,
}

impl Mints {
    /// A line with the room and the patience that `settings` say.
    pub(super) fn new(settings: &CatalogSettings) -> Self {
        let room_bytes = settings.mint_bytes.clamp(1, MOST_ROOM);
        Self {
            line: Mutex::default(),
            room: Semaphore::new(room_bytes),
            room_bytes,
            room_wait: settings.mint_wait,
            rests: [settings.batch_wait, settings.mint_rest],
            many: settings.batch_records,
            news: Notify::new(),
            stuck: AtomicBool::new(false),
        }
    }

    /// Puts a mint in the line and says whether it is there; gives it back when it should wait for room, by [`Mints::wait`].
    pub(super) fn enter(&self, mint: MintRecord) -> Result<bool, Box<MintRecord>> {
        let Some(mint) = self.lock().fold(mint) else { return Ok(true) };
        let weight = self.weight(&mint);
        match self.room.try_acquire_many(weight) {
            Ok(permit) => Ok(self.append(mint, weight, permit)),
            Err(TryAcquireError::NoPermits) if !self.is_stuck() => Err(Box::new(mint)),
            Err(_) => Ok(false),
        }
    }

    /// As [`Mints::enter`], with patience.
    pub(super) async fn wait(&self, mint: Box<MintRecord>) -> bool {
        let weight = self.weight(&mint);
        let waited = tokio::time::timeout(self.room_wait, self.room.acquire_many(weight)).await;
        self.stuck.fetch_or(waited.is_err(), Ordering::Relaxed);
        waited.is_ok_and(|room| room.is_ok_and(|permit| self.append(*mint, weight, permit)))
    }

    /// What a mint takes of the room. One that is larger than all of it would never get in.
    fn weight(&self, mint: &MintRecord) -> u32 {
        u32::try_from(weight(mint).min(self.room_bytes)).unwrap_or(u32::MAX)
    }

    /// The entry keeps the room of `permit` until it is written or given up.
    fn append(&self, mint: MintRecord, weight: u32, permit: SemaphorePermit<'_>) -> bool {
        let mut line = self.lock();
        if line.closed {
            return false;
        }
        // The same link may have come meanwhile.
        let Some(record) = line.fold(mint) else { return true };
        permit.forget();
        let number = line.taken + line.mints.len();
        line.numbers.insert(record.id.clone(), number);
        let last_minted_at = record.minted_at;
        line.mints.push_back(QueuedMint { record, mints: 1, last_minted_at, since: Instant::now(), weight });
        let is_first = line.mints.len() == 1;
        // Once is enough, and the lock sees to it that it is once.
        let is_news = is_first || self.is_short() && !std::mem::replace(&mut line.told, true);
        drop(line);
        if is_news {
            self.news.notify_one();
        }
        true
    }

    /// When the first one has waited long enough, for what is known now. Where many wait, a longer rest lets more of the same fold into one
    /// row; where the room grows short, there is none.
    pub(super) fn due(&self) -> Option<Instant> {
        let line = self.lock();
        let [alone, among_many] = self.rests;
        let rest = if line.mints.len() > self.many { among_many } else { alone };
        let rest = if self.is_short() { Duration::ZERO } else { rest };
        line.mints.front().map(|mint| mint.since + rest)
    }

    /// Whether three quarters of the room are taken.
    fn is_short(&self) -> bool {
        self.bytes() >= self.room_bytes / 4 * 3
    }

    /// Returns when there may be a first one in the line, or when the room grows short.
    pub(super) async fn news(&self) {
        self.news.notified().await;
    }

    /// The first `most` of the line. Their room stays taken until [`Mints::release`].
    pub(super) fn take(&self, most: usize) -> Vec<QueuedMint> {
        let mut line = self.lock();
        let count = most.min(line.mints.len());
        let taken: Vec<_> = line.mints.drain(..count).collect();
        line.taken += count;
        line.told = false;
        for mint in &taken {
            line.numbers.remove(&mint.record.id);
        }
        taken
    }

    /// Gives back the room of what was written or given up.
    pub(super) fn release(&self, mints: &[QueuedMint]) {
        self.room.add_permits(mints.iter().map(|mint| mint.weight as usize).sum());
    }

    /// How many links wait in the line.
    pub(super) fn len(&self) -> usize {
        self.lock().mints.len()
    }

    /// Since when the first one waits.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.lock().mints.front().map(|mint| mint.since)
    }

    /// Bytes that waiting mints hold, those that the writer has included.
    pub(super) fn bytes(&self) -> usize {
        self.room_bytes.saturating_sub(self.room.available_permits())
    }

    /// Whether waiting for room would be in vain, for all that is known.
    pub(super) fn is_stuck(&self) -> bool {
        self.stuck.load(Ordering::Relaxed)
    }

    pub(super) fn is_now_stuck(&self, stuck: bool) {
        self.stuck.store(stuck, Ordering::Relaxed);
    }

    /// Takes no more; whoever waits for room waits no longer.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.room.close();
    }

    fn lock(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    fn fold(&mut self, mint: MintRecord) -> Option<MintRecord> {
        let waiting = self.numbers.get(&mint.id).and_then(|number| self.mints.get_mut(number - self.taken));
        let Some(waiting) = waiting else { return Some(mint) };
        waiting.mints = waiting.mints.saturating_add(1);
        waiting.last_minted_at = waiting.last_minted_at.max(mint.minted_at);
        // It may be longer than the one that was weighed: by no more than the longest reference.
        waiting.record.reference = mint.reference.or(waiting.record.reference.take());
        None
    }
}

/// About how many bytes an entry holds; the fixed part stands for the fields whose types bound them.
fn weight(mint: &MintRecord) -> usize {
    FIXED_BYTES + mint.key.as_str().len() + mint.version.as_str().len() + mint.reference.as_ref().map_or(0, String::len)
}

/// What an entry weighs beside the texts that are counted, in bytes.
const FIXED_BYTES: usize = size_of::<QueuedMint>() + 256;
/// A semaphore's largest acquisition.
const MOST_ROOM: usize = u32::MAX as usize;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Fingerprint;

    fn mint(n: usize) -> MintRecord {
        MintRecord {
            id: format!("lnk_{n}"),
            store: "media".parse().unwrap(),
            key: "a.jpg".parse().unwrap(),
            version: "v1".parse().unwrap(),
            fingerprint: Fingerprint::of(b"a"),
            length: 1,
            last_modified: None,
            client: "sender".parse().unwrap(),
            reference: None,
            issued: UnixTime::from_secs(1).unwrap(),
            expires: UnixTime::from_secs(2).unwrap(),
            media_type: "image/jpeg".parse().unwrap(),
            name: None,
            profile: "meta".parse().unwrap(),
            cache: "immutable".into(),
            header: None,
            unique: false,
            key_id: "k1".into(),
            minted_at: UnixTime::from_secs(1).unwrap(),
        }
    }

    #[test]
    fn many_mints_rest_longer_than_few_and_not_at_all_where_the_room_grows_short() {
        let [alone, among_many] = [Duration::from_millis(100), Duration::from_millis(500)];
        let one = weight(&mint(0));
        // How many wait, in room for how many; and how long the first of them does.
        for (waiting, room, rest) in [
            (1, 100, alone),
            (10, 100, alone),
            (11, 100, among_many),
            (74, 100, among_many),
            (75, 100, Duration::ZERO),
            (100, 100, Duration::ZERO),
            (1, 1, Duration::ZERO),
        ] {
            let settings = CatalogSettings { mint_bytes: one * room, batch_records: 10, ..CatalogSettings::new("") };
            let mints = Mints::new(&settings);
            assert_eq!(mints.due(), None);
            for n in 0..waiting {
                assert!(mints.enter(mint(n)).is_ok_and(|queued| queued));
            }
            let waits = mints.due().zip(mints.oldest()).map(|(due, oldest)| due - oldest);
            assert_eq!(waits, Some(rest), "{waiting} of {room}");
        }
    }
}
