//! `POST /v1/links` over loopback HTTP, against a whole gateway with its catalog on.
//!
//! One client by one keep-alive connection, then sixteen at once; then the same while another connection holds the catalog's write lock, so
//! that no record of a mint can be written: a mint that waited for one would stand still. Time is per request; client and
//! gateway share the machine's cores.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, SamplingMode, Throughput};
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

use crate::samples::{KEY, STORE};
use crate::stage::Stage;

pub fn bench(criterion: &mut Criterion) {
    let (gateway, clients) = (Runtime::new().unwrap(), Runtime::new().unwrap());
    let stage = gateway.block_on(Stage::build());
    let bench = Bench { stage, clients };
    let mut group = criterion.benchmark_group("POST links");
    group.sampling_mode(SamplingMode::Flat).throughput(Throughput::Elements(1));
    let good = bench.post(bench.stage.key.expose(), &format!(r#"{{"store":"{STORE}","key":"{KEY}"}}"#), 201);
    let wrong_key = bench.post(&format!("hpk_{}", "a".repeat(52)), "{}", 401);
    let no_json = bench.post(bench.stage.key.expose(), &"[".repeat(16_000), 400);
    bench.run(&mut group, "good, 1 client", &good, 1);
    bench.run(&mut group, "hostile, wrong key, 1 client", &wrong_key, 1);
    bench.run(&mut group, "hostile, 16,000 brackets, 1 client", &no_json, 1);
    bench.run(&mut group, "good, 16 clients", &good, 16);
    let lock = gateway.block_on(lock(&bench.stage));
    bench.run(&mut group, "good, 1 client, catalog locked", &good, 1);
    bench.run(&mut group, "good, 16 clients, catalog locked", &good, 16);
    gateway.block_on(lock.close()).unwrap();
    gateway.block_on(bench.stage.strike());
}

/// A gateway, and a runtime for its clients, so that the two do not share a scheduler.
struct Bench {
    stage: Stage,
    clients: Runtime,
}

/// A request, and the status it must get each time.
#[derive(Clone)]
struct Post {
    to: SocketAddr,
    key: String,
    json: Bytes,
    expected: u16,
}

impl Bench {
    fn post(&self, key: &str, json: &str, expected: u16) -> Post {
        let to = self.stage.addresses.control;
        Post { to, key: key.to_owned(), json: Bytes::copy_from_slice(json.as_bytes()), expected }
    }

    /// Measures `post` by `at_once` clients, and tells what store and catalog were asked meanwhile.
    fn run(&self, group: &mut BenchmarkGroup<'_, WallTime>, name: &str, post: &Post, at_once: u64) {
        self.clients.block_on(post.repeat(1));
        let (before, begun) = (self.stage.asked(), Instant::now());
        let mut sent = 0;
        group.bench_function(name, |b| {
            b.iter_custom(|times| {
                let each = times.div_ceil(at_once);
                sent += each * at_once;
                let took = self.clients.block_on(post.repeat_by(at_once, each));
                // Clients send equally many, so a few more may be sent than were asked for.
                took * u32::try_from(times).unwrap() / u32::try_from(each * at_once).unwrap()
            });
        });
        let (after, took) = (self.stage.asked(), begun.elapsed());
        // What is still to be written must not slow the next one down; while the catalog is locked, nothing can be.
        let _ = self.clients.block_on(self.stage.settle());
        eprintln!(
            "POST links/{name}: {sent} requests in {:.1} s; store: {} HEADs, {} reads; catalog: {} queued, {} written, {} dropped",
            took.as_secs_f64(),
            after.heads - before.heads,
            after.reads - before.reads,
            after.records.queued - before.records.queued,
            after.records.written - before.records.written,
            after.records.dropped - before.records.dropped,
        );
    }
}

impl Post {
    async fn repeat_by(&self, at_once: u64, times: u64) -> Duration {
        let mut connections = Vec::new();
        for _ in 0..at_once {
            connections.push(connect(self.to).await);
        }
        let begun = Instant::now();
        let clients: Vec<_> = connections
            .into_iter()
            .map(|connection| {
                let post = self.clone();
                tokio::spawn(async move { post.repeat_on(connection, times).await })
            })
            .collect();
        for client in clients {
            client.await.unwrap();
        }
        begun.elapsed()
    }

    async fn repeat(&self, times: u64) {
        self.repeat_on(connect(self.to).await, times).await;
    }

    async fn repeat_on(&self, mut connection: SendRequest<Full<Bytes>>, times: u64) {
        for _ in 0..times {
            connection.ready().await.unwrap();
            let response = connection.send_request(self.request()).await.unwrap();
            assert_eq!(response.status().as_u16(), self.expected);
            response.into_body().collect().await.unwrap();
        }
    }

    fn request(&self) -> Request<Full<Bytes>> {
        Request::builder()
            .method(Method::POST)
            .uri("/v1/links")
            .header(HOST, self.to.to_string())
            .header(AUTHORIZATION, format!("Bearer {}", self.key))
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(self.json.clone()))
            .unwrap()
    }
}

async fn connect(to: SocketAddr) -> SendRequest<Full<Bytes>> {
    let socket = TcpStream::connect(to).await.unwrap();
    socket.set_nodelay(true).unwrap();
    let (sender, connection) = handshake(TokioIo::new(socket)).await.unwrap();
    tokio::spawn(connection);
    sender
}

/// Takes the catalog's write lock, as another process could, until the connection is closed.
async fn lock(stage: &Stage) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(&stage.database).busy_timeout(Duration::from_secs(30));
    let mut connection = options.connect().await.unwrap();
    sqlx::query("BEGIN IMMEDIATE").execute(&mut connection).await.unwrap();
    connection
}
