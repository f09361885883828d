//! The rows, as plain values. Words that other rooms own (policies, verdicts, selectors) are texts here, so that the catalog
//! can be read by an older release and never decides what they mean.

use std::borrow::Cow;

use super::CatalogError;
use crate::value::{
    ClientName, FileName, Fingerprint, MediaType, ObjectKey, ObjectVersion, ProfileName, Sha256, StoreName, UnixTime,
};

/// What was learned when one version of an object was read as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownObject {
    /// The store it lies in.
    pub store: StoreName,
    /// Where it lies there.
    pub key: ObjectKey,
    /// Which overwrite was read.
    pub version: ObjectVersion,
    /// BLAKE3-256 of the content.
    pub fingerprint: Fingerprint,
    /// SHA-256 of the content.
    pub sha256: Sha256,
    /// The content's length, in bytes.
    pub length: u64,
    /// What the preflight found in the bytes, as JSON; only the room that wrote it reads it.
    pub facts: String,
    /// Which layout `facts` has; a reader that does not know it reads the object anew.
    pub facts_format: u32,
    /// When this content was first read under this version.
    pub first_seen: UnixTime,
}

/// One minted link: its grant, and who asked for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MintRecord {
    /// The link id, `lnk_...`.
    pub id: String,
    /// The store of the asset.
    pub store: StoreName,
    /// The asset's key.
    pub key: ObjectKey,
    /// The asset's version.
    pub version: ObjectVersion,
    /// The fingerprint of the minted bytes.
    pub fingerprint: Fingerprint,
    /// The asset's length, in bytes.
    pub length: u64,
    /// When the asset was last modified, where the store says so.
    pub last_modified: Option<UnixTime>,
    /// Which client minted.
    pub client: ClientName,
    /// The client's own reference; cut at 1,024 bytes.
    pub reference: Option<String>,
    /// The start of the link's window.
    pub issued: UnixTime,
    /// When the link ends.
    pub expires: UnixTime,
    /// The granted media type.
    pub media_type: MediaType,
    /// The granted file name, if any.
    pub name: Option<FileName>,
    /// The fetcher profile.
    pub profile: ProfileName,
    /// The cache policy's name.
    pub cache: Cow<'static, str>,
    /// The kind of template header that was asked for.
    pub header: Option<Cow<'static, str>>,
    /// Whether the grant has a nonce.
    pub unique: bool,
    /// The sealing key's id, as text.
    pub key_id: String,
    /// When it was minted.
    pub minted_at: UnixTime,
}

/// A link as the catalog keeps it: the same link may be minted many times within its window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkRecord {
    /// The first mint, with the newest reference that a mint gave.
    pub mint: MintRecord,
    /// How often it was minted.
    pub mints: u64,
    /// When it was last minted.
    pub last_minted_at: UnixTime,
}

/// One request for a link, as the guard accounted for it at its true end. Texts are cut at 512 bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchRecord {
    /// The link id, `lnk_...`.
    pub link_id: String,
    /// When the request began, in milliseconds since the epoch; of several, the first.
    pub at_ms: u64,
    /// How many fetches it stands for, which waited to be written together and differ in nothing but their times.
    pub times: u64,
    /// The client's address.
    pub client_address: String,
    /// The `User-Agent` as it was sent.
    pub agent: String,
    /// What the profile took the agent for.
    pub agent_class: Cow<'static, str>,
    /// What the profile took the network for.
    pub network_verdict: Cow<'static, str>,
    /// The request method.
    pub method: Cow<'static, str>,
    /// The HTTP version, such as `HTTP/1.1`.
    pub http_version: Cow<'static, str>,
    /// The `Range` as it was sent.
    pub range: Option<String>,
    /// The answer's status.
    pub status: u16,
    /// How it ended, in one word.
    pub outcome: Cow<'static, str>,
    /// Body bytes that left.
    pub bytes: u64,
    /// Milliseconds until the first body byte left, of several the longest; `None` when none did.
    pub first_byte_ms: Option<u64>,
    /// Milliseconds until the end; of several, the longest.
    pub duration_ms: u64,
    /// Whether all of the answer left.
    pub completed: bool,
}

/// A revocation to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRevocation {
    /// What kind of thing is revoked, such as `link` or `fingerprint`.
    pub kind: String,
    /// Which one.
    pub value: String,
    /// Why, in the operator's words.
    pub reason: Option<String>,
    /// Who asked for it.
    pub client: ClientName,
    /// When it lapses; `None` stands until it is lifted.
    pub expires_at: Option<UnixTime>,
}

/// A revocation as it was committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevocationRecord {
    /// Its number; never used twice.
    pub id: u64,
    /// What kind of thing is revoked.
    pub kind: String,
    /// Which one.
    pub value: String,
    /// Why.
    pub reason: Option<String>,
    /// Who asked for it first.
    pub client: ClientName,
    /// When it was committed first.
    pub created_at: UnixTime,
    /// When it lapses; `None` stands until it is lifted.
    pub expires_at: Option<UnixTime>,
    /// Who lifted it and when, if somebody did.
    pub lifted: Option<Lifted>,
}

