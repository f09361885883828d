//! One connection, from its accept to an ending with a name.
//!
//! HTTP/1.1 and HTTP/2 by hyper: limits on a head's size and lines, keep-alive, no half-closed sockets; limits on time by the connection's
//! pulse. What hyper's parser refuses gets its own bare answer and never reaches a service, so it is counted here. A panic
//! is caught here: it ends the connection (over HTTP/2 its stream) without a clean end of the body, and nothing else.

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;

use futures_util::FutureExt;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::rt::{Read, Write};
use hyper::server::conn::{http1, http2};
use hyper::service::Service;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::drain::Drain;
use super::fair::Fair;
use super::flood::{FloodGuard, Metered};
use super::lane::Lane;
use super::manners::{Manners, watched};
use super::opening::{Opened, Opening, Stream};
use super::places::Place;
use super::pulse::{AWAITED, Pulse};
use super::serve::{BoxError, PeerInfo};
use super::socket::{Closing, Socket};
use super::streams::{StreamTasks, accounted};
use super::talk::Talk;
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

/// hyper's own limit, for which it needs no heap memory per request; setting any, even the same, costs some.
const HYPERS_HEAD_LINES: usize = 100;
/// HTTP/2: how much of bodies a client may send before we read it. Requests here have none, and RFC 9113 section 6.9.2 begins with this much.
const REQUEST_WINDOW: u32 = 65_535;
/// HTTP/2: how much of an answer may wait for its client, in bytes: one block, as over HTTP/1.1.
const SEND_BUFFER: usize = 256 * 1024;

#[cfg(test)]
mod tests;
