//! One row over TLS on one server, once.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use super::channel::{check, dial, shaken};
use super::fleet::{Asked, Fleet, Speech};
use super::handshakes::Handshakes;
use super::{Client, Door, http2};
use crate::answer;
use crate::measure::{CONNECTIONS, Outcome};
use crate::servers::Peer;
use crate::steady::{Steady, steady};
use crate::support::memory::resident;
use crate::support::wire::META;
use crate::world::{Hot, SMALL, World};

/// Kept connections, each asking as soon as it is answered.
pub fn hot(world: &World, peer: &Peer, hot: Hot) -> Option<Outcome> {
    let door = world.door(peer)?;
    let asked = asked(world, &door, hot);
    let config = world.papers.client(Client::Keeps);
    let fleet = Fleet::connect(door.at, None, &config, CONNECTIONS, Speech::One, &asked).unwrap();
    Some(rate_first(steady(world, fleet, &door.pids)))
}

/// The same over HTTP/2, with so many streams on each of sixteen connections.
pub fn hot_http2(world: &World, peer: &Peer, hot: Hot, streams: usize) -> Option<Outcome> {
    let door = world.door(peer)?;
    let block = http2::get(&door.authority(), &door.links[hot.0], META);
    let asked = Arc::new(Asked { request: block, status: 200, status_field: OK, body: world.expected(hot) });
    let config = world.papers.client(Client::KeepsHttp2);
    let fleet = Fleet::connect(door.at, None, &config, CONNECTIONS_HTTP2, Speech::Streams(streams), &asked).unwrap();
    Some(rate_first(steady(world, fleet, &door.pids)))
}

/// A connection for each request.
pub fn handshake(world: &World, peer: &Peer, resumed: bool) -> Option<Outcome> {
    let door = world.door(peer)?;
    let client = if resumed { Client::Resumes } else { Client::Full };
    let configs = (0..HANDSHAKES).map(|_| world.papers.client(client)).collect();
    let hands = Handshakes::begin(door.at, configs, resumed, &asked(world, &door, SMALL)).unwrap();
    let mut outcome = rate_first(steady(world, hands, &door.pids));
    outcome.values.reverse();
    Some(outcome)
}

/// What a connection keeps resident after its handshake and one request, when thousands stay open.
pub fn idle(world: &World, peer: &Peer) -> Option<Outcome> {
    let door = world.door(peer)?;
    let asked = asked(world, &door, SMALL);
    let config = world.papers.client(Client::Full);
    let before = resident(&door.pids);
    let (mut kept, mut faults) = (Vec::new(), Vec::new());
    for _ in 0..IDLE {
        match one(&asked, || dial(door.at, None), &config) {
            Ok(socket) => kept.push(socket),
            Err(fault) => faults.push(fault.to_string()),
        }
    }
    std::thread::sleep(Duration::from_millis(500));
    let after = resident(&door.pids);
    let closed = kept.iter().filter(|socket| has_ended(socket)).count();
    if closed > 0 {
        faults.push(format!("{closed} of {IDLE} were closed"));
    }
    drop(kept);
    // The server's work to close them is no other row's affair.
    std::thread::sleep(Duration::from_secs(1));
    faults.dedup();
    faults.truncate(3);
    let each = after.saturating_sub(before) as f64 / IDLE as f64;
    Some(Outcome { values: vec![each], detail: None, faults })
}

/// One answer, seen to be right.
pub fn fetch(world: &World, door: &Door<'_>, hot: Hot) -> io::Result<()> {
    one(&asked(world, door, hot), || dial(door.at, None), &world.papers.client(Client::Full)).map(drop)
}

/// One connection, from its beginning to the last byte of one answer; of which only the socket is kept.
pub fn one(
    asked: &Asked,
    connect: impl FnOnce() -> io::Result<TcpStream>,
    config: &Arc<rustls::ClientConfig>,
) -> io::Result<TcpStream> {
    let mut socket = connect()?;
    let mut tls = shaken(&mut socket, config)?;
    check(&tls)?;
    let mut stream = rustls::Stream::new(&mut tls, &mut socket);
    stream.write_all(&asked.request)?;
    let (mut came, mut piece) = (Vec::new(), [0; 8 * 1024]);
    loop {
        match stream.read(&mut piece)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            got => came.extend_from_slice(&piece[..got]),
        }
        match answer::read(&came).map_err(io::Error::other)? {
            Some(head) if came.len() == head.bytes + asked.body.len() => break,
            _ => {}
        }
    }
    let is_right = came.ends_with(&asked.body);
    is_right.then_some(socket).ok_or_else(|| io::Error::other("another answer"))
}

/// A request of Meta's fetcher in HTTP/1.1, and what must come of it.
pub fn asked(world: &World, door: &Door<'_>, hot: Hot) -> Arc<Asked> {
    let request = plain(&door.authority(), &door.links[hot.0], hot.1);
    let status = if hot.1.is_empty() { 200 } else { 206 };
    Arc::new(Asked { request, status, status_field: OK, body: world.expected(hot) })
}

pub fn plain(authority: &str, path: &str, range: &str) -> Vec<u8> {
    let range = if range.is_empty() { String::new() } else { format!("Range: {range}\r\n") };
    format!("GET {path} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: {META}\r\n{range}\r\n").into_bytes()
}

/// By bytes, as without TLS; then the server's CPU of each answer.
fn rate_first(run: Steady) -> Outcome {
    let rate = run.answers / run.took.as_secs_f64();
    let values = vec![rate, run.detail.cpu.as_secs_f64() * 1e6];
    Outcome { values, detail: Some(run.detail), faults: run.faults }
}

fn has_ended(socket: &TcpStream) -> bool {
    let peeked =
        rustix::net::recv(socket, &mut [0_u8; 1], rustix::net::RecvFlags::PEEK | rustix::net::RecvFlags::DONTWAIT);
    !matches!(peeked, Err(rustix::io::Errno::AGAIN))
}

/// `:status: 200` in HPACK.
const OK: u8 = 0x88;
const CONNECTIONS_HTTP2: usize = 16;
/// How many connections are made at a time.
const HANDSHAKES: usize = 16;
const IDLE: usize = 10_000;
