//! HTTP/2 as frames (RFC 9113 section 4.1): sends exactly what a test wrote, sound or not, and reads frames as they come.
//!
//! Field blocks are written without compression and without a table (RFC 7541 section 6.2.2), so that every block can be repeated. Of
//! what comes only the status is decoded. Nothing is answered by itself, no ping and no settings: an attacker would not.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::time::timeout;

use super::wire::Duplex;

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const PRIORITY: u8 = 2;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PUSH_PROMISE: u8 = 5;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;
pub const ACK: u8 = 1;

/// `SETTINGS_INITIAL_WINDOW_SIZE`.
pub const INITIAL_WINDOW: u16 = 4;
/// `SETTINGS_MAX_CONCURRENT_STREAMS`.
pub const MAX_STREAMS: u16 = 3;
pub const CANCEL: u32 = 8;
pub const REFUSED_STREAM: u32 = 7;

/// One connection that speaks HTTP/2, or what a test makes of it.
pub struct RawH2 {
    reader: ReadHalf<Box<dyn Duplex>>,
    writer: WriteHalf<Box<dyn Duplex>>,
    ahead: Vec<u8>,
}

/// A frame that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

/// How a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The error code of the last GOAWAY; `None` where none came.
    pub goaway: Option<u32>,
    /// How often a stream was reset.
    pub resets: usize,
    /// Statuses of all answers.
    pub statuses: Vec<u16>,
}

impl RawH2 {
    /// Begins with the preface and these settings, and waits for nothing.
    pub async fn open(stream: impl Duplex + 'static, settings: &[(u16, u32)]) -> Self {
        let mut raw = Self::bare(stream);
        let payload: Vec<u8> =
            settings.iter().flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat()).collect();
        raw.send([b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), frame(SETTINGS, 0, 0, &payload)].concat()).await;
        raw
    }

    /// Begins with nothing.
    pub fn bare(stream: impl Duplex + 'static) -> Self {
        let (reader, writer) = split(Box::new(stream) as Box<dyn Duplex>);
        Self { reader, writer, ahead: Vec::new() }
    }

    /// Sends these bytes, and tells whether they were taken.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        write(&mut self.writer, bytes.as_ref()).await
    }

    /// The next frame; `None` once the connection has ended. Silence is a failure.
    pub async fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = cut_off(&mut self.ahead) {
                return Some(frame);
            }
            let came = timeout(PATIENCE, self.reader.read_buf(&mut self.ahead)).await;
            if matches!(came.expect("the connection is silent and stays open"), Ok(0) | Err(_)) {
                return None;
            }
        }
    }

    /// Reads frames until one is like that.
    pub async fn until(&mut self, wanted: impl Fn(&Frame) -> bool) -> Frame {
        let mut others = Vec::new();
        while let Some(frame) = self.next().await {
            if wanted(&frame) {
                return frame;
            }
            others.push((frame.kind, frame.stream));
        }
        panic!("the connection ended before that came; of kinds and streams came {others:?}");
    }

    /// The status of the answer on this stream.
    pub async fn status(&mut self, stream: u32) -> u16 {
        let head = self.until(|frame| frame.kind == HEADERS && frame.stream == stream).await;
        head.status().unwrap_or_else(|| panic!("no status: {head:?}"))
    }

    /// Reads to the end of the connection.
    pub async fn ended(&mut self) -> Ended {
        let mut ended = Ended { goaway: None, resets: 0, statuses: Vec::new() };
        while let Some(frame) = self.next().await {
            ended.note(&frame);
        }
        ended
    }

    /// Sends what `attack` makes for 0, 1, 2 ... until the other end closes, and reads all that it says meanwhile. That it bears `most`
    /// of them is a failure.
    pub async fn flood(self, most: u32, attack: impl Fn(u32) -> Vec<u8>) -> Ended {
        let Self { mut reader, mut writer, mut ahead } = self;
        let mut ended = Ended { goaway: None, resets: 0, statuses: Vec::new() };
        let reading = async {
            loop {
                while let Some(frame) = cut_off(&mut ahead) {
                    ended.note(&frame);
                }
                match timeout(PATIENCE, reader.read_buf(&mut ahead)).await {
                    Ok(Ok(0) | Err(_)) => return true,
                    Ok(Ok(_)) => {}
                    Err(_) => return false,
                }
            }
        };
        let writing = async {
            for at in 0..most {
                if !write(&mut writer, &attack(at)).await {
                    return;
                }
            }
            // Whoever is not closed by now is silent in a moment.
        };
        let (closed, ()) = tokio::join!(reading, writing);
        assert!(closed, "{most} of them are borne: {ended:?}");
        ended
    }

    /// The same without reading anything: gives how many were taken before the other end closed, which must be fewer than `most`.
    pub async fn flood_deaf(mut self, most: u32, attack: impl Fn(u32) -> Vec<u8>) -> u32 {
        for at in 0..most {
            let taken = timeout(PATIENCE, self.writer.write_all(&attack(at))).await;
            if taken.expect("the other end takes nothing more, and stays open").is_err() {
                return at;
            }
        }
        panic!("{most} of them are borne");
    }
}

