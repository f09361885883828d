//! Whether an opened URL is still good: its time, then its revocation.

use std::sync::Arc;

use super::{OpenedUrl, Overrides, PresignDenial, PresignRules};
use crate::link::{LinkId, Revocable, RevocationSet};
use crate::value::{ClientName, Fingerprint, ObjectKey, StoreName, UnixTime};

/// A presigned URL that one of our keys signed, in time and not revoked. Only [`OpenedUrl::judge`] makes one.
#[derive(Clone, Debug)]
pub struct VerifiedUrl(Arc<OpenedUrl>);

impl OpenedUrl {
    /// Judges time, then revocation. This is done for every request, however hot its bytes are.
    pub fn judge(
        self: &Arc<Self>,
        now: UnixTime,
        rules: &PresignRules,
        revocations: &RevocationSet,
    ) -> Result<VerifiedUrl, PresignDenial> {
        self.lifetime().judge(now, rules)?;
        match revocations.ending(&self.revocable(None)) {
            Some(revocation) => Err(PresignDenial::Revoked(revocation)),
            None => Ok(VerifiedUrl(Arc::clone(self))),
        }
    }

    /// What a revocation can name it by. It was sealed with no key of the keyring.
    fn revocable(&self, fingerprint: Option<Fingerprint>) -> Revocable<'_> {
        Revocable {
            id: self.id(),
            key: None,
            store: self.store(),
            object: self.key(),
            fingerprint,
            client: self.client(),
            issued: self.issued(),
        }
    }
}

impl VerifiedUrl {
    /// What logs, metrics and revocations call this URL.
    pub fn id(&self) -> LinkId {
        self.0.id()
    }

    /// Whose access key signed it.
    pub fn client(&self) -> &ClientName {
        self.0.client()
    }

    /// The store that holds the object.
    pub fn store(&self) -> &StoreName {
        self.0.store()
    }

    /// Where the object lies in its store.
    pub fn key(&self) -> &ObjectKey {
        self.0.key()
    }

    /// When it was signed, by its own account.
    pub fn issued(&self) -> UnixTime {
        self.0.issued()
    }

    /// The first second at which it is over.
    pub fn expires(&self) -> UnixTime {
        self.0.expires()
    }

    /// What the answer is to say instead.
    pub fn overrides(&self) -> &Overrides {
        self.0.overrides()
    }

    /// Whether a revocation has ended the URL since it was verified, now that its content may be known.
    pub fn is_revoked_by(&self, revocations: &RevocationSet, fingerprint: Option<Fingerprint>) -> bool {
        revocations.ending(&self.0.revocable(fingerprint)).is_some()
    }
}
