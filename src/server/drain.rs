//! The orderly end of all listeners: one word, heard by every loop and connection.
//!
//! It goes in three steps. At once: nothing more is accepted but what waits in the queue already, and every answer says `Connection: close`. After the grace: idle connections are
//! closed (sooner would cut off requests already on their way). At the deadline: what still runs is cut.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// The handle on the end of the process: [`Drain::begin`] starts it, everybody else waits for it. Clones are one handle.
#[derive(Clone, Debug)]
pub struct Drain(Arc<watch::Sender<Option<Schedule>>>);

/// What became of the connections that were open when the drain began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DrainReport {
    /// How many ended by themselves.
    pub ended: usize,
    /// How many were cut at the deadline.
    pub cut: usize,
}

/// When the steps of a drain happen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Schedule {
    /// Until then, who waits to be accepted still is.
    pub(super) empty_queue: Instant,
    /// Idle connections are closed.
    pub(super) close_idle: Instant,
    /// Everything is cut.
    pub(super) cut: Instant,
}

impl Drain {
    /// A handle on an end that has not begun.
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(None)))
    }

    /// Begins the end: idle connections are closed after `grace`, everything is cut after `limit`. Only the first call counts.
    pub fn begin(&self, grace: Duration, limit: Duration) {
        self.begin_with(grace, limit, QUEUE_MAX.min(limit));
    }

    /// The same, where somebody else accepts what comes to the socket from now on.
    pub fn begin_handed_over(&self, grace: Duration, limit: Duration) {
        self.begin_with(grace, limit, Duration::ZERO);
    }

    fn begin_with(&self, grace: Duration, limit: Duration, queue: Duration) {
        let (now, limit) = (Instant::now(), limit.min(FOREVER));
        let schedule = Schedule { empty_queue: now + queue, close_idle: now + grace.min(limit), cut: now + limit };
        self.0.send_if_modified(|begun| {
            let first = begun.is_none();
            begun.get_or_insert(schedule);
            first
        });
    }

    /// Waits until idle connections are closed.
    pub(super) async fn closes_idle(&self) {
        let schedule = self.schedule().await;
        tokio::time::sleep_until(schedule.close_idle).await;
    }

    /// Waits until the end begins; then when its steps are.
    pub(super) async fn schedule(&self) -> Schedule {
        let mut heard = self.0.subscribe();
        loop {
            if let Some(schedule) = *heard.borrow_and_update() {
                return schedule;
            }
            if heard.changed().await.is_err() {
                // The sender lives in `self`, so it cannot be gone; if it were, no end would ever begin.
                std::future::pending::<()>().await;
            }
        }
    }
}

impl Default for Drain {
    fn default() -> Self {
        Self::new()
    }
}

/// How long connections that wait to be accepted are taken at most: newcomers must not keep the end from coming.
const QUEUE_MAX: Duration = Duration::from_millis(100);
/// A longer limit would not fit every clock.
const FOREVER: Duration = Duration::from_hours(24 * 365);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_call_sets_the_schedule_and_all_clones_hear_it() {
        let drain = Drain::new();
        let waiting = tokio::spawn({
            let drain = drain.clone();
            async move { drain.schedule().await.cut }
        });
        drain.begin(Duration::MAX, Duration::from_secs(5));
        drain.begin(Duration::ZERO, Duration::MAX);
        let schedule = drain.schedule().await;
        assert_eq!(waiting.await.unwrap(), schedule.cut);
        assert_eq!(schedule.close_idle, schedule.cut);
        assert!(schedule.cut <= Instant::now() + Duration::from_secs(5));
    }
}
