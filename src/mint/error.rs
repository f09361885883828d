//! Why no link was minted. Each variant is one thing that a client can do something about; the texts go to the client.

use std::sync::Arc;
use std::time::Duration;

use super::HeadFailure;
use crate::cache::ReadError;
use crate::link::{BadTtl, Revocation, SealError};
use crate::media::{Finding, TypeRefusal};
use crate::origin::OriginError;
use crate::value::{NoRandomness, ProfileName, StoreName};

/// Why no link was minted.
#[derive(Clone, Debug, thiserror::Error)]
pub enum MintError {
    /// The lifetime is out of bounds.
    #[error(transparent)]
    Ttl(#[from] BadTtl),
    /// No such fetcher profile is configured.
    #[error("no fetcher profile is called {0}; the settings name them under [fetchers]")]
    NoSuchFetcher(ProfileName),
    /// No such store is configured.
    #[error("no store is called {0}; the settings name them under [stores]")]
    NoSuchStore(StoreName),
    /// The store has nothing at this key.
    #[error("the store has no object at this key; keys are compared byte for byte, so check case, spaces and slashes")]
    NoSuchObject,
    /// The store cannot address such a key.
    #[error("this store cannot address this key: {0}")]
    Unaddressable(&'static str),
    /// The store could not be read; that is ours to mend.
    #[error("the store could not be read; this is not the object's fault, and the gateway's log says more")]
    Store(#[from] Arc<OriginError>),
    /// The object was overwritten while it was being read.
    #[error("the object was overwritten while it was being read; ask again")]
    Changed,
    /// The object is stored in a content coding, which no fetcher would undo.
    #[error("the object is stored with Content-Encoding: {0}; fetchers need the plain bytes, so store it without")]
    ContentEncoded(String),
    /// The object is larger than this gateway serves.
    #[error("the object has {length} bytes and the settings allow {limit} (mint.object_max)")]
    TooLarge {
        /// Its length, in bytes.
        length: u64,
        /// The limit, in bytes.
        limit: u64,
    },
    /// The first read goes on.
    #[error("the object is being read for the first time, which takes a while; ask again in {} s", .retry_after.as_secs())]
    StillReading {
        /// When asking again makes sense.
        retry_after: Duration,
    },
    /// Too many objects wait for their first read, or too much is in flight already.
    #[error("too much is being read already; ask again in {} s", .retry_after.as_secs())]
    Busy {
        /// When asking again makes sense.
        retry_after: Duration,
    },
    /// The first read ended without a result, which is our fault.
    #[error("the object could not be read through; the gateway's log says more")]
    GivenUp,
    /// What the content is could not be decided, or must not be served.
    #[error(transparent)]
    Type(#[from] TypeRefusal),
    /// WhatsApp would refuse the asset in this header.
    #[error("WhatsApp would refuse this asset: {}", .0.iter().map(|one| one.message.as_str()).collect::<Vec<_>>().join(" "))]
    Preflight(Vec<Finding>),
    /// A standing revocation forbids links to this.
    #[error("links to this {} are revoked; lift the revocation first (DELETE /v1/revocations/ID)", .0.kind())]
    Revoked(Revocation),
    /// The link could not be sealed, or would be too long.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// No nonce could be made.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
}

impl MintError {
    /// A metric label.
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Ttl(_) => "ttl-out-of-bounds",
            Self::NoSuchFetcher(_) => "no-such-fetcher",
            Self::NoSuchStore(_) => "no-such-store",
            Self::NoSuchObject => "no-such-object",
            Self::Unaddressable(_) => "unaddressable",
            Self::Store(_) => "origin-failed",
            Self::Changed => "changed",
            Self::ContentEncoded(_) => "content-encoded",
            Self::TooLarge { .. } => "too-large",
            Self::StillReading { .. } => "still-reading",
            Self::Busy { .. } => "overloaded",
            Self::Type(_) | Self::Preflight(_) => "asset-refused",
            Self::Revoked(_) => "revoked",
            Self::Seal(SealError::TooLong { .. }) => "link-too-long",
            Self::Seal(SealError::Cipher) | Self::NoRandomness(_) | Self::GivenUp => "failed",
        }
    }
}

/// Why the first read of an object gave nothing.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ReadFailure {
    /// The store failed.
    #[error(transparent)]
    Store(Arc<OriginError>),
    /// Too much was in flight.
    #[error("there was no room for more bytes in flight")]
    NoRoom,
    /// Our own task ended before it was done: in a shutdown, or by a fault of ours.
    #[error("the read was given up")]
    GivenUp,
}

impl From<OriginError> for ReadFailure {
    fn from(error: OriginError) -> Self {
        Self::Store(Arc::new(error))
    }
}

impl From<ReadError> for ReadFailure {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Origin(error) => error.into(),
            ReadError::NoRoom => Self::NoRoom,
            // More bytes than the store had promised: its word is worth nothing for this version.
            ReadError::WrongBytes => OriginError::Changed.into(),
            ReadError::ManifestLate | ReadError::Lost => Self::GivenUp,
        }
    }
}

impl From<OriginError> for MintError {
    fn from(error: OriginError) -> Self {
        match error {
            OriginError::NotFound => Self::NoSuchObject,
            OriginError::Changed => Self::Changed,
            OriginError::Unaddressable(why) => Self::Unaddressable(why),
            other => Self::Store(Arc::new(other)),
        }
    }
}

impl From<HeadFailure> for MintError {
    fn from(failure: HeadFailure) -> Self {
        match failure {
            HeadFailure::Store(error) => error.into(),
            HeadFailure::GivenUp => Self::GivenUp,
        }
    }
}

impl From<ReadFailure> for MintError {
    fn from(failure: ReadFailure) -> Self {
        match failure {
            ReadFailure::Store(error) => OriginError::clone(&error).into(),
            ReadFailure::NoRoom => Self::Busy { retry_after: Duration::from_secs(1) },
            ReadFailure::GivenUp => Self::GivenUp,
        }
    }
}
