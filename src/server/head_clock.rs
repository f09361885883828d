//! The time for a head, kept by its connection.
//!
//! hyper asks for a timer before each head and lets go of it after. One of the runtime's would be entered into its wheel and taken out again
//! for each request, under a lock. Here hyper's timer is a note of when the head is due, and each connection has one timer of the
//! runtime, which looks at the note, about once in each time limit.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::rt::{Sleep, Timer};
use tokio::time::{Instant, sleep_until};

/// When the head of one connection is due. Only its own task uses it, so no two cores share it.
#[derive(Clone, Debug)]
pub(super) struct HeadClock(Arc<Note>);

#[derive(Debug)]
struct Note {
    begun: Instant,
    limit: Duration,
    /// In microseconds since then, or [`NONE`], or [`LATE`].
    due: AtomicU64,
}

/// hyper's timer: ready once the head was found to be late, and gone when it has come.
#[derive(Debug)]
struct Due(HeadClock);

impl HeadClock {
    /// A clock for a connection that begins now, whose heads may take so long.
    pub(super) fn new(limit: Duration) -> Self {
        Self(Arc::new(Note { begun: Instant::now(), limit, due: AtomicU64::new(NONE) }))
    }

    /// Waits until a head is late; hyper's timer is ready from then on.
    pub(super) async fn late(&self) {
        loop {
            let now = Instant::now();
            let due = match self.0.due.load(Ordering::Relaxed) {
                // No head that begins from now on is due earlier.
                NONE | LATE => now + self.0.limit,
                due => self.0.begun + Duration::from_micros(due),
            };
            if due <= now {
                self.0.due.store(LATE, Ordering::Relaxed);
                return;
            }
            sleep_until(due).await;
        }
    }

    fn note(&self, deadline: std::time::Instant) {
        let after = Instant::from_std(deadline).saturating_duration_since(self.0.begun);
        let due = u64::try_from(after.as_micros()).unwrap_or(NONE).clamp(LATE + 1, NONE - 1);
        self.0.due.store(due, Ordering::Relaxed);
    }
}

impl Timer for HeadClock {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    fn sleep_until(&self, deadline: std::time::Instant) -> Pin<Box<dyn Sleep>> {
        self.note(deadline);
        Box::pin(Due(self.clone()))
    }

    fn now(&self) -> std::time::Instant {
        Instant::now().into_std()
    }

    fn reset(&self, _: &mut Pin<Box<dyn Sleep>>, deadline: std::time::Instant) {
        self.note(deadline);
    }
}

impl Future for Due {
    type Output = ();

    /// Nobody need be woken: what finds a head late polls its connection next.
    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if self.0.0.due.load(Ordering::Relaxed) == LATE { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Sleep for Due {}

impl Drop for Due {
    fn drop(&mut self) {
        self.0.0.due.store(NONE, Ordering::Relaxed);
    }
}

/// No head is waited for.
const NONE: u64 = u64::MAX;
/// A head was found to be late.
const LATE: u64 = 0;

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    const LIMIT: Duration = Duration::from_millis(100);

    #[tokio::test]
    async fn a_head_is_late_at_its_time_and_no_sooner() {
        let clock = HeadClock::new(LIMIT);
        assert!(timeout(LIMIT * 3, clock.late()).await.is_err(), "nobody waits for a head");
        let begun = Instant::now();
        let mut timer = clock.sleep(LIMIT);
        assert!(futures_util::poll!(&mut timer).is_pending());
        clock.late().await;
        assert!((LIMIT..LIMIT * 20).contains(&begun.elapsed()));
        assert!(futures_util::poll!(&mut timer).is_ready());
    }

    #[tokio::test]
    async fn a_head_that_came_is_not_late_and_the_next_has_all_its_time() {
        let clock = HeadClock::new(LIMIT);
        let first = clock.sleep(LIMIT);
        let next = async {
            sleep_until(Instant::now() + LIMIT / 2).await;
            drop(first);
            let (begun, mut second) = (Instant::now(), clock.sleep(LIMIT));
            clock.reset(&mut second, (begun + LIMIT * 2).into_std());
            (begun, second)
        };
        let ((begun, second), ()) = tokio::join!(next, clock.late());
        assert!((LIMIT * 2..LIMIT * 20).contains(&begun.elapsed()));
        second.await;
    }
}
