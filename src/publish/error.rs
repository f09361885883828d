//! Why nothing was published. Each variant is one thing that a client can do something about; the texts go to the client.

use std::sync::Arc;
use std::time::Duration;

use crate::mint::MintError;
use crate::origin::OriginError;
use crate::value::{BadObjectKey, ObjectKey, StoreName};

/// Why nothing was published.
#[derive(Clone, Debug, thiserror::Error)]
pub enum PublishError {
    /// The asset, or the link to it, is refused; or what was stored could not be read back.
    #[error(transparent)]
    Mint(#[from] MintError),
    /// The store takes no new objects.
    #[error("the store {0} takes no new objects; publish to another one")]
    ReadOnly(StoreName),
    /// The bytes did not come.
    #[error(transparent)]
    Upload(#[from] UploadError),
    /// There are more bytes than this gateway serves.
    #[error("an asset has at most {limit} bytes here (mint.object_max)")]
    TooLarge {
        /// The limit, in bytes.
        limit: u64,
    },
    /// Too many uploads are under way.
    #[error("too many assets are being published already; ask again in {} s", .retry_after.as_secs())]
    Busy {
        /// When asking again makes sense.
        retry_after: Duration,
    },
    /// The bytes could not be put by on their way, as when the disk is full.
    #[error(
        "the upload could not be put by on its way; this is ours to mend (publish.directory), and the gateway's log says more"
    )]
    Spool(Arc<std::io::Error>),
    /// Prefix, name and fingerprint together are no key.
    #[error("the key that prefix and file name would make cannot be: {0}")]
    Key(#[from] BadObjectKey),
    /// Other bytes lie at the key.
    #[error(
        "other bytes lie at the key {0} already; nothing was overwritten, and somebody should find out who put them there"
    )]
    KeyTaken(ObjectKey),
    /// The store could not take the object.
    #[error("the store did not take the object; this is not the asset's fault, and the gateway's log says more")]
    Store(Arc<OriginError>),
    /// What the store holds is not what it was given.
    #[error(
        "the store does not hold the bytes that it was given at {0}; no link was made, and the gateway's log says more"
    )]
    StoredOtherwise(ObjectKey),
    /// It was overwritten or deleted at once.
    #[error("the object at {0} was overwritten or deleted as soon as it was stored; publish it again")]
    Overtaken(ObjectKey),
    /// Our own task ended before it was done, as in a shutdown.
    #[error("the upload was given up; ask again")]
    GivenUp,
}

/// Why the bytes did not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UploadError {
    /// The connection or the file broke off before the end.
    #[error("the bytes broke off before their end; nothing was stored")]
    Broken,
    /// They came too slowly.
    #[error("the bytes came too slowly; nothing was stored")]
    TooSlow,
}

impl PublishError {
    /// A metric label.
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Mint(error) => error.label(),
            Self::ReadOnly(_) => "read-only",
            Self::Upload(UploadError::Broken) => "upload-broken",
            Self::Upload(UploadError::TooSlow) => "upload-slow",
            Self::TooLarge { .. } => "too-large",
            Self::Busy { .. } => "overloaded",
            Self::Spool(_) => "spool-failed",
            Self::Key(_) => "unaddressable",
            Self::KeyTaken(_) => "key-taken",
            Self::Store(_) => "origin-failed",
            Self::StoredOtherwise(_) => "stored-otherwise",
            Self::Overtaken(_) => "changed",
            Self::GivenUp => "failed",
        }
    }
}

impl From<OriginError> for PublishError {
    fn from(error: OriginError) -> Self {
        match error {
            OriginError::Unaddressable(why) => MintError::Unaddressable(why).into(),
            other => Self::Store(Arc::new(other)),
        }
    }
}
