//! Text from a request on its way into the log: cut to a bound, and made harmless to whoever reads it.
//!
//! A client chooses these bytes. The bound is in the type, so a record cannot carry more than it says; control characters and those that
//! turn the direction of text are replaced, since a log is read in terminals.

use std::borrow::Cow;
use std::fmt;

/// At most `MAX` bytes of sanitised text.
#[derive(Clone, PartialEq, Eq)]
pub struct Clip<const MAX: usize>(Cow<'static, str>);

/// A `User-Agent` in the log: real ones stay below 200 bytes.
pub type AgentText = Clip<200>;

/// A `Range` in the log.
pub type RangeText = Clip<64>;

/// A method in the log.
pub type MethodText = Clip<16>;

impl<const MAX: usize> Clip<MAX> {
    /// The first of `bytes` that fit; what is not UTF-8, or not fit to be shown, becomes U+FFFD.
    pub fn of(bytes: &[u8]) -> Self {
        let head = bytes.get(..MAX).unwrap_or(bytes);
        // Nearly everything that is sent is plain. Without an early exit many bytes are looked at at once.
        if head.iter().fold(true, |plain, byte| plain & (0x20..0x7f).contains(byte))
            && let Ok(text) = std::str::from_utf8(head)
        {
            return Self(Cow::Owned(text.to_owned()));
        }
        let mut text = String::with_capacity(head.len());
        for shown in String::from_utf8_lossy(head).chars().map(shown) {
            if text.len() + shown.len_utf8() > MAX {
                break;
            }
            text.push(shown);
        }
        Self(Cow::Owned(text))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl MethodText {
    /// A method's text. Nearly all requests have one of two, which take no memory.
    pub fn of_method(method: &str) -> Self {
        match method {
            "GET" => Self(Cow::Borrowed("GET")),
            "HEAD" => Self(Cow::Borrowed("HEAD")),
            other => Self::of(other.as_bytes()),
        }
    }

    /// The text, to be kept elsewhere.
    pub fn to_text(&self) -> Cow<'static, str> {
        self.0.clone()
    }
}

impl<const MAX: usize> fmt::Debug for Clip<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<const MAX: usize> serde::Serialize for Clip<MAX> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// Controls (C1 as well, which some terminals obey), separators of lines, and the bidirectional controls of UAX #9 are not shown.
fn shown(c: char) -> char {
    let turns = matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if c.is_control() || turns { char::REPLACEMENT_CHARACTER } else { c }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn text_is_cut_at_its_bound_and_between_characters() {
        assert_eq!(AgentText::of("curl/8.5 größe".as_bytes()).as_str(), "curl/8.5 größe");
        assert_eq!(AgentText::of(&[b'a'; 5000]).as_str().len(), 200);
        assert_eq!(MethodText::of("123456789012345ß".as_bytes()).as_str(), "123456789012345");
    }

    #[test]
    fn a_method_is_the_same_text_whichever_way_it_is_kept() {
        for method in ["GET", "HEAD", "get", "GETS", "POST", "", "AVERYLONGMETHODNAMEINDEED"] {
            let text = MethodText::of_method(method);
            assert_eq!(text, MethodText::of(method.as_bytes()));
            assert_eq!(text.to_text(), text.as_str());
        }
    }

    #[test]
    fn hostile_bytes_become_a_placeholder() {
        assert_eq!(RangeText::of(b"a\x1b[2J\r\n\0").as_str(), "a\u{fffd}[2J\u{fffd}\u{fffd}\u{fffd}");
        assert_eq!(RangeText::of("\u{9b}2J\u{202e}x".as_bytes()).as_str(), "\u{fffd}2J\u{fffd}x");
        assert_eq!(RangeText::of(b"\xff\xfe").as_str(), "\u{fffd}\u{fffd}");
    }

    proptest! {
        #[test]
        fn any_bytes_stay_within_the_bound(bytes in any::<Vec<u8>>()) {
            let clip = Clip::<16>::of(&bytes);
            prop_assert!(clip.as_str().len() <= 16);
            prop_assert!(!clip.as_str().chars().any(char::is_control));
        }
    }
}