/// The end of a revocation by hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lifted {
    /// When.
    pub at: UnixTime,
    /// Who asked for it.
    pub by: ClientName,
}

/// Which revocations to list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhichRevocations {
    /// Those in force: neither lifted nor lapsed.
    Active,
    /// Also lifted and lapsed ones that are still kept.
    All,
}

/// What can be compared to see that revocations have changed; it means nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RevocationsState {
    pub(super) newest: i64,
    pub(super) lifted: i64,
    pub(super) ends: i64,
}

/// How many rows a pruning deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Links minted before the oldest day that is kept.
    pub links: u64,
    /// Fetches before the oldest day that is kept.
    pub fetches: u64,
    /// Revocations that lapsed, or were lifted long ago.
    pub revocations: u64,
}

impl MintRecord {
    /// Cuts the only text that no type bounds.
    pub(super) fn cut(&mut self) {
        if let Some(reference) = &mut self.reference {
            cut(reference, MAX_REFERENCE_BYTES);
        }
    }
}

impl FetchRecord {
    /// Stands for `later` too, which differs in nothing but its times.
    pub(super) fn fold(&mut self, later: &Self) {
        self.times = self.times.saturating_add(later.times);
        // They come in the order of their ends.
        self.at_ms = self.at_ms.min(later.at_ms);
        self.first_byte_ms = self.first_byte_ms.max(later.first_byte_ms);
        self.duration_ms = self.duration_ms.max(later.duration_ms);
    }

    /// Cuts what strangers wrote: a long agent must cost neither memory nor 90 days of disk.
    pub(super) fn cut(&mut self) {
        cut(&mut self.link_id, MAX_FETCH_TEXT_BYTES);
        cut(&mut self.client_address, MAX_FETCH_TEXT_BYTES);
        cut(&mut self.agent, MAX_FETCH_TEXT_BYTES);
        if let Some(range) = &mut self.range {
            cut(range, MAX_FETCH_TEXT_BYTES);
        }
        if self.method.len() > MAX_FETCH_TEXT_BYTES {
            cut(self.method.to_mut(), MAX_FETCH_TEXT_BYTES);
        }
    }
}

impl NewRevocation {
    /// A revocation is never cut: half a selector would revoke something else.
    pub(super) fn check(&self) -> Result<(), CatalogError> {
        fits("a revocation's kind", self.kind.len(), MAX_KIND_BYTES)?;
        fits("a revocation's value", self.value.len(), MAX_SELECTOR_BYTES)?;
        fits("a revocation's reason", self.reason.as_ref().map_or(0, String::len), MAX_REFERENCE_BYTES)
    }
}

impl Pruned {
    pub(super) fn add(&mut self, other: Self) {
        self.links += other.links;
        self.fetches += other.fetches;
        self.revocations += other.revocations;
    }
}

/// Shortens `text` to `max` bytes, at a character's edge, and gives the rest of its memory back.
fn cut(text: &mut String, max: usize) {
    if text.len() > max {
        text.truncate(text.floor_char_boundary(max));
        text.shrink_to_fit();
    }
}

fn fits(what: &'static str, found: usize, max: usize) -> Result<(), CatalogError> {
    if found > max { Err(CatalogError::TooLong { what, max, found }) } else { Ok(()) }
}

/// The longest agent, range, address or method that is kept of a fetch, in bytes.
const MAX_FETCH_TEXT_BYTES: usize = 512;
/// The longest reference or reason, in bytes.
const MAX_REFERENCE_BYTES: usize = 1024;
/// The longest kind of revocation, in bytes.
const MAX_KIND_BYTES: usize = 64;
/// The longest selector, in bytes: store (40), key (1,024) and version (1,032) together, with room for their separators escaped.
const MAX_SELECTOR_BYTES: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_at_a_character() {
        for (text, max, kept) in
            [("abc", 3, "abc"), ("abc", 2, "ab"), ("a\u{20ac}", 2, "a"), ("\u{20ac}", 2, ""), ("", 0, "")]
        {
            let mut owned = text.to_owned();
            cut(&mut owned, max);
            assert_eq!(owned, kept);
        }
    }

    #[test]
    fn a_revocation_is_refused_rather_than_cut() {
        let mut new = NewRevocation {
            kind: "object".into(),
            value: "x".repeat(MAX_SELECTOR_BYTES),
            reason: None,
            client: "ops".parse().unwrap(),
            expires_at: None,
        };
        assert!(new.check().is_ok());
        new.value.push('x');
        assert_eq!(
            new.check().unwrap_err().to_string(),
            "a revocation's value has at most 4096 bytes, this one has 4097"
        );
        new.value.clear();
        new.reason = Some("x".repeat(MAX_REFERENCE_BYTES + 1));
        assert!(matches!(new.check(), Err(CatalogError::TooLong { what: "a revocation's reason", .. })));
    }
}
