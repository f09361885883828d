//! How field values are read and written (RFC 9110 section 5).
//!
//! A field that is no list may come once only; two lines of it say two things, and then it says nothing. Whitespace around a
//! value is no part of it (section 5.5).

use std::fmt::Display;

use ::http::header::HeaderName;
use ::http::{HeaderMap, HeaderValue};

/// The value of a field that is no list, without the whitespace around it; `None` when it is missing or comes more than once.
pub(super) fn sole<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h [u8]> {
    let mut lines = headers.get_all(name).iter();
    let first = lines.next()?;
    lines.next().is_none().then(|| trim(first.as_bytes()))
}

/// `text` without the optional whitespace (OWS, section 5.6.3) on both sides.
pub(super) fn trim(text: &[u8]) -> &[u8] {
    trim_end(trim_start(text))
}

/// `text` without the optional whitespace before it.
pub(super) fn trim_start(text: &[u8]) -> &[u8] {
    let start = text.iter().position(|&b| !is_space(b)).unwrap_or(text.len());
    text.get(start..).unwrap_or_default()
}

/// `text` without the optional whitespace after it.
pub(super) fn trim_end(text: &[u8]) -> &[u8] {
    let end = text.iter().rposition(|&b| !is_space(b)).map_or(0, |last| last + 1);
    text.get(..end).unwrap_or_default()
}

fn is_space(b: u8) -> bool {
    matches!(b, b' ' | b'\t')
}

/// A field value of our own making, out of visible ASCII and spaces.
#[expect(clippy::expect_used, reason = "no caller passes on a character that it has not checked to be visible ASCII")]
pub(super) fn written(text: impl Display) -> HeaderValue {
    HeaderValue::try_from(text.to_string()).expect("visible ASCII is a field value")
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::http::header::RANGE;

    #[test]
    fn a_single_field_is_trimmed_and_a_repeated_one_says_nothing() {
        let mut headers = HeaderMap::new();
        assert_eq!(sole(&headers, &RANGE), None);
        headers.append(RANGE, HeaderValue::from_static("\t bytes=0-1 \t"));
        assert_eq!(sole(&headers, &RANGE), Some(b"bytes=0-1".as_slice()));
        headers.append(RANGE, HeaderValue::from_static("bytes=0-1"));
        assert_eq!(sole(&headers, &RANGE), None);
    }

    #[test]
    fn trimming_takes_spaces_and_tabs_only() {
        for (text, rest) in [("", ""), (" \t ", ""), (" a b\t", "a b"), ("\u{b}a\u{a0}", "\u{b}a\u{a0}")] {
            assert_eq!(trim(text.as_bytes()), rest.as_bytes(), "{text:?}");
        }
    }
}
