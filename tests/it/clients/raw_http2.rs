//! HTTP/2 as frames: sends exactly the fields that a test wrote, also those that no library would send, and tells what became of each stream.
//!
//! Fields go out as literals without any compression (RFC 7541 section 6.2.2). The server is told to keep no table of its own, so that
//! of its answers only the status needs decoding.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::kit::gateway::HOST;
use crate::kit::secure::Secure;

/// What became of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stream {
    pub status: Option<u16>,
    pub body: Vec<u8>,
    /// Whether the answer was ended by the server.
    pub ended: bool,
    /// The error code (RFC 9113 section 7) with which the server reset it.
    pub reset: Option<u32>,
}

/// One connection.
pub struct Connection {
    tls: TlsStream<TcpStream>,
    ahead: Vec<u8>,
    streams: BTreeMap<u32, Stream>,
    next: u32,
    /// The error code of a GOAWAY, or that it was closed without one.
    pub gone: Option<Option<u32>>,
}

impl Connection {
    pub async fn open(secure: &Secure) -> Self {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(secure.pki.root()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let socket = TcpStream::connect(secure.address).await.unwrap();
        let name = ServerName::try_from(HOST).unwrap();
        let tls = TlsConnector::from(Arc::new(config)).connect(name, socket).await.unwrap();
        assert_eq!(tls.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        let mut connection = Self { tls, ahead: Vec::new(), streams: BTreeMap::new(), next: 1, gone: None };
        connection.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
        connection.frame(SETTINGS, 0, 0, &[0, 1, 0, 0, 0, 0]).await;
        connection
    }

    async fn send(&mut self, bytes: &[u8]) {
        // That the other end closes meanwhile is told by what it sent before.
        let _ = self.tls.write_all(bytes).await;
        let _ = self.tls.flush().await;
    }

    pub async fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
        self.send(&[&head, payload].concat()).await;
    }

    /// Begins a stream with these fields, and gives its number.
    pub async fn begin(&mut self, fields: &[(&str, &str)], ends: bool) -> u32 {
        let stream = self.next;
        self.next += 2;
        self.fields(stream, fields, ends).await;
        stream
    }

    /// Sends fields on a stream: its head or its trailers.
    pub async fn fields(&mut self, stream: u32, fields: &[(&str, &str)], ends: bool) {
        let mut block = Vec::new();
        for (name, value) in fields {
            block.push(0);
            push_text(&mut block, name);
            push_text(&mut block, value);
        }
        self.frame(HEADERS, END_HEADERS | u8::from(ends), stream, &block).await;
    }

    pub async fn data(&mut self, stream: u32, bytes: &[u8], ends: bool) {
        self.frame(DATA, u8::from(ends), stream, bytes).await;
    }

    /// Lets so many more bytes come on a stream; 0: in all.
    pub async fn allow(&mut self, stream: u32, bytes: u32) {
        self.frame(WINDOW_UPDATE, 0, stream, &bytes.to_be_bytes()).await;
    }

    /// What became of a stream, once it has ended or the connection has; or what there is of it when nothing more comes.
    pub async fn outcome(&mut self, stream: u32) -> Stream {
        loop {
            let found = self.streams.entry(stream).or_default().clone();
            if found.ended || found.reset.is_some() || self.gone.is_some() || !self.take_frame().await {
                return found;
            }
        }
    }

    /// Waits until so many bytes of a body have come.
    pub async fn until(&mut self, stream: u32, bytes: usize) {
        while self.streams.get(&stream).is_none_or(|one| one.body.len() < bytes) {
            assert!(self.gone.is_none() && self.take_frame().await);
        }
    }

    /// Takes one frame in; `false` if none comes.
    async fn take_frame(&mut self) -> bool {
        if !self.fill(9).await {
            return false;
        }
        let head: Vec<u8> = self.ahead[..9].to_vec();
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        if !self.fill(9 + length).await {
            return false;
        }
        let payload: Vec<u8> = self.ahead.drain(..9 + length).skip(9).collect();
        let (kind, flags) = (head[3], head[4]);
        let id = u32::from_be_bytes(head[5..9].try_into().unwrap());
        let code = |at: usize| u32::from_be_bytes(payload[at..at + 4].try_into().unwrap());
        match kind {
            SETTINGS if flags & ACK == 0 => self.frame(SETTINGS, ACK, 0, &[]).await,
            GOAWAY => self.gone = Some(Some(code(4))),
            HEADERS | DATA | RST_STREAM => {
                let stream = self.streams.entry(id).or_default();
                match kind {
                    HEADERS => stream.status = Some(status(&payload)),
                    DATA => stream.body.extend(&payload),
                    _ => stream.reset = Some(code(0)),
                }
                stream.ended |= kind != RST_STREAM && flags & END_STREAM != 0;
            }
            _ => {}
        }
        true
    }

    async fn fill(&mut self, wanted: usize) -> bool {
        while self.ahead.len() < wanted {
            match timeout(PATIENCE, self.tls.read_buf(&mut self.ahead)).await {
                Ok(Ok(0) | Err(_)) => {
                    self.gone.get_or_insert(None);
                    return false;
                }
                Ok(Ok(_)) => {}
                Err(_) => return false,
            }
        }
        true
    }
}

/// A text as it is (RFC 7541 section 5.2).
fn push_text(block: &mut Vec<u8>, text: &str) {
    let mut left = text.len();
    if left < 127 {
        block.push(u8::try_from(left).unwrap());
    } else {
        block.push(127);
        left -= 127;
        while left >= 128 {
            block.push(u8::try_from(left % 128).unwrap() | 128);
            left /= 128;
        }
        block.push(u8::try_from(left).unwrap());
    }
    block.extend(text.as_bytes());
}

/// The `:status` that a block begins with: from the static table (RFC 7541 appendix A), or three digits.
fn status(block: &[u8]) -> u16 {
    // The size of the table, which is none, may be told first.
    let block = if block[0] & 0b1110_0000 == 0b0010_0000 { &block[1..] } else { block };
    match block[0] {
        0x88 => 200,
        0x8a => 206,
        0x8b => 304,
        0x8c => 400,
        0x8d => 404,
        0x8e => 500,
        0x08 | 0x18 | 0x48 if block[1] & 0x80 == 0 => {
            std::str::from_utf8(&block[2..2 + usize::from(block[1])]).unwrap().parse().unwrap()
        }
        0x08 | 0x18 | 0x48 => huffman_digits(&block[2..]),
        other => panic!("no status: {other:x}"),
    }
}

/// Three digits in the code of RFC 7541 appendix B: 0 to 2 have five bits, the others six.
fn huffman_digits(bytes: &[u8]) -> u16 {
    let bits: u32 = bytes.iter().take(3).fold(0, |bits, byte| bits << 8 | u32::from(*byte));
    let shift = 8 * u32::try_from(bytes.len().min(3)).unwrap();
    let mut left = bits << (32 - shift);
    let mut number = 0;
    for _ in 0..3 {
        let (digit, used) = if left >> 27 < 3 { (left >> 27, 5) } else { ((left >> 26) - 0b01_1001 + 3, 6) };
        left <<= used;
        number = number * 10 + u16::try_from(digit).unwrap();
    }
    number
}

#[test]
fn statuses_are_decoded_as_the_table_has_them() {
    // 302, 307 and 405: the first is the example of RFC 7541 appendix C.6.1, which has its code 6402.
    for (bytes, status) in [(&[0x64, 0x02][..], 302), (&[0x64, 0x0e, 0xff], 307), (&[0x68, 0x0d, 0xff], 405)] {
        let block = [&[0x48, 0x80 | u8::try_from(bytes.len()).unwrap()], bytes].concat();
        assert_eq!(super::raw_http2::status(&block), status);
    }
    assert_eq!(status(&[0x20, 0x88]), 200);
    assert_eq!(status(&[0x08, 3, b'4', b'2', b'1']), 421);
}

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const PATIENCE: Duration = Duration::from_secs(5);
