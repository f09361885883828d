//! HTTP/1.1 as bytes: sends exactly what a test wrote, and reads exactly one answer, with every header line as it came.
//!
//! It follows no redirect, decodes nothing and repairs nothing. An answer whose body is shorter than its Content-Length is an error
//! that tells how much came, because that is what an aborted body looks like.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

/// One connection.
pub struct Wire {
    stream: Box<dyn Duplex>,
    /// Bytes that came and belong to no answer yet.
    ahead: Vec<u8>,
}

/// What bytes travel on: a socket, or TLS over one.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Duplex for S {}

/// One whole answer.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    /// `HTTP/1.1 200 OK`.
    pub status_line: String,
    pub status: u16,
    /// Name and value of each line, as they came and in that order.
    pub fields: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl fmt::Debug for Answer {
    /// Of the body only what can be read.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = std::str::from_utf8(&self.body).ok().filter(|text| text.len() <= MOST_SHOWN);
        let length = self.body.len();
        write!(out, "{} {:?} and {length} bytes {}", self.status_line, self.fields, text.unwrap_or("of content"))
    }
}

/// An answer that did not come to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// What came, if a whole head did.
    pub answer: Option<Answer>,
    /// What the head promised, in bytes.
    pub promised: usize,
    pub how: End,
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Closed,
    Reset,
    /// Nothing came for [`PATIENCE`], and the connection stays open.
    Silent,
}

impl Wire {
    pub async fn connect(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).await.unwrap())
    }

    /// A connection that takes little at a time, so that what it does not read stays with the sender.
    pub async fn connect_narrow(address: SocketAddr) -> Self {
        Self::connect_with_buffer(address, 4096).await
    }

    /// A connection whose end takes about so many bytes before anybody reads them.
    pub async fn connect_with_buffer(address: SocketAddr, bytes: u32) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(bytes).unwrap();
        Self::over(socket.connect(address).await.unwrap())
    }

    /// Speaks over what is connected already.
    pub fn over(stream: impl Duplex + 'static) -> Self {
        Self { stream: Box::new(stream), ahead: Vec::new() }
    }

    /// Sends these bytes. That the other end closes meanwhile is no failure: it may have answered already.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(bytes.as_ref()).await;
        let _ = self.stream.flush().await;
    }

    /// The next answer.
    pub async fn answer(&mut self) -> Answer {
        self.try_answer(false).await.unwrap_or_else(|broken| panic!("no whole answer came: {broken:?}"))
    }

    /// The next answer, which is to a HEAD and so has no body.
    pub async fn answer_to_head(&mut self) -> Answer {
        self.try_answer(true).await.unwrap_or_else(|broken| panic!("no whole answer came: {broken:?}"))
    }

    /// The next answer, or what there is of it.
    pub async fn try_answer(&mut self, to_head: bool) -> Result<Answer, Broken> {
        let mut answer = self.head().await?;
        let promised = if to_head || answer.status == 304 { 0 } else { answer.length().unwrap_or(0) };
        let came = self.fill(promised).await;
        answer.body = self.ahead.drain(..promised.min(self.ahead.len())).collect();
        match came {
            Ok(()) => Ok(answer),
            Err(how) => Err(Broken { answer: Some(answer), promised, how }),
        }
    }

    /// The next answer, however long hundreds of others take on a machine that has other things to do.
    pub async fn patient_answer(&mut self) -> Answer {
        for _ in 0..24 {
            match self.try_answer(false).await {
                Ok(answer) => return answer,
                Err(broken) if broken.answer.is_none() && broken.how == End::Silent => {}
                Err(broken) => panic!("no whole answer came: {broken:?}"),
            }
        }
        panic!("no answer came");
    }

    /// The head of the next answer alone; the body stays unread.
    pub async fn head(&mut self) -> Result<Answer, Broken> {
        loop {
            if let Some(end) = self.ahead.windows(4).position(|window| window == b"\r\n\r\n") {
                let head: Vec<u8> = self.ahead.drain(..end + 4).collect();
                return Ok(Answer::read(std::str::from_utf8(&head).unwrap()));
            }
            if let Err(how) = self.fill(self.ahead.len() + 1).await {
                return Err(Broken { answer: None, promised: 0, how });
            }
        }
    }

    /// Reads the rest of a body of `length` bytes, or what comes of it.
    pub async fn body(&mut self, length: usize) -> Result<Vec<u8>, (Vec<u8>, End)> {
        let came = self.fill(length).await;
        let body: Vec<u8> = self.ahead.drain(..length.min(self.ahead.len())).collect();
        match came {
            Ok(()) => Ok(body),
            Err(how) => Err((body, how)),
        }
    }

    /// How the connection ends after everything that was read; bytes that still come are a failure.
    pub async fn end(&mut self) -> End {
        match self.fill(1).await {
            Ok(()) => {
                let _ = self.fill(1 << 20).await;
                panic!("more came: {:?}", String::from_utf8_lossy(&self.ahead));
            }
            Err(how) => how,
        }
    }

    /// Whether the other end has closed, with nothing more said.
    pub async fn is_closed(&mut self) -> bool {
        self.end().await != End::Silent
    }

    /// Whether the other end has closed already; what came before is kept.
    pub async fn has_ended(&mut self) -> bool {
        loop {
            match timeout(Duration::from_millis(1), self.stream.read_buf(&mut self.ahead)).await {
                Ok(Ok(0) | Err(_)) => return true,
                Ok(Ok(_)) => {}
                Err(_) => return false,
            }
        }
    }

    /// Reads until there are `wanted` bytes ahead.
    async fn fill(&mut self, wanted: usize) -> Result<(), End> {
        while self.ahead.len() < wanted {
            match timeout(PATIENCE, self.stream.read_buf(&mut self.ahead)).await {
                Ok(Ok(0)) => return Err(End::Closed),
                Ok(Ok(_)) => {}
                Ok(Err(_)) => return Err(End::Reset),
                Err(_) => return Err(End::Silent),
            }
        }
        Ok(())
    }
}

