//! One request, as the access log writes it.
//!
//! The fields are the facts from which operators learn what the real fetcher does. There is no field for a path, a query or a token:
//! what has no field cannot leak. Field names and their order are a promise to whoever parses the log.

use std::net::IpAddr;
use std::time::{Duration, UNIX_EPOCH};

use super::clip::{AgentText, MethodText, RangeText};
use super::json::{address, number, push_json_text, quoted, three_digits};
use crate::value::{ClientName, StoreName};

/// The facts of one request. What is `None` has no place in the line.
#[derive(Clone, Debug)]
pub struct AccessRecord {
    /// When the request's head was read, in milliseconds since the epoch; written in RFC 3339.
    pub time_millis: u64,
    /// The link's id, `lnk_...`; for links that did not open as well, since it is a digest of what was sent.
    pub link: Option<Box<str>>,
    /// The store of the opened grant.
    pub store: Option<StoreName>,
    /// The client that minted the opened grant.
    pub minted_by: Option<ClientName>,
    /// The answer's status code.
    pub status: u16,
    /// What became of the request, in the words of `hallpass_requests_total`.
    pub outcome: &'static str,
    /// Why the link was not believed, in the words of `hallpass_denials_total`.
    pub denial: Option<&'static str>,
    /// How many denials went unlogged before this line.
    pub suppressed: u64,
    /// The method.
    pub method: MethodText,
    /// The HTTP version, such as `HTTP/1.1`.
    pub http: &'static str,
    /// The `Range` that was asked for.
    pub range: Option<RangeText>,
    /// The `User-Agent`.
    pub agent: Option<AgentText>,
    /// The class that the fetcher profile gave the agent.
    pub agent_class: Option<&'static str>,
    /// Where the fetcher profile's list puts the client's address.
    pub network: Option<&'static str>,
    /// The client's address.
    pub client: IpAddr,
    /// Bytes of the body that were handed to the socket.
    pub bytes: u64,
    /// From the head to the answer's first byte; written in milliseconds. `None` when nothing was sent.
    pub first_byte: Option<Duration>,
    /// From the head to the end; written in milliseconds.
    pub total: Duration,
    /// Whether all of the answer was handed to the socket; otherwise the client left, or we cut it.
    pub completed: bool,
}

/// A field's name with all that stands around it, so that it is appended in one go.
macro_rules! field {
    ($name:literal) => {
        concat!(",\"", $name, "\":")
    };
}

impl AccessRecord {
    /// Appends the record as one line of JSON (RFC 8259), line feed included.
    pub(super) fn write_line(&self, stamp: &mut Stamp, line: &mut Vec<u8>) {
        line.extend(b"{\"time\":\"");
        stamp.write(self.time_millis, line);
        line.push(b'"');
        text(line, field!("link"), self.link.as_deref());
        text(line, field!("store"), self.store.as_ref().map(StoreName::as_str));
        text(line, field!("minted_by"), self.minted_by.as_ref().map(ClientName::as_str));
        count(line, field!("status"), self.status.into());
        word(line, field!("outcome"), Some(self.outcome));
        word(line, field!("denial"), self.denial);
        if self.suppressed > 0 {
            count(line, field!("suppressed"), self.suppressed);
        }
        text(line, field!("method"), Some(self.method.as_str()));
        word(line, field!("http"), Some(self.http));
        text(line, field!("range"), self.range.as_ref().map(RangeText::as_str));
        text(line, field!("agent"), self.agent.as_ref().map(AgentText::as_str));
        word(line, field!("agent_class"), self.agent_class);
        word(line, field!("network"), self.network);
        line.extend(field!("client").as_bytes());
        line.push(b'"');
        address(line, self.client);
        line.push(b'"');
        count(line, field!("bytes"), self.bytes);
        millis(line, field!("first_byte_ms"), self.first_byte);
        millis(line, field!("total_ms"), Some(self.total));
        line.extend(field!("completed").as_bytes());
        line.extend(if self.completed { b"true}\n".as_slice() } else { b"false}\n" });
    }
}

/// A time as RFC 3339 writes it. The second stays as it was written while it is the same one, as it is for thousands of lines.
#[derive(Debug, Default)]
pub(super) struct Stamp {
    second: Option<u64>,
    text: String,
}

