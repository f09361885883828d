//! One connection, from its accept to an ending with a name.
//!
//! HTTP/1.1 by hyper: a limit on the head's size, lines and time, keep-alive, no half-closed sockets. What hyper's parser refuses gets its own
//! bare answer and never reaches a service, so it is counted here. A panic in the service or its body is caught here: it ends this
//! connection without a clean end of the body, and nothing else.

use std::io;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::FutureExt;
use http::header::CONNECTION;
use http::{HeaderValue, Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{HttpService, Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::time::{sleep_until, timeout_at};

use super::drain::Drain;
use super::serve::{BoxError, ConnectionLimits, PeerInfo, Place};
use crate::telemetry::ListenerMetrics;

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ending {
    /// Closed by either side between two answers.
    Done,
    /// The parser refused the request's head, and hyper answered 400.
    BadHead,
    /// The head or its target was too long, and hyper answered 431 or 414.
    HeadTooLarge,
    /// No whole head came in time, or the connection idled too long.
    TimedOut,
    /// The client left within a request or an answer.
    ClientLeft,
    /// The service or its body ended in an error, so the answer was broken off.
    BrokenOff,
    /// The service or its body panicked.
    Panicked,
    /// The drain's deadline came first, or the whole server was dropped.
    Cut,
}

impl Ending {
    /// The ending as logs and metrics write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::BadHead => "bad-head",
            Self::HeadTooLarge => "head-too-large",
            Self::TimedOut => "timed-out",
            Self::ClientLeft => "client-left",
            Self::BrokenOff => "broken-off",
            Self::Panicked => "panicked",
            Self::Cut => "cut",
        }
    }

    fn of(result: Result<(), hyper::Error>) -> Self {
        match result {
            Ok(()) => Self::Done,
            Err(error) if error.is_parse_too_large() => Self::HeadTooLarge,
            Err(error) if error.is_parse() => Self::BadHead,
            Err(error) if error.is_timeout() => Self::TimedOut,
            Err(error) if error.is_user() => Self::BrokenOff,
            Err(_) => Self::ClientLeft,
        }
    }
}

/// What a connection holds while it lives; dropping it counts the ending and gives back the place.
pub(super) struct Connection {
    listener: &'static str,
    metrics: Arc<ListenerMetrics>,
    drain: Drain,
    ending: Ending,
    _place: Place,
}

impl Connection {
    pub(super) fn begin(listener: &'static str, metrics: Arc<ListenerMetrics>, place: Place, drain: Drain) -> Self {
        metrics.opened();
        Self { listener, metrics, drain, ending: Ending::Cut, _place: place }
    }

    /// Answers requests until the connection ends.
    pub(super) async fn run<M, S, B>(
        mut self,
        stream: TcpStream,
        peer: SocketAddr,
        protocol: http1::Builder,
        make: Arc<M>,
    ) -> Ending
    where
        M: Fn(PeerInfo) -> S,
        S: Service<Request<Incoming>, Response = Response<B>>,
        S::Future: Send,
        S::Error: Into<BoxError>,
        B: Body + 'static,
        B::Error: Into<BoxError>,
    {
        let talk = async {
            let Ok((io, local)) = opened(stream) else { return Ending::ClientLeft };
            let leaving = Arc::new(AtomicBool::new(false));
            let service = watched(make(PeerInfo { peer, local }), Arc::clone(&leaving));
            self.talk(protocol.serve_connection(io, service), &leaving).await
        };
        let ending = AssertUnwindSafe(talk).catch_unwind().await.unwrap_or(Ending::Panicked);
        if ending == Ending::Panicked {
            tracing::error!(listener = self.listener, "a request panicked; its connection was closed");
        }
        self.ending = ending;
        ending
    }

    /// Drives the connection, and takes it through the steps of the drain.
    async fn talk<I, S, B>(&self, connection: http1::Connection<I, S>, leaving: &AtomicBool) -> Ending
    where
        I: hyper::rt::Read + hyper::rt::Write + Unpin,
        S: HttpService<Incoming, ResBody = B>,
        S::Error: Into<BoxError>,
        B: Body + 'static,
        B::Error: Into<BoxError>,
    {
        let mut connection = pin!(connection);
        let schedule = tokio::select! {
            result = connection.as_mut() => return Ending::of(result),
            schedule = self.drain.schedule() => schedule,
        };
        leaving.store(true, Ordering::Relaxed);
        tokio::select! {
            result = connection.as_mut() => return Ending::of(result),
            () = sleep_until(schedule.close_idle) => {}
        }
        connection.as_mut().graceful_shutdown();
        timeout_at(schedule.cut, connection).await.map_or(Ending::Cut, Ending::of)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.metrics.closed(self.ending.as_str());
    }
}

/// How hyper is to speak with clients of a listener with these limits.
pub(super) fn protocol(limits: &ConnectionLimits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_read_timeout)
        .max_header_size(limits.head_bytes)
        .keep_alive(true)
        .half_close(false);
    if limits.max_headers != HYPERS_MAX_HEADERS {
        builder.max_headers(limits.max_headers);
    }
    builder
}

/// Turns an accepted socket into what hyper reads and writes; also gives our end's address.
fn opened(stream: TcpStream) -> io::Result<(impl hyper::rt::Read + hyper::rt::Write + Unpin, SocketAddr)> {
    let local = stream.local_addr()?;
    // Answers are written whole; waiting to join small ones only delays the first byte.
    stream.set_nodelay(true)?;
    Ok((TokioIo::new(stream), local))
}

/// The service, with answers that announce the end of the connection once it is `leaving`. Only the connection's own task uses the
/// flag, so no two cores share it.
fn watched<S, B>(
    service: S,
    leaving: Arc<AtomicBool>,
) -> impl Service<Request<Incoming>, Response = Response<B>, Error = S::Error, Future: Send>
where
    S: Service<Request<Incoming>, Response = Response<B>>,
    S::Future: Send,
    S::Error: Into<BoxError>,
    B: Body,
{
    service_fn(move |request| {
        let (answer, leaving) = (service.call(request), Arc::clone(&leaving));
        async move {
            let mut answer = answer.await?;
            if leaving.load(Ordering::Relaxed) {
                answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok(answer)
        }
    })
}

/// hyper's own limit, for which it needs no heap memory per request; setting any, even the same, costs some.
const HYPERS_MAX_HEADERS: usize = 100;
