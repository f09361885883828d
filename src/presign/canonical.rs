//! The one spelling of a path and of a query: percent-encoding as Signature Version 4 has it.
//!
//! As "Create a signed AWS API request" (IAM User Guide) has it: unreserved characters of RFC 3986 as they are, every other byte
//! of the UTF-8 as `%XX` in upper case; in a path, `/` stays as it is. A text is taken only if encoding what it decodes to gives it back.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// What a canonical path says; `None` where it is written in any other way.
pub(super) fn decoded_path(path: &str) -> Option<Cow<'_, str>> {
    decoded(path, PATH)
}

/// What a canonical name or value of a query says; `None` where it is written in any other way.
pub(super) fn decoded_part(part: &str) -> Option<Cow<'_, str>> {
    decoded(part, PART)
}

fn decoded<'a>(text: &'a str, escaped: &'static AsciiSet) -> Option<Cow<'a, str>> {
    let plain = percent_decode_str(text).decode_utf8().ok()?;
    let mut rest = text;
    for piece in utf8_percent_encode(&plain, escaped) {
        rest = rest.strip_prefix(piece)?;
    }
    rest.is_empty().then_some(plain)
}

/// What is escaped in a query: everything but RFC 3986's unreserved characters.
const PART: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// What is escaped in a path.
const PATH: &AsciiSet = &PART.remove(b'/');
