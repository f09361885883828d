//! One unbroken body, made of as many pinned reads as it takes.
//!
//! It keeps what is still to come as a span. A break or a stall asks for that rest, of the same version, and goes on behind
//! the last byte that was passed on; so no byte is ever sent twice, left out, or taken from another version.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, stream};

use super::counters::Tally;
use super::trial::Trial;
use super::{Shared, Wanted};
use crate::origin::{ByteStream, OriginError, Waited};
use crate::value::ByteSpan;

/// A body that is being read.
pub(super) struct Body {
    trial: Trial,
    tally: Tally,
    wanted: Wanted,
    inner: ByteStream,
    /// What was not yet passed on.
    rest: Option<ByteSpan>,
    /// Bytes passed on since the last break.
    progress: u64,
}

impl Body {
    /// Opens the first read.
    pub(super) async fn open(shared: Arc<Shared>, wanted: Wanted, span: ByteSpan) -> Result<Self, OriginError> {
        let mut tally = Tally::read(&shared.counters);
        let mut trial = Trial::begin(shared);
        let opened = trial.open(&wanted, span).await;
        let inner = opened.inspect_err(|error| tally.settle(Some(error)))?;
        trial.succeed();
        Ok(Self { trial, tally, wanted, inner, rest: Some(span), progress: 0 })
    }

    /// The bytes of the body.
    pub(super) fn stream(self) -> ByteStream {
        Box::pin(stream::unfold(Some(self), |body| async {
            let mut body = body?;
            match body.next().await? {
                Ok(chunk) => Some((Ok(chunk), Some(body))),
                Err(error) => Some((Err(error), None)),
            }
        }))
    }

    async fn next(&mut self) -> Option<Result<Bytes, OriginError>> {
        loop {
            match self.awaited().await {
                Ok(Some(chunk)) => {
                    self.pass(&chunk);
                    return Some(Ok(chunk));
                }
                Ok(None) => return None,
                Err(error) => {
                    if let Err(error) = self.resume(error).await {
                        self.tally.settle(Some(&error));
                        return Some(Err(error));
                    }
                }
            }
        }
    }

    /// The next chunk, unless it takes too long.
    async fn awaited(&mut self) -> Result<Option<Bytes>, OriginError> {
        let limit = self.trial.shared.policy.stall;
        if let Ok(next) = tokio::time::timeout(limit, self.inner.next()).await {
            return next.transpose();
        }
        self.trial.note(limit);
        Err(OriginError::Timeout(Waited::Stall(limit)))
    }

    fn pass(&mut self, chunk: &Bytes) {
        let length = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
        self.tally.bytes(length);
        self.progress = self.progress.saturating_add(length);
        if self.progress >= self.trial.shared.policy.progress {
            self.trial.succeed();
        }
        self.rest = self.rest.and_then(|rest| rest.skip(length));
        if self.rest.is_none() {
            // Now, and not at the stream's end: who knows the length need not ask once more.
            self.tally.settle(None);
        }
    }

    async fn resume(&mut self, error: OriginError) -> Result<(), OriginError> {
        let Some(rest) = self.rest else { return Err(error) };
        // The broken read goes first: it may hold a connection that the next one could use.
        self.inner = Box::pin(stream::empty());
        self.trial.survive(error).await?;
        self.inner = self.trial.open(&self.wanted, rest).await?;
        self.progress = 0;
        self.tally.resumed();
        Ok(())
    }
}
