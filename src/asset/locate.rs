//! What the representation is: everything a decision needs, and no byte of it.

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
    /// Where our catalog knows it; links work without.
    pub(super) sha256: Option<Sha256>,
}

/// Gathers the metadata of what `permit` allows. It all comes from the grant, save for the SHA-256.
pub(super) async fn locate(permit: &Permit, known: &KnownObjects, now: UnixTime) -> Result<Located, BadEntityTag> {
    let grant = permit.grant();
    let id = ObjectId { store: grant.store.clone(), key: grant.key.clone(), version: grant.version.clone() };
    let known = known.recall(&id).await.filter(|known| known.fingerprint == grant.fingerprint);
    Ok(Located {
        id,
        etag: EntityTag::strong(&format!("b3-{}", grant.fingerprint.half()))?,
        last_modified: grant.last_modified.min(now),
        length: grant.length,
        sha256: known.map(|known| known.sha256),
    })
}

impl Located {
    /// The same as preconditions see it.
    pub(super) const fn validators(&self) -> Validators<'_> {
        Validators { etag: &self.etag, last_modified: self.last_modified, length: self.length }
    }
}
