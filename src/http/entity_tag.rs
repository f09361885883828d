//! Entity tags (RFC 9110 section 8.8.3) and the lists of them that If-Match and If-None-Match carry.
//!
//! There are two ways to compare tags, so there is no `==`: whoever compares must say which one is meant. A request's lists are
//! read in place and never copied. A list with one fault anywhere matches nothing: then If-Match fails (412, nothing is sent
//! to somebody whose condition we cannot read) and If-None-Match holds (200, the whole content is never a wrong answer).

use std::fmt;
use std::str::FromStr;

use ::http::header::{GetAll, HeaderMap, HeaderName, HeaderValue};

use super::field::{trim, trim_start};

/// An entity tag such as `"b3-8f2a"` or `W/"1"`, kept as the field value that it is written as.
#[derive(Clone, Debug)]
pub struct EntityTag(HeaderValue);

/// The text is not an entity tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an entity tag is written \"...\" or W/\"...\", with neither quotes, spaces nor control characters inside")]
pub struct BadEntityTag;

impl EntityTag {
    /// The strong tag `"opaque"`. `opaque` may hold whatever `etagc` allows: no quotes, spaces or control characters.
    pub fn strong(opaque: &str) -> Result<Self, BadEntityTag> {
        Self::parse(format!("\"{opaque}\"").as_bytes())
    }

    /// Reads exactly one entity tag (RFC 9110 section 8.8.3), without whitespace around it.
    pub fn parse(text: &[u8]) -> Result<Self, BadEntityTag> {
        match Tag::take(text) {
            Some((_, [])) => HeaderValue::from_bytes(text).map(Self).map_err(|_| BadEntityTag),
            _ => Err(BadEntityTag),
        }
    }

    /// Whether it is a weak tag, which stands for equal meaning rather than equal bytes.
    pub fn is_weak(&self) -> bool {
        self.tag().weak
    }

    /// The strong comparison of RFC 9110 section 8.8.3.2: both are strong and alike, so the bytes are the same.
    pub fn strong_eq(&self, other: &Self) -> bool {
        self.tag().strong_eq(other.tag())
    }

    /// The weak comparison of RFC 9110 section 8.8.3.2: they are alike but for `W/`.
    pub fn weak_eq(&self, other: &Self) -> bool {
        self.tag().weak_eq(other.tag())
    }

    /// Whether `text` is strongly equal to this tag, read in place; `None` when it is not an entity tag.
    pub(super) fn strong_eq_text(&self, text: &[u8]) -> Option<bool> {
        match Tag::take(text) {
            Some((tag, [])) => Some(tag.strong_eq(self.tag())),
            _ => None,
        }
    }

    /// The value of an `ETag` field. It shares the tag's bytes.
    pub fn to_header_value(&self) -> HeaderValue {
        self.0.clone()
    }

    fn tag(&self) -> Tag<'_> {
        let text = self.0.as_bytes();
        Tag::take(text).map_or(Tag { weak: true, opaque: text }, |(tag, _)| tag)
    }
}

impl FromStr for EntityTag {
    type Err = BadEntityTag;

    fn from_str(text: &str) -> Result<Self, BadEntityTag> {
        Self::parse(text.as_bytes())
    }
}

impl fmt::Display for EntityTag {
    /// As on the wire; bytes that are not UTF-8 appear as U+FFFD.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(self.0.as_bytes()))
    }
}

/// All lines of an If-Match or If-None-Match field, read as one (RFC 9110 section 5.3).
pub(super) struct TagList<'h>(GetAll<'h, HeaderValue>);

impl<'h> TagList<'h> {
    /// The list that a request carries under `name`; `None` when it carries none.
    pub(super) fn of(headers: &'h HeaderMap, name: &HeaderName) -> Option<Self> {
        headers.contains_key(name).then(|| Self(headers.get_all(name)))
    }

    /// Whether the list is `*`, or holds a tag that is strongly equal to `tag`.
    pub(super) fn strong_match(&self, tag: &EntityTag) -> bool {
        self.is_any() || self.holds(|listed| listed.strong_eq(tag.tag()))
    }

    /// Whether the list is `*`, or holds a tag that is weakly equal to `tag`.
    pub(super) fn weak_match(&self, tag: &EntityTag) -> bool {
        self.is_any() || self.holds(|listed| listed.weak_eq(tag.tag()))
    }

    fn is_any(&self) -> bool {
        let mut lines = self.0.iter().map(|line| trim(line.as_bytes()));
        lines.next() == Some(b"*") && lines.next().is_none()
    }

    /// Whether the list is well-formed to its end, and `wanted` is true of one of its tags.
    fn holds(&self, wanted: impl Fn(Tag<'_>) -> bool) -> bool {
        let mut found = false;
        for line in &self.0 {
            let mut rest = line.as_bytes();
            while let Some(start) = next_member(rest) {
                let Some((tag, after)) = Tag::take(start).and_then(|(tag, rest)| Some((tag, member_end(rest)?))) else {
                    return false;
                };
                found |= wanted(tag);
                rest = after;
            }
        }
        found
    }
}

/// Where the next member of a list begins, past whitespace and empty members (RFC 9110 section 5.6.1.2); `None` at the end.
fn next_member(list: &[u8]) -> Option<&[u8]> {
    let start = list.iter().position(|b| !b" \t,".contains(b))?;
    list.get(start..)
}

/// What follows a member of a list; `None` when that is neither a comma nor the end.
fn member_end(rest: &[u8]) -> Option<&[u8]> {
    let rest = trim_start(rest);
    (rest.is_empty() || rest.starts_with(b",")).then_some(rest)
}

/// An entity tag, borrowed from wherever it was read.
#[derive(Clone, Copy)]
struct Tag<'a> {
    weak: bool,
    /// What stands between the quotes.
    opaque: &'a [u8],
}

