//! An asset on its way: watched for revocation and time, and compared with its fingerprint before its end is given away.
//!
//! All of it happens when the socket asks for the next chunk. A reader that takes nothing asks for none, so cutting such a one is up to the
//! server room.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::Stream;
use tokio::time::{Instant, Sleep};

use super::Permit;
use crate::link::Revocations;
use crate::origin::{ByteStream, OriginError};
use crate::value::Fingerprint;

/// Why a body did not come to its end. The connection is then aborted, never ended cleanly.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// The store failed, beyond what retries could mend.
    #[error("the store failed while the body was on its way: {0}")]
    Origin(#[from] OriginError),
    /// The bytes are not those that the link was minted for.
    #[error("the bytes are not those that the link was minted for")]
    WrongBytes,
    /// We cut it.
    #[error("the body was cut: {0:?}")]
    Cut(Cut),
    /// The stream ended early without saying why.
    #[error("the body ended early")]
    Short,
}

/// Why we cut a body ourselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// The link was revoked while its body was on its way.
    Revoked,
    /// The link's expiry lies further back than a body may take.
    TooLong,
}

impl DeliveryError {
    /// A metric label.
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Origin(_) => "origin-failed",
            Self::WrongBytes => "wrong-bytes",
            Self::Cut(Cut::Revoked) => "cut-revoked",
            Self::Cut(Cut::TooLong) => "cut-too-long",
            Self::Short => "short",
        }
    }
}

/// Ends a body whose link is revoked, or whose time is over, at the next chunk.
pub(super) struct Watched {
    stream: ByteStream,
    permit: Permit,
    revocations: Arc<Revocations>,
    /// The count of changes up to which this link is known not to be revoked.
    seen: u64,
    deadline: Pin<Box<Sleep>>,
}

impl Watched {
    pub(super) fn new(stream: ByteStream, permit: Permit, revocations: Arc<Revocations>, deadline: Instant) -> Self {
        // No count can be equal to this one, so the first chunk asks: a revocation may have come since the request did.
        let deadline = Box::pin(tokio::time::sleep_until(deadline));
        Self { stream, permit, revocations, seen: u64::MAX, deadline }
    }

    fn is_revoked(&mut self) -> bool {
        let changes = self.revocations.changes();
        if changes == self.seen {
            return false;
        }
        self.seen = changes;
        self.permit.is_revoked(&self.revocations)
    }
}

impl Stream for Watched {
    type Item = Result<Bytes, DeliveryError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.deadline.as_mut().poll(context).is_ready() {
            return Poll::Ready(Some(Err(DeliveryError::Cut(Cut::TooLong))));
        }
        let next = ready!(self.stream.as_mut().poll_next(context));
        if self.is_revoked() {
            return Poll::Ready(Some(Err(DeliveryError::Cut(Cut::Revoked))));
        }
        Poll::Ready(next.map(|chunk| chunk.map_err(DeliveryError::Origin)))
    }
}

/// Compares a whole body with its fingerprint. The chunk that would complete it is held back until the comparison is done, so no
/// answer that holds a wrong byte ever completes.
pub(super) struct Verified<S> {
    stream: S,
    hasher: blake3::Hasher,
    left: u64,
    fingerprint: Fingerprint,
    on_wrong_bytes: Option<Box<dyn FnOnce() + Send>>,
}

impl<S> Verified<S> {
    pub(super) fn new(
        stream: S,
        length: u64,
        fingerprint: Fingerprint,
        on_wrong_bytes: impl FnOnce() + Send + 'static,
    ) -> Self {
        let hasher = blake3::Hasher::new();
        Self { stream, hasher, left: length, fingerprint, on_wrong_bytes: Some(Box::new(on_wrong_bytes)) }
    }

    fn take(&mut self, chunk: Bytes) -> Result<Bytes, DeliveryError> {
        self.hasher.update(&chunk);
        self.left = self.left.saturating_sub(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
        if self.left > 0 || self.hasher.finalize().as_bytes() == self.fingerprint.as_bytes() {
            return Ok(chunk);
        }
        if let Some(tell) = self.on_wrong_bytes.take() {
            tell();
        }
        Err(DeliveryError::WrongBytes)
    }
}

impl<S: Stream<Item = Result<Bytes, DeliveryError>> + Unpin> Stream for Verified<S> {
    type Item = Result<Bytes, DeliveryError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = ready!(Pin::new(&mut self.stream).poll_next(context));
        Poll::Ready(next.map(|chunk| chunk.and_then(|chunk| self.take(chunk))))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use futures_util::{StreamExt, stream};

    use super::*;

    async fn deliver(chunks: &[&'static [u8]], minted: &[u8]) -> (Vec<u8>, Option<DeliveryError>, bool) {
        let told = Arc::new(AtomicBool::new(false));
        let tell = Arc::clone(&told);
        let chunks: Vec<_> = chunks.iter().map(|chunk| Ok(Bytes::from_static(chunk))).collect();
        let length = u64::try_from(minted.len()).unwrap();
        let fingerprint = Fingerprint::of(minted);
        let mut verified =
            Verified::new(stream::iter(chunks), length, fingerprint, move || tell.store(true, Ordering::Relaxed));
        let mut got = Vec::new();
        while let Some(chunk) = verified.next().await {
            match chunk {
                Ok(chunk) => got.extend(chunk),
                Err(error) => return (got, Some(error), told.load(Ordering::Relaxed)),
            }
        }
        (got, None, told.load(Ordering::Relaxed))
    }

    #[tokio::test]
    async fn the_minted_bytes_pass_whole() {
        let (got, error, told) = deliver(&[b"he", b"llo"], b"hello").await;
        assert_eq!((got.as_slice(), error.is_none(), told), (&b"hello"[..], true, false));
    }

    #[tokio::test]
    async fn a_wrong_byte_anywhere_keeps_the_last_chunk_back() {
        for chunks in [[&b"hE"[..], b"llo"], [b"he", b"llO"]] {
            let (got, error, told) = deliver(&chunks, b"hello").await;
            assert_eq!(got, chunks[0]);
            assert!(matches!(error, Some(DeliveryError::WrongBytes)) && told);
        }
    }
}
