//! Sealing a grant into a token, and opening one.
//!
//! A token is lower-case base32 of `format version (1 byte), key id (4 bytes), AES-256-GCM-SIV(grant)`. The nonce is twelve zero bytes:
//! GCM-SIV (RFC 8452) is made to stand that, and equal grants give equal links, which is what makes links stable. The associated data
//! binds the seal to its purpose, key, public origin and name segment, so it opens at no other place.
//!
//! Opening looks at version and key before it touches cryptography, and allocates nothing until the seal has held.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, Nonce, UnboundKey};

use super::{
    Denial, Grant, InvalidReason, KeyId, KeyState, Keyring, Link, LinkId, LinkPath, NameSegment, PublicOrigin,
    Revocable,
};
use crate::value::{BASE32, UnixTime};

/// The keys of a keyring, made ready to seal and open links of one public origin.
pub struct Seals {
    /// The active key is the first.
    keys: Vec<SealingKey>,
    origin: PublicOrigin,
}

struct SealingKey {
    id: KeyId,
    state: KeyState,
    key: LessSafeKey,
    /// The associated data up to the name segment.
    bound: Vec<u8>,
}

/// A grant whose seal has held: it was written by us, for this path. Whether it is *still* good is another question, which
/// [`OpenedGrant::judge`] answers.
#[derive(Clone, Debug)]
pub struct OpenedGrant {
    grant: Grant,
    key: KeyId,
    id: LinkId,
}

/// Why a grant could not be sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The link would not fit through the middle tiers.
    #[error(
        "the link would have {length} characters and {limit} is the most that travels safely; use a shorter object key"
    )]
    TooLong {
        /// The link's length, in characters.
        length: usize,
        /// The limit, in characters.
        limit: usize,
    },
    /// The cipher failed, which it does for no grant that can be made.
    #[error("the grant could not be sealed")]
    Cipher,
}

impl Seals {
    /// Makes the keys of `keyring` ready for links that begin with `origin`. Retired keys are left out.
    pub fn new(keyring: &Keyring, origin: PublicOrigin) -> Result<Self, SealError> {
        let mut keys = Vec::new();
        for key in keyring.keys() {
            let Some(secret) = &key.secret else { continue };
            let derived = blake3::derive_key(KEY_CONTEXT, secret.expose());
            let unbound = UnboundKey::new(&AES_256_GCM_SIV, &derived).map_err(|_| SealError::Cipher)?;
            let bound = associated_data(key.id, &origin);
            keys.push(SealingKey { id: key.id, state: key.state, key: LessSafeKey::new(unbound), bound });
        }
        keys.sort_by_key(|key| key.state != KeyState::Active);
        Ok(Self { keys, origin })
    }

    /// The public origin that links begin with.
    pub const fn origin(&self) -> &PublicOrigin {
        &self.origin
    }

    /// The key that seals.
    pub fn active_key(&self) -> Option<KeyId> {
        self.keys.first().map(|key| key.id)
    }

    /// The link for `grant`. Equal grants give equal links as long as the active key stays.
    pub fn seal(&self, grant: &Grant) -> Result<Link, SealError> {
        let key = self.keys.first().ok_or(SealError::Cipher)?;
        let name = NameSegment::of(grant);
        let mut sealed = Vec::with_capacity(512);
        grant.encode(&mut sealed);
        let bound = Bound::new(&key.bound, name.as_str()).ok_or(SealError::Cipher)?;
        key.key
            .seal_in_place_append_tag(nonce(), Aad::from(bound.bytes()), &mut sealed)
            .map_err(|_| SealError::Cipher)?;
        sealed.splice(0..0, key.head());
        let link = Link::new(&self.origin, &BASE32.encode(&sealed), &name);
        match link.url().len() {
            length if length > Link::TOO_LONG => Err(SealError::TooLong { length, limit: Link::TOO_LONG }),
            _ => Ok(link),
        }
    }

    /// Whether links that this key sealed are still opened at `now`.
    pub fn opens_with(&self, key: KeyId, now: UnixTime) -> bool {
        self.keys.iter().any(|one| one.id == key && one.state.opens_at(now))
    }

    /// Opens a link's path. Every failure looks the same from outside; the reason is for our own metrics.
    pub fn open(&self, path: &LinkPath<'_>, now: UnixTime) -> Result<OpenedGrant, Denial> {
        self.try_open(path, now).map_err(Denial::Invalid)
    }

