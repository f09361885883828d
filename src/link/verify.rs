//! Whether an opened grant is still good: its time, then its revocation.

use std::sync::Arc;

use super::{Grant, LinkBounds, LinkId, OpenedGrant, Revocation, RevocationSet};
use crate::value::UnixTime;

/// Why a link is not believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denial {
    /// It did not open, or says what we never wrote. From outside all of these look alike.
    Invalid(InvalidReason),
    /// It was ours, and its time is over.
    Expired {
        /// When it ended.
        at: UnixTime,
    },
    /// It was ours, and was ended early.
    Revoked(Revocation),
}

/// Why a link did not open: for our metrics, never for the fetcher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidReason {
    /// Too short, too long, or not two segments.
    Shape,
    /// Not the one spelling of any bytes.
    Spelling,
    /// A format version that this build does not know.
    Format,
    /// A key that is unknown or retired.
    Key,
    /// The seal does not hold for this path and origin.
    Seal,
    /// It would live longer than any link may: a leaked mint path, or a clock that runs ahead.
    TooFarAhead,
}

impl Denial {
    /// A metric label.
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Invalid(InvalidReason::Shape) => "shape",
            Self::Invalid(InvalidReason::Spelling) => "spelling",
            Self::Invalid(InvalidReason::Format) => "format",
            Self::Invalid(InvalidReason::Key) => "key",
            Self::Invalid(InvalidReason::Seal) => "seal",
            Self::Invalid(InvalidReason::TooFarAhead) => "too-far-ahead",
            Self::Expired { .. } => "expired",
            Self::Revoked(_) => "revoked",
        }
    }
}

/// A grant that is sealed by us, in time and not revoked. Only [`OpenedGrant::judge`] makes one.
#[derive(Clone, Debug)]
pub struct VerifiedGrant(Arc<OpenedGrant>);

impl OpenedGrant {
    /// Judges time, then revocation. This is done for every request, however hot its bytes are.
    pub fn judge(
        self: &Arc<Self>,
        now: UnixTime,
        bounds: &LinkBounds,
        revocations: &RevocationSet,
    ) -> Result<VerifiedGrant, Denial> {
        let expires = self.grant().expires;
        if now >= expires {
            return Err(Denial::Expired { at: expires });
        }
        if expires > now.plus(bounds.longest_life()) {
            return Err(Denial::Invalid(InvalidReason::TooFarAhead));
        }
        match revocations.ending(&self.revocable()) {
            Some(revocation) => Err(Denial::Revoked(revocation)),
            None => Ok(VerifiedGrant(Arc::clone(self))),
        }
    }
}

impl VerifiedGrant {
    /// What the link says.
    pub fn grant(&self) -> &Grant {
        self.0.grant()
    }

    /// The link's id.
    pub fn id(&self) -> LinkId {
        self.0.id()
    }

    /// Whether a revocation has ended the link since it was verified.
    pub fn is_revoked_by(&self, revocations: &RevocationSet) -> bool {
        revocations.ending(&self.0.revocable()).is_some()
    }
}
