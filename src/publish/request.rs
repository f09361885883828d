//! What a client asks to publish, and what it gets.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::link::CachePolicy;
use crate::media::HeaderKind;
use crate::mint::{MintRequest, Minted};
use crate::value::{BadObjectKey, FileName, Fingerprint, MediaType, ObjectKey, ProfileName, StoreName};

/// A request to publish one asset; [`PublishRequest::new`] fills in what nobody needs to say.
#[derive(Clone, Debug)]
pub struct PublishRequest {
    /// The store that shall hold it.
    pub store: StoreName,
    /// What its key begins with.
    pub prefix: KeyPrefix,
    /// What the file shall be called; without it, a plain name of the media kind.
    pub filename: Option<FileName>,
    /// What the client says the content is; the bytes must not contradict it.
    pub content_type: Option<MediaType>,
    /// How long the link shall live; the settings' default where nothing is said.
    pub ttl: Option<Duration>,
    /// The template header that the asset is for: its rules are checked before anything is stored.
    pub header: Option<HeaderKind>,
    /// What caches may do.
    pub cache: CachePolicy,
    /// Which fetchers are admitted.
    pub fetcher: ProfileName,
    /// Whether the link shall be unlike every other.
    pub unique: bool,
    /// The client's own reference, for its records and ours.
    pub reference: Option<String>,
    /// How many bytes there will be, where that is known before.
    pub length: Option<u64>,
}

/// What was published.
#[derive(Clone, Debug)]
pub struct Published {
    /// The link, and what is worth knowing of it.
    pub minted: Minted,
    /// Where the asset lies in its store.
    pub key: ObjectKey,
    /// Whether it was stored just now; else the same bytes lay there already.
    pub created: bool,
}

/// What the keys of published assets begin with: nothing, or folders, each followed by `/`.
///
/// It is stricter than keys are, because these keys are made here: no empty segments, no `.` or `..`, no control characters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyPrefix(String);

/// The text is no prefix for published assets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a prefix names folders, each followed by '/', such as promos/2026/; none is empty, '.' or '..', and it has at most {max} bytes", max = KeyPrefix::MAX_BYTES)]
pub struct BadPrefix;

impl KeyPrefix {
    /// The longest prefix, in bytes: what a file name and a fingerprint leave of a key.
    pub const MAX_BYTES: usize = 700;

    /// The prefix as text; empty, or ending in `/`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for KeyPrefix {
    type Err = BadPrefix;

    fn from_str(text: &str) -> Result<Self, BadPrefix> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let folders = text.strip_suffix('/').ok_or(BadPrefix)?;
        let odd = |folder: &str| matches!(folder, "" | "." | "..");
        let good = text.len() <= Self::MAX_BYTES && !text.chars().any(char::is_control) && !folders.split('/').any(odd);
        good.then(|| Self(text.to_owned())).ok_or(BadPrefix)
    }
}

impl fmt::Display for KeyPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl PublishRequest {
    /// A request that says no more than it must.
    pub fn new(store: StoreName, prefix: KeyPrefix, fetcher: ProfileName) -> Self {
        Self {
            store,
            prefix,
            filename: None,
            content_type: None,
            ttl: None,
            header: None,
            cache: CachePolicy::default(),
            fetcher,
            unique: false,
            reference: None,
            length: None,
        }
    }

    /// The key of an asset of this fingerprint that is called `name`.
    pub(super) fn key(&self, name: &FileName, fingerprint: Fingerprint) -> Result<ObjectKey, BadObjectKey> {
        let (stem, hex) = (name.stem(), fingerprint.half());
        let ext = name.extension().map(|ext| format!(".{ext}")).unwrap_or_default();
        format!("{}{stem}.{hex}{ext}", self.prefix).parse()
    }

    /// The request for a link to the object at `key`.
    pub(super) fn mint(&self, key: ObjectKey) -> MintRequest {
        MintRequest {
            ttl: self.ttl,
            header: self.header,
            filename: self.filename.clone(),
            content_type: self.content_type.clone(),
            cache: self.cache,
            unique: self.unique,
            reference: self.reference.clone(),
            ..MintRequest::new(self.store.clone(), key, self.fetcher.clone())
        }
    }

    /// The same before the key is known. What it is called there tells nothing of the content.
    pub(super) fn draft(&self) -> Result<MintRequest, BadObjectKey> {
        Ok(self.mint(format!("{}new", self.prefix).parse()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_nothing_or_folders() {
        for good in ["", "a/", "promos/2026/", "größe/é +%/", "...", "..a/"].map(|text| (text, text != "...")) {
            assert_eq!(good.0.parse::<KeyPrefix>().is_ok(), good.1, "{}", good.0);
        }
        let long = format!("{}/", "x".repeat(KeyPrefix::MAX_BYTES));
        for bad in ["a", "/", "/a/", "a//", "a//b/", "./", "../", "a/../b/", "a/./", "a\n/", "a\0/", "a/b", &long] {
            assert_eq!(bad.parse::<KeyPrefix>(), Err(BadPrefix), "{bad:?}");
        }
    }

    #[test]
    fn a_key_is_prefix_stem_half_a_fingerprint_and_extension() {
        let fingerprint = Fingerprint::of(b"x");
        let half = fingerprint.half();
        for (prefix, name, key) in [
            ("promos/", "winter.jpg", format!("promos/winter.{half}.jpg")),
            ("", "a.tar.gz", format!("a.tar.{half}.gz")),
            ("", "noext", format!("noext.{half}")),
        ] {
            let request =
                PublishRequest::new("media".parse().unwrap(), prefix.parse().unwrap(), "meta".parse().unwrap());
            assert_eq!(request.key(&name.parse().unwrap(), fingerprint).unwrap().as_str(), key);
        }
    }
}
