//! One connection, from its accept to an ending with a name.
//!
//! HTTP/1.1 by hyper: a limit on the head's size, lines and time, keep-alive, no half-closed sockets. What hyper's parser refuses gets its own
//! bare answer and never reaches a service, so it is counted here. A panic in the service or its body is caught here: it ends this
//! connection without a clean end of the body, and nothing else.

use std::io;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use http::header::CONNECTION;
use http::{HeaderValue, Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{HttpService, Service, service_fn};
use tokio::net::TcpStream;
use tokio::time::{sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

use super::drain::Drain;
use super::fair::Fair;
use super::head_clock::HeadClock;
use super::lane::Lane;
use super::serve::{BoxError, ConnectionLimits, PeerInfo, Place};
use crate::arena::Arena;
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
    /// Its reader was too slow while memory was short, so the answer was broken off.
    TooSlow,
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
            Self::TooSlow => "too-slow",
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
        protocol: Protocol,
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
        let cut = CancellationToken::new();
        let talk = async {
            let Ok(local) = opened(&stream) else { return Ending::ClientLeft };
            let lane = Lane::new(stream, protocol.arena, Arc::clone(&self.metrics));
            let io = Fair::new(lane, protocol.write_budget);
            let leaving = Arc::new(AtomicBool::new(false));
            let service = watched(make(PeerInfo { peer, local, cut: cut.clone() }), Arc::clone(&leaving));
            let (mut http, clock) = (protocol.http, HeadClock::new(protocol.header_read_timeout));
            let connection = pin!(http.timer(clock.clone()).serve_connection(io, service));
            self.talk(connection, &clock, &leaving).await
        };
        let ending = tokio::select! {
            biased;
            ending = AssertUnwindSafe(talk).catch_unwind() => ending.unwrap_or(Ending::Panicked),
            // hyper and all that it has queued are dropped here, whether or not the client takes anything.
            () = cut.cancelled() => Ending::TooSlow,
        };
        if ending == Ending::Panicked {
            tracing::error!(listener = self.listener, "a request panicked; its connection was closed");
        }
        self.ending = ending;
        ending
    }

    /// Drives the connection, and takes it through the steps of the drain.
    async fn talk<I, S, B>(
        &self,
        mut connection: Pin<&mut http1::Connection<I, S>>,
        clock: &HeadClock,
        leaving: &AtomicBool,
    ) -> Ending
    where
        I: hyper::rt::Read + hyper::rt::Write + Unpin,
        S: HttpService<Incoming, ResBody = B>,
        S::Error: Into<BoxError>,
        B: Body + 'static,
        B::Error: Into<BoxError>,
    {
        let schedule = tokio::select! {
            biased;
            result = in_time(connection.as_mut(), clock) => return Ending::of(result),
            schedule = self.drain.schedule() => schedule,
        };
        leaving.store(true, Ordering::Relaxed);
        tokio::select! {
            biased;
            result = in_time(connection.as_mut(), clock) => return Ending::of(result),
            () = sleep_until(schedule.close_idle) => {}
        }
        connection.as_mut().graceful_shutdown();
        timeout_at(schedule.cut, in_time(connection, clock)).await.map_or(Ending::Cut, Ending::of)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.metrics.closed(self.ending.as_str());
    }
}

/// Drives the connection to its end, and has it look again when a head is late.
async fn in_time<C: Future + ?Sized>(mut connection: Pin<&mut C>, clock: &HeadClock) -> C::Output {
    loop {
        tokio::select! {
            biased;
            result = connection.as_mut() => return result,
            () = clock.late() => {}
        }
    }
}

/// How a connection is to be spoken with.
#[derive(Clone)]
pub(super) struct Protocol {
    http: http1::Builder,
    header_read_timeout: Duration,
    write_budget: u64,
    arena: Option<Arena>,
}

/// How clients of a listener with these limits are to be spoken with.
pub(super) fn protocol(limits: &ConnectionLimits, arena: Option<&Arena>) -> Protocol {
    let mut builder = http1::Builder::new();
    builder
        .header_read_timeout(limits.header_read_timeout)
        .max_header_size(limits.head_bytes)
        .keep_alive(true)
        .half_close(false);
    if limits.max_headers != HYPERS_MAX_HEADERS {
        builder.max_headers(limits.max_headers);
    }
    Protocol {
        http: builder,
        header_read_timeout: limits.header_read_timeout,
        write_budget: limits.write_budget,
        arena: arena.cloned(),
    }
}

/// Prepares an accepted socket, and gives our end's address.
fn opened(stream: &TcpStream) -> io::Result<SocketAddr> {
    // Answers are written whole; waiting to join small ones only delays the first byte.
    stream.set_nodelay(true)?;
    stream.local_addr()
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

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::future::pending;
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
        let end = tokio::spawn(serve(listener, ConnectionLimits::default(), make, Arc::clone(&metrics), drain.clone()));
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
