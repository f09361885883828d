//! What a connection that is cut lets go of.

use std::convert::Infallible;
use std::future::pending;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::service::service_fn;
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
