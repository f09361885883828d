//! Bodies on their way to readers, and which of them are cut when memory is short.
//!
//! A reader that takes its bytes slowly holds blocks that others wait for. Each body has a meter of how fast its *reader* is: time in
//! which the body waits for its store is not the reader's. While memory is plentiful nobody is judged; above three quarters of the ledger's
//! ceiling, those below the least rate are cut, slowest first. What is cut is the connection: a reader that takes nothing never
//! asks its body for anything, and the connection's write queue holds the bytes.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::pace::Pace;
use super::{BLOCK, Block, Charge, Ledger, NoRoom};
use crate::telemetry::Metrics;

/// All bodies in flight of one cache. Clones are one.
#[derive(Clone, Debug)]
pub(super) struct Bodies(Arc<Shared>);

/// The meter of one body. It lives in the body; what [`BodyMeter::hold`] gave keeps it measuring after the body's end.
#[derive(Debug)]
pub struct BodyMeter(Arc<Entry>);

struct Shared {
    ledger: Arc<Ledger>,
    /// In bytes per second.
    min_rate: u64,
    metrics: Arc<Metrics>,
    open: Mutex<Open>,
    /// When readers were last judged: where room is short, everybody asks for it.
    swept: Mutex<Option<Instant>>,
}

#[derive(Default)]
struct Open {
    next: u64,
    readers: HashMap<u64, Arc<Taker>>,
}

/// A body's place among the open ones. Dropping it ends the body.
#[derive(Debug)]
struct Entry {
    bodies: Bodies,
    number: u64,
    reader: Arc<Taker>,
    _charge: Charge,
}

/// Whoever takes a body, as a sweep sees it. Only its own body and sweeps lock its pace, each for a moment.
#[derive(Debug)]
struct Taker {
    pace: Mutex<Pace>,
    /// Ends its connection.
    cut: CancellationToken,
}

/// A reader that is below the least rate.
struct Slow {
    /// In bytes per second.
    rate: u64,
    reader: Arc<Taker>,
}

impl Bodies {
    /// No bodies yet. They are charged to `ledger`; while it is short, those whose readers take fewer than `min_rate` bytes per second
    /// are cut.
    pub(super) fn new(ledger: Arc<Ledger>, min_rate: u64, metrics: Arc<Metrics>) -> Self {
        Self(Arc::new(Shared { ledger, min_rate, metrics, open: Mutex::default(), swept: Mutex::default() }))
    }

    /// Takes what a body's state costs from the ledger, and begins to measure its reader. `cut` ends the connection it goes out on.
    pub(super) fn admit(&self, cut: CancellationToken) -> Result<BodyMeter, NoRoom> {
        let charge = self.0.ledger.charge(BODY_COST)?;
        let reader = Arc::new(Taker { pace: Mutex::default(), cut });
        let mut open = self.0.open();
        let number = open.next;
        open.next += 1;
        open.readers.insert(number, Arc::clone(&reader));
        drop(open);
        Ok(BodyMeter(Arc::new(Entry { bodies: self.clone(), number, reader, _charge: charge })))
    }

    /// Cuts slow readers while memory is short, and tells how many it cut. Call it about once a second, and when room is short.
    pub(super) fn sweep(&self) -> usize {
        let now = Instant::now();
        if self.0.is_time(now) { self.sweep_at(now) } else { 0 }
    }

    fn sweep_at(&self, now: Instant) -> usize {
        let shared = &self.0;
        let excess = shared.ledger.excess();
        if excess == 0 {
            return 0;
        }
        let (mut slow, leaving) = shared.slow(now);
        slow.sort_unstable_by_key(|slow| slow.rate);
        // Those that were cut before and are not gone yet will free their share too.
        let enough = usize::try_from(excess.div_ceil(EACH_FREES)).unwrap_or(usize::MAX).saturating_sub(leaving);
        slow.truncate(enough);
        for Slow { rate, reader } in &slow {
            reader.cut.cancel();
            shared.metrics.bodies_cut();
            tracing::info!(rate, "memory is short: a reader below the least rate was cut");
        }
        slow.len()
    }
}

impl Shared {
    /// Whether the last look at all readers is long enough ago for another one.
    fn is_time(&self, now: Instant) -> bool {
        let mut swept = self.swept.lock().unwrap_or_else(PoisonError::into_inner);
        let is_time = swept.is_none_or(|before| now >= before + SWEEPS_APART);
        if is_time {
            *swept = Some(now);
        }
        is_time
    }

    /// All readers below the least rate, and how many others were cut already and are not gone yet.
    fn slow(&self, now: Instant) -> (Vec<Slow>, usize) {
        let (mut slow, mut leaving) = (Vec::new(), 0);
        for reader in self.open().readers.values() {
            if reader.cut.is_cancelled() {
                leaving += 1;
            } else if let Some(rate) = reader.pace().rate(now)
                && rate < self.min_rate
            {
                slow.push(Slow { rate, reader: Arc::clone(reader) });
            }
        }
        (slow, leaving)
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bodies").field("open", &self.open().readers.len()).finish_non_exhaustive()
    }
}

