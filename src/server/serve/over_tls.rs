//! The accept loop over TLS: both protocols, their time limits and floods, with a real TLS and HTTP/2 client.

use std::convert::Infallible;
use std::pin::Pin;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use h2::client::{Connection as H2, SendRequest};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::service::service_fn;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::*;

const LARGE: usize = 3 * 1024 * 1024;

struct Running {
    addr: SocketAddr,
    drain: Drain,
    metrics: Arc<Metrics>,
    end: tokio::task::JoinHandle<DrainReport>,
    certificate: CertificateDer<'static>,
}

fn answer(path: &str) -> Response<BoxBody<Bytes, BoxError>> {
    let part = || Ok(Frame::data(Bytes::from_static(&[b'x'; 16 * 1024])));
    let body = match path {
        "/panic" => panic!("s3cr3t"),
        "/endless" => BoxBody::new(StreamBody::new(stream::repeat_with(part))),
        "/large" => Full::from(vec![b'x'; LARGE]).map_err(|never| match never {}).boxed(),
        "/slow" => {
            let parts = stream::iter(0..5).then(|_| async {
                sleep(Duration::from_millis(50)).await;
                Ok(Frame::data(Bytes::from_static(b"part;")))
            });
            BoxBody::new(StreamBody::new(Box::pin(parts) as Pin<Box<dyn stream::Stream<Item = _> + Send + Sync>>))
        }
        _ => Full::from("hello;").map_err(|never| match never {}).boxed(),
    };
    Response::new(body)
}

impl Running {
    async fn start(limits: ConnectionLimits) -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate =
            rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
        let certificate = certificate.der().clone();
        let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        let mut tls =
            ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate.clone()], key).unwrap();
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let listener = Listener::bind("public", "127.0.0.1:0".parse().unwrap()).await.unwrap();
        let (addr, drain, metrics) = (listener.local_addr().unwrap(), Drain::new(), Arc::new(Metrics::new()));
        let make = |_| {
            service_fn(|request: Request<Incoming>| async move { Ok::<_, Infallible>(answer(request.uri().path())) })
        };
        let listener = listener.with_tls(Some(Arc::new(tls)));
        let running = serve(listener, limits, Live::new(Vec::new()), make, Arc::clone(&metrics), drain.clone());
        Self { addr, drain, metrics, end: tokio::spawn(running), certificate }
    }

    async fn connect(&self, protocol: &[u8]) -> TlsStream<TcpStream> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![protocol.to_vec()];
        let socket = TcpStream::connect(self.addr).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, socket).await.unwrap()
    }

    /// An HTTP/2 client, whose connection runs beside it.
    async fn http2(&self) -> (SendRequest<Bytes>, tokio::task::JoinHandle<Result<(), h2::Error>>) {
        let (client, connection): (_, H2<_>) = h2::client::handshake(self.connect(b"h2").await).await.unwrap();
        (client, tokio::spawn(connection))
    }

    async fn ended(&self, ending: &str) {
        let line = format!("hallpass_connection_endings_total{{listener=\"public\",ending=\"{ending}\"}} 1");
        for _ in 0..1000 {
            if self.metrics.encode().contains(&line) {
                return;
            }
            sleep(Duration::from_millis(10)).await;
        }
        panic!("{line} is missing in\n{}", self.metrics.encode());
    }
}

fn get(path: &str) -> Request<()> {
    Request::builder().uri(format!("https://localhost{path}")).body(()).unwrap()
}

async fn body(mut stream: h2::RecvStream) -> Result<Vec<u8>, h2::Error> {
    let mut read = Vec::new();
    while let Some(chunk) = stream.data().await {
        let chunk = chunk?;
        stream.flow_control().release_capacity(chunk.len()).unwrap();
        read.extend_from_slice(&chunk);
    }
    Ok(read)
}

async fn ask(client: &SendRequest<Bytes>, path: &str) -> Result<Vec<u8>, h2::Error> {
    let mut client = client.clone().ready().await?;
    let (answer, _) = client.send_request(get(path), true)?;
    body(answer.await?.into_body()).await
}

#[tokio::test]
async fn both_protocols_are_spoken_as_the_client_chooses() {
    let server = Running::start(ConnectionLimits::default()).await;
    let mut old = server.connect(b"http/1.1").await;
    old.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut read = String::new();
    old.read_to_string(&mut read).await.unwrap();
    assert!(read.starts_with("HTTP/1.1 200 OK\r\n") && read.ends_with("hello;"), "{read}");
    let (client, _connection) = server.http2().await;
    let answers = futures_util::future::join_all((0..50).map(|_| ask(&client, "/"))).await;
    assert!(answers.into_iter().all(|answer| answer.unwrap() == b"hello;"));
    assert!(server.metrics.encode().contains("hallpass_tls_handshakes_total{listener=\"public\",kind=\"full\"} 2"));
}