    fn try_open(&self, path: &LinkPath<'_>, now: UnixTime) -> Result<OpenedGrant, InvalidReason> {
        let (head, body) = path.token.0.as_bytes().split_at_checked(HEAD_DIGITS).ok_or(InvalidReason::Shape)?;
        let key = self.key_named_by(head, now)?;
        let mut buffer = [0; LONGEST_SEALED];
        let length = BASE32.decode_len(body.len()).map_err(|_| InvalidReason::Spelling)?;
        let sealed = buffer.get_mut(..length).ok_or(InvalidReason::Shape)?;
        BASE32.decode_mut(body, sealed).map_err(|_| InvalidReason::Spelling)?;
        let bound = Bound::new(&key.bound, path.name).ok_or(InvalidReason::Shape)?;
        let plain =
            key.key.open_in_place(nonce(), Aad::from(bound.bytes()), sealed).map_err(|_| InvalidReason::Seal)?;
        let grant = Grant::decode(plain).map_err(|_| InvalidReason::Seal)?;
        Ok(OpenedGrant { grant, key: key.id, id: path.id() })
    }

    /// The key that a token names, if it still opens links: no cryptography happens before this look-up.
    fn key_named_by(&self, head: &[u8], now: UnixTime) -> Result<&SealingKey, InvalidReason> {
        let mut bytes = [0; HEAD_BYTES];
        BASE32.decode_mut(head, &mut bytes).map_err(|_| InvalidReason::Spelling)?;
        let [version, id @ ..] = bytes;
        if version != FORMAT {
            return Err(InvalidReason::Format);
        }
        let found = self.keys.iter().find(|key| key.id.0 == id && key.state.opens_at(now));
        found.ok_or(InvalidReason::Key)
    }
}

impl fmt::Debug for Seals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<_> = self.keys.iter().map(|key| key.id).collect();
        f.debug_struct("Seals").field("keys", &ids).field("origin", &self.origin).finish()
    }
}

impl SealingKey {
    fn head(&self) -> [u8; HEAD_BYTES] {
        let [a, b, c, d] = self.id.0;
        [FORMAT, a, b, c, d]
    }
}

impl OpenedGrant {
    /// What of it a revocation can name.
    pub const fn revocable(&self) -> Revocable<'_> {
        self.grant.revocable(self.id, self.key)
    }

    /// What the link says.
    pub const fn grant(&self) -> &Grant {
        &self.grant
    }

    /// The key that sealed it.
    pub const fn key(&self) -> KeyId {
        self.key
    }

    /// The link's id.
    pub const fn id(&self) -> LinkId {
        self.id
    }
}

/// Associated data in a buffer on the stack: the part that is bound to the key, then the name segment behind its length.
struct Bound {
    buffer: [u8; LONGEST_BOUND],
    length: usize,
}

impl Bound {
    fn new(prefix: &[u8], name: &str) -> Option<Self> {
        let mut bound = Self { buffer: [0; LONGEST_BOUND], length: 0 };
        bound.push(prefix)?;
        bound.push(&u16::try_from(name.len()).ok()?.to_be_bytes())?;
        bound.push(name.as_bytes())?;
        Some(bound)
    }

    fn push(&mut self, bytes: &[u8]) -> Option<()> {
        let end = self.length.checked_add(bytes.len())?;
        self.buffer.get_mut(self.length..end)?.copy_from_slice(bytes);
        self.length = end;
        Some(())
    }

    fn bytes(&self) -> &[u8] {
        self.buffer.get(..self.length).unwrap_or_default()
    }
}

/// Purpose, format version, key id and origin, each behind its length.
fn associated_data(id: KeyId, origin: &PublicOrigin) -> Vec<u8> {
    let mut bound = Vec::new();
    for part in [PURPOSE, &[FORMAT], &id.0, origin.as_str().as_bytes()] {
        bound.extend(u16::try_from(part.len()).unwrap_or(u16::MAX).to_be_bytes());
        bound.extend(part);
    }
    bound
}

/// Deterministic on purpose: see the essay above.
fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; 12])
}

/// The token's format: this byte, the key id, the sealed grant.
const FORMAT: u8 = 1;
const HEAD_BYTES: usize = 5;
/// Five bytes are exactly eight digits of base32, so the head can be read without the rest.
const HEAD_DIGITS: usize = 8;
/// No longer token is ever made: [`Link::TOO_LONG`] digits of base32.
const LONGEST_SEALED: usize = Link::TOO_LONG * 5 / 8;
/// Purpose, version, key id, origin (at most 270 bytes) and name (at most 68), with their lengths.
const LONGEST_BOUND: usize = 384;
const PURPOSE: &[u8] = b"hallpass link";
const KEY_CONTEXT: &str = "hallpass 2026-11-21 link sealing key, aes-256-gcm-siv";

#[cfg(test)]
mod tests;