impl<'a> Tag<'a> {
    /// The tag that `text` begins with, and what follows it.
    fn take(text: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let quoted = text.strip_prefix(b"W/").unwrap_or(text);
        let inner = quoted.strip_prefix(b"\"")?;
        let end = inner.iter().position(|&b| !is_etagc(b))?;
        let (opaque, rest) = inner.split_at_checked(end)?;
        let weak = quoted.len() < text.len();
        Some((Self { weak, opaque }, rest.strip_prefix(b"\"")?))
    }

    fn strong_eq(self, other: Self) -> bool {
        !self.weak && !other.weak && self.opaque == other.opaque
    }

    fn weak_eq(self, other: Self) -> bool {
        self.opaque == other.opaque
    }
}

/// `etagc` of RFC 9110 section 8.8.3: visible ASCII but for the quote, and everything beyond ASCII.
fn is_etagc(b: u8) -> bool {
    matches!(b, 0x21 | 0x23..=0x7e | 0x80..)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::http::header::IF_MATCH;

    fn list(lines: &[&[u8]]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(IF_MATCH, HeaderValue::from_bytes(line).unwrap());
        }
        headers
    }

    #[test]
    fn tags_compare_as_the_table_of_the_rfc_has_it() {
        // RFC 9110 section 8.8.3.2.
        for (a, b, strong, weak) in [
            ("W/\"1\"", "W/\"1\"", false, true),
            ("W/\"1\"", "W/\"2\"", false, false),
            ("W/\"1\"", "\"1\"", false, true),
            ("\"1\"", "\"1\"", true, true),
            ("\"a\"", "\"A\"", false, false),
        ] {
            let (a, b): (EntityTag, EntityTag) = (a.parse().unwrap(), b.parse().unwrap());
            assert_eq!((a.strong_eq(&b), a.weak_eq(&b)), (strong, weak), "{a} {b}");
            assert_eq!((b.strong_eq(&a), b.weak_eq(&a)), (strong, weak), "{b} {a}");
        }
    }

    #[test]
    fn tags_are_written_as_they_were_read() {
        for text in ["\"\"", "W/\"\"", "\"b3-8f2a1c9d\"", "\"a,b\\c'W/\"", "\"gr\u{f6}\u{df}e\""] {
            let tag: EntityTag = text.parse().unwrap();
            assert_eq!((tag.to_string().as_str(), tag.to_header_value().as_bytes()), (text, text.as_bytes()));
        }
        assert_eq!(EntityTag::strong("b3-1").unwrap().to_string(), "\"b3-1\"");
        assert!(!EntityTag::strong("W/").unwrap().is_weak());
        assert!(EntityTag::parse(b"\"\xff\xfe\"").is_ok());
    }

    #[test]
    fn what_is_no_tag_is_refused() {
        for text in [
            "",
            "\"",
            "W/",
            "W/\"",
            "a",
            "'a'",
            "w/\"a\"",
            "W\"a\"",
            "W/ \"a\"",
            "\"a\" ",
            " \"a\"",
            "\"a\"b",
            "\"a b\"",
            "\"a\"\"",
            "\"a\", \"b\"",
            "*",
            "\"a\nb\"",
            "\"a\u{7f}\"",
            "\"a\tb\"",
        ] {
            assert_eq!(text.parse::<EntityTag>().unwrap_err(), BadEntityTag, "{text:?}");
        }
        for opaque in ["a\"b", "a b", "a\r\nX: y", "\0"] {
            assert_eq!(EntityTag::strong(opaque).unwrap_err(), BadEntityTag, "{opaque:?}");
        }
    }

    #[test]
    fn a_list_matches_over_all_its_lines() {
        let tag = EntityTag::strong("a").unwrap();
        let cases: &[(&[&[u8]], bool, bool)] = &[
            (&[b"*"], true, true),
            (&[b" * "], true, true),
            (&[b"\"a\""], true, true),
            (&[b"W/\"a\""], false, true),
            (&[b"\"b\"", b"\"a\""], true, true),
            (&[b"\"b\",\"c\" \t, \"a\""], true, true),
            (&[b" , ,\"a\",,"], true, true),
            (&[b"", b"\"a\""], true, true),
            (&[b"\"b,\",\"a\""], true, true),
            (&[b"\"\xff\", \"a\""], true, true),
            (&[b"\"b\""], false, false),
            (&[b"\"A\""], false, false),
            (&[b"", b","], false, false),
        ];
        for (lines, strong, weak) in cases {
            let headers = list(lines);
            let list = TagList::of(&headers, &IF_MATCH).unwrap();
            assert_eq!((list.strong_match(&tag), list.weak_match(&tag)), (*strong, *weak), "{lines:?}");
        }
        assert!(TagList::of(&HeaderMap::new(), &IF_MATCH).is_none());
    }

    #[test]
    fn a_list_with_one_fault_matches_nothing() {
        let tag = EntityTag::strong("a").unwrap();
        let cases: &[&[&[u8]]] = &[
            &[b"a"],
            &[b"\"a\" \"b\""],
            &[b"\"a\";\"b\""],
            &[b"\"a\", b"],
            &[b"\"a\"", b"b"],
            &[b"x", b"\"a\""],
            &[b"\"a\", *"],
            &[b"*, \"a\""],
            &[b"*", b"*"],
            &[b"\"a\", \"b"],
            &[b"\"a\", w/\"b\""],
            &[b"\"a\", \"b c\""],
        ];
        for lines in cases {
            let headers = list(lines);
            let list = TagList::of(&headers, &IF_MATCH).unwrap();
            assert!(!list.strong_match(&tag) && !list.weak_match(&tag), "{lines:?}");
        }
    }
}