impl Stamp {
    fn write(&mut self, millis: u64, line: &mut Vec<u8>) {
        let millis = millis.min(LAST_MILLI);
        let second = millis / 1000;
        if self.second != Some(second) {
            let whole = humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(second)).to_string();
            whole.trim_end_matches('Z').clone_into(&mut self.text);
            self.second = Some(second);
        }
        line.extend(self.text.as_bytes());
        line.push(b'.');
        three_digits(line, millis);
        line.push(b'Z');
    }
}

fn text(line: &mut Vec<u8>, field: &str, text: Option<&str>) {
    let Some(text) = text else { return };
    line.extend(field.as_bytes());
    push_json_text(line, text);
}

/// One of our own words, in which nothing needs an escape.
fn word(line: &mut Vec<u8>, field: &str, word: Option<&'static str>) {
    let Some(word) = word else { return };
    line.extend(field.as_bytes());
    quoted(line, word);
}

fn count(line: &mut Vec<u8>, field: &str, value: u64) {
    line.extend(field.as_bytes());
    number(line, value);
}

/// With three decimals: microseconds are what a hit takes.
fn millis(line: &mut Vec<u8>, field: &str, span: Option<Duration>) {
    let Some(span) = span else { return };
    let micros = u32::try_from(span.as_micros()).unwrap_or(u32::MAX);
    count(line, field, u64::from(micros / 1000));
    line.push(b'.');
    three_digits(line, micros.into());
}

/// The last millisecond that RFC 3339 can write.
const LAST_MILLI: u64 = 253_402_300_799_999;

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn record() -> AccessRecord {
        AccessRecord {
            time_millis: 1_795_256_400_123,
            link: Some("lnk_abc".into()),
            store: Some("media".parse().unwrap()),
            minted_by: Some("billing".parse().unwrap()),
            status: 206,
            outcome: "served",
            denial: None,
            suppressed: 0,
            method: MethodText::of(b"GET"),
            http: "HTTP/1.1",
            range: Some(RangeText::of(b"bytes=0-524288")),
            agent: Some(AgentText::of(b"facebookexternalhit/1.1")),
            agent_class: Some("match"),
            network: Some("inside"),
            client: "2a03:2880::1".parse().unwrap(),
            bytes: 524_289,
            first_byte: Some(Duration::from_micros(250)),
            total: Duration::from_micros(12_500),
            completed: true,
        }
    }

    fn line(record: &AccessRecord) -> String {
        let mut line = Vec::new();
        record.write_line(&mut Stamp::default(), &mut line);
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn a_record_is_one_line_of_json_with_promised_names() {
        assert_eq!(
            line(&record()),
            "{\"time\":\"2026-11-21T10:20:00.123Z\",\"link\":\"lnk_abc\",\"store\":\"media\",\"minted_by\":\"billing\",\"status\":206,\
             \"outcome\":\"served\",\"method\":\"GET\",\"http\":\"HTTP/1.1\",\"range\":\"bytes=0-524288\",\
             \"agent\":\"facebookexternalhit/1.1\",\"agent_class\":\"match\",\"network\":\"inside\",\"client\":\"2a03:2880::1\",\
             \"bytes\":524289,\"first_byte_ms\":0.250,\"total_ms\":12.500,\"completed\":true}\n"
        );
    }

    #[test]
    fn hostile_text_stays_within_its_string() {
        let hostile = b"\",\"status\":200}\n{\"\\\xff\xc3\x28\0\x1b[31m\xe2\x80\xae";
        let mut bad = record();
        bad.agent = Some(AgentText::of(hostile));
        bad.range = Some(RangeText::of(hostile));
        bad.link = Some("\"\n\\".into());
        let line = line(&bad);
        assert_eq!(line.matches('\n').count(), 1);
        let read: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(read["status"], 206);
        assert_eq!(read["link"], "\"\n\\");
        assert!(read["agent"].as_str().unwrap().starts_with("\",\"status\":200}\u{fffd}{\"\\"));
    }

    #[test]
    fn numbers_at_their_edges_are_written() {
        let mut edge = record();
        (edge.time_millis, edge.total, edge.suppressed, edge.first_byte) = (u64::MAX, Duration::MAX, 7, None);
        let read: serde_json::Value = serde_json::from_str(&line(&edge)).unwrap();
        assert_eq!(read["time"], "9999-12-31T23:59:59.999Z");
        assert_eq!(read["total_ms"], 4_294_967.295);
        assert_eq!(read["suppressed"], 7);
        assert!(read.get("first_byte_ms").is_none());
    }
}
