//! A web server that is broken on purpose in exactly one way, and otherwise all that Meta's fetcher could wish for.
//!
//! It speaks HTTP/1.1 over TLS on every loopback address there is, by hand, so that it can say what no library would. It keeps the head of
//! each request, and counts connections and the bytes of bodies that were taken.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::crypto::aws_lc_rs;
use rustls::version::{TLS12, TLS13};
use rustls::{ServerConfig, SupportedProtocolVersion};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::chaos::header;
use super::pki::Identity;

/// The one thing that is wrong with a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    Nothing,
    /// 302 to this place.
    Redirect(String),
    /// 200 with a page in HTML.
    Page,
    /// The right bytes, declared as this.
    Declared(&'static str),
    /// No length: the body comes in chunks.
    Chunked,
    /// 206 with the right head and the bytes that begin one further.
    RangeOfOtherBytes,
    /// 206 with the right bytes and a head that says that they begin one further.
    RangeSaidWrongly,
    /// The last bytes are asked for, the first are sent.
    SuffixOfOtherBytes,
    /// Ranges get the whole, as RFC 9110 allows.
    NoRanges,
    /// 403 for agents that hold this.
    Blocks(&'static str),
    /// Says nothing, not even in the handshake.
    SilentInHandshake,
    /// Reads the request, and says nothing.
    SilentInHead,
    /// So many bytes of the body, then nothing.
    SilentInBody(usize),
    /// One byte of the body at a time.
    Drips,
    /// A body of so many bytes, whatever the media is.
    Vast(u64),
    /// Chunks without an end.
    EndlessChunks,
    /// Header lines without an end.
    EndlessHead,
    /// These bytes instead of a handshake.
    Garbage(&'static [u8]),
}

/// What is served, and where.
#[derive(Clone)]
pub struct Media {
    pub path: &'static str,
    pub kind: &'static str,
    pub bytes: Vec<u8>,
}

/// A running server; it ends when dropped.
pub struct Broken {
    pub port: u16,
    site: Arc<Site>,
    accepting: Vec<JoinHandle<()>>,
}

struct Site {
    fault: Fault,
    media: Media,
    tls: TlsAcceptor,
    heads: Mutex<Vec<String>>,
    accepted: AtomicUsize,
    sent: AtomicU64,
}

impl Broken {
    /// A server with this certificate, these media and this fault.
    pub async fn start(identity: &Identity, media: Media, fault: Fault) -> Self {
        Self::start_with(identity, media, fault, &[&TLS13, &TLS12]).await
    }

    /// The same, for these versions of TLS alone.
    pub async fn start_with(
        identity: &Identity,
        media: Media,
        fault: Fault,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Self {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
        let mut config = config.with_no_client_auth().with_single_cert(identity.chain.clone(), identity.key()).unwrap();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let site = Arc::new(Site {
            fault,
            media,
            tls: TlsAcceptor::from(Arc::new(config)),
            heads: Mutex::default(),
            accepted: AtomicUsize::new(0),
            sent: AtomicU64::new(0),
        });
        let (port, sockets) = loopback().await;
        let accepting = sockets.into_iter().map(|socket| tokio::spawn(accept(socket, Arc::clone(&site)))).collect();
        Self { port, site, accepting }
    }

    /// The media's URL, by a name that leads here.
    pub fn url(&self) -> String {
        format!("https://localhost:{}{}", self.port, self.site.media.path)
    }

    /// The heads of all requests so far.
    pub fn heads(&self) -> Vec<String> {
        self.site.heads.lock().unwrap().clone()
    }

    /// How many connections were accepted.
    pub fn accepted(&self) -> usize {
        self.site.accepted.load(Ordering::SeqCst)
    }

    /// How many bytes of bodies clients have taken.
    pub fn sent(&self) -> u64 {
        self.site.sent.load(Ordering::SeqCst)
    }
}

impl Drop for Broken {
    fn drop(&mut self) {
        self.accepting.iter().for_each(JoinHandle::abort);
    }
}

/// One free port on 127.0.0.1, and on `::1` where the machine has that: names like `localhost` may lead to either.
async fn loopback() -> (u16, Vec<TcpListener>) {
    loop {
        let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = socket.local_addr().unwrap().port();
        match TcpListener::bind(SocketAddr::from((Ipv6Addr::LOCALHOST, port))).await {
            Ok(other) => return (port, vec![socket, other]),
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {}
            Err(_) => return (port, vec![socket]),
        }
    }
}

async fn accept(socket: TcpListener, site: Arc<Site>) {
    while let Ok((client, _)) = socket.accept().await {
        site.accepted.fetch_add(1, Ordering::SeqCst);
        let site = Arc::clone(&site);
        tokio::spawn(async move { site.talk(client).await });
    }
}

/// An answer but for its framing.
struct Reply {
    status: &'static str,
    fields: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Site {
    /// Whatever fails here fails as a connection that the client left.
    async fn talk(&self, mut client: TcpStream) -> Option<()> {
        match self.fault {
            Fault::SilentInHandshake => return silence(client).await,
            Fault::Garbage(bytes) => {
                client.write_all(bytes).await.ok()?;
                return silence(client).await;
            }
            _ => {}
        }
        let mut stream = self.tls.accept(client).await.ok()?;
        let mut ahead = Vec::new();
        loop {
            let head = head(&mut stream, &mut ahead).await?;
            self.heads.lock().unwrap().push(head.clone());
            self.answer(&mut stream, &head).await?;
            stream.flush().await.ok()?;
        }
    }

    async fn answer(&self, stream: &mut (impl AsyncRead + AsyncWrite + Unpin), head: &str) -> Option<()> {
        let reply = self.reply(head);
        let fields: String = reply.fields.iter().flat_map(|(name, value)| [name, ": ", value, "\r\n"]).collect();
        let (status, length, is_head) = (reply.status, reply.body.len(), head.starts_with("HEAD "));
        let framing = match self.fault {
            Fault::SilentInHead => return silence(stream).await,
            Fault::EndlessHead => return self.endless_head(stream, status, &fields).await,
            Fault::Vast(length) => format!("Content-Length: {length}\r\n"),
            Fault::Chunked | Fault::EndlessChunks => "Transfer-Encoding: chunked\r\n".to_owned(),
            _ if status.starts_with("304") => String::new(),
            _ => format!("Content-Length: {length}\r\n"),
        };
        let text = format!("HTTP/1.1 {status}\r\n{fields}{framing}\r\n");
        stream.write_all(text.as_bytes()).await.ok()?;
        if is_head || length == 0 {
            return Some(());
        }
        self.body(stream, reply.body).await
    }

    async fn endless_head(&self, stream: &mut (impl AsyncWrite + Unpin), status: &str, fields: &str) -> Option<()> {
        stream.write_all(format!("HTTP/1.1 {status}\r\n{fields}").as_bytes()).await.ok()?;
        loop {
            self.send(stream, format!("X-Filler: {}\r\n", "x".repeat(4000)).as_bytes()).await?;
        }
    }

    async fn body(&self, stream: &mut (impl AsyncRead + AsyncWrite + Unpin), body: Vec<u8>) -> Option<()> {
        match self.fault {
            Fault::SilentInBody(length) => {
                self.send(stream, &body[..length]).await?;
                stream.flush().await.ok()?;
                silence(stream).await
            }
            Fault::Drips => {
                for byte in body {
                    self.send(stream, &[byte]).await?;
                    stream.flush().await.ok()?;
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                Some(())
            }
            Fault::Vast(length) => {
                self.send(stream, &body).await?;
                let mut left = length - body.len() as u64;
                while left > 0 {
                    let piece = left.min(64 * 1024);
                    self.send(stream, &vec![0; usize::try_from(piece).unwrap()]).await?;
                    left -= piece;
                }
                Some(())
            }
            Fault::EndlessChunks => loop {
                self.chunk(stream, &body).await?;
            },
            Fault::Chunked => {
                for piece in body.chunks(10_000) {
                    self.chunk(stream, piece).await?;
                }
                stream.write_all(b"0\r\n\r\n").await.ok()
            }
            _ => self.send(stream, &body).await,
        }
    }

    async fn chunk(&self, stream: &mut (impl AsyncWrite + Unpin), piece: &[u8]) -> Option<()> {
        stream.write_all(format!("{:x}\r\n", piece.len()).as_bytes()).await.ok()?;
        self.send(stream, piece).await?;
        stream.write_all(b"\r\n").await.ok()
    }

    async fn send(&self, stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> Option<()> {
        stream.write_all(bytes).await.ok()?;
        self.sent.fetch_add(bytes.len() as u64, Ordering::SeqCst);
        Some(())
    }

    fn reply(&self, head: &str) -> Reply {
        let page = |status, text: &str| Reply {
            status,
            fields: vec![("Content-Type", "text/html; charset=utf-8".to_owned())],
            body: format!("<!doctype html><html><head><title>{text}</title></head><body>{text}</body></html>").into(),
        };
        let agent = header(head, "user-agent").unwrap_or_default();
        match (&self.fault, head.split(' ').nth(1)) {
            (Fault::Blocks(name), _) if agent.contains(name) => page("403 Forbidden", "Access denied"),
            (_, Some("/robots.txt")) => Reply {
                status: "200 OK",
                fields: vec![("Content-Type", "text/plain".to_owned())],
                body: b"User-agent: *\nAllow: /\n".to_vec(),
            },
            (_, path) if path != Some(self.media.path) => page("404 Not Found", "Nothing here"),
            (Fault::Redirect(place), _) => {
                let mut moved = page("302 Found", "Moved");
                moved.fields.push(("Location", place.clone()));
                moved
            }
            (Fault::Page, _) => page("200 OK", "Please enable JavaScript"),
            _ => self.media(head),
        }
    }

    /// The media as RFC 9110 would have them, but for faults of ranges.
    fn media(&self, head: &str) -> Reply {
        let bytes = &self.media.bytes;
        let etag = format!("\"{}\"", blake3::hash(bytes).to_hex());
        let kind = if let Fault::Declared(kind) = self.fault { kind } else { self.media.kind };
        let mut fields = vec![
            ("Content-Type", kind.to_owned()),
            ("ETag", etag.clone()),
            ("Last-Modified", MODIFIED.to_owned()),
            ("Cache-Control", "public, max-age=3600".to_owned()),
        ];
        let is_known = header(head, "if-none-match")
            .map_or_else(|| header(head, "if-modified-since") == Some(MODIFIED), |known| known == etag);
        if is_known {
            fields.remove(0);
            return Reply { status: "304 Not Modified", fields, body: Vec::new() };
        }
        if !matches!(self.fault, Fault::Chunked | Fault::NoRanges) {
            fields.push(("Accept-Ranges", "bytes".to_owned()));
            if let Some(range) = header(head, "range").filter(|_| head.starts_with("GET ")) {
                return self.part(range, fields);
            }
        }
        Reply { status: "200 OK", fields, body: bytes.clone() }
    }

    fn part(&self, range: &str, mut fields: Vec<(&'static str, String)>) -> Reply {
        let (bytes, length) = (&self.media.bytes, self.media.bytes.len());
        let (first, last) = range.strip_prefix("bytes=").and_then(|range| range.split_once('-')).unwrap();
        let (first, last) = match (first.parse::<usize>(), last.parse::<usize>()) {
            (Err(_), Ok(last)) => (length.saturating_sub(last), length - 1),
            (Ok(first), last) => (first, last.map_or(length - 1, |last| last.min(length - 1))),
            (Err(_), Err(_)) => panic!("no range: {range}"),
        };
        if first > last {
            fields.push(("Content-Range", format!("bytes */{length}")));
            return Reply { status: "416 Range Not Satisfiable", fields, body: Vec::new() };
        }
        let (mut said, mut from) = (first, first);
        match self.fault {
            Fault::RangeOfOtherBytes if !range.contains("=-") => from += 1,
            Fault::RangeSaidWrongly if !range.contains("=-") => said += 1,
            Fault::SuffixOfOtherBytes if range.contains("=-") => from = 0,
            _ => {}
        }
        let shift = said - first;
        fields.push(("Content-Range", format!("bytes {said}-{}/{length}", last + shift)));
        let body = bytes.iter().cycle().skip(from).take(last + 1 - first).copied().collect();
        Reply { status: "206 Partial Content", fields, body }
    }
}

/// The next head, up to and with its empty line; `None` once the client has left.
async fn head(stream: &mut (impl AsyncRead + Unpin), ahead: &mut Vec<u8>) -> Option<String> {
    loop {
        if let Some(end) = ahead.windows(4).position(|window| window == b"\r\n\r\n") {
            return String::from_utf8(ahead.drain(..end + 4).collect()).ok();
        }
        if stream.read_buf(ahead).await.ok()? == 0 {
            return None;
        }
    }
}

async fn silence(mut stream: impl AsyncRead + Unpin) -> Option<()> {
    stream.read_to_end(&mut Vec::new()).await.ok().map(|_| ())
}

const MODIFIED: &str = "Sat, 01 Nov 2025 08:00:00 GMT";

#[cfg(test)]
mod tests {
    use super::super::pki::Pki;
    use super::super::trust::{Trust, connect_from};
    use super::super::wire::{Answer, Wire};
    use super::*;

    const BYTES: &[u8] = b"0123456789";

    struct Asked {
        pki: Pki,
        server: Broken,
    }

    impl Asked {
        async fn start(fault: Fault) -> Self {
            let pki = Pki::new();
            let media = Media { path: "/a.jpg", kind: "image/jpeg", bytes: BYTES.to_vec() };
            let server = Broken::start(&pki.leaf(&["localhost"]).issue(), media, fault).await;
            Self { pki, server }
        }

        async fn ask(&self, method: &str, path: &str, line: &str) -> Answer {
            let stream = connect_from([127, 0, 0, 1], ([127, 0, 0, 1], self.server.port).into()).await;
            let stream = Trust::in_root_of(&self.pki).connect(stream, "localhost", &["http/1.1"]).await.unwrap();
            let mut wire = Wire::over(stream);
            wire.send(format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n{line}\r\n")).await;
            wire.try_answer(method == "HEAD").await.unwrap()
        }
    }

    #[tokio::test]
    async fn without_a_fault_it_is_a_good_server() {
        let asked = Asked::start(Fault::Nothing).await;
        let whole = asked.ask("GET", "/a.jpg", "").await;
        assert_eq!(
            (whole.status, whole.body.as_slice(), whole.field("content-type")),
            (200, BYTES, Some("image/jpeg"))
        );
        assert_eq!(asked.ask("HEAD", "/a.jpg", "").await.block(), whole.block());
        let etag = format!("If-None-Match: {}\r\n", whole.field("etag").unwrap());
        for (line, status, body, range) in [
            ("Range: bytes=0-524288\r\n", 206, BYTES, Some("bytes 0-9/10")),
            ("Range: bytes=2-4\r\n", 206, b"234", Some("bytes 2-4/10")),
            ("Range: bytes=7-\r\n", 206, b"789", Some("bytes 7-9/10")),
            ("Range: bytes=-3\r\n", 206, b"789", Some("bytes 7-9/10")),
            ("Range: bytes=10-\r\n", 416, b"", Some("bytes */10")),
            (&etag, 304, b"", None),
            ("If-None-Match: \"other\"\r\n", 200, BYTES, None),
        ] {
            let answer = asked.ask("GET", "/a.jpg", line).await;
            assert_eq!((answer.status, answer.body.as_slice()), (status, body), "{line}");
            assert_eq!(answer.field("content-range"), range, "{line}");
        }
        assert_eq!(asked.ask("GET", "/robots.txt", "").await.status, 200);
        assert_eq!(asked.ask("GET", "/other", "").await.status, 404);
        assert_eq!((asked.server.accepted(), asked.server.heads().len()), (11, 11));
    }

    #[tokio::test]
    async fn each_fault_is_one_fault() {
        let range = "Range: bytes=2-4\r\n";
        for (fault, line, status, body, range) in [
            (Fault::RangeOfOtherBytes, range, 206, &b"345"[..], Some("bytes 2-4/10")),
            (Fault::RangeSaidWrongly, range, 206, b"234", Some("bytes 3-5/10")),
            (Fault::SuffixOfOtherBytes, range, 206, b"234", Some("bytes 2-4/10")),
            (Fault::SuffixOfOtherBytes, "Range: bytes=-3\r\n", 206, b"012", Some("bytes 7-9/10")),
            (Fault::NoRanges, range, 200, BYTES, None),
            (Fault::Declared("a/b"), "", 200, BYTES, None),
        ] {
            let answer = Asked::start(fault.clone()).await.ask("GET", "/a.jpg", line).await;
            assert_eq!((answer.status, answer.body.as_slice()), (status, body), "{fault:?}");
            assert_eq!(answer.field("content-range"), range, "{fault:?}");
        }
        let moved = Asked::start(Fault::Redirect("/elsewhere".to_owned())).await.ask("GET", "/a.jpg", "").await;
        assert_eq!((moved.status, moved.field("location")), (302, Some("/elsewhere")));
        let wall = Asked::start(Fault::Blocks("facebook")).await;
        assert_eq!(wall.ask("GET", "/a.jpg", "User-Agent: facebookexternalhit/1.1\r\n").await.status, 403);
        assert_eq!(wall.ask("GET", "/a.jpg", "User-Agent: curl\r\n").await.status, 200);
        let chunked = Asked::start(Fault::Chunked).await.ask("HEAD", "/a.jpg", range).await;
        assert_eq!(
            (chunked.status, chunked.length(), chunked.field("transfer-encoding")),
            (200, None, Some("chunked"))
        );
    }
}
