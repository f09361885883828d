//! What the representation is: everything a decision needs, and no byte of it.

use std::time::Duration;

use ::http::HeaderValue;
use data_encoding::BASE64;

use super::Permit;
use super::face::written;
use crate::http::Validators;
use crate::mint::{KnownObjects, ObjectId};
use crate::value::{Sha256, UnixTime};

/// The representation that a permit is for.
pub(super) struct Located<'a> {
    permit: &'a Permit,
    /// Never later than the answer's Date (RFC 9110 section 8.8.2.1).
    pub(super) last_modified: UnixTime,
    pub(super) length: u64,
}

/// Gathers the metadata of what `permit` allows. It all comes from the grant.
pub(super) fn locate(permit: &Permit, now: UnixTime) -> Located<'_> {
    let grant = permit.grant();
    Located { permit, last_modified: grant.last_modified.min(now), length: grant.length }
}

impl Located<'_> {
    /// The same as preconditions see it.
    pub(super) fn validators(&self) -> Validators<'_> {
        Validators { etag: &self.permit.face().etag, last_modified: self.last_modified, length: self.length }
    }

    /// The `Repr-Digest`, where it is known; links work without, so a slow catalog is not waited for. Once it is known it stays so: the
    /// grant names the bytes.
    pub(super) async fn digest(&self, known: &KnownObjects) -> Option<HeaderValue> {
        let digest = &self.permit.face().digest;
        if digest.get().is_none()
            && let Some(sha256) = Box::pin(self.sha256(known)).await
        {
            digest.get_or_init(|| repr_digest(&sha256));
        }
        digest.get().cloned()
    }

    async fn sha256(&self, known: &KnownObjects) -> Option<Sha256> {
        let grant = self.permit.grant();
        let id = ObjectId { store: grant.store.clone(), key: grant.key.clone(), version: grant.version.clone() };
        let recalled = tokio::time::timeout(RECALL_MAX, known.recall(&id)).await.ok().flatten()?;
        (recalled.fingerprint == grant.fingerprint).then_some(recalled.sha256)
    }
}

/// RFC 9530 section 3, as an RFC 8941 dictionary with a byte sequence.
fn repr_digest(sha256: &Sha256) -> HeaderValue {
    written(&format!("sha-256=:{}:", BASE64.encode(sha256.as_bytes())))
}

/// How long a catalog may take to name a digest that no fetcher needs. After it the answer goes out without.
const RECALL_MAX: Duration = Duration::from_millis(50);
