//! The corpus: what is sent, and what Hallpass answers when nobody stands in between.
//!
//! Every request hides another one, `<inner>`, in a place that somebody might take for the beginning of a request. In the templates
//! `<get>` and `<post>` are the first lines of a sound request for the outer link, up to further header lines; `<inner>` is a whole
//! request for the inner link, `<prefix>` one that swallows the line that comes next, `<chunk>` the inner one as a chunk; `<rest>` is
//! the length of all that follows the head, `<line>` that of its first line, both in bytes.

use crate::kit::gateway::{HOST, META, request};

/// One request of the corpus.
pub struct Hostile {
    pub name: String,
    pub bytes: Vec<u8>,
    /// What Hallpass answers to it; `None` for what only a proxy is sent.
    pub direct: Option<Direct>,
}

/// What Hallpass answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Direct {
    /// The status of each answer.
    pub statuses: &'static [u16],
    /// How many requests were read, that is, reached the service. What the parser refuses is none.
    pub read: usize,
    /// Whether the connection is closed afterwards.
    pub closes: bool,
}

/// The links that the corpus is about.
#[derive(Clone)]
pub struct Targets {
    pub outer: String,
    pub inner: String,
}

/// All of it.
pub fn corpus(targets: &Targets) -> Vec<Hostile> {
    let single = SINGLE.iter().map(|(name, template, direct)| ((*name).to_owned(), (*template).to_owned(), *direct));
    let lengths = LENGTHS
        .iter()
        .map(|(line, direct)| (format!("length {line:?}"), format!("<get>{line}\r\n\r\n<inner>"), *direct));
    let encodings = ENCODINGS.iter().flat_map(|(line, reading)| {
        SHAPES.iter().map(move |shape| {
            let direct = match reading {
                Reading::Chunks => shape.with,
                Reading::Fault => UNREAD,
                Reading::Nothing => shape.without,
            };
            (format!("{} {line:?}", shape.name), shape.template.replace("<encoding>", line), direct)
        })
    });
    let all = single.chain(lengths).chain(encodings);
    all.map(|(name, template, direct)| Hostile {
        name,
        bytes: render(&template, targets).into_bytes(),
        direct: Some(direct),
    })
    .collect()
}

fn render(template: &str, targets: &Targets) -> String {
    let inner = request("GET", &targets.inner, &[]);
    let prefix = format!("{}X-Swallow: ", inner.strip_suffix("\r\n").unwrap());
    let first =
        |method: &str, path: &str| format!("{method} {path} HTTP/1.1\r\nHost: {HOST}\r\nUser-Agent: {META}\r\n");
    let text = template
        .replace("<get>", &first("GET", &targets.outer))
        .replace("<post>", &first("POST", &targets.outer))
        .replace("<host>", &format!("Host: {HOST}\r\nUser-Agent: {META}"))
        .replace("<outer>", &targets.outer)
        .replace("<chunk>", &format!("{:x}\r\n<inner>\r\n", inner.len()))
        .replace("<inner>", &inner)
        .replace("<prefix>", &prefix);
    let rest = ["\r\n\r\n", "\n\n"].iter().find_map(|end| text.split_once(end)).map_or("", |(_, rest)| rest);
    let line = rest.find('\n').map_or(rest.len(), |end| end + 1);
    text.replace("<rest>", &rest.len().to_string()).replace("<line>", &line.to_string())
}

/// The parser refuses it: a bare 400, and the connection is closed.
const UNREAD: Direct = Direct { statuses: &[400], read: 0, closes: true };
/// It is read as one request, which has a body: 400, and the connection is closed.
const REFUSED: Direct = Direct { statuses: &[400], read: 1, closes: true };
/// A body with a method that is not served.
const NOT_ALLOWED: Direct = Direct { statuses: &[405], read: 1, closes: true };
/// Two requests that follow each other, by every reading that RFC 9112 allows.
const BOTH: Direct = Direct { statuses: &[200, 200], read: 2, closes: false };
/// A request without a body, and then what is no request.
const THEN_NOISE: Direct = Direct { statuses: &[200, 400], read: 1, closes: true };

