//! The bytes of a new object as the body of a request: read by position from a file that is open already.
//!
//! Each piece is one short piece of blocking work beside the serving threads, begun when the request asks for it, so memory does not grow with the
//! object. The position is the body's own and not the file's: a try that was given up and still reads does not disturb the next one, and
//! what it reads is what it was given, since it holds the file.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::task::JoinHandle;

use super::OriginError;

/// The first bytes of a file, as many as its length says; never fewer without an error.
pub(super) struct FileBody {
    file: Arc<File>,
    /// Where the next piece begins.
    at: u64,
    /// Where the last one ends.
    end: u64,
    reading: Option<JoinHandle<io::Result<Bytes>>>,
}

impl FileBody {
    pub(super) fn new(file: Arc<File>, length: u64) -> Self {
        Self { file, at: 0, end: length, reading: None }
    }

    fn begin(&self) -> JoinHandle<io::Result<Bytes>> {
        let (file, at) = (Arc::clone(&self.file), self.at);
        let length = usize::try_from(self.left()).unwrap_or(usize::MAX).min(PIECE);
        tokio::task::spawn_blocking(move || {
            let mut bytes = vec![0; length];
            file.read_exact_at(&mut bytes, at)?;
            Ok(bytes.into())
        })
    }

    fn left(&self) -> u64 {
        self.end.saturating_sub(self.at)
    }
}

impl Body for FileBody {
    type Data = Bytes;
    type Error = Unreadable;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Unreadable>>> {
        if self.left() == 0 {
            return Poll::Ready(None);
        }
        let mut reading = self.reading.take().unwrap_or_else(|| self.begin());
        let Poll::Ready(read) = Pin::new(&mut reading).poll(context) else {
            self.reading = Some(reading);
            return Poll::Pending;
        };
        let read = read.unwrap_or_else(|_| Err(io::Error::other("the process is stopping"))).map_err(Unreadable);
        if let Ok(piece) = &read {
            self.at = self.at.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
        }
        Poll::Ready(Some(read.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.left() == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left())
    }
}

impl Drop for FileBody {
    fn drop(&mut self) {
        if let Some(reading) = &self.reading {
            // Work that still waits for a thread is taken back; a running read ends by itself.
            reading.abort();
        }
    }
}

/// What is to be stored cannot be read: that is not the store's fault, and asking again does not help.
#[derive(Debug, thiserror::Error)]
#[error("the file that is to be stored cannot be read: {0}")]
pub(super) struct Unreadable(pub(super) io::Error);

impl Unreadable {
    /// Whether that is what broke a request off, whose error is `error`.
    pub(super) fn behind(error: &(dyn std::error::Error + 'static)) -> Option<OriginError> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(unreadable) = error.downcast_ref::<Self>() {
                return Some(unreadable.into());
            }
            next = error.source();
        }
        None
    }
}

impl From<&Unreadable> for OriginError {
    fn from(unreadable: &Unreadable) -> Self {
        Self::Failed(unreadable.to_string())
    }
}

/// How much of the file is in memory at a time, in bytes.
pub(super) const PIECE: usize = 128 * 1024;

#[cfg(test)]
mod tests {
    use std::io::{Seek, SeekFrom, Write};

    use http_body_util::BodyExt;

    use super::*;

    fn file(bytes: &[u8]) -> Arc<File> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        Arc::new(file)
    }

    #[tokio::test]
    async fn each_body_reads_from_the_first_byte_whatever_others_do_with_the_file() {
        let bytes: Vec<u8> = (0..3 * PIECE + 7).map(|n| u8::try_from(n % 251).unwrap()).collect();
        let file = file(&bytes);
        let (mut one, two) = (FileBody::new(Arc::clone(&file), 400_000), FileBody::new(Arc::clone(&file), 5));
        assert_eq!(one.size_hint().exact(), Some(400_000));
        let first = one.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(one.size_hint().exact(), Some((400_000 - PIECE) as u64));
        (&*file).seek(SeekFrom::Start(11)).unwrap();
        assert_eq!(two.collect().await.unwrap().to_bytes(), bytes[..5]);
        let rest = one.collect().await.unwrap_err();
        assert!(first == bytes[..PIECE] && rest.0.kind() == io::ErrorKind::UnexpectedEof, "{rest}");
        let whole = FileBody::new(Arc::clone(&file), bytes.len() as u64).collect().await.unwrap().to_bytes();
        assert!(whole == bytes);
        let none = FileBody::new(file, 0);
        assert!(none.is_end_stream() && none.collect().await.unwrap().to_bytes().is_empty());
    }
}
