//! The two digests of content: BLAKE3, which names it, and SHA-256, which other systems ask for.

use std::fmt;
use std::str::FromStr;

use data_encoding::HEXLOWER;

/// BLAKE3-256 of the whole content, as `b3sum` prints it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint([u8; 32]);

/// SHA-256 of the whole content (FIPS 180-4), as `sha256sum` prints it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sha256([u8; 32]);

/// The text is not 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a digest is written as 64 lower-case hexadecimal digits")]
pub struct NotADigest;

impl Fingerprint {
    /// The fingerprint of content that is at hand as a whole.
    pub fn of(content: &[u8]) -> Self {
        Self(blake3::hash(content).into())
    }

    /// The first 16 hexadecimal digits, as a link's name segment carries them.
    pub fn short(&self) -> String {
        let mut hex = self.to_string();
        hex.truncate(16);
        hex
    }

    /// The first 32 hexadecimal digits, as the entity tag carries them.
    pub fn half(&self) -> String {
        let mut hex = self.to_string();
        hex.truncate(32);
        hex
    }
}

macro_rules! digest_text {
    ($name:ident) => {
        impl $name {
            /// The digest with these bytes.
            pub const fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// The 32 bytes.
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&HEXLOWER.encode(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl FromStr for $name {
            type Err = NotADigest;

            fn from_str(text: &str) -> Result<Self, NotADigest> {
                let bytes = HEXLOWER.decode(text.as_bytes()).map_err(|_| NotADigest)?;
                bytes.try_into().map(Self).map_err(|_| NotADigest)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    };
}

digest_text!(Fingerprint);
digest_text!(Sha256);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_what_b3sum_prints() {
        let empty = Fingerprint::of(b"");
        assert_eq!(empty.to_string(), "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262");
        assert_eq!(empty.short(), "af1349b9f5f9a1a6");
        assert_eq!(empty.half(), "af1349b9f5f9a1a6a0404dea36dcc949");
        assert_eq!(empty.to_string().parse(), Ok(empty));
    }

    #[test]
    fn a_digest_has_one_spelling() {
        let upper = "AF1349B9F5F9A1A6A0404DEA36DCC9499BCB25C9ADC112B7CC9A93CAE41F3262";
        for text in ["", "af", upper, "zz1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"] {
            assert_eq!(text.parse::<Fingerprint>(), Err(NotADigest), "{text}");
        }
    }
}