/// How a line that might be a Transfer-Encoding is read.
enum Reading {
    /// As `chunked`: RFC 9112 section 6.1.
    Chunks,
    /// As a fault, for which the parser refuses the head.
    Fault,
    /// As some other field, which means nothing here.
    Nothing,
}

/// Where such a line stands, and what hides behind it.
struct Shape {
    name: &'static str,
    template: &'static str,
    /// The answer where the line means chunks, which then win over any length; and where it means nothing.
    with: Direct,
    without: Direct,
}

const SHAPES: [Shape; 5] = [
    Shape {
        name: "CL.TE",
        template: "<get>Content-Length: <rest>\r\n<encoding>\r\n\r\n0\r\n\r\n<inner>",
        with: REFUSED,
        without: REFUSED,
    },
    Shape {
        name: "CL.TE by POST, and a prefix",
        template: "<post>Content-Length: <rest>\r\n<encoding>\r\n\r\n0\r\n\r\n<prefix>",
        with: NOT_ALLOWED,
        without: NOT_ALLOWED,
    },
    Shape {
        name: "TE.CL",
        template: "<get><encoding>\r\nContent-Length: <line>\r\n\r\n<chunk>0\r\n\r\n",
        with: REFUSED,
        without: REFUSED,
    },
    Shape { name: "TE.0", template: "<get><encoding>\r\n\r\n<chunk>0\r\n\r\n", with: REFUSED, without: THEN_NOISE },
    Shape {
        name: "TE.0 with CL 0",
        template: "<get>Content-Length: 0\r\n<encoding>\r\n\r\n<chunk>0\r\n\r\n",
        with: REFUSED,
        without: THEN_NOISE,
    },
];

const ENCODINGS: &[(&str, Reading)] = &[
    ("Transfer-Encoding: chunked", Reading::Chunks),
    ("TRANSFER-ENCODING: CHUNKED", Reading::Chunks),
    ("tRANSFER-eNCODING: cHuNkEd", Reading::Chunks),
    ("Transfer-Encoding:chunked", Reading::Chunks),
    ("Transfer-Encoding:\tchunked", Reading::Chunks),
    ("Transfer-Encoding: chunked\t", Reading::Chunks),
    ("Transfer-Encoding: chunked,", Reading::Fault),
    ("Transfer-Encoding: ,chunked", Reading::Chunks),
    ("Transfer-Encoding: gzip, chunked", Reading::Chunks),
    ("Transfer-Encoding: identity, chunked", Reading::Chunks),
    ("Transfer-Encoding: chunked, chunked", Reading::Chunks),
    ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", Reading::Chunks),
    ("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked", Reading::Chunks),
    ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", Reading::Fault),
    ("Transfer-Encoding: chunked\r\nTransfer-Encoding: x", Reading::Fault),
    ("Transfer-Encoding: chunked, identity", Reading::Fault),
    ("Transfer-Encoding: xchunked", Reading::Fault),
    ("Transfer-Encoding: chunkedx", Reading::Fault),
    ("Transfer-Encoding: chunked;q=1", Reading::Fault),
    ("Transfer-Encoding: \"chunked\"", Reading::Fault),
    ("Transfer-Encoding: chun\u{212a}ed", Reading::Fault),
    ("Transfer-Encoding: identity", Reading::Fault),
    ("Transfer-Encoding: gzip", Reading::Fault),
    ("Transfer-Encoding:", Reading::Fault),
    ("Transfer-Encoding : chunked", Reading::Fault),
    ("Transfer-Encoding\t: chunked", Reading::Fault),
    ("Transfer-Encoding\u{b}: chunked", Reading::Fault),
    ("Transfer-Encoding\0: chunked", Reading::Fault),
    ("\0Transfer-Encoding: chunked", Reading::Fault),
    ("Transfer-Encoding: \0chunked", Reading::Fault),
    ("Transfer-Encoding: chunked\0", Reading::Fault),
    ("Transfer-Encoding: \u{b}chunked", Reading::Fault),
    ("Transfer-Encoding: chunked\u{c}", Reading::Fault),
    ("Transfer-Encoding:\r\n chunked", Reading::Fault),
    ("Transfer-Encoding: chunked\r\n , identity", Reading::Fault),
    ("X: 1\r\n Transfer-Encoding: chunked", Reading::Fault),
    ("X: 1\rTransfer-Encoding: chunked", Reading::Fault),
    ("X: 1\r\n\rTransfer-Encoding: chunked", Reading::Fault),
    ("X: 1\nTransfer-Encoding: chunked", Reading::Chunks),
    ("Transfer-Encoding: chunked\nX: 1", Reading::Chunks),
    ("Connection: transfer-encoding\r\nTransfer-Encoding: chunked", Reading::Chunks),
    ("Transfer_Encoding: chunked", Reading::Nothing),
    ("Transfer-Encodin\u{212a}: chunked", Reading::Fault),
    ("Content-Encoding: chunked", Reading::Nothing),
    ("TE: chunked", Reading::Nothing),
];

