//! An S3 server on loopback, on a thread of its own, whose answers can be late, slow, broken or wrong, by script.
//!
//! Every request takes one [`Fault`] from the weather, which is a function of what was asked. Requests and bytes of bodies are
//! counted, so a measurement can say "and the origin was read once". It is signed to with [`ACCESS_KEY`] and [`SECRET_KEY`]; only
//! what lies in the bucket [`OPEN`] is read without a signature, by servers that cannot make one.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{S3Result, s3_error};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

use super::bucket::{OPEN, Objects, Service};
use super::line::{Line, Switch};

pub const ACCESS_KEY: &str = "bench";
pub const SECRET_KEY: &str = "bench-secret";

/// What happens to one answer. Offsets count bytes of its body; one past the end does nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    #[default]
    None,
    /// So many bytes, then a TCP reset.
    ResetAfter(u64),
    /// So many bytes, then an ordinary close, short of the length that was promised.
    CloseAfter(u64),
    /// So many bytes, then silence until the client leaves.
    StallAfter(u64),
    /// The lowest bit of this byte turned.
    Flip(u64),
    /// 503 in place of an answer.
    Unavailable,
    /// A reset in place of an answer: what a server that is down looks like to a client with a connection.
    HangUp,
    /// Silence in place of an answer.
    Mute,
}

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    Head,
    Read,
    List,
}

/// Of what is asked, and of the path it is asked by, `/bucket/key`.
type Weather = Box<dyn FnMut(Asked, &str) -> Fault + Send>;

/// What was asked and sent since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    pub heads: u64,
    pub reads: u64,
    /// Bytes of bodies.
    pub bytes: u64,
}

impl Counted {
    pub fn since(self, before: Self) -> Self {
        Self { heads: self.heads - before.heads, reads: self.reads - before.reads, bytes: self.bytes - before.bytes }
    }
}

/// What all connections share.
#[derive(Default)]
pub struct State {
    pub objects: Objects,
    weather: Mutex<Option<Weather>>,
    /// Microseconds before each answer.
    latency: AtomicU64,
    /// Bytes per second of each body; 0 is as fast as it goes.
    speed: AtomicU64,
    heads: AtomicU64,
    reads: AtomicU64,
    bytes: AtomicU64,
}

/// What will happen to one answer, handed from the connection to the service.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    fault: Fault,
    switch: Switch,
}

impl Plan {
    /// Sends the body as far as this plan lets it go. An error ends the connection.
    pub async fn send(self, bytes: Bytes, state: &State, to: &mpsc::Sender<io::Result<Bytes>>) {
        let mut sent = 0;
        let stop = match self.fault {
            Fault::ResetAfter(at) | Fault::CloseAfter(at) | Fault::StallAfter(at) => at,
            _ => u64::MAX,
        };
        for chunk in pieces(&bytes) {
            let length = u64::try_from(chunk.len()).unwrap();
            let part = chunk.slice(..usize::try_from(length.min(stop - sent)).unwrap());
            let part = flipped(part, sent, self.fault);
            let passed = u64::try_from(part.len()).unwrap();
            state.bytes.fetch_add(passed, Ordering::SeqCst);
            if to.send(Ok(part)).await.is_err() {
                return;
            }
            sent += passed;
            let speed = state.speed.load(Ordering::SeqCst);
            if speed > 0 {
                tokio::time::sleep(Duration::from_secs_f64(passed as f64 / speed as f64)).await;
            }
            if passed < length {
                return self.end(to).await;
            }
        }
    }

    async fn end(self, to: &mpsc::Sender<io::Result<Bytes>>) {
        match self.fault {
            Fault::StallAfter(_) => to.closed().await,
            Fault::ResetAfter(_) => {
                // Else the reset would overtake the bytes before it, and they would count as sent without having been.
                for _ in 0..1000 {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    if to.is_closed() || (to.capacity() == to.max_capacity() && self.switch.is_drained()) {
                        break;
                    }
                }
                self.switch.reset_when_dropped();
                let _ = to.send(Err(io::ErrorKind::ConnectionReset.into())).await;
            }
            _ => {
                let _ = to.send(Err(io::ErrorKind::UnexpectedEof.into())).await;
            }
        }
    }
}

/// A body in pieces of 64 KiB.
fn pieces(bytes: &Bytes) -> impl Iterator<Item = Bytes> {
    let starts = (0..bytes.len()).step_by(PIECE);
    starts.map(|start| bytes.slice(start..bytes.len().min(start + PIECE)))
}

