//! How long the doctor waits, for each step and in all: no server can keep it.

use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

/// The end of all patience, and what a single step may take of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    end: Instant,
}

impl Patience {
    /// Patience for `total` from now on.
    pub(super) fn of(total: Duration) -> Self {
        Self { end: Instant::now() + total }
    }

    /// Whether all of it is used up.
    pub(super) fn is_over(self) -> bool {
        Instant::now() >= self.end
    }

    /// When a step that begins now must be done.
    pub(super) fn deadline(self, step: Duration) -> Instant {
        self.end.min(Instant::now() + step)
    }

    /// What `work` gives, if that comes within `step`.
    pub(super) async fn wait<T>(self, step: Duration, work: impl Future<Output = T>) -> Option<T> {
        timeout_at(self.deadline(step), work).await.ok()
    }
}

/// A look-up of the name.
pub(super) const LOOK_UP: Duration = Duration::from_secs(10);
/// One connection.
pub(super) const CONNECT: Duration = Duration::from_secs(5);
/// One handshake.
pub(super) const HANDSHAKE: Duration = Duration::from_secs(10);
/// From the request to the head of its answer.
pub(super) const HEAD: Duration = Duration::from_secs(15);
/// Between two pieces of a body.
pub(super) const STALL: Duration = Duration::from_secs(10);
/// A whole body.
pub(super) const BODY: Duration = Duration::from_secs(30);