/// Lines before `<inner>`, which is as long as they say.
const LENGTHS: &[(&str, Direct)] = &[
    ("Content-Length: <rest>", REFUSED),
    ("CONTENT-LENGTH:<rest>", REFUSED),
    ("Content-Length:  <rest> \t", REFUSED),
    ("Content-Length: 0000000000<rest>", REFUSED),
    ("Content-Length: <rest>\r\nContent-Length: <rest>", REFUSED),
    ("Content-Length: <rest>, <rest>", UNREAD),
    ("Content-Length: <rest>,<rest>", UNREAD),
    ("Content-Length: <rest>\r\nContent-Length: 0", UNREAD),
    ("Content-Length: 0\r\nContent-Length: <rest>", UNREAD),
    ("Content-Length: 0, <rest>", UNREAD),
    ("Content-Length: +<rest>", UNREAD),
    ("Content-Length: -<rest>", UNREAD),
    ("Content-Length: -0", UNREAD),
    ("Content-Length: 0x<rest>", UNREAD),
    ("Content-Length: <rest>.0", UNREAD),
    ("Content-Length: <rest>e0", UNREAD),
    ("Content-Length: <rest> <rest>", UNREAD),
    ("Content-Length: <rest>;", UNREAD),
    ("Content-Length: \"<rest>\"", UNREAD),
    ("Content-Length: \u{662}\u{660}\u{660}", UNREAD),
    ("Content-Length:", UNREAD),
    ("Content-Length: 18446744073709551615", Direct { statuses: &[431], read: 0, closes: true }),
    ("Content-Length: 18446744073709551616", UNREAD),
    ("Content-Length: 18446744073709551616<rest>", UNREAD),
    ("Content-Length: 99999999999999999999999999", UNREAD),
    ("Content-Length : <rest>", UNREAD),
    ("Content-Length\t: <rest>", UNREAD),
    ("Content-Length\u{a0}: <rest>", UNREAD),
    ("Content-Length\0: <rest>", UNREAD),
    ("Content-Length: \0<rest>", UNREAD),
    ("Content-Length: <rest>\u{b}", UNREAD),
    ("Content-Length: \u{c}<rest>", UNREAD),
    ("Content-Length:\r\n <rest>", UNREAD),
    ("Content-Length: <rest>\r\n 0", UNREAD),
    ("X: 1\r\n Content-Length: <rest>", UNREAD),
    ("X: 1\r\n\tContent-Length: <rest>", UNREAD),
    ("X: 1\rContent-Length: <rest>", UNREAD),
    ("X: 1\nContent-Length: <rest>", REFUSED),
    ("Content-Length: <rest>\nX: 1", REFUSED),
    ("Connection: content-length\r\nContent-Length: <rest>", REFUSED),
    ("Connection: close, content-length\r\nContent-Length: <rest>", REFUSED),
    ("Expect: 100-continue\r\nContent-Length: <rest>", REFUSED),
    ("Expect: 100-continue, x\r\nContent-Length: <rest>", REFUSED),
    (
        "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAoAAA\r\nContent-Length: <rest>",
        REFUSED,
    ),
    ("Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nContent-Length: <rest>", REFUSED),
    ("Content-Length: 0", BOTH),
    ("Content-Length: 00", REFUSED),
    ("Content_Length: <rest>", BOTH),
    ("X-Content-Length: <rest>", BOTH),
    ("Content-Type: application/x-www-form-urlencoded", BOTH),
];

