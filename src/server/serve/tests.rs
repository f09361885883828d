//! The accept loop over plain sockets: keep-alive, time limits, places, panics, the drain.

use std::convert::Infallible;
use std::pin::Pin;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::service::service_fn;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep, timeout};

use super::*;

type Answer = Response<BoxBody<Bytes, BoxError>>;

struct Running {
    addr: SocketAddr,
    drain: Drain,
    metrics: Arc<Metrics>,
    end: tokio::task::JoinHandle<DrainReport>,
}

impl Running {
    async fn start(limits: ConnectionLimits) -> Self {
        let listener = Listener::bind("public", "127.0.0.1:0".parse().unwrap()).await.unwrap();
        let (addr, drain, metrics) = (listener.local_addr().unwrap(), Drain::new(), Arc::new(Metrics::new()));
        let make = |info: PeerInfo| {
            service_fn(move |request| {
                let info = info.clone();
                async move { Ok::<_, Infallible>(answer(&request, &info)) }
            })
        };
        let end =
            tokio::spawn(serve(listener, limits, Live::new(Vec::new()), make, Arc::clone(&metrics), drain.clone()));
        Self { addr, drain, metrics, end }
    }

    async fn connect(&self) -> Client {
        Client(TcpStream::connect(self.addr).await.unwrap())
    }

    /// Waits until the metrics' page has this line.
    async fn counted(&self, line: &str) {
        for _ in 0..500 {
            if self.metrics.encode().lines().any(|found| found == line) {
                return;
            }
            sleep(Duration::from_millis(10)).await;
        }
        panic!("{line} is missing in\n{}", self.metrics.encode());
    }

    async fn ended(&self, ending: &str) {
        self.counted(&format!("hallpass_connection_endings_total{{listener=\"public\",ending=\"{ending}\"}} 1")).await;
    }
}

struct Client(TcpStream);

impl Client {
    async fn get(&mut self, path: &str) {
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")).await;
    }

    async fn send(&mut self, bytes: &str) {
        self.0.write_all(bytes.as_bytes()).await.unwrap();
    }

    /// Reads until `end` has come.
    async fn until(&mut self, end: &str) -> String {
        let mut read = Vec::new();
        while !read.ends_with(end.as_bytes()) {
            let byte = timeout(Duration::from_secs(10), self.0.read_u8()).await.expect("in time");
            read.push(byte.unwrap_or_else(|_| panic!("closed after {:?}", String::from_utf8_lossy(&read))));
        }
        String::from_utf8(read).unwrap()
    }

    /// Reads until the server closes.
    async fn rest(&mut self) -> String {
        let mut read = Vec::new();
        let _ = timeout(Duration::from_secs(10), self.0.read_to_end(&mut read)).await.expect("closed in time");
        String::from_utf8(read).unwrap()
    }
}

fn answer(request: &Request<Incoming>, info: &PeerInfo) -> Answer {
    let body = match request.uri().path() {
        "/peer" => whole(format!("{}>{};", info.peer, info.local)),
        "/panic" => panic!("s3cr3t"),
        "/panic-in-body" => slow(2, Some(1)),
        "/broken" => BodyExt::boxed(StreamBody::new(stream::iter([Err(BoxError::from("broken"))]))),
        "/slow" => slow(5, None),
        "/endless" => slow(100_000, None),
        _ => whole("hello;".to_owned()),
    };
    Response::new(body)
}

fn whole(text: String) -> BoxBody<Bytes, BoxError> {
    Full::from(text).map_err(|never| match never {}).boxed()
}

/// One part each 50 ms; a panic in the place of one of them.
fn slow(parts: u32, panics: Option<u32>) -> BoxBody<Bytes, BoxError> {
    let parts = stream::iter(0..parts).then(move |part| async move {
        sleep(Duration::from_millis(50)).await;
        assert_ne!(Some(part), panics, "s3cr3t");
        Ok(Frame::data(Bytes::from_static(b"part;")))
    });
    BoxBody::new(StreamBody::new(Box::pin(parts) as Pin<Box<dyn stream::Stream<Item = _> + Send + Sync>>))
}

const SHORT: Duration = Duration::from_millis(200);

fn limits() -> ConnectionLimits {
    ConnectionLimits::default()
}

