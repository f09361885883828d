//! `response-cache-control`: how long caches may keep the answer, never longer than the URL lives.

use std::fmt::Write as _;
use std::str::FromStr;

/// A `Cache-Control` that a signer wants (RFC 9111 section 5.2.2). It is written anew for each answer, since its ages shrink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheControlOverride(Vec<Directive>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Directive {
    name: &'static str,
    age: Option<u64>,
}

/// The text is no `Cache-Control` that we can keep to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a cache control is made of public, private, no-store, no-cache, no-transform, must-revalidate, proxy-revalidate, immutable, max-age=N and s-maxage=N, each once"
)]
pub struct BadCacheControl;

impl CacheControlOverride {
    /// The field's value for an answer whose URL lives for `left` more seconds: no age is longer, and where nothing else bounds what a
    /// cache may do, `max-age` does.
    pub fn write(&self, left: u64) -> String {
        let mut text = String::new();
        for directive in &self.0 {
            let comma = if text.is_empty() { "" } else { ", " };
            // Writing to a String cannot fail.
            let _ = match directive.age {
                Some(age) => write!(text, "{comma}{}={}", directive.name, age.min(left)),
                None => write!(text, "{comma}{}", directive.name),
            };
        }
        if !self.0.iter().any(|directive| BOUNDS.contains(&directive.name)) {
            let _ = write!(text, ", {MAX_AGE}={left}");
        }
        text
    }
}

impl FromStr for CacheControlOverride {
    type Err = BadCacheControl;

    fn from_str(text: &str) -> Result<Self, BadCacheControl> {
        let mut all: Vec<Directive> = Vec::new();
        for item in text.split(',') {
            let directive = Directive::parse(item.trim_matches([' ', '\t'])).ok_or(BadCacheControl)?;
            if all.iter().any(|other| other.name == directive.name) {
                return Err(BadCacheControl);
            }
            all.push(directive);
        }
        Ok(Self(all))
    }
}

impl Directive {
    fn parse(text: &str) -> Option<Self> {
        let known =
            |names: &[&'static str], word: &str| names.iter().copied().find(|one| one.eq_ignore_ascii_case(word));
        let Some((name, digits)) = text.split_once('=') else {
            return Some(Self { name: known(&PLAIN, text)?, age: None });
        };
        let plain = (1..=MOST_DIGITS).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        let age = if plain { digits.parse().ok() } else { None };
        Some(Self { name: known(&AGES, name)?, age: Some(age?) })
    }
}

const PLAIN: [&str; 8] =
    ["public", "private", NO_STORE, NO_CACHE, "no-transform", "must-revalidate", "proxy-revalidate", "immutable"];
const AGES: [&str; 2] = [MAX_AGE, "s-maxage"];
/// With one of these, no cache uses an answer for longer than it says. `s-maxage` is for shared caches alone: others would guess.
const BOUNDS: [&str; 3] = [MAX_AGE, NO_STORE, NO_CACHE];
const MAX_AGE: &str = "max-age";
const NO_STORE: &str = "no-store";
const NO_CACHE: &str = "no-cache";
/// RFC 9111 section 1.2.2 asks for no more than 31 bits; what is longer is a slip.
const MOST_DIGITS: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_age_outlives_the_url() {
        for (text, left, written) in [
            ("max-age=600", 60, "max-age=60"),
            ("max-age=60", 600, "max-age=60"),
            ("public, max-age=31536000, immutable", 900, "public, max-age=900, immutable"),
            ("Public,\tS-MAXAGE=600 , MAX-AGE=1", 60, "public, s-maxage=60, max-age=1"),
            ("s-maxage=600", 60, "s-maxage=60, max-age=60"),
            ("private", 60, "private, max-age=60"),
            ("public, must-revalidate", 0, "public, must-revalidate, max-age=0"),
            ("no-store", 60, "no-store"),
            ("no-cache, no-transform, proxy-revalidate", 60, "no-cache, no-transform, proxy-revalidate"),
            ("max-age=9999999999", u64::MAX, "max-age=9999999999"),
        ] {
            assert_eq!(text.parse::<CacheControlOverride>().unwrap().write(left), written, "{text}");
        }
    }

    #[test]
    fn what_we_cannot_keep_to_is_refused() {
        for text in [
            "",
            ",",
            "public,",
            "max-age",
            "max-age=",
            "max-age=-1",
            "max-age=1.5",
            "max-age=\"60\"",
            "max-age=99999999999",
            "max-age = 60",
            "max-age=60, max-age=60",
            "public, Public",
            "private=\"set-cookie\"",
            "public=1",
            "stale-while-revalidate=60",
            "stale-if-error=60",
            "public\r\nX: y",
            "\u{e9}",
        ] {
            assert_eq!(text.parse::<CacheControlOverride>(), Err(BadCacheControl), "{text:?}");
        }
    }
}
