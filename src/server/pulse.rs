//! The pulse of one connection: what is waited for, since when, and when that is too long.
//!
//! hyper knows one time limit, for heads, which over HTTP/2 it does not keep at all; and none for answers of which the client takes nothing.
//! Here whatever happens on a connection leaves a note, which costs a store each, and one timer of the runtime looks at the notes now and
//! then: never later than what could have begun since its last look can be late, so no limit is overrun by more than a look.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::rt::{Sleep, Timer};
use tokio::time::{Instant, sleep_until};

use super::ConnectionLimits;

/// The notes of one connection. Clones share them.
#[derive(Clone, Debug)]
pub(super) struct Pulse(Arc<Notes>);

#[derive(Debug)]
struct Notes {
    begun: Instant,
    head: Micros,
    idle: Micros,
    stall: Micros,
    /// One of [`IDLE`], [`HEAD`] and [`ANSWERING`].
    phase: AtomicU8,
    /// When the phase began; of an answer, when the client was last seen to take of it, or [`UNSEEN`].
    since: AtomicU64,
    /// What the client took since then, in bytes; below zero when it sent more than it took.
    taken: AtomicI64,
    /// Whether a write waits for the socket.
    blocked: AtomicBool,
    /// HTTP/2: requests under way, and how many of those wait for us and not for their client.
    open: AtomicU32,
    ours: AtomicU32,
}

/// What took too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Late {
    /// There was no request.
    Idle,
    /// A head did not end.
    Head,
    /// The client takes nothing.
    Stalled,
}

impl Pulse {
    /// The pulse of a connection that waits for its first request from now on.
    pub(super) fn new(limits: &ConnectionLimits) -> Self {
        Self(Arc::new(Notes {
            begun: Instant::now(),
            head: micros(limits.head_timeout),
            idle: micros(limits.idle_timeout),
            stall: micros(limits.write_stall),
            phase: AtomicU8::new(IDLE),
            since: AtomicU64::new(0),
            taken: AtomicI64::new(0),
            blocked: AtomicBool::new(false),
            open: AtomicU32::new(0),
            ours: AtomicU32::new(0),
        }))
    }

    /// Waits until something is late.
    pub(super) async fn late(&self) -> Late {
        loop {
            let now = self.0.now();
            match self.0.look(now) {
                Ok(next) => sleep_until(self.0.begun + Duration::from_micros(next)).await,
                Err(late) => return late,
            }
        }
    }

    /// Bytes came: a head begins where none was waited for yet.
    pub(super) fn read(&self) {
        if self.0.phase.load(Ordering::Relaxed) == IDLE {
            self.0.begin(HEAD, self.0.now());
        }
    }

    /// The socket took so many bytes, or none at all for now.
    pub(super) fn wrote(&self, bytes: Option<usize>) {
        let was_blocked = self.0.blocked.load(Ordering::Relaxed);
        if was_blocked == bytes.is_some() {
            self.0.blocked.store(!was_blocked, Ordering::Relaxed);
            // Only now that the end of its answer is gone, the connection idles.
            if was_blocked && self.0.phase.load(Ordering::Relaxed) == IDLE {
                self.0.begin(IDLE, self.0.now());
            }
        }
        if let Some(bytes) = bytes {
            self.0.taken.fetch_add(signed(bytes), Ordering::Relaxed);
        }
    }

    /// HTTP/2: bytes came that say nothing about whether the client takes its answers; what they made us write is not counted for it.
    pub(super) fn read_frames(&self, bytes: usize) {
        self.0.taken.fetch_sub(signed(bytes), Ordering::Relaxed);
    }

    /// HTTP/2: a request is under way; it waits for us.
    pub(super) fn stream_opened(&self) {
        self.0.ours.fetch_add(1, Ordering::Relaxed);
        if self.0.open.fetch_add(1, Ordering::Relaxed) == 0 {
            self.0.begin(ANSWERING, UNSEEN);
        }
    }

    /// HTTP/2: whether requests are under way.
    pub(super) fn has_streams(&self) -> bool {
        self.0.open.load(Ordering::Relaxed) > 0
    }

    /// HTTP/2: a request that waited for us waits for its client from now on.
    pub(super) fn stream_waits_for_client(&self) {
        self.0.ours.fetch_sub(1, Ordering::Relaxed);
    }

