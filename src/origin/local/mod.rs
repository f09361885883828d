//! A directory as a store.
//!
//! Keys are paths beneath the root, and the kernel, not a comparison of strings, keeps them there: `openat2` with
//! `RESOLVE_BENEATH` (Linux 5.6) refuses `..`, absolute links and any symbolic link that leads out, without a race. A link
//! that stays inside is fine. Only regular files are served; a FIFO or a device is refused at once.
//!
//! A version is the file's inode, size and time of change, looked at on the open file after every chunk, so that an overwrite
//! in place while we read ends in an error. A file that was *replaced* stays readable to the end by whoever has it open.
//! A new object is written beside its place and linked in when it is whole. There is nowhere to keep its media type.

mod beneath;
mod chunks;
mod create;
mod stamp;
mod survey;

use std::path::PathBuf;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use self::beneath::Root;
use self::stamp::Stamp;
use super::{ByteStream, Create, CreateError, NewObject, ObjectMeta, Origin, OriginError};
use crate::value::{ByteSpan, ObjectKey, ObjectVersion};

/// Where a local store lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalSettings {
    /// The directory that holds the objects. It may itself be a symbolic link.
    pub root: PathBuf,
}

/// A store in a directory.
#[derive(Clone, Debug)]
pub struct LocalOrigin {
    root: Arc<Root>,
}

impl LocalOrigin {
    /// Opens the store. It blocks shortly; call it while starting or from a blocking task.
    ///
    /// # Errors
    /// [`OriginError::Failed`] when the root is not a directory or the kernel has no `openat2`, [`OriginError::Denied`] when
    /// we may not enter it.
    pub fn open(settings: &LocalSettings) -> Result<Self, OriginError> {
        Ok(Self { root: Arc::new(Root::open(&settings.root)?) })
    }
}

impl Origin for LocalOrigin {
    fn head<'a>(&'a self, key: &'a ObjectKey) -> BoxFuture<'a, Result<ObjectMeta, OriginError>> {
        let (root, key) = (Arc::clone(&self.root), key.clone());
        blocking(move || root.file(&key)?.1.meta()).boxed()
    }

    fn read<'a>(
        &'a self,
        key: &'a ObjectKey,
        version: &'a ObjectVersion,
        span: ByteSpan,
    ) -> BoxFuture<'a, Result<ByteStream, OriginError>> {
        let (root, key) = (Arc::clone(&self.root), key.clone());
        async move {
            let (file, stamp) = blocking(move || root.file(&key)).await.map_err(gone)?;
            if !stamp.is(version) || span.end() > stamp.length() {
                return Err(OriginError::Changed);
            }
            Ok(chunks::stream(file, stamp, span))
        }
        .boxed()
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), OriginError>> {
        let root = Arc::clone(&self.root);
        blocking(move || root.probe()).boxed()
    }
}

impl Create for LocalOrigin {
    fn create<'a>(&'a self, key: &'a ObjectKey, object: &'a NewObject) -> BoxFuture<'a, Result<(), CreateError>> {
        let (root, key, object) = (Arc::clone(&self.root), key.clone(), object.clone());
        blocking(move || create::create(&root, &key, &object)).boxed()
    }
}

/// To a pinned read it is all one whether the file was overwritten or deleted.
fn gone(error: OriginError) -> OriginError {
    if error == OriginError::NotFound { OriginError::Changed } else { error }
}

/// Runs file work where it may block.
async fn blocking<T: Send + 'static, E: From<OriginError> + Send + 'static>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, E> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(_) => Err(OriginError::Unavailable("the process is stopping, or file work panicked".into()).into()),
    }
}
