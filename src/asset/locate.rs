//! What the representation is: everything a decision needs, and no byte of it that need not be looked at.

use std::sync::Arc;
use std::time::Duration;

use ::http::HeaderValue;
use data_encoding::BASE64;

use super::representation::{Representation, written};
use super::resolve::{Ahead, resolve};
use super::warrant::Sight;
use super::{AssetError, AssetParts, Permit};
use crate::cache::ContentId;
use crate::http::Validators;
use crate::link::Revocation;
use crate::mint::{KnownObjects, ObjectId};
use crate::presign::PresignDenial;
use crate::value::{Fingerprint, Sha256, UnixTime};

/// The representation that a permit is for.
pub(super) struct Located {
    pub(super) permit: Permit,
    pub(super) representation: Arc<Representation>,
    /// Never later than the answer's Date (RFC 9110 section 8.8.2.1).
    pub(super) last_modified: UnixTime,
    /// Whether the store has just said that it is there.
    pub(super) is_fresh: bool,
}

/// Gathers the metadata of what `permit` allows: a grant has it all, a presigned URL leads to what lies in the store now.
pub(super) async fn locate(
    parts: &AssetParts,
    permit: &Permit,
    wants_whole: bool,
    now: UnixTime,
) -> Result<(Located, Option<Ahead>), AssetError> {
    let (representation, ahead, is_fresh) = match permit.warrant().sight() {
        Sight::Granted(representation) => (Arc::clone(representation), None, false),
        Sight::InStore(url, place) => {
            let (representation, ahead) = resolve(parts, url, place, wants_whole).await?;
            // Only now is it known which bytes the URL leads to.
            if let ContentId::Fingerprint(fingerprint) = representation.content
                && parts.revocations.ask(|set| url.is_revoked_by(set, Some(fingerprint)))
            {
                return Err(AssetError::UrlDenied(PresignDenial::Revoked(Revocation::Fingerprint(fingerprint))));
            }
            (representation, ahead, true)
        }
    };
    let last_modified = representation.last_modified.min(now);
    Ok((Located { permit: permit.clone(), representation, last_modified, is_fresh }, ahead))
}

impl Located {
    /// The same as preconditions see it.
    pub(super) fn validators(&self) -> Validators<'_> {
        let Representation { etag, length, .. } = self.representation.as_ref();
        Validators { etag, last_modified: self.last_modified, length: *length }
    }

    /// The fingerprint of the bytes, where it is known.
    pub(super) fn fingerprint(&self) -> Option<Fingerprint> {
        match self.representation.content {
            ContentId::Fingerprint(fingerprint) => Some(fingerprint),
            ContentId::Version(_) => None,
        }
    }

    /// The `Repr-Digest`, where it is known; links work without, so a slow catalog is not waited for. Once it is known it stays so: the
    /// fingerprint names the bytes.
    pub(super) async fn digest(&self, known: &KnownObjects) -> Option<HeaderValue> {
        let digest = &self.representation.digest;
        if digest.get().is_none()
            && let Some(fingerprint) = self.fingerprint()
            && let Some(sha256) = Box::pin(self.sha256(known, fingerprint)).await
        {
            digest.get_or_init(|| repr_digest(&sha256));
        }
        digest.get().cloned()
    }

    async fn sha256(&self, known: &KnownObjects, fingerprint: Fingerprint) -> Option<Sha256> {
        let (warrant, version) = (self.permit.warrant(), self.representation.version.clone());
        let id = ObjectId { store: warrant.store().clone(), key: warrant.key().clone(), version };
        let recalled = tokio::time::timeout(RECALL_MAX, known.recall(&id)).await.ok().flatten()?;
        (recalled.fingerprint == fingerprint).then_some(recalled.sha256)
    }
}

/// RFC 9530 section 3, as an RFC 8941 dictionary with a byte sequence.
fn repr_digest(sha256: &Sha256) -> HeaderValue {
    written(&format!("sha-256=:{}:", BASE64.encode(sha256.as_bytes())))
}

/// How long a catalog may take to name a digest that no fetcher needs. After it the answer goes out without.
const RECALL_MAX: Duration = Duration::from_millis(50);