    /// HTTP/2: and the other way round.
    pub(super) fn stream_waits_for_us(&self) {
        self.0.ours.fetch_add(1, Ordering::Relaxed);
    }

    /// HTTP/2: a request that waited for its client is over.
    pub(super) fn stream_closed(&self) {
        if self.0.open.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.0.begin(IDLE, self.0.now());
        }
    }
}

impl Notes {
    fn now(&self) -> Micros {
        micros(self.begun.elapsed())
    }

    fn begin(&self, phase: u8, since: Micros) {
        self.since.store(since, Ordering::Relaxed);
        self.taken.store(0, Ordering::Relaxed);
        self.phase.store(phase, Ordering::Relaxed);
    }

    /// When to look again, or what is late.
    fn look(&self, now: Micros) -> Result<Micros, Late> {
        let since = self.since.load(Ordering::Relaxed);
        // The end of an answer may still be on its way when all of it was handed over.
        let is_answering = self.open.load(Ordering::Relaxed) > 0 || self.blocked.load(Ordering::Relaxed);
        let (due, late) = match self.phase.load(Ordering::Relaxed) {
            IDLE if !is_answering => (self.due_unless_taken(now, since, self.idle), Late::Idle),
            HEAD => (since.saturating_add(self.head), Late::Head),
            _ => (self.stall_due(now, since), Late::Stalled),
        };
        if due <= now {
            return Err(late);
        }
        // Whatever begins from now on is not late before this.
        Ok(due.min(now.saturating_add(self.head.min(self.idle).min(self.stall))))
    }

    /// When the client will have taken too little for too long, if it goes on as it does.
    ///
    /// A socket takes more only when a third of its buffer is free, which grows to megabytes for a client that was fast; so a client
    /// must take that much in time, as with other servers.
    fn stall_due(&self, now: Micros, since: Micros) -> Micros {
        // Over HTTP/2 the client can close its windows, so that nothing is written that could be blocked.
        let on_client = self.open.load(Ordering::Relaxed) > 0 && self.ours.load(Ordering::Relaxed) == 0;
        if !on_client && !self.blocked.load(Ordering::Relaxed) {
            self.since.store(UNSEEN, Ordering::Relaxed);
            return UNSEEN;
        }
        self.due_unless_taken(now, since, self.stall)
    }

    /// When `limit` will be over. It begins anew whenever the client is seen to have taken something.
    fn due_unless_taken(&self, now: Micros, since: Micros, limit: Micros) -> Micros {
        if since != UNSEEN && self.taken.load(Ordering::Relaxed) < LEAST_TAKEN {
            return since.saturating_add(limit);
        }
        self.taken.store(0, Ordering::Relaxed);
        self.since.store(now, Ordering::Relaxed);
        now.saturating_add(limit)
    }
}

/// hyper's timer for heads. It never rings: that it is set says that a head is waited for, and that it is dropped says that one came.
#[derive(Debug)]
struct HeadTimer(Pulse);

impl Timer for Pulse {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    fn sleep_until(&self, deadline: std::time::Instant) -> Pin<Box<dyn Sleep>> {
        let now = Instant::from_std(deadline).saturating_duration_since(self.0.begun).saturating_sub(AWAITED);
        self.0.begin(IDLE, micros(now));
        Box::pin(HeadTimer(self.clone()))
    }

    fn now(&self) -> std::time::Instant {
        Instant::now().into_std()
    }
}

impl Future for HeadTimer {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}

impl Sleep for HeadTimer {}

impl Drop for HeadTimer {
    fn drop(&mut self) {
        self.0.0.begin(ANSWERING, UNSEEN);
    }
}

/// Microseconds since the connection began.
type Micros = u64;

