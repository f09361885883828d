//! HTTP/2 requests that are malformed, or could be read in two ways once somebody writes them as HTTP/1.1: each is refused, and the
//! other streams of its connection go on.

use super::streams::{Connection, Stream};
use crate::kit::content;
use crate::kit::gateway::{HOST, META};
use crate::kit::secure::Secure;

/// What must become of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Malformed (RFC 9113 section 8.1.1): a stream error of type `PROTOCOL_ERROR`.
    Malformed,
    /// The same, and the connection ends with it (section 5.4.1 allows it): the compressed fields cannot be told to be fields.
    Fatal,
    /// It is answered with this status.
    Answered(u16),
}

use Fate::{Answered, Fatal, Malformed};

/// Fields of a sound request, of which those in the second column replace the ones with the same name, or come last; an empty second
/// column takes one away.
type Case = (&'static str, &'static [(&'static str, &'static str)], Fate);

const CASES: &[Case] = &[
    ("nothing special", &[], Answered(200)),
    // RFC 9113 section 8.1.1: the length must be that of the content.
    ("content-length without content", &[("content-length", "5")], Malformed),
    ("content-length of no number", &[("content-length", "+5")], Malformed),
    ("content-length of 0", &[("content-length", "0")], Answered(200)),
    ("two different lengths", &[("content-length", "0"), ("content-length", "5")], Malformed),
    // Section 8.2.1: names and values.
    ("an upper-case name", &[("X-Upper", "1")], Fatal),
    ("an upper-case letter", &[("x-uppeR", "1")], Fatal),
    ("a blank in a name", &[("x y", "1")], Fatal),
    ("a colon in a name", &[("x:y", "1")], Fatal),
    ("a line break in a name", &[("x\r\nhost", "evil.example")], Fatal),
    ("NUL in a name", &[("x\0", "1")], Fatal),
    ("a letter above 127 in a name", &[("x\u{e9}", "1")], Fatal),
    ("an empty name", &[("", "1")], Fatal),
    ("a line break in a value", &[("x", "1\r\nhost: evil.example")], Fatal),
    ("CR in a value", &[("x", "1\r2")], Fatal),
    ("LF in a value", &[("x", "1\n2")], Fatal),
    ("NUL in a value", &[("x", "1\x002")], Fatal),
    ("a whole request in a value", &[("x", "1\r\n\r\nGET /m/x/y HTTP/1.1\r\nhost: media.example.com")], Fatal),
    // Section 8.2.2: fields of a connection.
    ("transfer-encoding", &[("transfer-encoding", "chunked")], Malformed),
    ("transfer-encoding and a length", &[("content-length", "0"), ("transfer-encoding", "chunked")], Malformed),
    ("connection: close", &[("connection", "close")], Malformed),
    ("connection: content-length", &[("connection", "content-length")], Malformed),
    ("keep-alive", &[("keep-alive", "timeout=5")], Malformed),
    ("proxy-connection", &[("proxy-connection", "keep-alive")], Malformed),
    ("upgrade", &[("upgrade", "h2c")], Malformed),
    ("te: gzip", &[("te", "gzip")], Malformed),
    ("te: trailers", &[("te", "trailers")], Answered(200)),
    // Section 8.3: pseudo-fields.
    ("two :path", &[("+:path", "/m/x/y")], Malformed),
    ("two :method", &[("+:method", "POST")], Malformed),
    ("two :authority", &[("+:authority", "evil.example")], Malformed),
    ("two :scheme", &[("+:scheme", "http")], Malformed),
    ("no :path", &[(":path", "-")], Malformed),
    ("no :method", &[(":method", "-")], Malformed),
    ("no :scheme", &[(":scheme", "-")], Malformed),
    ("an empty :path", &[(":path", "")], Malformed),
    ("an empty :method", &[(":method", "")], Fatal),
    ("a :path of blanks", &[(":path", "/m/x/y HTTP/1.1")], Malformed),
    ("a :path with a line break", &[(":path", "/m/x/y\r\nhost: evil.example")], Malformed),
    ("a :path without a slash", &[(":path", "m/x/y")], Malformed),
    ("a :method with a request", &[(":method", "GET / HTTP/1.1\r\nx: ")], Fatal),
    (":status in a request", &[("+:status", "200")], Malformed),
    ("a pseudo-field that does not exist", &[("+:version", "1")], Fatal),
    ("a pseudo-field after a field", &[("x", "1"), (":after", "1")], Fatal),
    (":path after a field", &[(":path", "-"), ("x", "1"), ("~:path", "/")], Malformed),
    // Section 8.3.1: whom it is for.
    ("neither :authority nor host", &[(":authority", "-")], Answered(400)),
    ("host instead of :authority", &[(":authority", "-"), ("host", HOST)], Answered(200)),
    ("host that says the same", &[("host", HOST)], Answered(200)),
    ("host that says something else", &[("host", "evil.example")], Answered(400)),
    ("two hosts", &[("host", HOST), ("host", HOST)], Answered(400)),
    ("two hosts and no :authority", &[(":authority", "-"), ("host", HOST), ("host", "evil.example")], Answered(400)),
    ("a user in :authority", &[(":authority", "user@media.example.com")], Answered(421)),
    ("an :authority with a path", &[(":authority", "media.example.com/x")], Malformed),
    ("an :authority with a line break", &[(":authority", "media.example.com\r\nx: 1")], Malformed),
    ("an empty :authority", &[(":authority", "")], Malformed),
    // What may not be asked for at all.
    ("POST", &[(":method", "POST")], Answered(405)),
    ("PRI", &[(":method", "PRI")], Answered(501)),
    ("CONNECT", &[(":method", "CONNECT"), (":path", "-"), (":scheme", "-")], Answered(404)),
    ("CONNECT with a path", &[(":method", "CONNECT")], Malformed),
    ("CONNECT for another protocol", &[(":method", "CONNECT"), ("+:protocol", "websocket")], Malformed),
];

