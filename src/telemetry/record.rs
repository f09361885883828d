//! One request, as the access log writes it.
//!
//! The fields are the facts from which operators learn what the real fetcher does. There is no field for a path, a query or a token:
//! what has no field cannot leak. Field names and their order are a promise to whoever parses the log.

use std::net::IpAddr;
use std::time::{Duration, UNIX_EPOCH};

use serde::{Serialize, Serializer};

use super::clip::{AgentText, MethodText, RangeText};
use crate::value::{ClientName, StoreName};

/// The facts of one request. What is `None` has no place in the line.
#[derive(Clone, Debug, Serialize)]
pub struct AccessRecord {
    /// When the request's head was read, in milliseconds since the epoch; written in RFC 3339.
    #[serde(rename = "time", serialize_with = "rfc3339_millis")]
    pub time_millis: u64,
    /// The link's id, `lnk_...`; for links that did not open as well, since it is a digest of what was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<Box<str>>,
    /// The store of the opened grant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store: Option<StoreName>,
    /// The client that minted the opened grant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minted_by: Option<ClientName>,
    /// The answer's status code.
    pub status: u16,
    /// What became of the request, in the words of `hallpass_requests_total`.
    pub outcome: &'static str,
    /// Why the link was not believed, in the words of `hallpass_denials_total`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub denial: Option<&'static str>,
    /// How many denials went unlogged before this line.
    #[serde(skip_serializing_if = "is_zero")]
    pub suppressed: u64,
    /// The method.
    pub method: MethodText,
    /// The HTTP version, such as `HTTP/1.1`.
    pub http: &'static str,
    /// The `Range` that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub range: Option<RangeText>,
    /// The `User-Agent`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentText>,
    /// The class that the fetcher profile gave the agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_class: Option<&'static str>,
    /// Where the fetcher profile's list puts the client's address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<&'static str>,
    /// The client's address.
    pub client: IpAddr,
    /// Bytes of the body that were handed to the socket.
    pub bytes: u64,
    /// From the head to the answer's first byte; written in milliseconds. `None` when nothing was sent.
    #[serde(rename = "first_byte_ms", serialize_with = "maybe_millis", skip_serializing_if = "Option::is_none")]
    pub first_byte: Option<Duration>,
    /// From the head to the end; written in milliseconds.
    #[serde(rename = "total_ms", serialize_with = "millis")]
    pub total: Duration,
    /// Whether all of the answer was handed to the socket; otherwise the client left, or we cut it.
    pub completed: bool,
}

impl AccessRecord {
    /// Appends the record as one line of JSON (RFC 8259), line feed included.
    pub(super) fn write_line(&self, line: &mut Vec<u8>) {
        let start = line.len();
        if serde_json::to_writer(&mut *line, self).is_ok() {
            line.push(b'\n');
        } else {
            line.truncate(start);
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the derive calls it with a reference")]
fn rfc3339_millis<S: Serializer>(time: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    let time = UNIX_EPOCH + Duration::from_millis((*time).min(LAST_MILLI));
    serializer.collect_str(&humantime::format_rfc3339_millis(time))
}

/// With three decimals: microseconds are what a hit takes.
fn millis<S: Serializer>(span: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    let micros = u32::try_from(span.as_micros()).unwrap_or(u32::MAX);
    serializer.serialize_f64(f64::from(micros) / 1000.0)
}

#[expect(clippy::ref_option, reason = "the derive calls it with a reference")]
fn maybe_millis<S: Serializer>(span: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    millis(&span.unwrap_or_default(), serializer)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the derive calls it with a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
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
        record.write_line(&mut line);
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn a_record_is_one_line_of_json_with_promised_names() {
        assert_eq!(
            line(&record()),
            "{\"time\":\"2026-11-21T10:20:00.123Z\",\"link\":\"lnk_abc\",\"store\":\"media\",\"minted_by\":\"billing\",\"status\":206,\
             \"outcome\":\"served\",\"method\":\"GET\",\"http\":\"HTTP/1.1\",\"range\":\"bytes=0-524288\",\
             \"agent\":\"facebookexternalhit/1.1\",\"agent_class\":\"match\",\"network\":\"inside\",\"client\":\"2a03:2880::1\",\
             \"bytes\":524289,\"first_byte_ms\":0.25,\"total_ms\":12.5,\"completed\":true}\n"
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