const SINGLE: &[(&str, &str, Direct)] = &[
    ("a sound request", "<get>\r\n", Direct { statuses: &[200], read: 1, closes: false }),
    ("two sound requests", "<get>\r\n<inner>", BOTH),
    ("a body on a hit", "<get>Content-Length: 5\r\n\r\nhello<inner>", REFUSED),
    ("a body on a hit, and a prefix", "<get>Content-Length: 5\r\n\r\nhello<prefix>", REFUSED),
    ("a length that never comes", "<get>Content-Length: 100000\r\n\r\n<inner>", REFUSED),
    ("a body of POST", "<post>Content-Length: <rest>\r\n\r\n<inner>", NOT_ALLOWED),
    ("a shorter body of POST", "<post>Content-Length: 5\r\n\r\nhello<inner>", NOT_ALLOWED),
    // Chunks.
    ("chunks and a request", "<get>Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n<inner>", REFUSED),
    ("a chunk extension", "<get>Transfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0;x\r\n\r\n<inner>", REFUSED),
    ("LF in a chunk extension", "<get>Transfer-Encoding: chunked\r\n\r\n5;\nhello\r\n0\r\n\r\n<inner>", REFUSED),
    (
        "a quoted chunk extension",
        "<get>Transfer-Encoding: chunked\r\n\r\n5;x=\"\r\nhello\r\n0\r\n\r\n<inner>\"",
        REFUSED,
    ),
    ("CR in a chunk extension", "<get>Transfer-Encoding: chunked\r\n\r\n5;\rx\r\nhello\r\n0\r\n\r\n<inner>", REFUSED),
    ("trailers", "<get>Transfer-Encoding: chunked\r\n\r\n0\r\nX: 1\r\n\r\n<inner>", REFUSED),
    (
        "framing in trailers",
        "<get>Transfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 50\r\nHost: x\r\n\r\n<inner>",
        REFUSED,
    ),
    ("a request for a trailer", "<get>Transfer-Encoding: chunked\r\n\r\n0\r\n<inner>", REFUSED),
    ("chunks that end in LF", "<get>Transfer-Encoding: chunked\r\n\r\n5\nhello\n0\n\n<inner>", REFUSED),
    ("chunks that end in CR", "<get>Transfer-Encoding: chunked\r\n\r\n5\rhello\r0\r\r<inner>", REFUSED),
    ("a chunk with other bytes behind", "<get>Transfer-Encoding: chunked\r\n\r\n5\r\nhelloXX0\r\n\r\n<inner>", REFUSED),
    ("a chunk of 0x5", "<get>Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n<inner>", REFUSED),
    ("a chunk of +5", "<get>Transfer-Encoding: chunked\r\n\r\n+5\r\nhello\r\n0\r\n\r\n<inner>", REFUSED),
    ("a chunk of -1", "<get>Transfer-Encoding: chunked\r\n\r\n-1\r\nhello\r\n0\r\n\r\n<inner>", REFUSED),
    ("a chunk of 5 and a blank", "<get>Transfer-Encoding: chunked\r\n\r\n5 \r\nhello\r\n0\r\n\r\n<inner>", REFUSED),
    ("a chunk of 5_0", "<get>Transfer-Encoding: chunked\r\n\r\n5_0\r\nhello\r\n0\r\n\r\n<inner>", REFUSED),
    (
        "a chunk of 2^64 and 5",
        "<get>Transfer-Encoding: chunked\r\n\r\n10000000000000005\r\nhello\r\n0\r\n\r\n<inner>",
        REFUSED,
    ),
    ("a chunk of 2^32 and 5", "<get>Transfer-Encoding: chunked\r\n\r\n100000005\r\nhello\r\n0\r\n\r\n<inner>", REFUSED),
    ("a chunk of nothing", "<get>Transfer-Encoding: chunked\r\n\r\n\r\n0\r\n\r\n<inner>", REFUSED),
    ("many zeros", "<get>Transfer-Encoding: chunked\r\n\r\n0000000000000000000000\r\n\r\n<inner>", REFUSED),
    ("no last empty line", "<get>Transfer-Encoding: chunked\r\n\r\n0\r\n<prefix>", REFUSED),
    // Lines.
    ("obs-fold before the length", "<get>X: a\r\n b\r\nContent-Length: <rest>\r\n\r\n<inner>", UNREAD),
    ("obs-fold as the first line", "GET <outer> HTTP/1.1\r\n X: 1\r\n<host>\r\n\r\n<inner>", UNREAD),
    ("obs-fold of nothing", "<get>X: a\r\n \r\n\r\n<inner>", UNREAD),
    ("obs-fold of Host", "GET <outer> HTTP/1.1\r\nHost:\r\n media.example.com\r\n\r\n<inner>", UNREAD),
    (
        "lines that end in LF",
        "GET <outer> HTTP/1.1\nHost: media.example.com\nUser-Agent: facebookexternalhit/1.1\n\n<inner>",
        BOTH,
    ),
    ("an empty line of LF", "GET <outer> HTTP/1.1\r\n<host>\n\n<inner>", BOTH),
    ("an empty line of LF, and lines", "GET <outer> HTTP/1.1\r\n<host>\r\n\nX: 1\r\n\r\n<inner>", THEN_NOISE),
    ("an empty line of CR", "GET <outer> HTTP/1.1\r\n<host>\r\r<inner>", UNREAD),
    ("CR CR LF", "<get>X: 1\r\r\nContent-Length: <rest>\r\n\r\n<inner>", UNREAD),
    ("CR in a value", "<get>X: a\rb\r\n\r\n<inner>", UNREAD),
    ("CR in a name", "<get>X\r: 1\r\n\r\n<inner>", UNREAD),
    ("NUL in a value", "<get>X: a\0b\r\n\r\n<inner>", UNREAD),
    ("NUL in a name", "<get>X\0: 1\r\n\r\n<inner>", UNREAD),
    ("NUL before the request", "\0<get>\r\n<inner>", UNREAD),
    ("no colon", "<get>X\r\n\r\n<inner>", UNREAD),
    ("no name", "<get>: 1\r\n\r\n<inner>", UNREAD),
    ("a blank before the colon", "<get>X : 1\r\n\r\n<inner>", UNREAD),
    ("a blank in the name", "<get>X Y: 1\r\n\r\n<inner>", UNREAD),
    ("a request for a name", "<get>GET <outer> HTTP/1.1: 1\r\n\r\n<inner>", UNREAD),
    ("brackets in the name", "<get>X(Y): 1\r\n\r\n<inner>", UNREAD),
    ("bytes above 127 in a value", "<get>X: \u{e9}\u{85}\u{a0}\r\n\r\n<inner>", BOTH),
    ("empty lines before the request", "\r\n\r\n<get>\r\n\r\n<inner>", BOTH),
    ("a blank line before the request", " \r\n<get>\r\n<inner>", UNREAD),
    // Request lines.
    (
        "HTTP/1.0 with chunks",
        "GET <outer> HTTP/1.0\r\n<host>\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n<inner>",
        UNREAD,
    ),
    (
        "HTTP/1.0 with a length",
        "GET <outer> HTTP/1.0\r\n<host>\r\nConnection: keep-alive\r\nContent-Length: <rest>\r\n\r\n<inner>",
        REFUSED,
    ),
    (
        "HTTP/1.0 and a request",
        "GET <outer> HTTP/1.0\r\n<host>\r\n\r\n<inner>",
        Direct { statuses: &[200], read: 1, closes: true },
    ),
    ("HTTP/1.0 that stays", "GET <outer> HTTP/1.0\r\n<host>\r\nConnection: keep-alive\r\n\r\n<inner>", BOTH),
    (
        "Connection: close and a request",
        "<get>Connection: close\r\n\r\n<inner>",
        Direct { statuses: &[200], read: 1, closes: true },
    ),
    ("HTTP/0.9", "GET <outer>\r\n<inner>", UNREAD),
    ("HTTP/0.9 and an empty line", "GET <outer>\r\n\r\n<inner>", UNREAD),
    ("HTTP/1.2", "GET <outer> HTTP/1.2\r\n<host>\r\n\r\n<inner>", UNREAD),
    ("HTTP/2.0", "GET <outer> HTTP/2.0\r\n<host>\r\n\r\n<inner>", UNREAD),
    ("HTTP/01.1", "GET <outer> HTTP/01.1\r\n<host>\r\n\r\n<inner>", UNREAD),
    ("http/1.1", "GET <outer> http/1.1\r\n<host>\r\n\r\n<inner>", UNREAD),
    ("two blanks before the target", "GET  <outer> HTTP/1.1\r\n<host>\r\n\r\n<inner>", UNREAD),
    ("two blanks before the version", "GET <outer>  HTTP/1.1\r\n<host>\r\n\r\n<inner>", UNREAD),
    ("a blank after the version", "GET <outer> HTTP/1.1 \r\n<host>\r\n\r\n<inner>", UNREAD),
    ("tabs in the request line", "GET\t<outer>\tHTTP/1.1\r\n<host>\r\n\r\n<inner>", UNREAD),
    ("a target with a blank", "GET <outer> /x HTTP/1.1\r\n<host>\r\n\r\n<inner>", UNREAD),
    ("a version inside the target", "GET <outer>?HTTP/1.1\r\nX: HTTP/1.1\r\n<host>\r\n\r\n<inner>", UNREAD),
    ("CR in the request line", "GET <outer>\rHTTP/1.1\r\n<host>\r\n\r\n<inner>", UNREAD),
    ("an absolute target", "GET http://media.example.com<outer> HTTP/1.1\r\n<host>\r\n\r\n<inner>", BOTH),
    (
        "an absolute target and another Host",
        "GET http://media.example.com<outer> HTTP/1.1\r\nHost: evil.example\r\nUser-Agent: facebookexternalhit/1.1\r\n\r\n<inner>",
        BOTH,
    ),
    (
        "an absolute target with a length",
        "GET http://media.example.com<outer> HTTP/1.1\r\n<host>\r\nContent-Length: <rest>\r\n\r\n<inner>",
        REFUSED,
    ),
    ("a fragment in the target", "GET <outer>#<outer> HTTP/1.1\r\n<host>\r\n\r\n<inner>", BOTH),
    ("two Hosts", "<get>Host: media.example.com\r\n\r\n<inner>", REFUSED),
    (
        "the beginning of HTTP/2",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n<inner>",
        Direct { statuses: &[], read: 0, closes: true },
    ),
    (
        "Upgrade: h2c without a body",
        "<get>Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAoAAA\r\n\r\n<inner>",
        BOTH,
    ),
    ("Expect: 100-continue without a body", "<get>Expect: 100-continue\r\n\r\n<inner>", BOTH),
    ("HEAD with a body", "HEAD <outer> HTTP/1.1\r\n<host>\r\nContent-Length: <rest>\r\n\r\n<inner>", REFUSED),
    ("Connection: host", "<get>Connection: host\r\n\r\n<inner>", BOTH),
    ("Connection: x-forwarded-for", "<get>Connection: x-forwarded-for\r\n\r\n<inner>", BOTH),
    ("a forged client address", "<get>X-Forwarded-For: 127.0.0.3\r\n\r\n<inner>", BOTH),
    (
        "Keep-Alive that lies",
        "<get>Connection: keep-alive, close\r\n\r\n<inner>",
        Direct { statuses: &[200], read: 1, closes: true },
    ),
];