#[tokio::test]
async fn a_malformed_http2_request_is_refused_and_the_other_streams_go_on() {
    let secure = Secure::start().await;
    let bytes = content(1, LARGE.try_into().unwrap());
    let large = secure.gate.link("large.txt", &bytes).await.path;
    let small = secure.gate.link("small.txt", b"hello").await.path;
    let mut wrong = Vec::new();
    for (name, changes, fate) in CASES {
        let mut connection = Connection::open(&secure).await;
        // It waits for room while the hostile one comes and goes.
        let other = connection.begin(&sound(&large), true).await;
        connection.until(other, FIRST_WINDOW).await;
        connection.allow(0, LARGE).await;
        let hostile = connection.begin(&changed(&small, changes), true).await;
        let seen = connection.outcome(hostile).await;
        if *fate == Fatal {
            if seen != Stream::default() || connection.gone != Some(PROTOCOL_ERROR) {
                wrong.push(format!("{name}: {seen:?}, {:?}, not {fate:?}", connection.gone));
            }
            continue;
        }
        if !is(&seen, *fate) || (seen.status == Some(200) && seen.body != b"hello") {
            wrong.push(format!("{name}: {seen:?}, {:?}, not {fate:?}", connection.gone));
        }
        connection.allow(other, LARGE).await;
        let later = connection.begin(&sound(&small), true).await;
        let (other, later) = (connection.outcome(other).await, connection.outcome(later).await);
        if other.body != bytes || !other.ended || later.body != b"hello" {
            wrong.push(format!("{name}: the others do not go on, {:?}", connection.gone));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), CASES.len(), wrong.join("\n"));
}

#[tokio::test]
async fn a_body_on_a_get_over_http2_is_refused_and_its_length_must_be_true() {
    let secure = Secure::start().await;
    let link = secure.gate.link("small.txt", b"hello").await.path;
    let inner = format!("GET {link} HTTP/1.1\r\nhost: {HOST}\r\n\r\n");
    for (length, parts, fate) in [
        (None, &[inner.as_str()][..], Answered(400)),
        (Some("5"), &["hello"], Answered(400)),
        (Some("5"), &["hel", "lo"], Answered(400)),
        (None, &[""], Answered(400)),
    ] {
        let mut connection = Connection::open(&secure).await;
        let mut fields = sound(&link);
        fields.extend(length.map(|length| ("content-length", length)));
        let stream = connection.begin(&fields, false).await;
        for (number, part) in parts.iter().enumerate() {
            connection.data(stream, part.as_bytes(), number + 1 == parts.len()).await;
        }
        let seen = connection.outcome(stream).await;
        assert!(is(&seen, fate), "{length:?} {parts:?}: {seen:?}");
        let later = connection.begin(&sound(&link), true).await;
        assert_eq!(connection.outcome(later).await.body, b"hello", "{length:?} {parts:?}");
    }
    for (length, body) in [("5", "hel"), ("3", "hello"), ("0", "hello")] {
        let mut connection = Connection::open(&secure).await;
        let mut fields = sound(&link);
        fields.push(("content-length", length));
        let stream = connection.begin(&fields, false).await;
        connection.data(stream, body.as_bytes(), true).await;
        // It may be refused before the lie is seen, or for the lie.
        let seen = connection.outcome(stream).await;
        assert!(is(&seen, Malformed) || seen.status == Some(400), "{length} {body}: {seen:?}");
        let later = connection.begin(&sound(&link), true).await;
        assert_eq!(connection.outcome(later).await.body, b"hello", "{length} {body}");
    }
    let asked = secure.gate.access_log();
    assert!(asked.iter().all(|line| line["http"] == "HTTP/2"), "{asked:?}");
}

/// A request that anybody may send.
fn sound(path: &str) -> Vec<(&str, &str)> {
    vec![(":method", "GET"), (":scheme", "https"), (":authority", HOST), (":path", path), ("user-agent", META)]
}

/// The same with these changes: `-` takes a field away, `+` before a name adds a second one beside the first, `~` adds one at the end.
fn changed<'a>(path: &'a str, changes: &[(&'static str, &'static str)]) -> Vec<(&'a str, &'a str)> {
    let mut fields = sound(path);
    for (name, value) in changes {
        let place = fields.iter().position(|(known, _)| known == name);
        match (place, *value) {
            (Some(place), "-") => drop(fields.remove(place)),
            (Some(place), value) if name.starts_with(':') => fields[place].1 = value,
            _ if name.starts_with('+') => fields.insert(4.min(fields.len()), (&name[1..], value)),
            _ => fields.push((name.trim_start_matches('~'), value)),
        }
    }
    fields
}

fn is(seen: &Stream, fate: Fate) -> bool {
    match fate {
        Malformed | Fatal => seen.status.is_none() && seen.reset == Some(PROTOCOL_ERROR),
        Answered(status) => seen.status == Some(status) && seen.ended && seen.reset.is_none_or(|code| code == NO_ERROR),
    }
}

/// How much of a body comes before a client makes room for more (RFC 9113 section 6.9.2), in bytes.
const FIRST_WINDOW: usize = 65_535;
/// More than that.
const LARGE: u32 = 200_000;
const NO_ERROR: u32 = 0;
const PROTOCOL_ERROR: u32 = 1;
