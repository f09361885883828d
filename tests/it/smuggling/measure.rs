//! How a request was read, seen from the client's side and from behind.
//!
//! Every reading counts requests. A front proxy counts those for which it writes a head, and writes into each where it came from; whoever
//! stands behind it counts those that it answers. The two disagree when a request turns up behind the proxy that the proxy did not
//! write, when one is glued to another client's, or when there are more of them than the proxy answers.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{sleep, timeout};

use super::corpus::{Hostile, Targets};
use super::fronts::Front;
use crate::kit::gateway::{Gateway, Place, request};
use crate::kit::h2_raw;

/// A client that believes nothing of what comes.
pub struct Client {
    stream: TcpStream,
    pub came: Vec<u8>,
    pub closed: bool,
}

impl Client {
    /// A connection from an address of loopback: that is how one client is told from another.
    pub async fn connect(from: Ipv4Addr, to: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from((from, 0))).unwrap();
        let stream = socket.connect(to).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, came: Vec::new(), closed: false }
    }

    /// Sends these bytes. That the other end closes meanwhile is no failure: it may have answered already.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(bytes.as_ref()).await;
    }

    /// Takes what comes until it is closed, `enough` says so, or nothing comes for so long.
    pub async fn take(&mut self, quiet: Duration, enough: impl Fn(&[u8]) -> bool) {
        while !self.closed && !enough(&self.came) {
            match timeout(quiet, self.stream.read_buf(&mut self.came)).await {
                Ok(Ok(0) | Err(_)) => self.closed = true,
                Ok(Ok(_)) => {}
                Err(_) => return,
            }
        }
    }

    pub fn statuses(&self) -> Vec<u16> {
        statuses(&self.came)
    }
}

/// The status of every final answer in these bytes. No body of these tests has a status line in it.
pub fn statuses(bytes: &[u8]) -> Vec<u16> {
    let text = String::from_utf8_lossy(bytes);
    let after = text.split("HTTP/1.").skip(1);
    let codes = after.filter_map(|line| line.get(2..5)?.parse().ok());
    codes.filter(|status| *status >= 200).collect()
}

/// How many answers there are, of whatever version.
fn answers(came: &[u8]) -> usize {
    if came.get(3) == Some(&h2_raw::SETTINGS) {
        // Whoever resets a stream may have passed it on first.
        let decided = frames(came).filter(|frame| [h2_raw::HEADERS, h2_raw::RST_STREAM].contains(&frame.kind));
        return decided.map(|frame| frame.stream).collect::<BTreeSet<_>>().len();
    }
    // A version without a status line is answered without one.
    statuses(came).len() + usize::from(!came.is_empty() && !came.starts_with(b"HTTP/"))
}

/// Whether an HTTP/2 request is answered or refused.
fn is_decided(came: &[u8]) -> bool {
    frames(came).any(|frame| [h2_raw::HEADERS, h2_raw::RST_STREAM, h2_raw::GOAWAY].contains(&frame.kind))
}

fn frames(came: &[u8]) -> impl Iterator<Item = h2_raw::Frame> {
    let mut rest = came.to_vec();
    std::iter::from_fn(move || h2_raw::cut_off(&mut rest))
}

/// A request that was read behind a proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// Who sent it, as the proxy wrote it; the proxy's own address where it wrote nothing.
    pub client: IpAddr,
    /// Which link it asks for, as its path or its id.
    pub link: Option<String>,
}

/// What stands behind a front proxy.
pub trait Backend {
    /// How many requests were read, with those of which no more was read than that they are none.
    async fn read(&self) -> usize;
    /// What is written down of the requests that were read, after the first so many.
    fn links_after(&self, lines: usize) -> Vec<Read>;
    /// How many connections were accepted.
    async fn connections(&self) -> usize;
}

impl Backend for Gateway {
    async fn read(&self) -> usize {
        let page = self.metrics().await;
        let refused = ["bad-head", "head-too-large"].map(|ending| {
            sum(&page, &format!("hallpass_connection_endings_total{{listener=\"public\",ending=\"{ending}\"}}"))
        });
        sum(&page, "hallpass_requests_total{") + refused.iter().sum::<usize>()
    }

    fn links_after(&self, lines: usize) -> Vec<Read> {
        let read = |line: &Value| Read {
            client: line["client"].as_str().unwrap().parse().unwrap(),
            link: line["link"].as_str().map(str::to_owned),
        };
        self.access_log_after(lines).iter().map(read).collect()
    }

    async fn connections(&self) -> usize {
        let page = self.metrics().await;
        let on_public = "{listener=\"public\"";
        sum(&page, &format!("hallpass_connections{on_public}"))
            + sum(&page, &format!("hallpass_connection_endings_total{on_public}"))
    }
}

/// The sum of all series that begin like this.
pub fn sum(page: &str, series: &str) -> usize {
    let lines = page.lines().filter(|line| line.starts_with(series));
    lines.map(|line| line.rsplit(' ').next().unwrap().parse::<usize>().unwrap()).sum()
}

/// Where a gateway believes its proxy.
pub fn behind_a_proxy() -> Place {
    Place { listen: ", trusted_proxies = [\"127.0.0.1/32\"]", ..Place::new() }
}

/// The paths of the three links, and what a backend calls the inner and the victim's.
pub struct Links {
    pub outer: String,
    pub inner: String,
    pub own: String,
    pub inner_id: String,
    pub own_id: String,
}

