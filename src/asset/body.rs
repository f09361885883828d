//! The body of an answer, as hyper wants it.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::stream::{BoxStream, StreamExt};
use http_body::{Body, Frame, SizeHint};
use tokio::time::Instant;

use super::DeliveryError;
use super::delivery::Watch;
use crate::cache::BodyMeter;

/// The body of an answer on the public listener: nothing, a few bytes of ours, or an asset on its way.
pub struct AssetBody(Kind);

enum Kind {
    Bytes(Bytes),
    /// One chunk that is at hand. What watches it is gone once it was given.
    Chunk {
        bytes: Bytes,
        watch: Option<(BodyMeter, Watch)>,
    },
    Stream {
        stream: BoxStream<'static, Result<Bytes, DeliveryError>>,
        left: u64,
        meter: BodyMeter,
    },
}

impl AssetBody {
    /// No bytes at all.
    pub const fn empty() -> Self {
        Self(Kind::Bytes(Bytes::new()))
    }

    /// These bytes.
    pub const fn of(bytes: Bytes) -> Self {
        Self(Kind::Bytes(bytes))
    }

    /// These bytes of an asset, which lay in memory. The meter tells how fast their reader is.
    pub(super) const fn chunk(bytes: Bytes, meter: BodyMeter, watch: Watch) -> Self {
        Self(Kind::Chunk { bytes, watch: Some((meter, watch)) })
    }

    /// A stream that will yield `length` bytes, or end in an error. The meter tells how fast its reader is.
    pub(super) fn stream(
        stream: BoxStream<'static, Result<Bytes, DeliveryError>>,
        length: u64,
        meter: BodyMeter,
    ) -> Self {
        Self(Kind::Stream { stream, left: length, meter })
    }

    /// How many bytes are still to come.
    pub fn left(&self) -> u64 {
        match &self.0 {
            Kind::Bytes(bytes) | Kind::Chunk { bytes, .. } => u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            Kind::Stream { left, .. } => *left,
        }
    }
}

impl Body for AssetBody {
    type Data = Bytes;
    type Error = DeliveryError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, DeliveryError>>> {
        match &mut self.0 {
            Kind::Bytes(bytes) if bytes.is_empty() => Poll::Ready(None),
            Kind::Bytes(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Kind::Chunk { bytes, watch } => {
                let Some((meter, mut watch)) = watch.take() else { return Poll::Ready(None) };
                let now = Instant::now();
                if let Some(cut) = watch.cut_at(now) {
                    return Poll::Ready(Some(Err(DeliveryError::Cut(cut))));
                }
                meter.gave_all(u64::try_from(bytes.len()).unwrap_or(u64::MAX), now);
                Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes)))))
            }
            Kind::Stream { stream, left, meter } => {
                meter.asked();
                match ready!(stream.poll_next_unpin(context)) {
                    Some(Ok(bytes)) => {
                        let given = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                        *left = left.saturating_sub(given);
                        meter.gave(given);
                        Poll::Ready(Some(Ok(Frame::data(meter.hold(bytes)))))
                    }
                    Some(Err(error)) => Poll::Ready(Some(Err(error))),
                    // A short body that ends without an error would end cleanly over HTTP/2.
                    None if *left > 0 => Poll::Ready(Some(Err(DeliveryError::Short))),
                    None => Poll::Ready(None),
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left() == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left())
    }
}
