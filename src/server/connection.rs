//! One connection, from its accept to an ending with a name.
//!
//! HTTP/1.1 and HTTP/2 by hyper: limits on a head's size and lines, keep-alive, no half-closed sockets; limits on time by the connection's
//! pulse. What hyper's parser refuses gets its own bare answer and never reaches a service, so it is counted here. A panic
//! is caught here: it ends the connection (over HTTP/2 its stream) without a clean end of the body, and nothing else.

use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
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
        let (pulse, leaving) = (Pulse::new(&self.limits), Arc::new(AtomicBool::new(false)));
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
        let connection = pin!(builder.serve_connection(io, watched(service, Arc::clone(&leaving))));
        let talk = Talk { pulse: &pulse, guard: None, drain: &self.drain, closing, tls: tls.as_ref() };
        talk.on(connection, || leaving.store(true, Ordering::Relaxed)).await
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
        let talk = Talk { pulse: &pulse, guard: Some(&guard), drain: &self.drain, closing, tls: Some(&tls) };
        talk.on(connection, || {}).await
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
}

impl Talk<'_> {
    /// Drives the connection to its end, which is gentle if what was written may still arrive.
    async fn on<C: Speaking>(&self, mut connection: Pin<&mut C>, leaving: impl FnOnce()) -> Ending {
        let ending = self.until_drained(connection.as_mut(), leaving).await;
        if ending.is_gentle() {
            poll_fn(|context| Poll::Ready(self.push(context))).await;
            self.closing.be_gentle();
        }
        ending
    }

    /// Takes the connection through the steps of the drain, if there is one.
    async fn until_drained<C: Speaking>(&self, mut connection: Pin<&mut C>, leaving: impl FnOnce()) -> Ending {
        let Schedule { close_idle, cut } = tokio::select! {
            biased;
            ending = self.until_late(connection.as_mut()) => return ending,
            schedule = self.drain.schedule() => schedule,
        };
        leaving();
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
        let late = tokio::select! {
            biased;
            result = poll_fn(|context| self.turn(connection.as_mut(), context)) => return self.ended(result),
            late = self.pulse.late() => late,
            () = self.flooded() => return Ending::Flooded,
        };
        match late {
            Late::Head => Ending::HeadLate,
            Late::Stalled => Ending::WriteStalled,
            Late::Idle => {
                connection.as_mut().leave();
                let goodbye = poll_fn(|context| self.turn(connection.as_mut(), context));
                let _ = timeout(GOODBYE, goodbye).await;
                Ending::TimedOut
            }
        }
    }

    /// One turn of the connection. What it wrote over TLS is sent at its end.
    fn turn<C: Speaking>(&self, connection: Pin<&mut C>, context: &mut Context<'_>) -> Poll<C::Output> {
        let done = connection.poll(context);
        if done.is_pending() {
            self.push(context);
        }
        done
    }

    /// Sends what waits, as far as it goes. Where it does not, the connection is woken and hears of it at its next write.
    fn push(&self, context: &mut Context<'_>) {
        if let Some(tls) = self.tls {
            let _ = tls.push(context);
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
const HYPERS_HEAD_LINES: usize = 100;
/// How long an idle connection may take to hear that it is closed.
const GOODBYE: Duration = Duration::from_secs(1);
/// HTTP/2: how much of bodies a client may send before we read it. Requests here have none, and RFC 9113 section 6.9.2 begins with this much.
const REQUEST_WINDOW: u32 = 65_535;
/// HTTP/2: how much of an answer may wait for its client, in bytes: one block, as over HTTP/1.1.
const SEND_BUFFER: usize = 256 * 1024;

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::future::pending;
    use std::net::SocketAddr;
    use std::sync::Mutex;

    use bytes::Bytes;
    use futures_util::{Stream, StreamExt, stream};
    use http_body::Frame;
    use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpSocket;
    use tokio::time::{sleep, timeout};

    use super::*;
    use crate::server::{Drain, DrainReport, Listener, serve};
    use crate::telemetry::Metrics;
    use crate::value::Live;

    /// A block that everybody who sends a part of it holds.
    struct Part(Arc<Vec<u8>>);

    impl AsRef<[u8]> for Part {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }

    /// What the service of a test knows: the block it sends, and the token of the connection that last asked for it.
    #[derive(Clone)]
    struct Scene {
        block: Arc<Vec<u8>>,
        cut: Arc<Mutex<Option<CancellationToken>>>,
    }

    impl Scene {
        fn answer(&self, path: &str, info: &PeerInfo) -> Response<BoxBody<Bytes, BoxError>> {
            let body = match path {
                "/stalled" => {
                    let [first, held] = [0, 1].map(|_| Bytes::from_owner(Part(Arc::clone(&self.block))));
                    let waits = stream::once(async move {
                        pending::<()>().await;
                        Ok(Frame::data(held))
                    });
                    let parts = stream::iter([Ok(Frame::data(first))]).chain(waits);
                    BoxBody::new(StreamBody::new(Box::pin(parts) as Pin<Box<dyn Stream<Item = _> + Send + Sync>>))
                }
                "/flood" => {
                    let block = Arc::clone(&self.block);
                    let parts = stream::repeat_with(move || Bytes::from_owner(Part(Arc::clone(&block))));
                    BoxBody::new(StreamBody::new(parts.map(|part| Ok(Frame::data(part)))))
                }
                _ => return Response::new(Full::from("hello;").map_err(|never| match never {}).boxed()),
            };
            *self.cut.lock().unwrap() = Some(info.cut.clone());
            Response::new(body)
        }

        /// Waits until connections hold the block and have come to rest over it, and gives the token of the last one.
        async fn comes_to_rest(&self) -> CancellationToken {
            for _ in 0..200 {
                let before = Arc::strong_count(&self.block);
                sleep(Duration::from_millis(50)).await;
                if before > IDLE + 1 && before == Arc::strong_count(&self.block) {
                    break;
                }
            }
            self.cut.lock().unwrap().take().expect("it was asked for")
        }

        async fn lets_go(&self) {
            for _ in 0..1000 {
                if Arc::strong_count(&self.block) == IDLE {
                    return;
                }
                sleep(Duration::from_millis(10)).await;
            }
            panic!("{} still hold the block", Arc::strong_count(&self.block));
        }
    }

    async fn ask(address: SocketAddr, path: &str) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        // The sooner its own buffer is full, the sooner the server's is.
        socket.set_recv_buffer_size(4096).unwrap();
        let mut client = socket.connect(address).await.unwrap();
        client.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).await.unwrap();
        client
    }

    async fn until_hello(client: &mut TcpStream) {
        let mut read = Vec::new();
        while !read.ends_with(b"hello;") {
            read.push(timeout(Duration::from_secs(10), client.read_u8()).await.unwrap().unwrap());
        }
    }

    #[tokio::test]
    async fn a_connection_that_is_cut_lets_go_of_its_memory_and_no_other_notices() {
        let listener = Listener::bind("public", "127.0.0.1:0".parse().unwrap()).await.unwrap();
        let (address, drain, metrics) = (listener.local_addr().unwrap(), Drain::new(), Arc::new(Metrics::new()));
        let scene = Scene { block: Arc::new(vec![b'x'; 256 * 1024]), cut: Arc::default() };
        let known = scene.clone();
        let make = move |info: PeerInfo| {
            let scene = known.clone();
            service_fn(move |request: Request<Incoming>| {
                let answer = scene.answer(request.uri().path(), &info);
                async move { Ok::<_, Infallible>(answer) }
            })
        };
        let end = tokio::spawn(serve(
            listener,
            ConnectionLimits::default(),
            Live::new(Vec::new()),
            make,
            Arc::clone(&metrics),
            drain.clone(),
        ));
        let mut bystander = ask(address, "/").await;
        until_hello(&mut bystander).await;
        // One reader takes nothing of a body that has more; one has taken everything of a body that waits.
        for path in ["/flood", "/stalled"] {
            let mut client = ask(address, path).await;
            if path == "/stalled" {
                client.read_exact(&mut vec![0; 256 * 1024]).await.unwrap();
            }
            scene.comes_to_rest().await.cancel();
            scene.lets_go().await;
            let mut rest = Vec::new();
            let _ = timeout(Duration::from_secs(10), client.read_to_end(&mut rest)).await.expect("closed");
            assert!(!rest.ends_with(b"0\r\n\r\n"), "the body has no clean end");
            bystander.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
            until_hello(&mut bystander).await;
        }
        drop(bystander);
        drain.begin(Duration::ZERO, Duration::from_secs(10));
        assert_eq!(end.await.unwrap(), DrainReport { ended: 1, cut: 0 });
        let page = metrics.encode();
        for ending in ["ending=\"too-slow\"} 2", "ending=\"done\"} 1"] {
            let line = format!("\nhallpass_connection_endings_total{{listener=\"public\",{ending}\n");
            assert!(page.contains(&line), "{line} is missing in\n{page}");
        }
    }

    /// The holders of the block that have no part of it to send: the test, the maker of services, and the bystander's service.
    const IDLE: usize = 3;
}
