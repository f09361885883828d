//! The secret half of an access key for presigning: `hps_` and 32 random bytes in base32, so that secret scanners know one when they
//! see it.
//!
//! A signature can only be checked with the secret that made it, so here the settings must hold the secret itself, and not its hash
//! as they do for a client key.

use crate::value::{BASE32, NoRandomness, Secret, is_weak, random_bytes};

/// What an S3 client is given as its secret access key, in its one spelling.
#[derive(Clone, Debug)]
pub struct SecretAccessKey(Secret<String>);

/// Why a text cannot be a secret access key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSecretAccessKey {
    /// Another spelling or length.
    #[error(
        "is hps_ and 52 characters of a-z and 2-7, with nothing around them; make one with `hallpass keys presigner NAME`"
    )]
    Spelling,
    /// Nobody drew it by lot.
    #[error("is weak: it is a pattern or was typed by hand; make one with `hallpass keys presigner NAME`")]
    Weak,
}

impl SecretAccessKey {
    /// A fresh one that nobody knows yet.
    pub fn generate() -> Result<Self, NoRandomness> {
        let bytes: [u8; 32] = random_bytes()?;
        Ok(Self(Secret::new(format!("{PREFIX}{}", BASE32.encode(&bytes)))))
    }

    /// Reads one as the settings hold it. It has one spelling: lower case, no padding, no spare bits.
    pub fn parse(text: &str) -> Result<Self, BadSecretAccessKey> {
        let digits = text.strip_prefix(PREFIX).ok_or(BadSecretAccessKey::Spelling)?;
        let bytes = BASE32.decode(digits.as_bytes()).map_err(|_| BadSecretAccessKey::Spelling)?;
        let bytes: [u8; 32] = bytes.try_into().map_err(|_| BadSecretAccessKey::Spelling)?;
        if is_weak(&bytes) { Err(BadSecretAccessKey::Weak) } else { Ok(Self(Secret::new(text.to_owned()))) }
    }

    /// The whole text, as its owner signs with it.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// The same, still kept from logs.
    pub fn into_secret(self) -> Secret<String> {
        self.0
    }
}

const PREFIX: &str = "hps_";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fresh_secret_reads_back_and_no_two_are_alike() {
        let (one, two) = (SecretAccessKey::generate().unwrap(), SecretAccessKey::generate().unwrap());
        assert_eq!(one.expose().len(), 56);
        assert_eq!(SecretAccessKey::parse(one.expose()).unwrap().expose(), one.expose());
        assert_ne!(one.expose(), two.expose());
        assert_eq!(format!("{one:?}"), "SecretAccessKey(Secret(..))");
    }

    #[test]
    fn a_secret_has_one_spelling() {
        let good = SecretAccessKey::generate().unwrap();
        let good = good.expose();
        for text in [
            "",
            "hps_",
            &good[4..],
            &good[..55],
            &good.to_uppercase(),
            &format!("{good}a"),
            &format!("{good}="),
            &format!(" {good}"),
            &format!("{good}\n"),
            &format!("hpk_{}", &good[4..]),
            &format!("{}1", &good[..55]),
            &format!("{}b", &good[..55]),
        ] {
            assert_eq!(SecretAccessKey::parse(text).unwrap_err(), BadSecretAccessKey::Spelling, "{text}");
        }
    }

    #[test]
    fn weak_secrets_are_refused() {
        for bytes in [[0; 32], [7; 32], *b"change-me-change-me-change-me-32"] {
            let text = format!("hps_{}", BASE32.encode(&bytes));
            assert_eq!(SecretAccessKey::parse(&text).unwrap_err(), BadSecretAccessKey::Weak, "{text}");
        }
    }
}
