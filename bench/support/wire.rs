//! HTTP/1.1 as bytes on one connection: sends what it is given, and judges a body as it comes instead of keeping it.
//!
//! It repairs nothing and follows nothing. A body that stops short of its Content-Length is told apart by how it stopped.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

/// How Meta's fetcher calls itself.
pub const META: &str = "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)";

pub struct Wire {
    stream: TcpStream,
    /// Bytes that came and belong to nothing read yet.
    ahead: Vec<u8>,
    /// How long nothing may come before the connection counts as silent.
    pub patience: Duration,
}

/// The head of an answer.
#[derive(Clone, Debug)]
pub struct Head {
    pub status: u16,
    pub text: String,
    /// The Content-Length.
    pub length: u64,
}

impl Head {
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.text.lines().filter_map(|line| line.split_once(':'));
        fields.find_map(|(n, value)| n.eq_ignore_ascii_case(name).then(|| value.trim()))
    }
}

/// A small answer, kept.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub head: Head,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The stable code of a problem, or nothing.
    pub fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }
}

/// How a body ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Whole,
    Closed,
    Reset,
    Silent,
    /// A byte was not the one that belongs there.
    Wrong,
    /// The reader had enough.
    Left,
}

/// What came of a body.
#[derive(Clone, Copy, Debug)]
pub struct Came {
    pub bytes: u64,
    pub end: End,
}

/// How a body is read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pace {
    /// Bytes per second; 0 is as fast as it goes.
    pub speed: u64,
    /// Leaves after so many bytes.
    pub leave_after: Option<u64>,
    /// Leaves after this time.
    pub leave_within: Option<Duration>,
}

impl Wire {
    pub async fn connect(at: SocketAddr) -> io::Result<Self> {
        Ok(Self::on(timeout(PATIENCE, TcpStream::connect(at)).await??))
    }

    /// A connection that takes little at a time, so that what it does not read stays with the sender.
    pub async fn connect_narrow(at: SocketAddr) -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.set_recv_buffer_size(4096)?;
        Ok(Self::on(timeout(PATIENCE, socket.connect(at)).await??))
    }

    fn on(stream: TcpStream) -> Self {
        Self { stream, ahead: Vec::new(), patience: PATIENCE }
    }

    pub async fn send(&mut self, text: &str) -> io::Result<()> {
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            self.stream.writable().await?;
            match self.stream.try_write(rest) {
                Ok(sent) => rest = &rest[sent..],
                Err(fault) if fault.kind() == io::ErrorKind::WouldBlock => {}
                Err(fault) => return Err(fault),
            }
        }
        Ok(())
    }

    /// The head of the next answer; the body stays unread.
    pub async fn head(&mut self) -> io::Result<Head> {
        let mut buffer = [0; 4096];
        loop {
            if let Some(end) = self.ahead.windows(4).position(|window| window == b"\r\n\r\n") {
                let head: Vec<u8> = self.ahead.drain(..end + 4).collect();
                return read_head(&head);
            }
            match self.some(&mut buffer).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                came => self.ahead.extend_from_slice(&buffer[..came]),
            }
        }
    }

    /// Bytes as they come; 0 at the end.
    pub async fn some(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !self.ahead.is_empty() {
            let taken = buffer.len().min(self.ahead.len());
            buffer[..taken].copy_from_slice(&self.ahead[..taken]);
            self.ahead.drain(..taken);
            return Ok(taken);
        }
        loop {
            timeout(self.patience, self.stream.readable()).await.map_err(|_| io::ErrorKind::TimedOut)??;
            match self.stream.try_read(buffer) {
                Err(fault) if fault.kind() == io::ErrorKind::WouldBlock => {}
                came => return came,
            }
        }
    }

    /// Reads a body of `length` bytes; `right` says of each piece, by its offset, whether it belongs there.
    pub async fn body(&mut self, length: u64, pace: Pace, mut right: impl FnMut(u64, &[u8]) -> bool) -> Came {
        let begun = tokio::time::Instant::now();
        let mut buffer = vec![0; if pace.speed > 0 { 1024 } else { 64 * 1024 }];
        let mut bytes = 0;
        while bytes < length {
            let leaves = pace.leave_after.is_some_and(|after| bytes >= after)
                || pace.leave_within.is_some_and(|time| begun.elapsed() >= time);
            if leaves {
                return Came { bytes, end: End::Left };
            }
            let wanted = usize::try_from(length - bytes).unwrap().min(buffer.len());
            let came = match self.some(&mut buffer[..wanted]).await {
                Ok(0) => return Came { bytes, end: End::Closed },
                Ok(came) => came,
                Err(fault) if fault.kind() == io::ErrorKind::TimedOut => return Came { bytes, end: End::Silent },
                Err(_) => return Came { bytes, end: End::Reset },
            };
            if !right(bytes, &buffer[..came]) {
                return Came { bytes, end: End::Wrong };
            }
            bytes += u64::try_from(came).unwrap();
            if pace.speed > 0 {
                tokio::time::sleep(Duration::from_secs_f64(came as f64 / pace.speed as f64)).await;
            } else {
                // Others are read too, however much lies ready here.
                tokio::task::yield_now().await;
            }
        }
        Came { bytes, end: End::Whole }
    }

    /// One small answer, whole.
    pub async fn answer(&mut self, to_head: bool) -> io::Result<Answer> {
        let head = self.head().await?;
        let length = if to_head || head.status == 304 { 0 } else { head.length };
        let mut body = Vec::new();
        let keep = |_, piece: &[u8]| {
            body.extend_from_slice(piece);
            true
        };
        match self.body(length, Pace::default(), keep).await.end {
            End::Whole => Ok(Answer { status: head.status, head, body }),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

fn read_head(bytes: &[u8]) -> io::Result<Head> {
    let odd = || io::Error::from(io::ErrorKind::InvalidData);
    let text = String::from_utf8(bytes.to_vec()).map_err(|_| odd())?;
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(odd)?;
    let mut head = Head { status, text, length: 0 };
    head.length = head.field("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    Ok(head)
}

/// A request as Meta's fetcher makes it, with these further header lines.
pub fn request(method: &str, path: &str, host: SocketAddr, lines: &[String]) -> String {
    let (start, host) = (format!("{method} {path} HTTP/1.1"), format!("Host: {host}"));
    let meta = format!("User-Agent: {META}");
    let all: Vec<_> = [&start, &host, &meta].into_iter().chain(lines).map(String::as_str).collect();
    all.join("\r\n") + "\r\n\r\n"
}

const PATIENCE: Duration = Duration::from_secs(30);
