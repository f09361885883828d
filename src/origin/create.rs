//! Giving a store an object that it does not have.
//!
//! It stands apart from [`Origin`](super::Origin), which serving needs: most stores are only ever read, with rights that allow no more.
//! Nothing here overwrites anything: a link names bytes, so a key that is taken stays what it is.

use std::fs::File;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::OriginError;
use super::file_body::FileBody;
use crate::value::{MediaType, ObjectKey};

/// A store that takes new objects.
pub trait Create: Send + Sync + 'static {
    /// Stores `object` under `key`, if nothing lies there; the store decides that in one step, so of two who come at once one is told
    /// [`CreateError::Exists`]. When this returns without an error, the object is complete and readable; before, nobody sees any of it.
    ///
    /// # Errors
    /// As [`CreateError`] says.
    fn create<'a>(&'a self, key: &'a ObjectKey, object: &'a NewObject) -> BoxFuture<'a, Result<(), CreateError>>;
}

/// An object that is to be stored. Its bytes lie in a file that nobody changes meanwhile.
#[derive(Clone, Debug)]
pub struct NewObject {
    /// The open file that holds the bytes, from its first to its last. It is read by position alone, so who created an object and left may still
    /// be reading while the next one begins.
    pub file: Arc<File>,
    /// How many bytes it has.
    pub length: u64,
    /// The media type that the store shall hold.
    pub media_type: MediaType,
}

impl NewObject {
    /// Its bytes as the body of a request.
    pub(super) fn body(&self) -> FileBody {
        FileBody::new(Arc::clone(&self.file), self.length)
    }
}

/// Why an object was not stored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CreateError {
    /// Something lies under this key already, and stays as it is.
    #[error("an object lies at this key already")]
    Exists,
    /// The store could not take it.
    #[error(transparent)]
    Store(#[from] OriginError),
}
