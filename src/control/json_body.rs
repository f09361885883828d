//! Request bodies: JSON, whole, in time, and nothing in it that we do not know.
//!
//! The texts name the field and what it should be. They go to whoever sent the body and to no log; of a value they repeat at most a word that
//! is none of the few that are known: it may be a link, and a link is a credential.

use std::time::Duration;

use ::http::header::CONTENT_TYPE;
use ::http::{HeaderMap, Request, StatusCode};
use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::FromRequest;
use serde::de::DeserializeOwned;

use super::problems::Failure;
use crate::value::MediaType;

/// A request's body, read as JSON.
pub(super) struct JsonBody<T>(pub(super) T);

/// A request's body that is said to be JSON, whole and not read yet.
pub(super) struct JsonText(pub(super) Bytes);

/// Why a body could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BodyFault {
    /// It is compressed, and nobody would undo that.
    #[error("send the bytes as they are, without Content-Encoding")]
    Encoded,
    /// It does not say that it is JSON.
    #[error("send the body as Content-Type: application/json")]
    NotJson,
    /// It is larger than any request needs to be.
    #[error("a body has at most {BODY_MAX_BYTES} bytes; send a batch in several requests")]
    TooLarge,
    /// It did not come whole, in time.
    #[error("the body did not come within {} s", BODY_MAX_TIME.as_secs())]
    TooSlow,
    /// It broke off.
    #[error("the body broke off")]
    Broken,
    /// It is no JSON, or not the JSON that this route takes.
    #[error("{0}")]
    Wrong(String),
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = Failure;

    async fn from_request(request: Request<Body>, state: &S) -> Result<Self, Failure> {
        let JsonText(bytes) = JsonText::from_request(request, state).await?;
        Ok(Self(read(&bytes)?))
    }
}

impl<S: Send + Sync> FromRequest<S> for JsonText {
    type Rejection = Failure;

    async fn from_request(request: Request<Body>, state: &S) -> Result<Self, Failure> {
        if !says_json(request.headers()) {
            return Err(BodyFault::NotJson.into());
        }
        let bytes = match tokio::time::timeout(BODY_MAX_TIME, Bytes::from_request(request, state)).await {
            Ok(Ok(bytes)) => bytes,
            Ok(Err(fault)) if fault.status() == StatusCode::PAYLOAD_TOO_LARGE => return Err(BodyFault::TooLarge.into()),
            Ok(Err(_)) => return Err(BodyFault::Broken.into()),
            Err(_) => return Err(BodyFault::TooSlow.into()),
        };
        Ok(Self(bytes))
    }
}

/// Reads one JSON text.
pub(super) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, BodyFault> {
    // Nearly all texts can be read; where one is wrong is worth knowing of the others alone, and costs as much again.
    if let Ok(read) = serde_json::from_slice(bytes) {
        return Ok(read);
    }
    match Json::from_bytes(bytes) {
        Ok(Json(read)) => Ok(read),
        Err(fault) => Err(BodyFault::Wrong(plain(&fault.body_text()))),
    }
}

/// Reads one item of a larger body; where it stands is for the caller to say.
pub(super) fn read_item<T: DeserializeOwned>(item: &serde_json::Value) -> Result<T, BodyFault> {
    read(item.to_string().as_bytes()).map_err(|fault| match fault {
        BodyFault::Wrong(said) => BodyFault::Wrong(said.split(" at line ").next().unwrap_or_default().to_owned()),
        other => other,
    })
}

fn says_json(headers: &HeaderMap) -> bool {
    let said = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()?.parse::<MediaType>().ok());
    said.is_some_and(|media_type| media_type.essence() == "application/json")
}

/// The parser's words without the framework's before them, and without the text that was sent.
pub(super) fn plain(said: &str) -> String {
    let said = said.split_once(": ").map_or(said, |(_, rest)| rest);
    let quoted = said.find(" string \"").zip(said.rfind("\", expected"));
    let mut plain = match quoted.and_then(|(from, to)| Some((said.get(..from)?, said.get(to + 1..)?))) {
        Some((before, after)) => format!("{before} a text{after}"),
        None => said.to_owned(),
    };
    plain.truncate(plain.floor_char_boundary(SAID_MAX_BYTES));
    plain
}

/// The largest body, in bytes: a batch of 1,000 requests with a kilobyte each.
pub(super) const BODY_MAX_BYTES: usize = 1 << 20;
/// How long a body may take to arrive.
const BODY_MAX_TIME: Duration = Duration::from_secs(10);
/// How much of a parser's words is passed on, in bytes: field names are as long as their sender wants.
const SAID_MAX_BYTES: usize = 400;

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "the fields are there to be missed or misspelt")]
    struct Sample {
        url: String,
        count: Option<u8>,
    }

    fn fault(json: &str) -> String {
        read::<Sample>(json.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn faults_name_the_field_and_what_it_should_be() {
        for (json, said) in [
            ("", "EOF while parsing a value at line 1 column 0"),
            ("{\"url\": \"x\"", "EOF while parsing an object at line 1 column 11"),
            ("{} x", "missing field `url` at line 1 column 2"),
            ("{\"url\":\"x\"} x", "trailing characters at line 1 column 13"),
            ("{\"url\":1}", "url: invalid type: integer `1`, expected a string at line 1 column 8"),
            ("{\"url\":\"x\",\"kind\":1}", "kind: unknown field `kind`, expected `url` or `count` at line 1 column 17"),
            ("{\"url\":\"x\",\"url\":\"x\"}", "duplicate field `url` at line 1 column 16"),
        ] {
            assert_eq!(fault(json), said, "{json}");
        }
    }

    #[test]
    fn faults_never_repeat_a_value_and_are_short() {
        for json in ["\"https://m.example/m/tok/en\"", "{\"url\":\"x\",\"count\":\"https://m.example/m/tok/en\"}"] {
            let said = fault(json);
            assert!(!said.contains("tok") && said.contains("a text, expected"), "{said}");
        }
        assert!(fault(&format!("{{\"{}\":1}}", "\u{e9}".repeat(10_000))).len() <= SAID_MAX_BYTES);
    }

    #[test]
    fn an_item_does_not_say_where_it_stood_in_a_text_that_nobody_sent() {
        let said = read_item::<Sample>(&serde_json::json!({"url": 1})).unwrap_err().to_string();
        assert_eq!(said, "url: invalid type: integer `1`, expected a string");
        let said = read_item::<Sample>(&serde_json::json!(7)).unwrap_err().to_string();
        assert_eq!(said, "invalid type: integer `7`, expected struct Sample");
    }

    #[test]
    fn only_json_is_json() {
        let says = |text: &'static str| {
            says_json(&HeaderMap::from_iter([(CONTENT_TYPE, ::http::HeaderValue::from_static(text))]))
        };
        assert!(says("application/json") && says("Application/JSON; charset=utf-8"));
        assert!(!says("text/plain") && !says("application/jsonp") && !says("") && !says_json(&HeaderMap::new()));
    }
}
