//! Why a content is held before anybody has fetched it: a link that says it will be.

use std::sync::Arc;

use crate::link::{Grant, KeyId, LinkId};
use crate::value::UnixTime;

/// For how long, and for which link, a content is held.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The first second at which nobody may fetch it by that link.
    pub expires: UnixTime,
    /// The link, if one is known: once it is revoked, the claim is over as well.
    pub link: Option<ClaimLink>,
}

/// What the revocations must know of a link to say whether it is revoked.
#[derive(Clone, Debug)]
pub struct ClaimLink {
    /// The link's name.
    pub id: LinkId,
    /// The key that sealed it.
    pub key: KeyId,
    /// What it permits.
    pub grant: Arc<Grant>,
}

impl Claim {
    /// The one of two that lasts longer; of two that last as long, the newer one.
    pub(super) fn or_later(self, newer: Self) -> Self {
        if self.expires > newer.expires { self } else { newer }
    }
}
