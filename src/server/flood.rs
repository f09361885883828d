//! HTTP/2 floods: frames that ask for nothing, and requests that are given up as fast as they come.
//!
//! The h2 crate bounds what such frames cost in memory, not how many come. A client earns bytes to send by its requests and by what it takes of
//! their answers, and some come with time; what it sends beyond that (PING, SETTINGS, `WINDOW_UPDATE`, PRIORITY, empty DATA,
//! endless CONTINUATION) is a flood, whatever the frames are. Requests that are given up are counted by the second.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::ConnectionLimits;
use super::pulse::Pulse;

/// What a client of one connection may still send. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct FloodGuard(Arc<Accounts>);

#[derive(Debug)]
struct Accounts {
    /// In bytes.
    credit: AtomicI64,
    /// What was read in this turn of the connection, in bytes.
    read: AtomicUsize,
    resets_per_second: u32,
    /// When the second began, and how many requests were given up in it.
    given_up: Mutex<(Instant, u32)>,
    flooded: CancellationToken,
}

impl FloodGuard {
    pub(super) fn new(limits: &ConnectionLimits) -> Self {
        Self(Arc::new(Accounts {
            credit: AtomicI64::new(
                i64::try_from(limits.head_bytes).unwrap_or(MOST_CREDIT).saturating_add(FIRST_CREDIT),
            ),
            read: AtomicUsize::new(0),
            resets_per_second: limits.resets_per_second,
            given_up: Mutex::new((Instant::now(), 0)),
            flooded: CancellationToken::new(),
        }))
    }

    /// A turn of the connection begins: what was read in the last one has been taken up, and has earned what it earns.
    pub(super) fn begin_turn(&self) {
        self.0.read.store(0, Ordering::Relaxed);
    }

    /// A request came, whose head has so many bytes.
    pub(super) fn request(&self, head: usize) {
        self.earn(CREDIT_PER_REQUEST.saturating_add(i64::try_from(head).unwrap_or(MOST_CREDIT)));
    }

    /// The client gave up a request before its answer had ended.
    pub(super) fn gave_up(&self) {
        let mut given_up = self.0.given_up.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if now.duration_since(given_up.0) >= Duration::from_secs(1) {
            *given_up = (now, 0);
        }
        given_up.1 += 1;
        if given_up.1 > self.0.resets_per_second {
            self.0.flooded.cancel();
        }
    }

    /// Whether there was a flood.
    pub(super) fn is_flooded(&self) -> bool {
        self.0.flooded.is_cancelled()
    }

    /// Waits for a flood.
    pub(super) async fn flooded(&self) {
        self.0.flooded.cancelled().await;
    }

    fn earn(&self, bytes: i64) {
        let more = |credit: i64| Some(credit.saturating_add(bytes).min(MOST_CREDIT));
        let _ = self.0.credit.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
    }

    /// Whether there was credit for so many bytes.
    fn spend(&self, bytes: i64) -> bool {
        let there_is = self.0.credit.fetch_sub(bytes, Ordering::Relaxed) >= bytes;
        if !there_is {
            self.0.flooded.cancel();
        }
        there_is
    }
}

/// The bytes of an HTTP/2 connection, whose client pays for what it sends.
pub(super) struct Metered<I> {
    io: I,
    guard: FloodGuard,
    pulse: Pulse,
    earned_until: Instant,
}

impl<I> Metered<I> {
    pub(super) fn new(io: I, guard: FloodGuard, pulse: Pulse) -> Self {
        Self { io, guard, pulse, earned_until: Instant::now() }
    }

    /// Whether others go first now: a few kilobytes can hold hundreds of frames, each of which makes us write.
    fn gives_way(&self, context: &Context<'_>) -> bool {
        let gives_way = self.guard.0.read.load(Ordering::Relaxed) >= READ_IN_A_ROW;
        if gives_way {
            context.waker().wake_by_ref();
        }
        gives_way
    }

    /// Credit that comes with time.
    fn earn_by_time(&mut self) {
        let (now, each) = (Instant::now(), Duration::from_millis(100));
        if now.duration_since(self.earned_until) >= each {
            let millis = now.duration_since(self.earned_until).as_millis();
            self.guard.earn(i64::try_from(millis).unwrap_or(MOST_CREDIT).saturating_mul(CREDIT_PER_MILLI));
            self.earned_until = now;
        }
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Metered<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.gives_way(context) {
            return Poll::Pending;
        }
        let most = buffer.remaining().min(READ_IN_A_ROW);
        let mut part = ReadBuf::new(buffer.initialize_unfilled_to(most));
        ready!(Pin::new(&mut self.io).poll_read(context, &mut part))?;
        let bytes = part.filled().len();
        buffer.advance(bytes);
        self.guard.0.read.fetch_add(bytes, Ordering::Relaxed);
        self.pulse.read_frames(bytes);
        self.earn_by_time();
        if self.guard.spend(i64::try_from(bytes).unwrap_or(i64::MAX)) {
            Poll::Ready(Ok(()))
        } else {
            Poll::Ready(Err(io::Error::other("the client sends more frames than its requests explain")))
        }
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Metered<I> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.io).poll_write(context, bytes))?;
        self.guard.earn(earned_by(written));
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.io).poll_write_vectored(context, slices))?;
        self.guard.earn(earned_by(written));
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}

/// A client acknowledges what it took with frames of 13 bytes, two for every few KiB at most. What answers a ping is as long as the ping, so
/// an eighth of what is written never pays for what made us write it.
fn earned_by(written: usize) -> i64 {
    i64::try_from(written / 8).unwrap_or(MOST_CREDIT)
}

/// What a client may send before it has asked for anything, besides a head, in bytes.
const FIRST_CREDIT: i64 = 16 * 1024;
/// All that it can save up, in bytes.
const MOST_CREDIT: i64 = 64 * 1024;
/// How much is read in a turn, in bytes.
const READ_IN_A_ROW: usize = 4 * 1024;
/// What belongs to a request besides its head, in bytes: windows, priorities, the end of its stream.
const CREDIT_PER_REQUEST: i64 = 512;
/// What comes with time, in bytes per millisecond: pings and settings of a lively client are a few dozen bytes in a second.
const CREDIT_PER_MILLI: i64 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn guard() -> FloodGuard {
        FloodGuard::new(&ConnectionLimits { resets_per_second: 3, ..ConnectionLimits::default() })
    }

    #[tokio::test]
    async fn what_asks_for_nothing_is_paid_from_what_was_saved() {
        let quiet = guard();
        assert!(quiet.spend(16 * 1024 + FIRST_CREDIT) && !quiet.is_flooded());
        assert!(!quiet.spend(1) && quiet.is_flooded());
        let busy = guard();
        for _ in 0..10_000 {
            busy.request(200);
            busy.earn(earned_by(4096));
            assert!(busy.spend(400), "a request with its head and its acknowledgements");
        }
        let pinging = guard();
        let pings = (0..1_000_000).take_while(|_| {
            pinging.earn(earned_by(17));
            pinging.spend(17)
        });
        assert!(pings.count() < 5_000, "answers to pings pay for no further pings");
    }

    #[tokio::test]
    async fn requests_that_are_given_up_are_counted_by_the_second() {
        let guard = guard();
        (0..3).for_each(|_| guard.gave_up());
        assert!(!guard.is_flooded());
        guard.0.given_up.lock().unwrap().0 -= Duration::from_secs(1);
        guard.gave_up();
        assert!(!guard.is_flooded());
        (0..3).for_each(|_| guard.gave_up());
        guard.flooded().await;
    }
}
