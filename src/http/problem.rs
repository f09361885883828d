//! What is told when an answer is not what was asked for: RFC 9457 problem details, or S3's XML for those who came by a link in S3's form.
//!
//! A [`ProblemKind`] can only be made with an error status, so an error never leaves with a success. Everything that is not an asset
//! is `no-store`: a refusal must not outlive its reason in anybody's cache.

use std::borrow::Cow;
use std::time::Duration;

use ::http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS};
use ::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use bytes::Bytes;
use serde::ser::SerializeMap;
use serde_json::{Map, Value};

use crate::telemetry::push_json_text;

/// One row of a table of problems: a status, a stable code, and a title.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProblemKind {
    status: StatusCode,
    code: &'static str,
    title: &'static str,
}

impl ProblemKind {
    /// A kind of problem with an error status.
    ///
    /// # Panics
    /// At compile time, when `status` is not 4xx or 5xx: kinds are constants.
    pub const fn new(status: StatusCode, code: &'static str, title: &'static str) -> Self {
        assert!(status.as_u16() >= 400, "a problem has an error status");
        Self { status, code, title }
    }

    /// The status.
    pub const fn status(self) -> StatusCode {
        self.status
    }

    /// The stable code, such as `link-expired`.
    pub const fn code(self) -> &'static str {
        self.code
    }

    /// A problem of this kind. The detail is for people: what is wrong and what to do next.
    pub fn because(self, detail: impl Into<Cow<'static, str>>) -> Problem {
        let (fields, members) = (HeaderMap::new(), Map::new());
        Problem(Box::new(Told { kind: self, detail: detail.into(), fields, members, s3_code: None }))
    }
}

/// One problem, ready to be told. It is boxed, since it travels as the error of many results that hold none.
#[derive(Clone, Debug)]
pub struct Problem(Box<Told>);

#[derive(Clone, Debug)]
struct Told {
    kind: ProblemKind,
    detail: Cow<'static, str>,
    fields: HeaderMap,
    members: Map<String, Value>,
    /// S3's code for it, where it is told in S3's words.
    s3_code: Option<&'static str>,
}

impl Problem {
    /// What kind it is.
    pub const fn kind(&self) -> ProblemKind {
        self.0.kind
    }

    /// The same problem with a header field.
    #[must_use]
    pub fn with_field(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.fields.insert(name, value);
        self
    }

    /// The same problem with a `Retry-After`, in whole seconds, at least one.
    #[must_use]
    pub fn with_retry_after(self, wait: Duration) -> Self {
        self.with_field(RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)))
    }

    /// The same problem with a member of its own (RFC 9457 section 3.2).
    #[must_use]
    pub fn with_member(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.members.insert(name.to_owned(), value.into());
        self
    }

    /// The same problem in S3's XML under this code of S3's (Amazon S3 API Reference, "Error responses"). The first code stands.
    #[must_use]
    pub fn with_s3_code(mut self, code: &'static str) -> Self {
        self.0.s3_code.get_or_insert(code);
        self
    }

    /// The problem as a JSON object, as it stands in a body.
    pub fn to_json(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }

    /// Status, header fields and body of the answer.
    pub fn into_answer(self) -> (StatusCode, HeaderMap, Bytes) {
        let Told { kind, detail, mut fields, members, s3_code } = *self.0;
        let (media_type, body) = match s3_code {
            Some(code) => ("application/xml", xml(code, &detail)),
            None => ("application/problem+json", body(kind, &detail, &members)),
        };
        let body = Bytes::from(body);
        fields.reserve(FIELDS);
        fields.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
        fields.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        fields.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        (kind.status, fields, body)
    }
}

impl serde::Serialize for Problem {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Told { kind, detail, members, .. } = self.0.as_ref();
        let mut json = serializer.serialize_map(None)?;
        json.serialize_entry("type", "about:blank")?;
        json.serialize_entry("title", kind.title)?;
        json.serialize_entry("status", &kind.status.as_u16())?;
        json.serialize_entry("code", kind.code)?;
        json.serialize_entry("detail", detail)?;
        for (name, value) in members {
            json.serialize_entry(name, value)?;
        }
        json.end()
    }
}