impl Frame {
    /// The status, where the block begins with one, as every encoder's does. One that is not in the static table is told once on each
    /// connection: from then on it is a number in a table that is not kept here.
    pub fn status(&self) -> Option<u16> {
        const INDEXED: [u16; 7] = [200, 204, 206, 304, 400, 404, 500];
        match self.payload.as_slice() {
            [first @ 0x88..=0x8e, ..] => Some(INDEXED[usize::from(first - 0x88)]),
            // A literal whose name is that of an entry of the static table; the value is in Huffman's code or not.
            [0x08 | 0x48, 0x03, a, b, c, ..] => std::str::from_utf8(&[*a, *b, *c]).ok()?.parse().ok(),
            [0x08 | 0x48, length, rest @ ..] => huffman_digits(rest.get(..usize::from(length & 0x7f))?).parse().ok(),
            _ => None,
        }
    }

    /// The error code of a GOAWAY or `RST_STREAM`.
    pub fn code(&self) -> Option<u32> {
        let at = match self.kind {
            GOAWAY => 4,
            RST_STREAM => 0,
            _ => return None,
        };
        self.payload.get(at..at + 4).map(|code| u32::from_be_bytes(code.try_into().unwrap()))
    }
}

impl Ended {
    fn note(&mut self, frame: &Frame) {
        match frame.kind {
            GOAWAY => self.goaway = frame.code(),
            RST_STREAM => self.resets += 1,
            HEADERS => self.statuses.extend(frame.status()),
            _ => {}
        }
    }
}

/// A frame as bytes. Its length is that of the payload.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A field block: each name and value as it is.
pub fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let text = |text: &str| [integer(text.len()), text.as_bytes().to_vec()].concat();
    fields.iter().flat_map(|(name, value)| [vec![0], text(name), text(value)].concat()).collect()
}

/// The block of a whole request of an agent, with further fields.
pub fn request(method: &str, host: &str, path: &str, agent: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let usual =
        [(":method", method), (":scheme", "https"), (":authority", host), (":path", path), ("user-agent", agent)];
    block(&[&usual[..], more].concat())
}

/// The frame of a whole request without a body.
pub fn get(stream: u32, block: &[u8]) -> Vec<u8> {
    frame(HEADERS, END_STREAM | END_HEADERS, stream, block)
}

/// The number of the `at`th stream that a client opens.
pub const fn stream(at: u32) -> u32 {
    2 * at + 1
}

/// An integer with a prefix of 7 bits (RFC 7541 section 5.1).
fn integer(value: usize) -> Vec<u8> {
    if value < 127 {
        return vec![u8::try_from(value).unwrap()];
    }
    let (mut bytes, mut rest) = (vec![127], value - 127);
    while rest >= 128 {
        bytes.push(u8::try_from(rest % 128).unwrap() | 0x80);
        rest /= 128;
    }
    bytes.push(u8::try_from(rest).unwrap());
    bytes
}

