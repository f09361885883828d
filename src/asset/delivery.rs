//! An asset on its way: watched for revocation and time.
//!
//! All of it happens when the socket asks for the next chunk. A reader that takes nothing asks for none, so cutting such a one is up to the
//! server room.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream::BoxStream;
use tokio::time::{Instant, Sleep};

use super::Permit;
use crate::cache::ReadError;
use crate::link::Revocations;
use crate::value::Fingerprint;

/// Why a body did not come to its end. The connection is then aborted, never ended cleanly.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// The bytes could not be read, or are not those that the link was minted for.
    #[error("the bytes could not be read while the body was on its way: {0}")]
    Read(#[from] ReadError),
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
            Self::Read(error) => error.label(),
            Self::Cut(Cut::Revoked) => "cut-revoked",
            Self::Cut(Cut::TooLong) => "cut-too-long",
            Self::Short => "short",
        }
    }
}

/// Whether a body may go on.
pub(super) struct Watch {
    permit: Permit,
    /// That of the bytes, where it is known.
    fingerprint: Option<Fingerprint>,
    revocations: Arc<Revocations>,
    /// The count of changes up to which this link is known not to be revoked.
    seen: u64,
    deadline: Instant,
}

impl Watch {
    /// A body of `permit`'s may go on until `deadline`, or until the link is revoked.
    pub(super) fn new(
        permit: Permit,
        fingerprint: Option<Fingerprint>,
        revocations: Arc<Revocations>,
        deadline: Instant,
    ) -> Self {
        // No count can be equal to this one, so the first chunk asks: a revocation may have come since the request did.
        Self { permit, fingerprint, revocations, seen: u64::MAX, deadline }
    }

    /// Why the body may not go on, if it may not.
    pub(super) fn cut_at(&mut self, now: Instant) -> Option<Cut> {
        if now >= self.deadline { Some(Cut::TooLong) } else { self.is_revoked().then_some(Cut::Revoked) }
    }

    fn is_revoked(&mut self) -> bool {
        let changes = self.revocations.changes();
        if changes == self.seen {
            return false;
        }
        self.seen = changes;
        let warrant = self.permit.warrant();
        self.revocations.ask(|set| warrant.is_revoked_by(set, self.fingerprint))
    }
}

/// Ends a body whose link is revoked, or whose time is over, at the next chunk.
pub(super) struct Watched {
    stream: BoxStream<'static, Result<Bytes, ReadError>>,
    watch: Watch,
    /// Rings at the deadline where the stream is waited for; while chunks come, each looks at the time itself.
    bell: Option<Pin<Box<Sleep>>>,
}

impl Watched {
    pub(super) fn new(stream: BoxStream<'static, Result<Bytes, ReadError>>, watch: Watch) -> Self {
        Self { stream, watch, bell: None }
    }
}

impl Stream for Watched {
    type Item = Result<Bytes, DeliveryError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Poll::Ready(next) = self.stream.as_mut().poll_next(context) else {
            let deadline = self.watch.deadline;
            let bell = self.bell.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
            ready!(bell.as_mut().poll(context));
            return Poll::Ready(Some(Err(DeliveryError::Cut(Cut::TooLong))));
        };
        if let Some(cut) = self.watch.cut_at(Instant::now()) {
            return Poll::Ready(Some(Err(DeliveryError::Cut(cut))));
        }
        Poll::Ready(next.map(|chunk| chunk.map_err(DeliveryError::Read)))
    }
}