#[tokio::test]
async fn a_connection_is_kept_for_further_requests_and_tells_its_ends() {
    let server = Running::start(limits()).await;
    let mut client = server.connect().await;
    for _ in 0..3 {
        client.get("/").await;
        assert!(client.until("hello;").await.starts_with("HTTP/1.1 200 OK\r\n"));
    }
    client.get("/peer").await;
    let ends = format!("{}>{};", client.0.local_addr().unwrap(), server.addr);
    client.until(&ends).await;
    server.counted("hallpass_connections{listener=\"public\"} 1").await;
    drop(client);
    server.ended("done").await;
    server.counted("hallpass_connections{listener=\"public\"} 0").await;
}

#[tokio::test]
async fn a_slow_head_and_an_idle_connection_are_closed_in_time() {
    let server = Running::start(ConnectionLimits { head_timeout: SHORT, idle_timeout: SHORT, ..limits() }).await;
    let begun = Instant::now();
    let mut silent = server.connect().await;
    let mut slow = server.connect().await;
    let mut idle = server.connect().await;
    slow.send("GET / HT").await;
    idle.get("/").await;
    idle.until("hello;").await;
    assert_eq!((silent.rest().await, slow.rest().await, idle.rest().await), Default::default());
    assert!((Duration::from_millis(150)..Duration::from_secs(5)).contains(&begun.elapsed()));
    server.counted("hallpass_connections{listener=\"public\"} 0").await;
    for ending in ["ending=\"timed-out\"} 2", "ending=\"head-late\"} 1"] {
        assert!(server.metrics.encode().contains(ending), "{}", server.metrics.encode());
    }
}

#[tokio::test]
async fn what_the_parser_refuses_gets_a_bare_answer_and_is_counted() {
    let long_header = format!("GET / HTTP/1.1\r\nHost: x\r\nA: {}\r\n\r\n", "a".repeat(20_000));
    let many_headers = format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(101));
    let long_target = format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(70_000));
    for (head, head_bytes, status, ending) in [
        ("NOT HTTP AT ALL\r\n\r\n", 100, "400 Bad Request", "bad-head"),
        ("GET / HTTP/1.1\r\nA: \0\r\n\r\n", 100, "400 Bad Request", "bad-head"),
        (&long_header, 16_384, "431 Request Header Fields Too Large", "head-too-large"),
        (&many_headers, 16_384, "431 Request Header Fields Too Large", "head-too-large"),
        (&long_target, 100_000, "414 URI Too Long", "head-too-large"),
    ] {
        let server = Running::start(ConnectionLimits { head_bytes, ..limits() }).await;
        let mut client = server.connect().await;
        client.send(head).await;
        let answer = client.rest().await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{answer}");
        server.ended(ending).await;
    }
}

#[tokio::test]
async fn at_the_limit_connections_wait_and_are_served_when_one_ends() {
    let server = Running::start(ConnectionLimits { max_connections: 1, ..limits() }).await;
    let mut first = server.connect().await;
    first.get("/").await;
    first.until("hello;").await;
    let mut second = server.connect().await;
    second.get("/").await;
    assert!(timeout(Duration::from_millis(200), second.0.readable()).await.is_err());
    server.counted("hallpass_connection_waits_total{listener=\"public\"} 1").await;
    drop(first);
    second.until("hello;").await;
    drop(second);
    server.counted("hallpass_connection_endings_total{listener=\"public\",ending=\"done\"} 2").await;
}

#[tokio::test]
async fn a_panic_ends_its_connection_and_nothing_else() {
    for (path, sent) in [("/panic", ""), ("/panic-in-body", "5\r\npart;\r\n")] {
        let server = Running::start(limits()).await;
        let mut bystander = server.connect().await;
        bystander.get("/").await;
        bystander.until("hello;").await;
        let mut client = server.connect().await;
        client.get(path).await;
        let answer = client.rest().await;
        assert!(answer.ends_with(sent) && !answer.ends_with("0\r\n\r\n"), "{answer}");
        server.ended("panicked").await;
        bystander.get("/").await;
        bystander.until("hello;").await;
        server.connect().await.get("/").await;
    }
}

#[tokio::test]
async fn a_body_that_fails_is_broken_off_not_ended() {
    let server = Running::start(limits()).await;
    let mut client = server.connect().await;
    client.get("/broken").await;
    assert!(!client.rest().await.contains("0\r\n\r\n"));
    server.ended("broken-off").await;
    let mut leaver = server.connect().await;
    leaver.get("/endless").await;
    leaver.until("part;").await;
    drop(leaver);
    server.ended("client-left").await;
}

