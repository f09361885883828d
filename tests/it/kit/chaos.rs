//! A TCP proxy on loopback that breaks answers on purpose, by script.
//!
//! Each request takes the next fault of the script; when the script is used up, the lasting fault (by default none). One
//! request per connection, so that a fault belongs to exactly one request. It keeps the head of every request it saw.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What happens to one answer. Offsets count bytes of its body.
#[derive(Clone, Debug)]
pub enum Fault {
    Pass,
    /// So many bytes, then a TCP reset.
    ResetAfter(usize),
    /// So many bytes, then an ordinary close: short of its `Content-Length`.
    CloseAfter(usize),
    /// The same, but without a `Content-Length`: as HTTP goes, the body ends well.
    TruncateCleanly(usize),
    /// So many bytes, then silence until the client leaves.
    StallAfter(usize),
    /// Silence instead of a head.
    NoAnswer,
    /// The lowest bit of this byte turned.
    Flip(usize),
    /// This status instead of an answer; the server is not asked.
    Status(u16),
    /// The answer, late.
    Delay(Duration),
    /// The answer with another head.
    Lie(fn(&str) -> String),
    /// The answer to the request without its `Range`.
    IgnoreRange,
    /// The answer to the request without its `If-Match` and `If-None-Match`.
    IgnorePin,
}

#[derive(Default)]
struct Script {
    once: VecDeque<Fault>,
    lasting: Option<Fault>,
    seen: Vec<String>,
}

/// A running proxy; it ends when dropped.
pub struct Chaos {
    pub endpoint: String,
    script: Arc<Mutex<Script>>,
    accepting: JoinHandle<()>,
}

impl Chaos {
    /// Listens on a free port in front of `upstream`, `http://host:port`.
    pub async fn before(upstream: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let script = Arc::new(Mutex::new(Script::default()));
        let upstream = upstream.strip_prefix("http://").unwrap().to_owned();
        let accepting = tokio::spawn(accept(listener, upstream, Arc::clone(&script)));
        Self { endpoint, script, accepting }
    }

    /// What happens to the next requests, one fault each.
    pub fn then(&self, faults: impl IntoIterator<Item = Fault>) -> &Self {
        self.script.lock().unwrap().once.extend(faults);
        self
    }

    /// What happens to every request after the script.
    pub fn always(&self, fault: Fault) -> &Self {
        self.script.lock().unwrap().lasting = Some(fault);
        self
    }

    /// The heads of all requests so far.
    pub fn seen(&self) -> Vec<String> {
        self.script.lock().unwrap().seen.clone()
    }

    /// The value of a header in each request so far, `None` where it was absent.
    pub fn seen_header(&self, name: &str) -> Vec<Option<String>> {
        self.seen().iter().map(|head| header(head, name).map(str::to_owned)).collect()
    }
}

impl Drop for Chaos {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, upstream: String, script: Arc<Mutex<Script>>) {
    while let Ok((client, _)) = listener.accept().await {
        tokio::spawn(one_request(client, upstream.clone(), Arc::clone(&script)));
    }
}

/// Whatever fails here fails as a broken connection, which is what a proxy's client sees.
async fn one_request(mut client: TcpStream, upstream: String, script: Arc<Mutex<Script>>) -> Option<()> {
    let (request, mut sent) = head(&mut client).await?;
    let fault = {
        let mut script = script.lock().unwrap();
        script.seen.push(request.clone());
        script.once.pop_front().or_else(|| script.lasting.clone()).unwrap_or(Fault::Pass)
    };
    match fault {
        Fault::NoAnswer => return silence(client).await,
        Fault::Status(status) => {
            let answer = format!("HTTP/1.1 {status} Broken\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            return client.write_all(answer.as_bytes()).await.ok();
        }
        Fault::Delay(delay) => tokio::time::sleep(delay).await,
        _ => {}
    }
    let mut server = TcpStream::connect(upstream).await.ok()?;
    server.write_all(altered(&request, &fault).as_bytes()).await.ok()?;
    let length: usize = header(&request, "content-length").map_or(0, |length| length.parse().unwrap());
    while sent.len() < length {
        if client.read_buf(&mut sent).await.ok()? == 0 {
            return None;
        }
    }
    server.write_all(&sent).await.ok()?;
    let (answer, mut body) = head(&mut server).await?;
    server.read_to_end(&mut body).await.ok()?;
    send(client, &answer, body, fault).await
}

/// A head up to and with its empty line, and what came after it.
async fn head(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            let rest = bytes.split_off(end + 4);
            return Some((String::from_utf8(bytes).ok()?, rest));
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

fn altered(request: &str, fault: &Fault) -> String {
    let request = with_header(request, "connection", Some("close"));
    match fault {
        Fault::IgnoreRange => with_header(&request, "range", None),
        Fault::IgnorePin => with_header(&with_header(&request, "if-match", None), "if-none-match", None),
        _ => request,
    }
}

async fn send(mut client: TcpStream, answer: &str, mut body: Vec<u8>, fault: Fault) -> Option<()> {
    let answer = with_header(answer, "connection", Some("close"));
    let (answer, count) = match &fault {
        Fault::ResetAfter(n) | Fault::CloseAfter(n) | Fault::StallAfter(n) => (answer, *n),
        Fault::TruncateCleanly(n) => (with_header(&answer, "content-length", None), *n),
        Fault::Lie(lie) => (lie(&answer), usize::MAX),
        _ => (answer, usize::MAX),
    };
    if let Fault::Flip(at) = fault {
        body[at] ^= 1;
    }
    client.write_all(answer.as_bytes()).await.ok()?;
    client.write_all(&body[..count.min(body.len())]).await.ok()?;
    match fault {
        Fault::ResetAfter(_) => {
            // Else the reset would overtake the bytes before it.
            tokio::time::sleep(Duration::from_millis(50)).await;
            client.set_zero_linger().ok()
        }
        Fault::StallAfter(_) => silence(client).await,
        _ => client.shutdown().await.ok(),
    }
}

async fn silence(mut client: TcpStream) -> Option<()> {
    client.read_to_end(&mut Vec::new()).await.ok().map(|_| ())
}

/// The value of a header in a head.
pub fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines()
        .filter_map(|line| line.split_once(':'))
        .find_map(|(n, value)| n.eq_ignore_ascii_case(name).then(|| value.trim()))
}

/// A head with one header set, or removed.
pub fn with_header(head: &str, name: &str, value: Option<&str>) -> String {
    let is_it = |line: &str| line.split_once(':').is_some_and(|(n, _)| n.eq_ignore_ascii_case(name));
    let mut lines: Vec<_> = head.trim_end().split("\r\n").filter(|line| !is_it(line)).map(str::to_owned).collect();
    lines.extend(value.map(|value| format!("{name}: {value}")));
    lines.join("\r\n") + "\r\n\r\n"
}