#[tokio::test]
async fn a_panic_resets_its_stream_and_no_other() {
    let server = Running::start(ConnectionLimits::default()).await;
    let (client, _connection) = server.http2().await;
    let (broken, slow) = tokio::join!(ask(&client, "/panic"), ask(&client, "/slow"));
    assert!(broken.unwrap_err().is_reset());
    assert_eq!(slow.unwrap(), b"part;part;part;part;part;");
    assert_eq!(ask(&client, "/").await.unwrap(), b"hello;");
}

#[tokio::test]
async fn a_drain_says_goaway_and_lets_streams_finish() {
    let server = Running::start(ConnectionLimits::default()).await;
    let (client, connection) = server.http2().await;
    let slow = tokio::spawn(async move { (ask(&client, "/slow").await, client) });
    sleep(Duration::from_millis(60)).await;
    server.drain.begin(Duration::from_millis(100), Duration::from_secs(30));
    let (slow, client) = slow.await.unwrap();
    assert_eq!(slow.unwrap(), b"part;part;part;part;part;");
    connection.await.unwrap().unwrap();
    assert!(ask(&client, "/").await.is_err());
    assert_eq!(server.end.await.unwrap(), DrainReport { ended: 1, cut: 0 });
}

#[tokio::test]
async fn a_handshake_a_stalled_stream_and_an_idle_connection_have_their_time() {
    const SHORT: Duration = Duration::from_millis(300);
    let usual = ConnectionLimits::default();
    let server = Running::start(ConnectionLimits { handshake_timeout: SHORT, ..usual }).await;
    let mut silent = TcpStream::connect(server.addr).await.unwrap();
    assert_eq!(timeout(Duration::from_secs(20), silent.read(&mut [0])).await.unwrap().unwrap(), 0);
    server.ended("handshake-late").await;
    let mut rude = TcpStream::connect(server.addr).await.unwrap();
    rude.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    server.ended("handshake-failed").await;

    let server = Running::start(ConnectionLimits { write_stall: SHORT, ..usual }).await;
    let (mut client, connection) = server.http2().await;
    let (answer, _) = client.send_request(get("/endless"), true).unwrap();
    let _never_read = answer.await.unwrap();
    let _ = timeout(Duration::from_secs(20), connection).await.expect("closed");
    server.ended("write-stalled").await;

    let server = Running::start(ConnectionLimits { idle_timeout: SHORT, ..usual }).await;
    let (client, connection) = server.http2().await;
    assert_eq!(ask(&client, "/slow").await.unwrap().len(), 25);
    timeout(Duration::from_secs(20), connection).await.expect("closed").unwrap().expect("with a goodbye");
    server.ended("timed-out").await;
}

#[tokio::test]
async fn the_end_of_an_answer_has_the_time_of_an_answer() {
    let limits = ConnectionLimits { idle_timeout: Duration::from_millis(200), ..ConnectionLimits::default() };
    let server = Running::start(limits).await;
    let mut client = server.connect(b"http/1.1").await;
    client.write_all(b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    // At first fast, so that the socket's buffer grows; then so slowly that for seconds the socket takes nothing more.
    let mut read = vec![0; LARGE / 2];
    client.read_exact(&mut read).await.unwrap();
    let mut rest = 0;
    let mut part = vec![0; 32 * 1024];
    loop {
        match client.read(&mut part).await {
            Ok(0) => break,
            Ok(bytes) => rest += bytes,
            Err(error) => panic!("{error} after {rest} of the rest"),
        }
        sleep(Duration::from_millis(60)).await;
    }
    assert!(read.len() + rest > LARGE, "with its head it is more than {LARGE} bytes, and {rest} of the rest came");
    server.ended("timed-out").await;
}

#[tokio::test]
async fn requests_that_are_given_up_as_fast_as_they_come_end_the_connection() {
    let server = Running::start(ConnectionLimits { resets_per_second: 20, ..ConnectionLimits::default() }).await;
    let (client, connection) = server.http2().await;
    for _ in 0..1000 {
        let Ok(mut client) = client.clone().ready().await else { break };
        let Ok((answer, _)) = client.send_request(get("/endless"), true) else { break };
        let Ok(answer) = answer.await else { break };
        drop(answer);
    }
    let _ = timeout(Duration::from_secs(20), connection).await.expect("closed");
    server.ended("flooded").await;
}

#[tokio::test]
async fn pings_without_end_end_the_connection() {
    let server = Running::start(ConnectionLimits::default()).await;
    let mut raw = server.connect(b"h2").await;
    raw.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let ping = b"\0\0\x08\x06\0\0\0\0\x0012345678".repeat(100);
    let (mut read, mut write) = tokio::io::split(raw);
    let reads = tokio::spawn(async move { tokio::io::copy(&mut read, &mut tokio::io::sink()).await });
    for _ in 0..1000 {
        if write.write_all(&ping).await.is_err() {
            break;
        }
    }
    let _ = timeout(Duration::from_secs(20), reads).await.expect("closed");
    server.ended("flooded").await;
}
