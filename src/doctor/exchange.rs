//! One request on a connection of its own, and what came back: the head as it was sent, and as much of the body as is wanted.
//!
//! HTTP/1.1 alone, by hyper. Nothing is followed, decoded or repaired. Every body is read up to a limit and within a time; how its reading
//! ended is part of the answer, for a body that breaks off is a fact like any other.

use std::net::SocketAddr;
use std::time::Duration;

use ::http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_LENGTH, HOST, HeaderMap, HeaderName, USER_AGENT};
use ::http::uri::PathAndQuery;
use ::http::{Method, Request, StatusCode, Version};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use super::handshake::{Hello, NoSession, shake_hands};
use super::kind;
use super::limits::{BODY, HEAD, Patience, STALL};
use super::report::quoted;
use crate::media::{Facts, Inspector};

/// Whom to ask: one address, by one name.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) address: SocketAddr,
    pub(super) name: ServerName<'static>,
    /// What `Host` says.
    pub(super) authority: String,
    pub(super) patience: Patience,
}

/// What to ask.
#[derive(Clone, Debug)]
pub(super) struct Question {
    pub(super) method: Method,
    pub(super) path: PathAndQuery,
    pub(super) agent: &'static str,
    /// Which content codings are offered.
    pub(super) codings: &'static str,
    pub(super) fields: Vec<(HeaderName, String)>,
    pub(super) wanted: Wanted,
}

/// How much of a body is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// None of it.
    Head,
    /// So many bytes, which are kept.
    Bytes(usize),
    /// All of it, inspected as media, up to the limit of its kind.
    Media,
}

/// What came back.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) version: Version,
    pub(super) fields: HeaderMap,
    /// From the request to the head.
    pub(super) waited: Duration,
    pub(super) body: Body,
}

/// What was read of a body.
#[derive(Clone, Debug)]
pub(super) struct Body {
    /// The bytes that came.
    pub(super) length: u64,
    pub(super) ending: Ending,
    /// From the head to the last byte that was read.
    pub(super) took: Duration,
    /// The first bytes: [`FRONT`] of media, else as many as were wanted.
    pub(super) front: Vec<u8>,
    /// The last bytes, up to [`TAIL`].
    pub(super) tail: Vec<u8>,
    /// What they are, where they were inspected.
    pub(super) facts: Option<Facts>,
}

