//! The bytes of an open file, read ahead by one chunk.
//!
//! Each chunk is one short piece of blocking work, so a reader that stops taking holds no thread, and a dropped stream leaves
//! at most one `pread` to finish. The file's state is compared *after* each `pread` and before its bytes are passed on: what
//! was overwritten meanwhile never leaves.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream;
use tokio::task::JoinHandle;

use super::Stamp;
use super::beneath::io_fault;
use crate::origin::{ByteStream, OriginError};
use crate::value::ByteSpan;

/// The bytes `span` of `file`, as long as it stays as `stamp` saw it. Reading begins with the first poll.
pub(super) fn stream(file: File, stamp: Stamp, span: ByteSpan) -> ByteStream {
    let source = Arc::new(Source { file, stamp });
    let reader = Reader { source, rest: Some(span), ahead: None };
    Box::pin(stream::unfold(Some(reader), |reader| async {
        let mut reader = reader?;
        match reader.next().await? {
            Ok(chunk) => Some((Ok(chunk), Some(reader))),
            Err(error) => Some((Err(error), None)),
        }
    }))
}

struct Source {
    file: File,
    stamp: Stamp,
}

struct Reader {
    source: Arc<Source>,
    /// What no work was begun for.
    rest: Option<ByteSpan>,
    ahead: Option<JoinHandle<Result<Bytes, OriginError>>>,
}

impl Reader {
    async fn next(&mut self) -> Option<Result<Bytes, OriginError>> {
        let current = match self.ahead.take() {
            Some(work) => work,
            None => self.begin()?,
        };
        let chunk = current.await.unwrap_or_else(|_| Err(OriginError::Unavailable("the process is stopping".into())));
        if chunk.is_ok() {
            self.ahead = self.begin();
        }
        Some(chunk)
    }

    /// Begins to read the next chunk; `None` when nothing is left.
    fn begin(&mut self) -> Option<JoinHandle<Result<Bytes, OriginError>>> {
        let span = self.rest?;
        let length = span.len().min(CHUNK);
        self.rest = span.skip(length);
        let source = Arc::clone(&self.source);
        Some(tokio::task::spawn_blocking(move || source.chunk(span.first(), length)))
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if let Some(work) = &self.ahead {
            // Work that still waits for a thread is taken back; a running `pread` ends by itself.
            work.abort();
        }
    }
}

impl Source {
    fn chunk(&self, first: u64, length: u64) -> Result<Bytes, OriginError> {
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
        self.file.read_exact_at(&mut bytes, first).map_err(|error| match error.kind() {
            // A file that ends before its size did was cut while we read.
            ErrorKind::UnexpectedEof => OriginError::Changed,
            _ => io_fault(&error),
        })?;
        match Stamp::of(&self.file)? {
            Some(now) if now == self.stamp => Ok(bytes.into()),
            _ => Err(OriginError::Changed),
        }
    }
}

/// How much one piece of blocking work reads, in bytes. Two are held at a time: one that is taken, and one that is read ahead.
const CHUNK: u64 = 64 * 1024;
