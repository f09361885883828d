//! What becomes of each stream of an HTTP/2 connection, whatever is sent on it.

use std::collections::BTreeMap;

use crate::kit::gateway::HOST;
use crate::kit::h2_raw::{self as raw, RawH2};
use crate::kit::secure::Secure;
use crate::kit::tls_client::TlsClient;

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
    raw: RawH2,
    streams: BTreeMap<u32, Stream>,
    begun: u32,
    /// The error code of a GOAWAY.
    pub gone: Option<u32>,
    is_closed: bool,
}

impl Connection {
    /// The server is told to keep no table of fields, so that every status of its answers can be read.
    pub async fn open(secure: &Secure) -> Self {
        let tls = TlsClient::new(secure.pki.root(), &["h2"]).connect(secure.address, HOST).await.unwrap();
        let raw = RawH2::open(tls, &[(HEADER_TABLE_SIZE, 0)]).await;
        Self { raw, streams: BTreeMap::new(), begun: 0, gone: None, is_closed: false }
    }

    /// Begins a stream with these fields, and gives its number.
    pub async fn begin(&mut self, fields: &[(&str, &str)], ends: bool) -> u32 {
        let stream = raw::stream(self.begun);
        self.begun += 1;
        let flags = raw::END_HEADERS | if ends { raw::END_STREAM } else { 0 };
        self.raw.send(raw::frame(raw::HEADERS, flags, stream, &raw::block(fields))).await;
        stream
    }

    pub async fn data(&mut self, stream: u32, bytes: &[u8], ends: bool) {
        let flags = if ends { raw::END_STREAM } else { 0 };
        self.raw.send(raw::frame(raw::DATA, flags, stream, bytes)).await;
    }

    /// Lets so many more bytes come on a stream; 0: in all.
    pub async fn allow(&mut self, stream: u32, bytes: u32) {
        self.raw.send(raw::frame(raw::WINDOW_UPDATE, 0, stream, &bytes.to_be_bytes())).await;
    }

    /// What became of a stream, once it has ended or the connection has.
    pub async fn outcome(&mut self, stream: u32) -> Stream {
        loop {
            let found = self.streams.entry(stream).or_default().clone();
            if found.ended || found.reset.is_some() || self.is_closed {
                return found;
            }
            self.take_frame().await;
        }
    }

    /// Waits until so many bytes of a body have come.
    pub async fn until(&mut self, stream: u32, bytes: usize) {
        while self.streams.get(&stream).is_none_or(|one| one.body.len() < bytes) {
            assert!(!self.is_closed, "it is closed before that");
            self.take_frame().await;
        }
    }

    async fn take_frame(&mut self) {
        let Some(frame) = self.raw.next().await else {
            self.is_closed = true;
            return;
        };
        let ends = frame.flags & raw::END_STREAM != 0;
        match frame.kind {
            raw::SETTINGS if frame.flags & raw::ACK == 0 => {
                self.raw.send(raw::frame(raw::SETTINGS, raw::ACK, 0, &[])).await;
            }
            raw::GOAWAY => self.gone = frame.code(),
            raw::HEADERS => {
                let stream = self.streams.entry(frame.stream).or_default();
                // The new size of the table is told before the first field (RFC 7541 section 4.2).
                let told = frame.payload.iter().take_while(|byte| **byte & 0b1110_0000 == 0b0010_0000).count();
                stream.status = raw::Frame { payload: frame.payload[told..].to_vec(), ..frame }.status();
                stream.ended |= ends;
            }
            raw::DATA => {
                let stream = self.streams.entry(frame.stream).or_default();
                stream.body.extend(&frame.payload);
                stream.ended |= ends;
            }
            raw::RST_STREAM => self.streams.entry(frame.stream).or_default().reset = frame.code(),
            _ => {}
        }
    }
}

/// `SETTINGS_HEADER_TABLE_SIZE`.
const HEADER_TABLE_SIZE: u16 = 1;
