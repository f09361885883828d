//! Clients that speak HTTP/2 with a proxy which writes HTTP/1.1: lengths that lie, and whatever in a field, once it is written out,
//! would be another line or another request.

use super::corpus::{Hostile, Targets};
use crate::clients::streams::changed;
use crate::kit::gateway::request;
use crate::kit::h2_raw as raw;

/// The changes to a sound request, in the words of [`changed`], and its body if it has one. `<inner>` is a whole request for the inner
/// link, and `<length>` its length.
type Case = (&'static str, &'static [(&'static str, &'static str)], Option<&'static str>);

const CASES: &[Case] = &[
    ("a sound request", &[], None),
    ("a body", &[], Some("<inner>")),
    ("a body of POST", &[(":method", "POST")], Some("<inner>")),
    ("a body and its length", &[("content-length", "<length>")], Some("<inner>")),
    ("a length of 0", &[("content-length", "0")], Some("<inner>")),
    ("a length of 0, by POST", &[(":method", "POST"), ("content-length", "0")], Some("<inner>")),
    ("a length that is too short", &[("content-length", "5")], Some("hello<inner>")),
    ("a length that is too short, by POST", &[(":method", "POST"), ("content-length", "5")], Some("hello<inner>")),
    ("a length that is too long", &[("content-length", "1000")], Some("<inner>")),
    ("two lengths", &[("content-length", "0"), ("content-length", "<length>")], Some("<inner>")),
    ("two lengths in one", &[("content-length", "0, <length>")], Some("<inner>")),
    ("a signed length", &[("content-length", "+0")], Some("<inner>")),
    ("chunked", &[("transfer-encoding", "chunked")], Some("0\r\n\r\n<inner>")),
    ("chunked, by POST", &[(":method", "POST"), ("transfer-encoding", "chunked")], Some("0\r\n\r\n<inner>")),
    ("xchunked", &[(":method", "POST"), ("transfer-encoding", "xchunked")], Some("0\r\n\r\n<inner>")),
    ("chunked, with an upper-case letter", &[("Transfer-encoding", "chunked")], Some("0\r\n\r\n<inner>")),
    ("chunked, with a blank", &[("transfer-encoding ", "chunked")], Some("0\r\n\r\n<inner>")),
    ("chunked, in a name", &[("x: 1\r\ntransfer-encoding", "chunked")], Some("0\r\n\r\n<inner>")),
    ("chunked, in a value", &[("x", "1\r\ntransfer-encoding: chunked")], Some("0\r\n\r\n<inner>")),
    ("chunked, behind LF", &[("x", "1\ntransfer-encoding: chunked")], Some("0\r\n\r\n<inner>")),
    ("chunked, behind CR", &[("x", "1\rtransfer-encoding: chunked")], Some("0\r\n\r\n<inner>")),
    ("chunked, behind NUL", &[("x", "1\0transfer-encoding: chunked")], Some("0\r\n\r\n<inner>")),
    ("chunked, in a colon of a name", &[("transfer-encoding: chunked", "1")], Some("0\r\n\r\n<inner>")),
    ("a request in a value", &[("x", "1\r\n\r\n<inner>")], None),
    ("a request in a name", &[("x: 1\r\n\r\n<inner>", "1")], None),
    ("a request in the method", &[(":method", "GET /x HTTP/1.1\r\nhost: media.example.com\r\n\r\nGET")], None),
    ("a request in the path", &[(":path", "/x HTTP/1.1\r\nhost: media.example.com\r\n\r\n<inner>")], None),
    ("a version in the path", &[(":path", "/x HTTP/1.1")], None),
    ("a request in the authority", &[(":authority", "media.example.com\r\n\r\n<inner>")], None),
    ("a request in the scheme", &[(":scheme", "https\r\n\r\n<inner>")], None),
    ("two paths", &[("+:path", "/x")], None),
    ("two methods", &[("+:method", "POST")], Some("<inner>")),
    ("another host", &[("host", "evil.example")], None),
    ("two hosts", &[("host", "media.example.com"), ("host", "evil.example")], None),
    (
        "connection: content-length",
        &[("connection", "content-length"), ("content-length", "<length>")],
        Some("<inner>"),
    ),
    ("connection: close", &[("connection", "close")], None),
    ("upgrade: h2c", &[("upgrade", "h2c"), ("connection", "upgrade")], Some("<inner>")),
    ("expect: 100-continue", &[("expect", "100-continue"), ("content-length", "<length>")], Some("<inner>")),
    ("te: trailers", &[("te", "trailers")], Some("<inner>")),
    ("a field that is folded", &[("x", "1\r\n transfer-encoding: chunked")], Some("0\r\n\r\n<inner>")),
    ("HEAD with a body", &[(":method", "HEAD")], Some("<inner>")),
    ("CONNECT with a body", &[(":method", "CONNECT"), (":path", "-"), (":scheme", "-")], Some("<inner>")),
];

/// All of it, each as the bytes of one connection.
pub fn corpus(targets: &Targets) -> Vec<Hostile> {
    let inner = request("GET", &targets.inner, &[]);
    let length = inner.len().to_string();
    let filled = |text: &str| text.replace("<inner>", &inner).replace("<length>", &length);
    let hostile = |(name, changes, body): &Case| {
        let changes: Vec<_> = changes.iter().map(|(name, value)| (filled(name), filled(value))).collect();
        let changes: Vec<_> = changes.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let block = raw::block(&changed(&targets.outer, &changes));
        let flags = raw::END_HEADERS | if body.is_none() { raw::END_STREAM } else { 0 };
        let head = raw::frame(raw::HEADERS, flags, 1, &block);
        let data = body.map(|body| raw::frame(raw::DATA, raw::END_STREAM, 1, filled(body).as_bytes()));
        let bytes = [raw::PREFACE, &raw::frame(raw::SETTINGS, 0, 0, &[]), &head, &data.unwrap_or_default()].concat();
        Hostile { name: format!("over HTTP/2, {name}"), bytes, direct: None }
    };
    CASES.iter().map(hostile).collect()
}
