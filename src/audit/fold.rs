//! When two keys could be taken for each other: they differ only in case, or only in how characters are spelled.
//!
//! Links name keys byte for byte, but people, file systems and frameworks do not: `Photo.jpg` and `photo.jpg`, an accent as one character or two,
//! `%20` and a space, `+` and a space. [`class`] is the same for all keys that could be taken for each other.

use percent_encoding::percent_decode_str;
use unicode_normalization::UnicodeNormalization;

use super::finding::Code;

/// A name for all keys that could be taken for `key`: 128 bits, so that among a million keys a chance meeting has odds of 1 to 10^26.
pub(super) fn class(key: &str) -> u128 {
    exact(&lowered(&respelled(key)))
}

/// A name for `key` alone, of 128 bits.
pub(super) fn exact(key: &str) -> u128 {
    let hash = blake3::hash(key.as_bytes());
    let (half, _) = hash.as_bytes().split_at(16);
    half.iter().fold(0, |sum, byte| sum << 8 | u128::from(*byte))
}

/// How two keys of one class differ.
pub(super) fn difference(one: &str, other: &str) -> Code {
    if lowered(one) == lowered(other) { Code::KeyDiffersInCase } else { Code::KeyDiffersInEncoding }
}

fn lowered(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).collect()
}

/// The key in one spelling: without percent-encoding, `+` as a space, accents composed (Unicode's NFC).
fn respelled(key: &str) -> String {
    let mut text = key.to_owned();
    for _ in 0..ROUNDS {
        match percent_decode_str(&text).decode_utf8() {
            Ok(decoded) if decoded != text => text = decoded.into_owned(),
            _ => break,
        }
    }
    text.replace('+', " ").nfc().collect()
}

/// How often percent-encoding is undone: keys are found encoded twice, hardly ever more often.
const ROUNDS: u32 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_could_be_taken_for_each_other_share_a_class() {
        for (one, other, code) in [
            ("Photo.jpg", "photo.JPG", Code::KeyDiffersInCase),
            ("GRÖSSE", "grösse", Code::KeyDiffersInCase),
            ("é", "e\u{301}", Code::KeyDiffersInEncoding),
            ("a b", "a+b", Code::KeyDiffersInEncoding),
            ("a b", "a%20b", Code::KeyDiffersInEncoding),
            ("a%20b", "a%2520b", Code::KeyDiffersInEncoding),
            ("a%2Bb", "a+b", Code::KeyDiffersInEncoding),
            ("a%2fb", "a/b", Code::KeyDiffersInEncoding),
            ("a%2fb", "a%2Fb", Code::KeyDiffersInCase),
            ("É", "e\u{301}", Code::KeyDiffersInEncoding),
        ] {
            assert_eq!(class(one), class(other), "{one} {other}");
            assert_eq!((difference(one, other), difference(other, one)), (code, code), "{one} {other}");
        }
    }

    #[test]
    fn other_keys_do_not() {
        let keys = [
            "a", "b", "a/", "/a", "a//b", "a/b", "a-b", "a_b", "a b", "%zz", "%ff", "100%", "e", "é", "straße",
            "strasse",
        ];
        for (at, one) in keys.iter().enumerate() {
            for other in &keys[at + 1..] {
                assert_ne!(class(one), class(other), "{one} {other}");
            }
        }
    }
}