impl Links {
    pub fn targets(&self) -> Targets {
        Targets { outer: self.outer.clone(), inner: self.inner.clone() }
    }

    /// Mints the links of the corpus.
    pub async fn of(gate: &Gateway) -> Self {
        let outer = gate.link("outer.txt", OUTER.as_bytes()).await;
        let inner = gate.link("inner.txt", INNER.as_bytes()).await;
        let own = gate.link("own.txt", OWN.as_bytes()).await;
        let [outer_path, inner_path, own_path] = [&outer, &inner, &own].map(|link| link.path.clone());
        let [inner_id, own_id] = [&inner, &own].map(|link| link.id.clone());
        Self { outer: outer_path, inner: inner_path, own: own_path, inner_id, own_id }
    }
}

/// Sends each request of the corpus through `front`, and after each lets a victim ask for its own through the same proxy. Gives
/// every disagreement between what the proxy wrote and what was read behind it; there should be none.
pub async fn disagreements(front: &Front, backend: &impl Backend, links: &Links, corpus: &[Hostile]) -> Vec<String> {
    let mut found = Vec::new();
    let (mut victim, mut late, mut seen) = (None, 0, backend.links_after(0).len());
    for hostile in corpus {
        let read = backend.read().await;
        let mut attacker = Client::connect(ATTACKER, front.address()).await;
        attacker.send(&hostile.bytes).await;
        if hostile.bytes.starts_with(h2_raw::PREFACE) {
            attacker.take(SLOW, is_decided).await;
        }
        attacker.take(QUIET, |_| false).await;
        let mut wrong = Vec::new();
        for _ in 0..2 {
            wrong.extend(ask_as_victim(&mut victim, front, links).await);
        }
        wrong.extend(more_than_answered(&mut attacker, backend, read + late).await);
        let links_read = backend.links_after(seen);
        seen += links_read.len();
        wrong.extend(links_read.iter().filter_map(|one| not_written(one, links)));
        // A request that its sender never finished may be passed on when the sender has left.
        late = usize::from(attacker.came.is_empty() && !attacker.closed);
        found.extend(wrong.into_iter().map(|what| format!("{}: {what}", hostile.name)));
    }
    found
}

/// What a well-behaved client gets for its own link, where it is not what it should be. Its connection goes on while it can.
async fn ask_as_victim(connection: &mut Option<Client>, front: &Front, links: &Links) -> Option<String> {
    let ask = request("GET", &links.own, &[]);
    for _ in 0..2 {
        let mut client = match connection.take() {
            Some(client) => client,
            None => Client::connect(VICTIM, front.address()).await,
        };
        client.came.clear();
        client.send(&ask).await;
        client.take(PATIENCE, is_whole).await;
        let fine = client.statuses() == [200] && client.came.ends_with(OWN.as_bytes());
        let idle = client.closed && client.came.is_empty();
        if fine {
            *connection = Some(client);
            return None;
        }
        // A kept connection may be closed between two requests; a new one may not.
        if !idle {
            return Some(format!("the victim gets {:?}", String::from_utf8_lossy(&client.came)));
        }
    }
    Some("the victim gets nothing".to_owned())
}

/// Whether a whole answer came, by its own account of its length.
fn is_whole(came: &[u8]) -> bool {
    let text = String::from_utf8_lossy(came);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
    length.is_some_and(|length: usize| body.len() >= length)
}

/// More requests than answers, if it stays so: the proxy may still be at it.
async fn more_than_answered(attacker: &mut Client, backend: &impl Backend, before: usize) -> Option<String> {
    for _ in 0..20 {
        let (answers, read) = (answers(&attacker.came), backend.read().await.saturating_sub(before));
        if read <= answers + VICTIMS {
            return None;
        }
        if attacker.closed {
            sleep(QUIET).await;
        }
        attacker.take(QUIET, |_| false).await;
    }
    let (came, read) = (String::from_utf8_lossy(&attacker.came), backend.read().await - before - VICTIMS);
    Some(format!("{read} requests are read behind the proxy, which answers {came:?}"))
}

/// What is wrong with a request that was read: nobody wrote it, or it came into somebody else's.
fn not_written(read: &Read, links: &Links) -> Option<String> {
    let is = |id: &String| read.link.as_ref() == Some(id);
    let what = match read.client {
        IpAddr::V4(ATTACKER) if is(&links.own_id) => "the attacker's is read as the victim's",
        IpAddr::V4(VICTIM) if !is(&links.own_id) => "the victim's is read as another one",
        IpAddr::V4(ATTACKER | VICTIM) => return None,
        _ => "one is read that the proxy did not write",
    };
    let hidden = if is(&links.inner_id) { " (it is the hidden one)" } else { "" };
    Some(format!("{what}{hidden}: {read:?}"))
}

pub const OUTER: &str = "the outer one, for whoever asks for it";
pub const INNER: &str = "the hidden one";
pub const OWN: &str = "the victim's own";

pub const ATTACKER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const VICTIM: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);
/// The requests of the victim after each of the corpus.
const VICTIMS: usize = 2;
/// After which time without an answer the next request is sent.
const QUIET: Duration = Duration::from_millis(40);
/// How long a proxy may take to begin with HTTP/2, for which some start a thread.
const SLOW: Duration = Duration::from_millis(500);
const PATIENCE: Duration = Duration::from_secs(10);