/// How the reading of a body ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// At the end of the body.
    Whole,
    /// No more was wanted.
    Enough,
    /// Nothing came for a while.
    Stalled,
    /// It came too slowly.
    TooSlow,
    /// The connection broke.
    Broken(String),
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoAnswer {
    #[error(transparent)]
    NoSession(#[from] NoSession),
    #[error("no answer within {} s", .0.as_secs())]
    Silent(Duration),
    #[error("the server closed the connection instead of answering")]
    Closed,
    #[error("the answer is not HTTP/1.1: {0}")]
    Garbage(String),
}

impl Answer {
    /// A field's value; `None` where it is missing or not ASCII.
    pub(super) fn field(&self, name: &HeaderName) -> Option<&str> {
        self.fields.get(name)?.to_str().ok()
    }

    /// The length that the head declares.
    pub(super) fn declared_length(&self) -> Option<u64> {
        content_length(&self.fields)
    }

    /// `200 OK`
    pub(super) fn said(&self) -> String {
        self.status.to_string()
    }
}

fn content_length(fields: &HeaderMap) -> Option<u64> {
    fields.get(CONTENT_LENGTH)?.to_str().ok()?.trim().parse().ok()
}

/// Asks, and reads what is wanted of the answer.
pub(super) async fn ask(line: &Line, question: &Question) -> Result<Answer, NoAnswer> {
    let (stream, _) = shake_hands(line.address, &line.name, Hello::Fetch, line.patience).await?;
    let mut builder = http1::Builder::new();
    builder.max_headers(HEAD_LINES).max_buf_size(HEAD_BYTES);
    let shaken = builder.handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = shaken.map_err(|error| garbage(&error))?;
    let _driver = Driver(tokio::spawn(async move {
        let _ = connection.await;
    }));
    let asked = Instant::now();
    let sent = sender.send_request(request(line, question)?);
    let answered = line.patience.wait(HEAD, sent).await.ok_or_else(|| NoAnswer::Silent(asked.elapsed()))?;
    let (head, body) = answered.map_err(|error| garbage(&error))?.into_parts();
    let waited = asked.elapsed();
    let declared = content_length(&head.headers);
    let most = most_of(question.wanted, declared, &head.headers);
    let body = Reading::new(question.wanted, most).read(body, declared, line.patience).await;
    Ok(Answer { status: head.status, version: head.version, fields: head.headers, waited, body })
}

fn request(line: &Line, question: &Question) -> Result<Request<Empty<Bytes>>, NoAnswer> {
    let mut request = Request::builder()
        .method(question.method.clone())
        .uri(question.path.as_str())
        .header(HOST, &line.authority)
        .header(USER_AGENT, question.agent)
        .header(ACCEPT, "*/*")
        .header(ACCEPT_ENCODING, question.codings);
    for (name, value) in &question.fields {
        request = request.header(name, value);
    }
    request.body(Empty::new()).map_err(|error| NoAnswer::Garbage(error.to_string()))
}

/// The task that drives a connection; it ends with the exchange.
struct Driver(JoinHandle<()>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn garbage(error: &hyper::Error) -> NoAnswer {
    if error.is_parse() { NoAnswer::Garbage(quoted(&error.to_string())) } else { NoAnswer::Closed }
}

/// The most bytes that are read of a body: of media, one more than a header of its kind may have, or only the front where the declared length
/// says already that it is too large.
fn most_of(wanted: Wanted, declared: Option<u64>, fields: &HeaderMap) -> u64 {
    let limit = kind::declared(fields).limit_bytes();
    match wanted {
        Wanted::Head => 0,
        Wanted::Bytes(most) => most as u64,
        Wanted::Media if declared.is_some_and(|length| length > limit) => FRONT as u64,
        Wanted::Media => limit + 1,
    }
}

/// A body that is being read.
struct Reading {
    wanted: Wanted,
    most: u64,
    keep: usize,
    length: u64,
    front: Vec<u8>,
    tail: Vec<u8>,
    inspector: Inspector,
}

impl Reading {
    fn new(wanted: Wanted, most: u64) -> Self {
        let keep = match wanted {
            Wanted::Head => 0,
            Wanted::Bytes(most) => most,
            Wanted::Media => FRONT,
        };
        Self { wanted, most, keep, length: 0, front: Vec::new(), tail: Vec::new(), inspector: Inspector::new() }
    }

    async fn read(mut self, body: Incoming, declared: Option<u64>, patience: Patience) -> Body {
        let begun = Instant::now();
        let ending = self.follow(body, patience).await;
        let took = begun.elapsed();
        let whole = if ending == Ending::Whole { self.length } else { declared.unwrap_or(u64::MAX) };
        let facts = (self.wanted == Wanted::Media).then(|| self.inspector.finish(whole));
        let start = self.tail.len().saturating_sub(TAIL);
        self.tail.drain(..start);
        Body { length: self.length, ending, took, front: self.front, tail: self.tail, facts }
    }

    async fn follow(&mut self, mut body: Incoming, patience: Patience) -> Ending {
        if self.wanted == Wanted::Head {
            return Ending::Enough;
        }
        let end = patience.deadline(BODY);
        while self.length < self.most {
            let next = timeout_at(end.min(Instant::now() + STALL), body.frame()).await;
            match next {
                Err(_) if Instant::now() >= end => return Ending::TooSlow,
                Err(_) => return Ending::Stalled,
                Ok(None) => return Ending::Whole,
                Ok(Some(Err(error))) => return Ending::Broken(quoted(&error.to_string())),
                Ok(Some(Ok(frame))) => self.take(&frame.into_data().unwrap_or_default()),
            }
            if Instant::now() >= end {
                return Ending::TooSlow;
            }
        }
        Ending::Enough
    }

    fn take(&mut self, piece: &[u8]) {
        let room = usize::try_from(self.most - self.length).unwrap_or(usize::MAX);
        let piece = piece.get(..room.min(piece.len())).unwrap_or_default();
        self.length += piece.len() as u64;
        let space = self.keep.saturating_sub(self.front.len());
        self.front.extend_from_slice(piece.get(..space.min(piece.len())).unwrap_or_default());
        if self.wanted == Wanted::Media {
            self.inspector.update(piece);
            self.tail.extend_from_slice(piece.get(piece.len().saturating_sub(TAIL)..).unwrap_or_default());
            if self.tail.len() > 4 * TAIL {
                self.tail.drain(..self.tail.len() - TAIL);
            }
        }
    }
}

/// The bytes that Meta's own advice asks for, `bytes=0-524288`.
pub(super) const FRONT: usize = 524_289;
/// The bytes that are asked for from the end.
pub(super) const TAIL: usize = 65_536;
/// The most lines of a head.
const HEAD_LINES: usize = 200;
/// The most bytes of a head.
const HEAD_BYTES: usize = 128 * 1024;
