//! What the representation is: everything a decision needs, and no byte of it.

use std::time::Duration;

use super::Permit;
use crate::http::{BadEntityTag, EntityTag, Validators};
use crate::mint::{KnownObjects, ObjectId};
use crate::value::{Sha256, UnixTime};

/// The representation that a permit is for.
pub(super) struct Located {
    pub(super) id: ObjectId,
    pub(super) etag: EntityTag,
    /// Never later than the answer's Date (RFC 9110 section 8.8.2.1).
    pub(super) last_modified: UnixTime,
    pub(super) length: u64,
}

/// Gathers the metadata of what `permit` allows. It all comes from the grant.
pub(super) fn locate(permit: &Permit, now: UnixTime) -> Result<Located, BadEntityTag> {
    let grant = permit.grant();
    let id = ObjectId { store: grant.store.clone(), key: grant.key.clone(), version: grant.version.clone() };
    Ok(Located {
        id,
        etag: EntityTag::strong(&format!("b3-{}", grant.fingerprint.half()))?,
        last_modified: grant.last_modified.min(now),
        length: grant.length,
    })
}

impl Located {
    /// The same as preconditions see it.
    pub(super) const fn validators(&self) -> Validators<'_> {
        Validators { etag: &self.etag, last_modified: self.last_modified, length: self.length }
    }

    /// The SHA-256, where it is known; links work without, so a slow catalog is not waited for.
    pub(super) async fn sha256(&self, permit: &Permit, known: &KnownObjects) -> Option<Sha256> {
        let recalled = tokio::time::timeout(RECALL_MAX, known.recall(&self.id)).await.ok().flatten()?;
        (recalled.fingerprint == permit.grant().fingerprint).then_some(recalled.sha256)
    }
}

/// How long a catalog may take to name a digest that no fetcher needs. After it the answer goes out without.
const RECALL_MAX: Duration = Duration::from_millis(50);
