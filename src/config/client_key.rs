//! A client's key: `hpk_` and 32 random bytes in base32, so that secret scanners know one when they see it.
//!
//! The key itself is shown once, when it is made. Settings hold its BLAKE3 hash: 256 random bits need no slow hash, and whoever
//! reads the settings cannot mint with them.

use crate::value::{BASE32, NoRandomness, Secret, random_bytes};

/// The key of one of our own systems, in its one spelling.
#[derive(Clone, Debug)]
pub struct ClientKey(Secret<String>);

/// The text is not a client key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a client key is hpk_ and 52 characters of a-z and 2-7; make one with `hallpass keys client NAME`")]
pub struct NotAClientKey;

impl ClientKey {
    /// A fresh key that nobody knows yet.
    pub fn generate() -> Result<Self, NoRandomness> {
        let bytes: [u8; 32] = random_bytes()?;
        Ok(Self(Secret::new(format!("{PREFIX}{}", BASE32.encode(&bytes)))))
    }

    /// Reads a key as a request carries it. It has one spelling: lower case, no padding, no spare bits.
    pub fn parse(text: &str) -> Result<Self, NotAClientKey> {
        let digits = text.strip_prefix(PREFIX).filter(|digits| digits.len() == DIGITS).ok_or(NotAClientKey)?;
        let bytes = BASE32.decode(digits.as_bytes()).map_err(|_| NotAClientKey)?;
        if bytes.len() == 32 { Ok(Self(Secret::new(text.to_owned()))) } else { Err(NotAClientKey) }
    }

    /// BLAKE3-256 of the whole text: what `key_blake3` in the settings says in hexadecimal. Compare it with [`Secret::matches`].
    pub fn hash(&self) -> Secret<[u8; 32]> {
        Secret::new(*blake3::hash(self.0.expose().as_bytes()).as_bytes())
    }

    /// The key as its owner must send it.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

const PREFIX: &str = "hpk_";
/// 32 bytes are 51.2 digits of base32.
const DIGITS: usize = 52;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fresh_key_reads_back_and_no_two_are_alike() {
        let (one, two) = (ClientKey::generate().unwrap(), ClientKey::generate().unwrap());
        assert_eq!(one.expose().len(), 56);
        assert!(ClientKey::parse(one.expose()).unwrap().hash().matches(&one.hash()));
        assert!(!one.hash().matches(&two.hash()));
    }

    #[test]
    fn the_hash_is_what_b3sum_prints_for_the_text() {
        let key = ClientKey::parse(&format!("hpk_{}", "a".repeat(52))).unwrap();
        assert_eq!(*key.hash().expose(), *blake3::hash(key.expose().as_bytes()).as_bytes());
        assert_eq!(format!("{key:?}"), "ClientKey(Secret(..))");
    }

    #[test]
    fn a_key_has_one_spelling() {
        let good = format!("hpk_{}", "a".repeat(52));
        let spare = format!("hpk_{}b", "a".repeat(51));
        let bad = [
            "",
            "hpk_",
            &good[4..],
            &good.to_uppercase(),
            &format!("hpk_{}", "A".repeat(52)),
            &format!("{good}a"),
            &good[..55],
        ];
        for text in bad.into_iter().chain([spare.as_str(), &good.replace("aaaa", "aaa1"), "hpk_\u{e9}"]) {
            assert_eq!(ClientKey::parse(text).unwrap_err(), NotAClientKey, "{text}");
        }
    }
}
