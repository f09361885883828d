//! One connection, from its accept to an ending with a name.
//!
//! HTTP/1.1 and HTTP/2 by hyper: limits on a head's size and lines, keep-alive, no half-closed sockets; limits on time by the connection's
//! pulse. What hyper's parser refuses gets its own bare answer and never reaches a service, so it is counted here. A panic
//! is caught here: it ends the connection (over HTTP/2 its stream) without a clean end of the body, and nothing else.

use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::poll_fn;
use http::header::CONNECTION;
use http::{HeaderValue, Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::rt::{Read, Write};
use hyper::server::conn::{http1, http2};
use hyper::service::{HttpService, Service, service_fn};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::yield_now;
use tokio::time::{sleep_until, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::drain::{Drain, Schedule};
use super::fair::Fair;
use super::flood::{FloodGuard, Metered};
use super::lane::Lane;
use super::opening::{Opened, Opening, Stream};
use super::places::Place;
use super::pulse::{AWAITED, Late, Pulse};
use super::serve::{BoxError, PeerInfo};
use super::socket::{Closing, Socket};
use super::streams::{StreamTasks, accounted};
use super::tls_io::TlsIo;
use super::watch::Watch;
use super::{ConnectionLimits, Ending};
use crate::arena::Arena;
use crate::telemetry::ListenerMetrics;

/// On what terms connections of a listener are held.
pub(super) struct Terms {
    pub(super) listener: &'static str,
    pub(super) opening: Opening,
    pub(super) limits: ConnectionLimits,
    pub(super) arena: Option<Arena>,
    pub(super) metrics: Arc<ListenerMetrics>,
    pub(super) drain: Drain,
}

/// What a connection holds while it lives; dropping it counts the ending and gives back the place.
pub(super) struct Connection {
    terms: Arc<Terms>,
    ending: Ending,
    _place: Place,
}

impl Connection {
    pub(super) fn begin(terms: Arc<Terms>, place: Place) -> Self {
        terms.metrics.opened();
        Self { terms, ending: Ending::Cut, _place: place }
    }

    /// Answers requests until the connection ends.
    pub(super) async fn run<M, S, B>(mut self, socket: TcpStream, peer: std::net::SocketAddr, make: Arc<M>) -> Ending
    where
        M: Fn(PeerInfo) -> S,
        S: Service<Request<Incoming>, Response = Response<B>> + Send + 'static,
        S::Future: Send + 'static,
        S::Error: Into<BoxError> + Send,
        B: Body + Unpin + Send + 'static,
        B::Data: Send,
        B::Error: Into<BoxError>,
    {
        let cut = CancellationToken::new();
        let terms = &self.terms;
        let (socket, closing) = Socket::new(socket);
        let talk = async {
            let Opened { stream, client, local, place } = match opened_unless_drained(terms, socket, peer).await {
                Ok(opened) => opened,
                Err(ending) => return ending,
            };
            let service = make(PeerInfo { peer: client, local, cut: cut.clone() });
            closing.be_hard();
            let ending = match stream {
                Stream::Http1(socket) => {
                    let lane = Lane::new(socket, terms.arena.clone(), Arc::clone(&terms.metrics));
                    terms.speak_http1(lane, service, &closing, None).await
                }
                Stream::TlsHttp1(tls) => {
                    let io = TokioIo::new(tls.clone());
                    Box::pin(terms.speak_http1(io, service, &closing, Some(tls))).await
                }
                Stream::TlsHttp2(tls) => Box::pin(terms.speak_http2(tls, service, &closing)).await,
            };
            drop(place);
            ending
        };
        let ending = tokio::select! {
            biased;
            ending = AssertUnwindSafe(talk).catch_unwind() => ending.unwrap_or(Ending::Panicked),
            // hyper and all that it has queued are dropped here, whether or not the client takes anything.
            () = cut.cancelled() => Ending::TooSlow,
        };
        if ending == Ending::Panicked {
            tracing::error!(listener = self.terms.listener, "a request panicked; its connection was closed");
        }
        self.ending = ending;
        ending
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.terms.metrics.closed(self.ending.as_str());
    }
}

/// Opens the connection. A drain does not wait for handshakes: who has not asked for anything yet is better served elsewhere.
async fn opened_unless_drained(terms: &Terms, socket: Socket, peer: std::net::SocketAddr) -> Result<Opened, Ending> {
    tokio::select! {
        biased;
        opened = terms.opening.open(socket, peer) => opened,
        () = terms.drain.closes_idle() => Err(Ending::Done),
    }
}

impl Terms {
    async fn speak_http1<I, S, B>(&self, io: I, service: S, closing: &Closing, tls: Option<TlsIo>) -> Ending
    where
        I: Read + Write + Unpin,
        S: Service<Request<Incoming>, Response = Response<B>>,
        S::Future: Send,
        S::Error: Into<BoxError>,
        B: Body + 'static,
        B::Error: Into<BoxError>,
    {
        let (pulse, manners) = (Pulse::new(&self.limits), Arc::new(Manners::default()));
        let io = Watch::new(Fair::new(io, self.limits.write_budget), pulse.clone(), true);
        let mut builder = http1::Builder::new();
        builder
            .timer(pulse.clone())
            .header_read_timeout(AWAITED)
            .max_header_size(self.limits.head_bytes)
            .keep_alive(true)
            .half_close(false);
        if self.limits.head_lines != HYPERS_HEAD_LINES {
            builder.max_headers(self.limits.head_lines);
        }
        let connection = pin!(builder.serve_connection(io, watched(service, Arc::clone(&manners))));
        let talk = Talk {
            pulse: &pulse,
            guard: None,
            drain: &self.drain,
            closing,
            tls: tls.as_ref(),
            manners: Some(&manners),
        };
        talk.on(connection).await
    }

    async fn speak_http2<S, B>(&self, tls: TlsIo, service: S, closing: &Closing) -> Ending
    where
        S: Service<Request<Incoming>, Response = Response<B>> + Send + 'static,
        S::Future: Send + 'static,
        S::Error: Into<BoxError> + Send,
        B: Body + Unpin + Send + 'static,
        B::Data: Send,
        B::Error: Into<BoxError>,
    {
        let (pulse, guard) = (Pulse::new(&self.limits), FloodGuard::new(&self.limits));
        let io = TokioIo::new(Metered::new(tls.clone(), guard.clone(), pulse.clone()));
        let io = Watch::new(Fair::new(io, self.limits.write_budget), pulse.clone(), false);
        let mut builder = http2::Builder::new(StreamTasks { listener: self.listener });
        builder
            .max_concurrent_streams(self.limits.streams_per_connection)
            .max_pending_accept_reset_streams(usize::try_from(self.limits.resets_per_second).unwrap_or(usize::MAX))
            .max_header_list_size(u32::try_from(self.limits.head_bytes).unwrap_or(u32::MAX))
            .initial_stream_window_size(REQUEST_WINDOW)
            .initial_connection_window_size(REQUEST_WINDOW)
            .max_send_buf_size(SEND_BUFFER);
        let connection = pin!(builder.serve_connection(io, accounted(service, pulse.clone(), guard.clone())));
        let talk =
            Talk { pulse: &pulse, guard: Some(&guard), drain: &self.drain, closing, tls: Some(&tls), manners: None };
        talk.on(connection).await
    }
}

/// A connection of either protocol.
trait Speaking: Future<Output = Result<(), hyper::Error>> {
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
struct Talk<'a> {
    pulse: &'a Pulse,
    /// HTTP/2 alone.
    guard: Option<&'a FloodGuard>,
    drain: &'a Drain,
    closing: &'a Closing,
    /// Over TLS, what has to be sent when a turn is over.
    tls: Option<&'a TlsIo>,
    /// HTTP/1.1 alone.
    manners: Option<&'a Manners>,
}

impl Talk<'_> {
    /// Drives the connection to its end, which is gentle if what was written may still arrive.
    async fn on<C: Speaking>(&self, mut connection: Pin<&mut C>) -> Ending {
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
            manners.leaving.store(true, Ordering::Relaxed);
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
            manners.answered.store(0, Ordering::Relaxed);
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

/// How an HTTP/1.1 connection behaves to its client and to others. Only its own task uses it, so no two cores share it.
#[derive(Default)]
struct Manners {
    /// Answers announce the end of the connection.
    leaving: AtomicBool,
    /// How many requests were taken up in this turn.
    answered: AtomicU32,
}

impl Manners {
    /// Lets others go first when there were many requests in this turn: a client can send thousands of them at once.
    async fn give_way(&self) {
        if self.answered.fetch_add(1, Ordering::Relaxed) >= REQUESTS_IN_A_ROW {
            yield_now().await;
        }
    }
}

/// The service, with manners.
fn watched<S, B>(
    service: S,
    manners: Arc<Manners>,
) -> impl Service<Request<Incoming>, Response = Response<B>, Error = S::Error, Future: Send>
where
    S: Service<Request<Incoming>, Response = Response<B>>,
    S::Future: Send,
    S::Error: Into<BoxError>,
    B: Body,
{
    service_fn(move |request| {
        // On the heap while there is one: a connection that waits for a request needs no room for it.
        let (answer, manners) = (Box::pin(service.call(request)), Arc::clone(&manners));
        async move {
            manners.give_way().await;
            let mut answer = answer.await?;
            if manners.leaving.load(Ordering::Relaxed) {
                answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok(answer)
        }
    })
}

/// hyper's own limit, for which it needs no heap memory per request; setting any, even the same, costs some.
const HYPERS_HEAD_LINES: usize = 100;
/// How many pipelined requests are answered before others go first.
const REQUESTS_IN_A_ROW: u32 = 4;
/// How long an idle connection may take to hear that it is closed.
const GOODBYE: Duration = Duration::from_secs(1);
/// HTTP/2: how much of bodies a client may send before we read it. Requests here have none, and RFC 9113 section 6.9.2 begins with this much.
const REQUEST_WINDOW: u32 = 65_535;
/// HTTP/2: how much of an answer may wait for its client, in bytes: one block, as over HTTP/1.1.
const SEND_BUFFER: usize = 256 * 1024;

#[cfg(test)]
mod tests;
