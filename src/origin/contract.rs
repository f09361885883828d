//! What every store must do, and no more than that.
//!
//! One contract test (`tests/it/origin/contract.rs`) runs over every backend. Three promises carry the rest of the house:
//! a read is pinned to a version; a stream yields exactly the bytes of its span or ends in an error; dropping a stream
//! stops its work.

use std::pin::Pin;

use bytes::Bytes;
use futures_util::Stream;
use futures_util::future::BoxFuture;

use super::OriginError;
use crate::value::{ByteSpan, ObjectKey, ObjectVersion, UnixTime};

/// The bytes of one span, in order, in chunks of the store's choosing.
///
/// It yields exactly as many bytes as the span has and then ends, or it yields one `Err` and then ends.
pub type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes, OriginError>> + Send>>;

/// A private store: objects by key, each with a version that changes with every overwrite.
pub trait Origin: Send + Sync + 'static {
    /// What the store says of the object that lies at `key` now.
    ///
    /// # Errors
    /// [`OriginError::NotFound`] when there is none; the others as their docs say.
    fn head<'a>(&'a self, key: &'a ObjectKey) -> BoxFuture<'a, Result<ObjectMeta, OriginError>>;

    /// The bytes `span` of that `version` of `key`. The answer comes once the store has accepted the read; the bytes follow.
    ///
    /// # Errors
    /// [`OriginError::Changed`] when that version is no longer readable, overwritten and deleted ones included;
    /// never [`OriginError::NotFound`].
    fn read<'a>(
        &'a self,
        key: &'a ObjectKey,
        version: &'a ObjectVersion,
        span: ByteSpan,
    ) -> BoxFuture<'a, Result<ByteStream, OriginError>>;

    /// Whether the store can be reached with the rights we need; it reads no object and is cheap enough to run every few seconds.
    ///
    /// # Errors
    /// Whatever a `head` or `read` would meet now for every key.
    fn probe(&self) -> BoxFuture<'_, Result<(), OriginError>>;
}

/// What a store says of one version of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectMeta {
    /// Which overwrite this is; give it to [`Origin::read`].
    pub version: ObjectVersion,
    /// The object's length in bytes.
    pub length: u64,
    /// When this version was written, by the store's clock, in whole seconds.
    pub last_modified: UnixTime,
    /// The media type as the store holds it, unread and not to be believed; `None` when it holds none.
    pub media_type: Option<String>,
    /// The content coding as the store holds it (RFC 9110 section 8.4); `None` when there is none or it is empty.
    pub content_encoding: Option<String>,
}