/// The same JSON as [`Problem`] serializes to, written by hand in a third of the instructions: whoever sends nonsense gets many of these.
fn body(kind: ProblemKind, detail: &str, members: &Map<String, Value>) -> Vec<u8> {
    let mut body = Vec::with_capacity(BODY);
    body.extend_from_slice(br#"{"type":"about:blank","title":"#);
    push_json_text(&mut body, kind.title);
    body.extend_from_slice(br#","status":"#);
    body.extend_from_slice(kind.status.as_str().as_bytes());
    body.extend_from_slice(br#","code":"#);
    push_json_text(&mut body, kind.code);
    body.extend_from_slice(br#","detail":"#);
    push_json_text(&mut body, detail);
    for (name, value) in members {
        body.push(b',');
        push_json_text(&mut body, name);
        body.push(b':');
        // Memory takes every byte of it.
        let _ = serde_json::to_writer(&mut body, value);
    }
    body.push(b'}');
    body
}

/// S3's error document, which its clients parse.
fn xml(code: &str, detail: &str) -> Vec<u8> {
    let mut message = String::with_capacity(detail.len());
    for c in detail.chars() {
        match c {
            '&' => message.push_str("&amp;"),
            '<' => message.push_str("&lt;"),
            '>' => message.push_str("&gt;"),
            c => message.push(c),
        }
    }
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    )
    .into_bytes()
}

/// Where a body begins, in bytes; most problems fit into it.
const BODY: usize = 256;
/// How many header fields there is room for: those of every problem, and some that others add.
const FIELDS: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;

    const GONE: ProblemKind = ProblemKind::new(StatusCode::GONE, "link-expired", "The link has expired");

    #[test]
    fn a_problem_is_rfc_9457_and_never_cached() {
        let problem = GONE.because("It ended at noon.").with_retry_after(Duration::from_millis(10)).with_member("n", 1);
        let (status, fields, body) = problem.into_answer();
        assert_eq!(status, StatusCode::GONE);
        assert_eq!(fields[CACHE_CONTROL], "no-store");
        assert_eq!(fields[CONTENT_TYPE], "application/problem+json");
        assert_eq!(fields[RETRY_AFTER], "1");
        assert_eq!(fields[CONTENT_LENGTH], body.len().to_string());
        let json: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(
            json,
            serde_json::json!({"type": "about:blank", "title": "The link has expired", "status": 410, "code": "link-expired", "detail": "It ended at noon.", "n": 1})
        );
    }

    #[test]
    fn in_s3_words_it_is_what_s3_clients_parse() {
        let problem = GONE.because("A & B < C").with_retry_after(Duration::from_secs(3));
        let (status, fields, body) = problem.with_s3_code("AccessDenied").with_s3_code("Other").into_answer();
        assert_eq!((status, &fields[CONTENT_TYPE]), (StatusCode::GONE, &HeaderValue::from_static("application/xml")));
        assert_eq!(
            (&fields[CACHE_CONTROL], &fields[RETRY_AFTER]),
            (&"no-store".parse().unwrap(), &"3".parse().unwrap())
        );
        let expected = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>AccessDenied</Code><Message>A &amp; B &lt; C</Message></Error>";
        assert_eq!(body, expected);
        assert_eq!(fields[CONTENT_LENGTH], expected.len().to_string());
    }

    #[test]
    fn the_body_is_byte_for_byte_what_the_serializer_writes() {
        const ODD: ProblemKind = ProblemKind::new(StatusCode::IM_A_TEAPOT, "a\"b", "Back\\slash\tand \u{7f}\u{fc}");
        for kind in [GONE, ODD] {
            for detail in ["", "It ended at noon.", "gr\u{f6}\u{df}e \u{2028}", "\"\n\\\0\u{1f} ", &"x".repeat(3000)] {
                let bare = kind.because(detail.to_owned());
                let full =
                    bare.clone().with_member("n\"", 1.5).with_member("a", serde_json::json!(["\n", {"b": null}]));
                for problem in [bare, full] {
                    let expected = serde_json::to_vec(&problem).unwrap();
                    assert_eq!(problem.into_answer().2, expected, "{detail:?}");
                }
            }
        }
    }
}