fn signed(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

fn micros(duration: Duration) -> Micros {
    u64::try_from(duration.as_micros()).unwrap_or(Micros::MAX)
}

/// The time limit that hyper is told. It adds it to the present when it begins to wait for a head, which saves us from asking the clock again.
pub(super) const AWAITED: Duration = Duration::from_hours(1);

const IDLE: u8 = 0;
const HEAD: u8 = 1;
const ANSWERING: u8 = 2;
/// Nobody has looked yet.
const UNSEEN: Micros = Micros::MAX;
/// A client that takes less than this while it is watched takes nothing: what answers pings and settings is not an answer.
const LEAST_TAKEN: i64 = 1024;

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    const LIMIT: Duration = Duration::from_millis(100);
    const LONG: Duration = Duration::from_mins(10);

    fn pulse(head: Duration, idle: Duration, stall: Duration) -> Pulse {
        let limits = ConnectionLimits {
            head_timeout: head,
            idle_timeout: idle,
            write_stall: stall,
            ..ConnectionLimits::default()
        };
        Pulse::new(&limits)
    }

    /// What was late, and whether it was not before its time.
    async fn late(pulse: &Pulse, begun: Instant) -> Option<Late> {
        let late = timeout(LIMIT * 30, pulse.late()).await.ok()?;
        assert!(begun.elapsed() >= LIMIT, "too early");
        Some(late)
    }

    #[tokio::test]
    async fn idling_and_heads_have_limits_of_their_own() {
        let begun = Instant::now();
        assert_eq!(late(&pulse(LONG, LIMIT, LONG), begun).await, Some(Late::Idle));
        let slow = pulse(LIMIT, LONG, LONG);
        slow.read();
        assert_eq!(late(&slow, Instant::now()).await, Some(Late::Head));
        let answering = pulse(LIMIT, LIMIT, LONG);
        let timer = answering.sleep(AWAITED);
        answering.read();
        drop(timer);
        assert_eq!(late(&answering, Instant::now()).await, None, "an answer is neither");
        let begun = Instant::now();
        let _timer = answering.sleep(AWAITED);
        assert_eq!(late(&answering, begun).await, Some(Late::Idle), "the wait for the next head is");
    }

    #[tokio::test]
    async fn a_client_that_takes_nothing_is_late_and_one_that_takes_its_time_is_not() {
        for (bytes, blocked, stream, expected) in [
            (0, true, false, Some(Late::Stalled)),
            (10, true, false, Some(Late::Stalled)),
            (2000, true, false, None),
            (1, false, false, None),
            (0, false, true, Some(Late::Stalled)),
            (10, false, true, Some(Late::Stalled)),
            (2000, false, true, None),
        ] {
            let pulse = pulse(LONG, LONG, LIMIT);
            if stream {
                pulse.stream_opened();
                pulse.stream_waits_for_client();
            } else {
                drop(pulse.sleep(AWAITED));
            }
            let takes = async {
                loop {
                    pulse.wrote(Some(bytes));
                    if blocked {
                        pulse.wrote(None);
                    }
                    tokio::time::sleep(LIMIT / 4).await;
                }
            };
            let found = tokio::select! { found = late(&pulse, Instant::now()) => found, () = takes => None };
            assert_eq!(found, expected, "{bytes} {blocked} {stream}");
        }
    }

    #[tokio::test]
    async fn the_end_of_an_answer_that_is_on_its_way_is_not_idling() {
        let pulse = pulse(LONG, LIMIT, LIMIT * 40);
        let _timer = pulse.sleep(AWAITED);
        pulse.wrote(None);
        assert_eq!(late(&pulse, Instant::now()).await, None);
        let begun = Instant::now();
        pulse.wrote(Some(0));
        assert_eq!(late(&pulse, begun).await, Some(Late::Idle), "from then on it is");
    }

    #[tokio::test]
    async fn streams_that_wait_for_us_do_not_stall() {
        let pulse = pulse(LONG, LIMIT, LIMIT);
        pulse.stream_opened();
        assert_eq!(late(&pulse, Instant::now()).await, None, "it waits for us");
        let begun = Instant::now();
        pulse.stream_waits_for_client();
        assert_eq!(late(&pulse, begun).await, Some(Late::Stalled));
        let begun = Instant::now();
        pulse.stream_closed();
        assert_eq!(late(&pulse, begun).await, Some(Late::Idle));
    }

    #[test]
    fn answers_to_pings_are_nothing_that_the_client_takes() {
        let pulse = pulse(LONG, LONG, LIMIT);
        for _ in 0..100 {
            pulse.read_frames(1700);
            pulse.wrote(Some(1700));
        }
        assert!(pulse.0.taken.load(Ordering::Relaxed) < LEAST_TAKEN);
    }
}
