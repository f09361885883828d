//! A body that is as long as it promised, or an error.
//!
//! A store may answer without a length and close early, which ends such a body cleanly; another may send more than was asked.
//! Neither reaches a reader: what is short ends in [`OriginError::Unavailable`], and of what is long not one byte too many is
//! passed on before [`OriginError::Failed`].

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream;

use super::{ByteStream, OriginError};

/// `inner`, held to exactly `length` bytes.
pub(super) fn exactly(inner: ByteStream, length: u64) -> ByteStream {
    Box::pin(stream::unfold(Some(Measured { inner, left: length }), |measured| async {
        let mut measured = measured?;
        match measured.next().await {
            Some(Ok(chunk)) => Some((Ok(chunk), Some(measured))),
            Some(Err(error)) => Some((Err(error), None)),
            None => None,
        }
    }))
}

struct Measured {
    inner: ByteStream,
    /// Bytes still to come.
    left: u64,
}

impl Measured {
    async fn next(&mut self) -> Option<Result<Bytes, OriginError>> {
        if self.left == 0 {
            return self.surplus().await.then(|| Err(too_long()));
        }
        match filled(&mut self.inner).await {
            Some(Ok(chunk)) => Some(self.count(chunk)),
            Some(Err(error)) => Some(Err(error)),
            None => Some(Err(OriginError::Unavailable(format!("a body ended {} bytes early", self.left)))),
        }
    }

    fn count(&mut self, chunk: Bytes) -> Result<Bytes, OriginError> {
        let length = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
        self.left = self.left.checked_sub(length).ok_or_else(too_long)?;
        Ok(chunk)
    }

    /// Whether bytes come after the last one. All that was asked for is here by now, so neither an error nor a wait matters.
    async fn surplus(&mut self) -> bool {
        let next = tokio::time::timeout(LINGER, filled(&mut self.inner)).await;
        matches!(next, Ok(Some(Ok(_))))
    }
}

/// The next chunk that holds bytes.
async fn filled(inner: &mut ByteStream) -> Option<Result<Bytes, OriginError>> {
    loop {
        match inner.next().await {
            Some(Ok(chunk)) if chunk.is_empty() => {}
            other => return other,
        }
    }
}

fn too_long() -> OriginError {
    OriginError::Failed("a body is longer than what was asked for".into())
}

/// How long the end of a complete body is waited for: one that states its length ends at once.
const LINGER: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    fn body(chunks: &[&'static str]) -> ByteStream {
        let chunks: Vec<_> = chunks.iter().map(|c| Ok(Bytes::from_static(c.as_bytes()))).collect();
        Box::pin(stream::iter(chunks))
    }

    async fn drained(body: ByteStream) -> (String, Option<OriginError>) {
        let all: Vec<_> = body.collect().await;
        let bytes: Vec<u8> = all.iter().filter_map(|c| c.as_ref().ok()).flatten().copied().collect();
        (String::from_utf8(bytes).unwrap(), all.last().and_then(|c| c.clone().err()))
    }

    #[tokio::test]
    async fn an_exact_body_passes_untouched() {
        assert_eq!(drained(exactly(body(&["ab", "", "cde"]), 5)).await, ("abcde".into(), None));
        let endless = Box::pin(body(&["abc"]).chain(stream::pending()));
        assert_eq!(drained(exactly(endless, 3)).await, ("abc".into(), None));
    }

    #[tokio::test]
    async fn a_short_body_ends_in_a_transient_error() {
        let (bytes, error) = drained(exactly(body(&["ab"]), 5)).await;
        assert_eq!(bytes, "ab");
        assert_eq!(error, Some(OriginError::Unavailable("a body ended 3 bytes early".into())));
    }

    #[tokio::test]
    async fn of_a_long_body_no_byte_too_many_passes() {
        for chunks in [&["abc", "def"][..], &["abcde", "f"], &["abcdef"]] {
            let (bytes, error) = drained(exactly(body(chunks), 5)).await;
            assert!(bytes.len() <= 5, "{bytes}");
            assert_eq!(error, Some(too_long()));
        }
    }
}