impl Taker {
    fn pace(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl BodyMeter {
    /// A chunk of so many bytes was handed to the reader: its clock runs.
    pub fn gave(&self, bytes: u64) {
        self.gave_at(bytes, Instant::now());
    }

    /// All of a body was handed to the reader in one chunk, at `now`.
    pub fn gave_all(self, bytes: u64, now: Instant) {
        self.gave_at(bytes, now);
    }

    /// The reader came for more: its clock stops.
    pub fn asked(&self) {
        self.asked_at(Instant::now());
    }

    /// The same bytes, which stay a part of this body as long as anybody holds them.
    ///
    /// The last chunks lie in the connection's write queue when the body is over. Without this, a reader that takes none of a small
    /// body would never be measured.
    pub fn hold(&self, bytes: impl AsRef<[u8]> + Send + 'static) -> Bytes {
        Bytes::from_owner(Held { bytes, _entry: Arc::clone(&self.0) })
    }

    fn gave_at(&self, bytes: u64, now: Instant) {
        self.0.reader.pace().gave(bytes, now);
    }

    fn asked_at(&self, now: Instant) {
        self.0.reader.pace().asked(now);
    }

    fn end_at(&self, now: Instant) {
        self.0.reader.pace().wait(now);
    }
}

impl Drop for BodyMeter {
    /// The body has nothing more to give. If its bytes are still held, only the reader is waited for.
    fn drop(&mut self) {
        self.end_at(Instant::now());
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.bodies.0.open().readers.remove(&self.number);
    }
}

/// Bytes that are a part of a body until they are dropped.
struct Held<B> {
    bytes: B,
    _entry: Arc<Entry>,
}

impl<B: AsRef<[u8]>> AsRef<[u8]> for Held<B> {
    fn as_ref(&self) -> &[u8] {
        self.bytes.as_ref()
    }
}

impl AsRef<[u8]> for Block {
    fn as_ref(&self) -> &[u8] {
        self.bytes()
    }
}

/// What a body's state takes, in bytes: its future, its meter, its place among the open ones and the heads of its chunks. It is an
/// allowance that is rounded up, so that many bodies of few bytes have a bound too.
const BODY_COST: u64 = 4 * 1024;
/// Judging all readers takes about 50 ns for each of them, so it is not done for everybody who finds no room.
const SWEEPS_APART: Duration = Duration::from_millis(100);
/// What cutting one body is expected to free: the blocks that a connection's write queue holds.
const EACH_FREES: u64 = 2 * BLOCK as u64;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Bodies over a ledger of 64 blocks, cut below 1,000 bytes per second, at a time that the test sets.
    struct Scene {
        ledger: Arc<Ledger>,
        metrics: Arc<Metrics>,
        bodies: Bodies,
        now: Instant,
    }

    struct Watched {
        meter: BodyMeter,
        cut: CancellationToken,
    }

    impl Scene {
        fn new() -> Self {
            let (ledger, metrics) = (Ledger::new(64 * BLOCK as u64), Arc::new(Metrics::new()));
            let bodies = Bodies::new(Arc::clone(&ledger), 1000, Arc::clone(&metrics));
            Self { ledger, metrics, bodies, now: Instant::now() }
        }

        /// Takes blocks so that this many more than three quarters are in flight, all else included.
        fn press(&self, blocks: u64) -> Charge {
            let aim = (48 + blocks) * BLOCK as u64;
            self.ledger.charge(aim - self.ledger.used()).unwrap()
        }

        fn body(&self) -> Watched {
            let cut = CancellationToken::new();
            Watched { meter: self.bodies.admit(cut.clone()).unwrap(), cut }
        }

        /// A body whose reader was handed so many bytes just now.
        fn given(&self, bytes: u64) -> Watched {
            let body = self.body();
            body.meter.gave_at(bytes, self.now);
            body
        }

        fn pass(&mut self, seconds: u64) {
            self.now += Duration::from_secs(seconds);
        }

        fn sweep(&self) -> usize {
            self.bodies.sweep_at(self.now)
        }
    }

    fn are_cut(bodies: &[&Watched]) -> Vec<bool> {
        bodies.iter().map(|body| body.cut.is_cancelled()).collect()
    }

    #[test]
    fn up_to_three_quarters_nobody_is_cut() {
        let mut scene = Scene::new();
        let stuck = scene.given(1);
        scene.pass(3600);
        let press = scene.press(0);
        assert_eq!((scene.sweep(), are_cut(&[&stuck])), (0, vec![false]));
        drop(press);
        let _press = scene.ledger.charge(48 * BLOCK as u64 - scene.ledger.used() + 1).unwrap();
        assert_eq!((scene.sweep(), are_cut(&[&stuck])), (1, vec![true]), "one byte more");
        assert!(scene.metrics.encode().contains("\nhallpass_bodies_cut_total 1\n"));
    }

    #[test]
    fn the_slowest_go_first_and_no_more_than_needed() {
        let mut scene = Scene::new();
        let [slow, slowest, fast, slower] = [9_000, 10, 10_000, 1_000].map(|bytes| scene.given(bytes));
        let all = [&slow, &slowest, &fast, &slower];
        scene.pass(10);
        let press = scene.press(2);
        assert_eq!((scene.sweep(), are_cut(&all)), (1, vec![false, true, false, false]));
        assert_eq!(scene.sweep(), 0, "what was cut has not left yet");
        drop(press);
        let _press = scene.press(3);
        assert_eq!((scene.sweep(), are_cut(&all)), (1, vec![false, true, false, true]), "two will not do");
        drop((slowest, slower));
        let _more = scene.press(16);
        assert_eq!((scene.sweep(), are_cut(&[&slow, &fast])), (1, vec![true, false]), "the fast one is never cut");
        assert!(scene.metrics.encode().contains("\nhallpass_bodies_cut_total 3\n"));
    }

    #[test]
    fn readers_are_judged_ten_times_a_second_however_many_ask_for_it() {
        let scene = Scene::new();
        let (shared, now) = (&scene.bodies.0, Instant::now());
        let judged = (0..1000_u64).filter(|millis| shared.is_time(now + Duration::from_millis(*millis))).count();
        assert_eq!(judged, 10);
    }

    #[test]
    fn a_body_that_waits_for_its_store_is_not_slow() {
        let mut scene = Scene::new();
        let [waiting, resting] = [scene.given(2_000), scene.given(2_000)];
        scene.pass(1);
        for body in [&waiting, &resting] {
            body.meter.asked_at(scene.now);
        }
        scene.pass(3600);
        resting.meter.gave_at(2_000, scene.now);
        scene.pass(1);
        resting.meter.asked_at(scene.now);
        let fresh = scene.body();
        let _press = scene.press(8);
        assert_eq!(scene.sweep(), 0, "the store took the hour");
        // The clock goes on where it stopped.
        waiting.meter.gave_at(0, scene.now);
        scene.pass(2);
        assert_eq!((scene.sweep(), are_cut(&[&waiting, &resting, &fresh])), (1, vec![true, false, false]));
    }

    #[test]
    fn the_young_are_spared() {
        let mut scene = Scene::new();
        let young = scene.given(1);
        let _press = scene.press(8);
        scene.pass(1);
        assert_eq!(scene.sweep(), 0);
        scene.pass(1);
        assert_eq!((scene.sweep(), are_cut(&[&young])), (1, vec![true]));
    }

    #[test]
    fn a_reader_that_leaves_a_small_body_in_the_queue_is_cut_too() {
        let mut scene = Scene::new();
        let Watched { meter, cut } = scene.given(5);
        let queued = meter.hold(Bytes::from_static(b"hello"));
        assert_eq!(queued, "hello");
        meter.asked_at(scene.now);
        meter.end_at(scene.now);
        drop(meter);
        let part = queued.slice(1..2);
        drop(queued);
        scene.pass(2);
        let _press = scene.press(8);
        assert_eq!((scene.sweep(), cut.is_cancelled()), (1, true));
        let before = scene.ledger.used();
        drop(part);
        assert_eq!(scene.ledger.used(), before - BODY_COST);
        assert!(scene.bodies.0.open().readers.is_empty());
    }

    #[test]
    fn a_bodys_cost_is_taken_while_it_lives_and_not_past_the_ceiling() {
        let scene = Scene::new();
        let two = [scene.body(), scene.body()];
        assert_eq!(scene.ledger.used(), 2 * BODY_COST);
        let press = scene.ledger.charge(scene.ledger.ceiling() - 3 * BODY_COST + 1).unwrap();
        assert_eq!(scene.bodies.admit(CancellationToken::new()).unwrap_err(), NoRoom);
        assert_eq!(scene.bodies.0.open().readers.len(), 2, "nothing is left of the one that found no room");
        drop((two, press));
        assert_eq!(scene.ledger.used(), 0);
        assert!(scene.bodies.0.open().readers.is_empty());
    }

    #[test]
    fn a_least_rate_of_nothing_cuts_nobody() {
        let ledger = Ledger::new(1 << 20);
        let bodies = Bodies::new(Arc::clone(&ledger), 0, Arc::new(Metrics::new()));
        let cut = CancellationToken::new();
        let meter = bodies.admit(cut.clone()).unwrap();
        let now = Instant::now();
        meter.gave_at(1, now);
        let _press = ledger.charge(900_000).unwrap();
        assert_eq!(bodies.sweep_at(now + Duration::from_secs(3600)), 0);
        assert!(!cut.is_cancelled());
    }
}