/// Digits in Huffman's code (RFC 7541 appendix B): 0, 1 and 2 have five bits, 3 to 9 have six.
fn huffman_digits(bytes: &[u8]) -> String {
    let bits: Vec<u8> = bytes.iter().flat_map(|byte| (0..8).rev().map(move |at| byte >> at & 1)).collect();
    let number = |bits: &[u8]| bits.iter().fold(0, |number, bit| number << 1 | bit);
    let (mut rest, mut digits) = (bits.as_slice(), String::new());
    while digits.len() < 3 && rest.len() >= 5 {
        let (digit, length) = match (number(&rest[..5]), rest.get(..6).map(number)) {
            (five @ 0..=2, _) => (five, 5),
            (_, Some(six @ 0x19..=0x1f)) => (six - 0x19 + 3, 6),
            _ => break,
        };
        digits.push(char::from(b'0' + digit));
        rest = &rest[length..];
    }
    digits
}

/// Takes the first whole frame out of what came.
fn cut_off(ahead: &mut Vec<u8>) -> Option<Frame> {
    let head: [u8; 9] = ahead.get(..9)?.try_into().unwrap();
    let length = usize::try_from(u32::from_be_bytes([0, head[0], head[1], head[2]])).unwrap();
    if ahead.len() < 9 + length {
        return None;
    }
    let bytes: Vec<u8> = ahead.drain(..9 + length).collect();
    let stream = u32::from_be_bytes(head[5..9].try_into().unwrap()) & 0x7fff_ffff;
    Some(Frame { kind: head[3], flags: head[4], stream, payload: bytes[9..].to_vec() })
}

/// Writes all of it, and tells whether it was taken. That nothing is taken for long is an end too.
async fn write(writer: &mut WriteHalf<Box<dyn Duplex>>, bytes: &[u8]) -> bool {
    let all = async {
        writer.write_all(bytes).await?;
        writer.flush().await
    };
    matches!(timeout(PATIENCE, all).await, Ok(Ok(())))
}

/// How long the other end may be silent, or take nothing.
const PATIENCE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use bytes::Bytes;
    use http_body_util::Full;
    use hyper::service::service_fn;
    use hyper::{Request, Response};
    use hyper_util::rt::{TokioExecutor, TokioIo};

    use super::*;

    /// A server that answers with the status that the path asks for.
    fn server() -> tokio::io::DuplexStream {
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let service = service_fn(|request: Request<hyper::body::Incoming>| async move {
            let status: u16 = request.uri().path()[1..].parse().unwrap();
            Ok::<_, Infallible>(Response::builder().status(status).body(Full::new(Bytes::from_static(b"hi"))).unwrap())
        });
        let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        tokio::spawn(connection.serve_connection(TokioIo::new(theirs), service));
        ours
    }

    #[tokio::test]
    async fn what_is_written_by_hand_is_http_2_to_others() {
        let mut raw = RawH2::open(server(), &[]).await;
        for (at, status) in (0..).zip([200, 204, 206, 304, 400, 403, 404, 410, 416, 421, 429, 431, 500, 503]) {
            let long = "a".repeat(300);
            let block = request("GET", "a.example", &format!("/{status}"), "raw", &[("x-long", &long)]);
            assert!(raw.send(get(stream(at), &block)).await);
            assert_eq!(raw.status(stream(at)).await, status);
        }
        assert!(raw.send(frame(WINDOW_UPDATE, 0, 0, &[0; 4])).await, "a window that grows by nothing");
        assert_eq!(raw.ended().await.goaway, Some(1));
    }

    #[tokio::test]
    async fn a_flood_ends_when_the_other_end_closes() {
        let raw = RawH2::open(server(), &[]).await;
        let ended = raw.flood(1_000_000, |at| frame(DATA, 0, stream(at), b"on an idle stream")).await;
        assert_eq!(ended.goaway, Some(1), "{ended:?}");
    }
}
