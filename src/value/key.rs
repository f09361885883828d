//! Where an asset lies in its store, and which overwrite of it is meant.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The name of an asset within its store: 1 to 1,024 bytes of UTF-8 without NUL, as S3 has it.
///
/// Everything else is allowed and kept byte for byte: spaces, `+`, `%`, `//`, emoji. A store that cannot address a key says so
/// itself; no room normalises, joins or decodes one.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectKey(Arc<str>);

/// Why a text cannot be an object key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadObjectKey {
    /// The key is the empty text.
    #[error("an object key cannot be empty")]
    Empty,
    /// The key is longer than any store takes.
    #[error("an object key has at most {max} bytes, this one has {0}", max = ObjectKey::MAX_BYTES)]
    TooLong(usize),
    /// The key contains U+0000.
    #[error("an object key cannot contain a NUL character")]
    Nul,
}

impl ObjectKey {
    /// The longest key, in bytes of UTF-8 (Amazon S3 User Guide, "Naming Amazon S3 objects").
    pub const MAX_BYTES: usize = 1024;

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text after the last `/`, which is where a file name would stand; empty for keys that end in `/`.
    pub fn last_segment(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }
}

impl FromStr for ObjectKey {
    type Err = BadObjectKey;

    fn from_str(text: &str) -> Result<Self, BadObjectKey> {
        match text {
            "" => Err(BadObjectKey::Empty),
            long if long.len() > Self::MAX_BYTES => Err(BadObjectKey::TooLong(long.len())),
            nul if nul.contains('\0') => Err(BadObjectKey::Nul),
            key => Ok(Self(key.into())),
        }
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

impl serde::Serialize for ObjectKey {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// Which overwrite of an object is meant. Only the store that made it can read it; everybody else compares it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectVersion(Arc<str>);

/// The text is empty, or longer than any store makes a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an object version has 1 to {max} bytes, this one has {0}", max = ObjectVersion::MAX_BYTES)]
pub struct BadVersion(usize);

impl ObjectVersion {
    /// The longest version, in bytes: an S3 version id has at most 1,024 (Amazon S3 User Guide, "Version IDs"), and a store may
    /// put eight characters of its own before it.
    pub const MAX_BYTES: usize = 1032;

    /// The version as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ObjectVersion {
    type Err = BadVersion;

    fn from_str(text: &str) -> Result<Self, BadVersion> {
        if text.is_empty() || text.len() > Self::MAX_BYTES {
            Err(BadVersion(text.len()))
        } else {
            Ok(Self(text.into()))
        }
    }
}

impl fmt::Display for ObjectVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ObjectVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_kept_byte_for_byte() {
        for key in ["a", "/a//b/", " +%=?#&'()", "größe/😀", "../up"] {
            assert_eq!(key.parse::<ObjectKey>().unwrap().as_str(), key);
        }
        assert_eq!("a/b/c.jpg".parse::<ObjectKey>().unwrap().last_segment(), "c.jpg");
        assert_eq!("a/".parse::<ObjectKey>().unwrap().last_segment(), "");
    }

    #[test]
    fn impossible_keys_are_named() {
        assert_eq!("".parse::<ObjectKey>(), Err(BadObjectKey::Empty));
        assert_eq!("a".repeat(1025).parse::<ObjectKey>(), Err(BadObjectKey::TooLong(1025)));
        assert_eq!("a\0b".parse::<ObjectKey>(), Err(BadObjectKey::Nul));
        assert!("".parse::<ObjectVersion>().is_err());
    }
}
