//! Digests: of content BLAKE3, which names it, and SHA-256, which other systems ask for; and one that names a version of an object.

use std::fmt;
use std::str::FromStr;

use data_encoding::HEXLOWER;

use super::{ObjectKey, ObjectVersion, StoreName};

/// BLAKE3-256 of the whole content, as `b3sum` prints it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint([u8; 32]);

/// SHA-256 of the whole content (FIPS 180-4), as `sha256sum` prints it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sha256([u8; 32]);

/// One version of one object, whatever its content: BLAKE3-256 of store, key and version, each after its length in bytes as a
/// little-endian u32, so that no two of them are written alike.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VersionId([u8; 32]);

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

impl VersionId {
    /// The id of this version.
    pub fn of(store: &StoreName, key: &ObjectKey, version: &ObjectVersion) -> Self {
        let mut hasher = blake3::Hasher::new();
        for part in [store.as_str(), key.as_str(), version.as_str()] {
            // Names, keys and versions have far fewer bytes.
            let length = u32::try_from(part.len()).unwrap_or(u32::MAX);
            hasher.update(&length.to_le_bytes()).update(part.as_bytes());
        }
        Self(hasher.finalize().into())
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
digest_text!(VersionId);

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
    fn a_version_id_depends_on_where_its_parts_end() {
        let of = |store: &str, key: &str, version: &str| {
            VersionId::of(&store.parse().unwrap(), &key.parse().unwrap(), &version.parse().unwrap())
        };
        let id = of("media", "a/b", "v:1");
        assert_eq!(id, of("media", "a/b", "v:1"));
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"\x05\0\0\0media\x03\0\0\0a/b\x03\0\0\0v:1");
        assert_eq!(id.to_string(), hasher.finalize().to_hex().as_str());
        assert_eq!(id.half(), id.to_string()[..32]);
        for other in [of("media", "a/bv", ":1"), of("mediaa", "/b", "v:1"), of("media", "a/b", "v:2")] {
            assert_ne!(id, other);
        }
    }

    #[test]
    fn a_digest_has_one_spelling() {
        let upper = "AF1349B9F5F9A1A6A0404DEA36DCC9499BCB25C9ADC112B7CC9A93CAE41F3262";
        for text in ["", "af", upper, "zz1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"] {
            assert_eq!(text.parse::<Fingerprint>(), Err(NotADigest), "{text}");
        }
    }
}
