//! The corpus through front proxies that share their connections to Hallpass between clients.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::corpus::corpus;
use super::downgraded;
use super::fronts::Front;
use super::measure::{ATTACKER, INNER, OUTER, OWN};
use super::measure::{Backend, Links, Read, behind_a_proxy, disagreements};
use crate::kit::gateway::Gateway;
use crate::kit::secure::Secure;

#[tokio::test]
async fn behind_nginx_no_request_is_read_in_two_ways() {
    let gate = Box::pin(behind_a_proxy().start()).await;
    whole_corpus_through(&gate, Front::nginx).await;
}

#[tokio::test]
async fn behind_haproxy_no_request_is_read_in_two_ways() {
    let gate = Box::pin(behind_a_proxy().start()).await;
    whole_corpus_through(&gate, Front::haproxy).await;
}

#[tokio::test]
async fn behind_varnish_no_request_is_read_in_two_ways() {
    let gate = Box::pin(behind_a_proxy().start()).await;
    whole_corpus_through(&gate, Front::varnish).await;
}

/// The proxy turns HTTP/1.1 into HTTP/2, and sends what all clients ask for over one connection.
#[tokio::test]
async fn behind_haproxy_over_http2_no_request_is_read_in_two_ways() {
    let secure = Secure::start_in(behind_a_proxy()).await;
    whole_corpus_through(&secure.gate, Front::haproxy_over_http2).await;
    let lines = secure.gate.access_log();
    assert!(lines.iter().all(|line| line["http"] == "HTTP/2"), "{:?}", lines.last());
}

/// nginx would need a listener of its own for it.
#[tokio::test]
async fn what_comes_over_http2_and_is_written_as_http1_is_read_in_one_way() {
    for (start, name) in [(Front::haproxy as fn(SocketAddr) -> Front, "HAProxy"), (Front::varnish, "Varnish")] {
        let gate = Box::pin(behind_a_proxy().start()).await;
        let links = Links::of(&gate).await;
        let front = start(gate.addresses.public);
        let corpus = downgraded::corpus(&links.targets());
        let found = disagreements(&front, &gate, &links, &corpus).await;
        assert!(found.is_empty(), "{name}, {} disagreements:\n{}", found.len(), found.join("\n"));
        let read = gate.links_after(0);
        let passed = read.iter().filter(|one| one.client == IpAddr::V4(ATTACKER)).count();
        assert!(passed > 5, "what can be passed on is: {name}, {passed}");
    }
}

/// What these tests measure is there to be measured: a server that takes no notice of bodies is found out behind every proxy.
#[tokio::test]
async fn a_server_that_reads_bodies_as_requests_is_found_out_behind_every_proxy() {
    for front in [Front::nginx, Front::haproxy, Front::varnish] {
        let naive = Naive::start().await;
        let links = Naive::links();
        let front = front(naive.address);
        let mut all = corpus(&links.targets());
        all.retain(|one| one.name.contains("body"));
        let mut found = Vec::new();
        for one in &all {
            found = disagreements(&front, &naive, &links, std::slice::from_ref(one)).await;
            if !found.is_empty() {
                break;
            }
        }
        assert!(found.iter().any(|one| one.contains("did not write")), "{found:?}");
    }
}

async fn whole_corpus_through(gate: &Gateway, start: fn(SocketAddr) -> Front) {
    let links = Links::of(gate).await;
    let front = start(gate.addresses.public);
    let corpus = corpus(&links.targets());
    // Sound requests of several clients come on one connection, else nothing could be smuggled and the test would say nothing.
    let sound: Vec<_> = (0..20).map(|_| corpus.iter().find(|one| one.name == "a sound request").unwrap()).collect();
    for one in sound {
        assert_eq!(disagreements(&front, gate, &links, std::slice::from_ref(one)).await, Vec::<String>::new());
    }
    let connections = gate.connections().await;
    assert!(connections <= 3, "60 requests of 40 clients took {connections} connections");

    let found = disagreements(&front, gate, &links, &corpus).await;
    assert!(found.is_empty(), "{} disagreements:\n{}", found.len(), found.join("\n"));
    let (read, connections) = (gate.links_after(0).len(), gate.connections().await);
    assert!(read > 2 * corpus.len(), "requests came through: {read}");
    assert!(connections < read / 2, "{read} requests took {connections} connections");
    let bodies = gate.counted("hallpass_requests_total{outcome=\"bad-request\"}").await;
    assert!(bodies > 20, "bodies came through: {bodies}");
}

/// A server as some were: it reads a head, answers, and takes what follows for the next head, whatever the framing said.
struct Naive {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Read>>>,
    connections: Arc<Mutex<usize>>,
}

impl Naive {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let naive = Self { address: listener.local_addr().unwrap(), seen: Arc::default(), connections: Arc::default() };
        let (seen, connections) = (Arc::clone(&naive.seen), Arc::clone(&naive.connections));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                *connections.lock().unwrap() += 1;
                tokio::spawn(answer_heads(stream, Arc::clone(&seen)));
            }
        });
        naive
    }

    fn links() -> Links {
        let [outer, inner, own] = ["/outer", "/inner", "/own"].map(str::to_owned);
        Links { inner_id: inner.clone(), own_id: own.clone(), outer, inner, own }
    }
}

impl Backend for Naive {
    async fn read(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    fn links_after(&self, lines: usize) -> Vec<Read> {
        self.seen.lock().unwrap().iter().skip(lines).cloned().collect()
    }

    async fn connections(&self) -> usize {
        *self.connections.lock().unwrap()
    }
}

async fn answer_heads(mut stream: TcpStream, seen: Arc<Mutex<Vec<Read>>>) {
    let mut ahead = Vec::new();
    while !matches!(stream.read_buf(&mut ahead).await, Ok(0) | Err(_)) {
        while let Some(end) = ahead.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&ahead.drain(..end + 4).collect::<Vec<_>>()).into_owned();
            let field = |name: &str| {
                head.lines().find_map(|line| line.to_lowercase().strip_prefix(name)?.trim().parse::<IpAddr>().ok())
            };
            let client = field("x-forwarded-for:").unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
            let link = head.split(' ').nth(1).map(str::to_owned);
            let body = match link.as_deref().unwrap_or_default() {
                "/inner" => INNER,
                "/own" => OWN,
                _ => OUTER,
            };
            seen.lock().unwrap().push(Read { client, link });
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    }
}