#[tokio::test]
async fn a_drain_lets_a_slow_body_finish_then_ends() {
    let server = Running::start(limits()).await;
    let mut client = server.connect().await;
    client.get("/slow").await;
    client.until("part;").await;
    server.drain.begin(Duration::ZERO, Duration::from_secs(30));
    let rest = client.rest().await;
    assert!(rest.matches("part;").count() == 4 && rest.ends_with("0\r\n\r\n"), "{rest}");
    assert_eq!(server.end.await.unwrap(), DrainReport { ended: 1, cut: 0 });
    assert!(TcpStream::connect(server.addr).await.is_err());
}

#[tokio::test]
async fn a_drain_answers_whoever_waits_to_be_accepted() {
    let server = Running::start(limits()).await;
    // On this one thread the accept loop does not run before the drain has begun.
    let waiting: Vec<_> = (0..20)
        .map(|_| {
            let mut client = std::net::TcpStream::connect(server.addr).unwrap();
            std::io::Write::write_all(&mut client, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
            client.set_nonblocking(true).unwrap();
            client
        })
        .collect();
    server.drain.begin(Duration::from_secs(5), Duration::from_secs(30));
    for client in waiting {
        let mut client = Client(TcpStream::from_std(client).unwrap());
        assert!(client.rest().await.ends_with("hello;"));
    }
    assert_eq!(server.end.await.unwrap(), DrainReport { ended: 20, cut: 0 });
}

#[tokio::test]
async fn a_drain_cuts_what_still_runs_at_its_deadline() {
    let server = Running::start(limits()).await;
    let mut client = server.connect().await;
    let _fresh = server.connect().await;
    client.get("/endless").await;
    client.until("part;").await;
    server.counted("hallpass_connections{listener=\"public\"} 2").await;
    server.drain.begin(Duration::ZERO, Duration::from_millis(300));
    let rest = client.rest().await;
    assert!(!rest.ends_with("0\r\n\r\n"), "{rest}");
    assert_eq!(server.end.await.unwrap(), DrainReport { ended: 1, cut: 1 });
    assert!(server.metrics.encode().contains("ending=\"cut\"} 1"));
}

#[tokio::test]
async fn in_the_grace_idle_connections_are_answered_with_a_close() {
    let server = Running::start(limits()).await;
    let (mut idle, mut fresh, mut asking) = (server.connect().await, server.connect().await, server.connect().await);
    for client in [&mut idle, &mut asking] {
        client.get("/").await;
        assert!(!client.until("hello;").await.contains("connection: close"));
    }
    server.counted("hallpass_connections{listener=\"public\"} 3").await;
    server.drain.begin(Duration::from_secs(1), Duration::from_secs(30));
    sleep(Duration::from_millis(50)).await;
    asking.get("/").await;
    assert!(asking.until("hello;").await.contains("connection: close\r\n"));
    assert_eq!((asking.rest().await, idle.rest().await, fresh.rest().await), Default::default());
    assert_eq!(server.end.await.unwrap(), DrainReport { ended: 3, cut: 0 });
}

#[tokio::test]
async fn dropping_the_server_leaves_no_connection_counted_as_open() {
    let server = Running::start(limits()).await;
    let mut client = server.connect().await;
    client.get("/endless").await;
    client.until("part;").await;
    server.end.abort();
    server.counted("hallpass_connections{listener=\"public\"} 0").await;
    server.ended("cut").await;
}

#[tokio::test]
async fn an_axum_router_is_served_by_the_same_loop() {
    let router = axum::Router::new().route("/livez", axum::routing::get(|| async { "alive;" }));
    let listener = Listener::bind("ops", "127.0.0.1:0".parse().unwrap()).await.unwrap();
    let (addr, drain) = (listener.local_addr().unwrap(), Drain::new());
    let make = move |_| TowerToHyperService::new(router.clone());
    let end =
        tokio::spawn(serve(listener, limits(), Live::new(Vec::new()), make, Arc::new(Metrics::new()), drain.clone()));
    let mut client = Client(TcpStream::connect(addr).await.unwrap());
    client.get("/livez").await;
    client.until("alive;").await;
    drain.begin(Duration::ZERO, Duration::from_secs(5));
    assert_eq!(end.await.unwrap(), DrainReport { ended: 1, cut: 0 });
}
