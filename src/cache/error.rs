//! Why bytes could not be read.

use crate::origin::OriginError;

/// Why bytes could not be read. Before an answer's head it becomes a status; after it, the body is broken off.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The store failed, beyond what retries could mend.
    #[error("the store failed: {0}")]
    Origin(#[from] OriginError),
    /// The bytes are not those that the fingerprint names.
    #[error("the store gave other bytes than the fingerprint names")]
    WrongBytes,
    /// Too much is in flight already.
    #[error("too much is in flight already")]
    NoRoom,
    /// Nobody knows the manifest, and the read that makes it took too long.
    #[error("the content's manifest was not made in time")]
    ManifestLate,
    /// The read that was followed ended without a word, and so did the one that replaced it.
    #[error("the read ended without a word")]
    Lost,
}

impl ReadError {
    /// A metric label.
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Origin(OriginError::NotFound | OriginError::Changed) => "content-changed",
            Self::Origin(OriginError::Timeout(_)) | Self::ManifestLate => "origin-timeout",
            Self::Origin(_) => "origin-failed",
            Self::WrongBytes => "wrong-bytes",
            Self::NoRoom => "overloaded",
            Self::Lost => "lost",
        }
    }
}