fn flipped(part: Bytes, begins: u64, fault: Fault) -> Bytes {
    let Fault::Flip(at) = fault else { return part };
    let Some(place) = at.checked_sub(begins).and_then(|place| usize::try_from(place).ok()) else { return part };
    if place >= part.len() {
        return part;
    }
    let mut wrong = part.to_vec();
    wrong[place] ^= 1;
    wrong.into()
}

/// A running server; it ends when dropped.
pub struct Origin {
    /// `http://127.0.0.1:port`.
    pub endpoint: String,
    state: Arc<State>,
    _stop: oneshot::Sender<()>,
}

impl Origin {
    pub fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(State::default());
        let (stop, stopped) = oneshot::channel();
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let serving = accept(TcpListener::from_std(listener).unwrap(), shared);
                tokio::select! { () = serving => {}, _ = stopped => {} }
            });
        });
        Self { endpoint, state, _stop: stop }
    }

    /// Writes an object.
    pub fn put(&self, bucket: &str, key: &str, bytes: Bytes) {
        self.state.objects.put(bucket, key, bytes);
    }

    /// What happens to each request from now on.
    pub fn weather(&self, each: impl FnMut(Asked, &str) -> Fault + Send + 'static) {
        *self.state.weather.lock().unwrap() = Some(Box::new(each));
    }

    pub fn fair_weather(&self) {
        *self.state.weather.lock().unwrap() = None;
    }

    /// How long each answer is waited with.
    pub fn latency(&self, latency: Duration) {
        self.state.latency.store(u64::try_from(latency.as_micros()).unwrap(), Ordering::SeqCst);
    }

    /// How many bytes of each body are sent in a second; 0 is as fast as it goes.
    pub fn speed(&self, bytes_per_second: u64) {
        self.state.speed.store(bytes_per_second, Ordering::SeqCst);
    }

    pub fn counted(&self) -> Counted {
        let load = |count: &AtomicU64| count.load(Ordering::SeqCst);
        Counted { heads: load(&self.state.heads), reads: load(&self.state.reads), bytes: load(&self.state.bytes) }
    }
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    let mut builder = S3ServiceBuilder::new(Service(Arc::clone(&state)));
    builder.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
    builder.set_access(Access);
    let service = builder.build();
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        let (line, switch) = Line::new(stream);
        let (service, state) = (service.clone(), Arc::clone(&state));
        let answer = service_fn(move |request| one(request, service.clone(), Arc::clone(&state), switch.clone()));
        // That a connection ends in an error is what half of the script is for.
        tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(line), answer));
    }
}

struct Access;

#[async_trait::async_trait]
impl S3Access for Access {
    async fn check(&self, asked: &mut S3AccessContext<'_>) -> S3Result<()> {
        let may = asked.credentials().is_some() || asked.s3_path().get_bucket_name() == Some(OPEN);
        may.then_some(()).ok_or_else(|| s3_error!(AccessDenied))
    }
}

type Answered = Result<Response<s3s::Body>, Box<dyn std::error::Error + Send + Sync>>;

async fn one(mut request: Request<Incoming>, service: S3Service, state: Arc<State>, switch: Switch) -> Answered {
    let has_key = request.uri().path().trim_start_matches('/').contains('/');
    let asked = match (request.method(), has_key) {
        (&Method::HEAD, _) => Asked::Head,
        (_, true) => Asked::Read,
        (_, false) => Asked::List,
    };
    match asked {
        Asked::Head => state.heads.fetch_add(1, Ordering::SeqCst),
        Asked::Read => state.reads.fetch_add(1, Ordering::SeqCst),
        Asked::List => 0,
    };
    let fault =
        state.weather.lock().unwrap().as_mut().map_or(Fault::None, |weather| weather(asked, request.uri().path()));
    let latency = state.latency.load(Ordering::SeqCst);
    if latency > 0 {
        tokio::time::sleep(Duration::from_micros(latency)).await;
    }
    match fault {
        Fault::Unavailable => {
            let answer = Response::builder().status(StatusCode::SERVICE_UNAVAILABLE);
            return Ok(answer.body(s3s::Body::empty())?);
        }
        Fault::HangUp => {
            switch.reset_when_dropped();
            return Err(io::Error::from(io::ErrorKind::ConnectionReset).into());
        }
        Fault::Mute => return std::future::pending().await,
        _ => {}
    }
    request.extensions_mut().insert(Plan { fault, switch });
    service.call(request.map(s3s::Body::from)).await.map_err(|fault| format!("{fault:?}").into())
}

const PIECE: usize = 64 * 1024;
