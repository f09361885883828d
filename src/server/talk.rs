//! The talk with one client: the connection is driven until it ends, takes too long, floods us, or is drained.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::poll_fn;
use http_body::Body;
use hyper::body::Incoming;
use hyper::rt::{Read, Write};
use hyper::server::conn::{http1, http2};
use hyper::service::HttpService;
use tokio::time::{sleep_until, timeout, timeout_at};

use super::Ending;
use super::drain::{Drain, Schedule};
use super::flood::FloodGuard;
use super::manners::Manners;
use super::pulse::{Late, Pulse};
use super::serve::BoxError;
use super::socket::Closing;
use super::streams::StreamTasks;
use super::tls_io::TlsIo;

/// A connection of either protocol.
pub(super) trait Speaking: Future<Output = Result<(), hyper::Error>> {
    /// Whether leaving loses no request that is on its way: GOAWAY says which are still answered (RFC 9113 section 6.8), while
    /// HTTP/1.1 can only hang up.
    const LEAVES_POLITELY: bool;

    /// Answers what has begun and nothing more.
    fn leave(self: Pin<&mut Self>);
}

impl<I, S, B> Speaking for http1::Connection<I, S>
where
    I: Read + Write + Unpin,
    S: HttpService<Incoming, ResBody = B>,
    S::Error: Into<BoxError>,
    B: Body + 'static,
    B::Error: Into<BoxError>,
{
    const LEAVES_POLITELY: bool = false;

    fn leave(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<I, S, B> Speaking for http2::Connection<I, S, StreamTasks>
where
    I: Read + Write + Unpin,
    S: HttpService<Incoming, ResBody = B>,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    const LEAVES_POLITELY: bool = true;

    fn leave(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

/// Drives a connection to its end, with everything that may end it.
pub(super) struct Talk<'a> {
    pub(super) pulse: &'a Pulse,
    /// HTTP/2 alone.
    pub(super) guard: Option<&'a FloodGuard>,
    pub(super) drain: &'a Drain,
    pub(super) closing: &'a Closing,
    /// Over TLS, what has to be sent when a turn is over.
    pub(super) tls: Option<&'a TlsIo>,
    /// HTTP/1.1 alone.
    pub(super) manners: Option<&'a Manners>,
}

impl Talk<'_> {
    /// Drives the connection to its end, which is gentle if what was written may still arrive.
    pub(super) async fn on<C: Speaking>(&self, mut connection: Pin<&mut C>) -> Ending {
        let ending = self.until_drained(connection.as_mut()).await;
        if ending.is_gentle() {
            poll_fn(|context| {
                self.push(context);
                Poll::Ready(())
            })
            .await;
            self.closing.be_gentle();
        }
        ending
    }

    /// Takes the connection through the steps of the drain, if there is one.
    async fn until_drained<C: Speaking>(&self, mut connection: Pin<&mut C>) -> Ending {
        let Schedule { close_idle, cut, .. } = tokio::select! {
            biased;
            ending = self.until_late(connection.as_mut()) => return ending,
            schedule = self.drain.schedule() => schedule,
        };
        if let Some(manners) = self.manners {
            manners.leave();
        }
        if !C::LEAVES_POLITELY {
            tokio::select! {
                biased;
                ending = self.until_late(connection.as_mut()) => return ending,
                () = sleep_until(close_idle) => {}
            }
        }
        connection.as_mut().leave();
        timeout_at(cut, self.until_late(connection)).await.unwrap_or(Ending::Cut)
    }

    /// Drives the connection until it ends, something takes too long, or the client floods it.
    async fn until_late<C: Speaking>(&self, mut connection: Pin<&mut C>) -> Ending {
        loop {
            let late = tokio::select! {
                biased;
                result = poll_fn(|context| self.turn(connection.as_mut(), context)) => return self.ended(result),
                late = self.pulse.late() => late,
                () = self.flooded() => return Ending::Flooded,
            };
            match late {
                Late::Head => return Ending::HeadLate,
                Late::Stalled => return Ending::WriteStalled,
                Late::Idle => connection.as_mut().leave(),
            }
            let goodbye = poll_fn(|context| self.turn(connection.as_mut(), context));
            let is_over = timeout(GOODBYE, goodbye).await.is_ok();
            // A request that was on its way when we left is answered yet.
            if is_over || !self.pulse.has_streams() {
                return Ending::TimedOut;
            }
        }
    }

    /// One turn of the connection. What it wrote over TLS is sent at its end.
    fn turn<C: Speaking>(&self, connection: Pin<&mut C>, context: &mut Context<'_>) -> Poll<C::Output> {
        if let Some(manners) = self.manners {
            manners.begin_turn();
        }
        if let Some(guard) = self.guard {
            guard.begin_turn();
        }
        let done = connection.poll(context);
        if done.is_pending() {
            self.push(context);
        }
        done
    }

    /// Sends what waits, as far as it goes. Where it does not, the connection is woken and hears of it at its next write.
    fn push(&self, context: &mut Context<'_>) {
        let Some(tls) = self.tls else { return };
        let (sent, pushed) = tls.push(context);
        if sent > 0 || pushed.is_ready() {
            self.pulse.wrote(Some(sent));
        }
        if pushed.is_pending() {
            self.pulse.wrote(None);
        }
    }

    async fn flooded(&self) {
        match self.guard {
            Some(guard) => guard.flooded().await,
            None => std::future::pending().await,
        }
    }

    fn ended(&self, result: Result<(), hyper::Error>) -> Ending {
        if self.guard.is_some_and(FloodGuard::is_flooded) { Ending::Flooded } else { Ending::of(result) }
    }
}

/// How long an idle connection may take to hear that it is closed.
const GOODBYE: Duration = Duration::from_secs(1);
