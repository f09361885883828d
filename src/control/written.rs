//! How values are written in request bodies: as text, read by the type that owns them, so that its words say what is wrong.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::de::{self, Deserialize, Deserializer, Visitor};

use crate::value::UnixTime;

/// Reads a text as `T`.
pub(super) fn text<'de, D: Deserializer<'de>, T: FromStr<Err: fmt::Display>>(from: D) -> Result<T, D::Error> {
    String::deserialize(from)?.parse().map_err(de::Error::custom)
}

/// Reads a text as `T`, or null as nothing.
pub(super) fn optional_text<'de, D, T>(from: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: fmt::Display>,
{
    let text = Option::<String>::deserialize(from)?;
    text.map(|text| text.parse().map_err(de::Error::custom)).transpose()
}

/// Reads a time such as `2026-11-21T10:20:00Z`, or null as nothing.
pub(super) fn optional_time<'de, D: Deserializer<'de>>(from: D) -> Result<Option<UnixTime>, D::Error> {
    let text = Option::<String>::deserialize(from)?;
    let time = |text: String| UnixTime::parse_rfc3339(&text).ok_or_else(|| de::Error::custom(TIME_FORM));
    text.map(time).transpose()
}

/// A lifetime with its unit, such as `20m` or `1200s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ttl(pub(super) Duration);

impl<'de> Deserialize<'de> for Ttl {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(TtlVisitor)
    }
}

struct TtlVisitor;

impl Visitor<'_> for TtlVisitor {
    type Value = Ttl;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(TTL_FORM)
    }

    /// A bare number is refused by `expecting`, for nobody knows whether it means seconds or minutes; so is one in quotes.
    fn visit_str<E: de::Error>(self, text: &str) -> Result<Ttl, E> {
        humantime::parse_duration(text).map(Ttl).map_err(|_| E::custom(format_args!("write it as {TTL_FORM}")))
    }
}

/// A client's own words: its reference for a link, or its reason for a revocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Note(pub(super) String);

/// The words are too many, or would break a line of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("use at most {NOTE_MAX_CHARS} characters, and no control characters such as line breaks")]
pub(super) struct BadNote;

impl FromStr for Note {
    type Err = BadNote;

    fn from_str(text: &str) -> Result<Self, BadNote> {
        let fits = text.chars().count() <= NOTE_MAX_CHARS && !text.chars().any(char::is_control);
        fits.then(|| Self(text.to_owned())).ok_or(BadNote)
    }
}

const TTL_FORM: &str = "a text with its unit, such as \"20m\" or \"1200s\"";
const TIME_FORM: &str = "a time is written like 2026-11-21T10:20:00Z";
/// The longest note, in characters. In UTF-8 these are at most 800 bytes, and the catalog keeps 1,024.
const NOTE_MAX_CHARS: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lifetime_has_a_unit() {
        let read = |json: &str| serde_json::from_str::<Ttl>(json).map_err(|fault| fault.to_string());
        for (json, secs) in [("\"20m\"", 1200), ("\"1200s\"", 1200), ("\"1h 5m\"", 3900), ("\"0s\"", 0)] {
            assert_eq!(read(json), Ok(Ttl(Duration::from_secs(secs))), "{json}");
        }
        for json in
            ["20", "1200.5", "\"1200\"", "\"\"", "\"soon\"", "\"-20m\"", "true", "[]", "\"99999999999999999999y\""]
        {
            let said = read(json).unwrap_err();
            assert!(said.contains("such as \"20m\" or \"1200s\""), "{json}: {said}");
        }
    }

    #[test]
    fn a_note_is_short_and_on_one_line() {
        assert!("campaign-42".parse::<Note>().is_ok() && "\u{1f600}".repeat(200).parse::<Note>().is_ok());
        for text in ["a\nb", "a\0", "\u{1b}[31m", "\u{85}", &"x".repeat(201)] {
            assert_eq!(text.parse::<Note>(), Err(BadNote), "{text:?}");
        }
    }
}