impl Answer {
    fn read(head: &str) -> Self {
        let mut lines = head.trim_end_matches("\r\n").split("\r\n");
        let status_line = lines.next().unwrap().to_owned();
        let status = status_line.split(' ').nth(1).unwrap().parse().unwrap();
        let field = |line: &str| {
            let (name, value) = line.split_once(": ").unwrap_or_else(|| panic!("no field: {line:?}"));
            (name.to_owned(), value.to_owned())
        };
        Self { status_line, status, fields: lines.map(field).collect(), body: Vec::new() }
    }

    /// The value of a field that stands there once; `None` where it is missing.
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut found = self.fields.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
        let value = found.next().map(|(_, value)| value.as_str());
        assert!(found.next().is_none(), "{name} stands there twice");
        value
    }

    /// All lines but Date, sorted: for comparing with all that there may be.
    pub fn block(&self) -> Vec<String> {
        let lines = self.fields.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("date"));
        let mut lines: Vec<_> = lines.map(|(name, value)| format!("{name}: {value}")).collect();
        lines.sort();
        lines
    }

    /// Everything but Date: for comparing answers with each other.
    pub fn face(&self) -> (String, Vec<String>, Vec<u8>) {
        (self.status_line.clone(), self.block(), self.body.clone())
    }

    /// The Content-Length.
    pub fn length(&self) -> Option<usize> {
        self.field("content-length").map(|text| text.parse().unwrap())
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Status and stable code of a problem, which must be one in every respect.
    pub fn problem(&self) -> (u16, String) {
        assert_eq!(self.field("content-type"), Some("application/problem+json"), "{self:?}");
        assert_eq!(self.field("cache-control"), Some("no-store"), "{self:?}");
        assert_eq!(self.field("x-content-type-options"), Some("nosniff"), "{self:?}");
        assert_eq!(self.length(), Some(self.body.len()), "{self:?}");
        for asset_field in ["etag", "last-modified", "cache-status", "accept-ranges", "content-disposition"] {
            assert_eq!(self.field(asset_field), None, "{self:?}");
        }
        let json = self.json();
        assert_eq!(json["status"], self.status, "{self:?}");
        (self.status, json["code"].as_str().unwrap().to_owned())
    }
}

/// The longest body that is shown in a failure, in bytes.
const MOST_SHOWN: usize = 4096;
/// How long nothing may come before a connection counts as silent.
const PATIENCE: Duration = Duration::from_secs(5);
