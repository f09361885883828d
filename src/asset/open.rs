//! From a decision to the bytes it needs: exactly those spans, from the cache or through it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt, TryStreamExt};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::delivery::{Watch, Watched};
use super::locate::Located;
use super::representation::Representation;
use super::resolve::Ahead;
use super::{AssetBody, AssetError, AssetParts, DeliveryError};
use crate::cache::{BodyMeter, Cache, Came, Found, ReadError, Reader, Source};
use crate::http::Multipart;
use crate::link::Revocations;
use crate::origin::Origin;
use crate::value::{ByteSpan, UnixTime};

type Chunks = BoxStream<'static, Result<Bytes, DeliveryError>>;

/// Opens the bytes that one permit allows.
#[derive(Clone)]
pub(super) struct Opener {
    located: Arc<Located>,
    origin: Arc<dyn Origin>,
    cache: Cache,
    revocations: Arc<Revocations>,
    deadline: Instant,
    cut: CancellationToken,
}

/// A body, and how it came about.
pub(super) struct Opened {
    pub(super) body: AssetBody,
    pub(super) came: Came,
}

impl Opener {
    /// An opener for what was located, whose bodies end `body_max` after the link does, or when `cut` cuts their connection.
    pub(super) fn new(
        located: &Arc<Located>,
        parts: &AssetParts,
        cut: CancellationToken,
        now: UnixTime,
    ) -> Result<Self, AssetError> {
        let warrant = located.permit.warrant();
        let left: Duration = now.until(warrant.expires());
        Ok(Self {
            origin: parts.store(warrant.store())?,
            cache: parts.cache.clone(),
            revocations: Arc::clone(&parts.revocations),
            deadline: Instant::now() + left + parts.body_max,
            cut,
            located: Arc::clone(located),
        })
    }

    /// All bytes, of which the beginning may have been read ahead.
    pub(super) async fn whole(self, ahead: Option<Ahead>) -> Result<Opened, AssetError> {
        let Some(span) = ByteSpan::whole(self.located.representation.length) else {
            return Ok(Opened { body: AssetBody::empty(), came: Came::HIT });
        };
        let Some(Ahead { reader, came }) = ahead else { return self.part(span).await };
        let meter = self.cache.admit(self.cut.clone())?;
        Ok(self.streamed(came, reader, span, meter))
    }

    /// One span.
    pub(super) async fn part(self, span: ByteSpan) -> Result<Opened, AssetError> {
        let meter = self.cache.admit(self.cut.clone())?;
        let Representation { content, length, .. } = *self.located.representation.as_ref();
        if let Some(bytes) = self.cache.at_hand(content, length, span, &meter) {
            self.cache.count(Came::HIT);
            return Ok(Opened { body: AssetBody::chunk(bytes, meter, self.watch()), came: Came::HIT });
        }
        // In a box, so that the future of every request is not as large as that of the longest way.
        Box::pin(self.read(span, meter)).await
    }

    /// One span that does not lie at hand as a whole.
    async fn read(self, span: ByteSpan, meter: BodyMeter) -> Result<Opened, AssetError> {
        let source = self.source();
        let came = self.cache.look(&source, [span]);
        let reader = self.cache.open(&source, span).await?;
        Ok(self.streamed(came, reader, span, meter))
    }

    fn streamed(&self, came: Came, reader: Reader, span: ByteSpan, meter: BodyMeter) -> Opened {
        let came = self.count(came, &reader);
        Opened { body: AssetBody::stream(self.watched(reader), span.len(), meter), came }
    }

    /// Several spans in a `multipart/byteranges` frame. The first is opened now, so that a failure can still be told; the others
    /// follow one at a time.
    pub(super) async fn parts(self, frame: &Multipart) -> Result<Opened, AssetError> {
        let parts = frame.parts().to_vec();
        let Some(span) = parts.first().map(|first| first.span) else {
            return Ok(Opened { body: AssetBody::of(frame.closing()), came: Came::HIT });
        };
        let meter = self.cache.admit(self.cut.clone())?;
        let source = self.source();
        let came = self.cache.look(&source, parts.iter().map(|part| part.span));
        let first = self.cache.open(&source, span).await?;
        let came = self.count(came, &first);
        let mut first = Some(self.watched(first));
        let parts = parts.into_iter().map(move |part| {
            let head = stream::once(async { Ok(part.head) });
            let (opener, source, at_hand) = (self.clone(), Arc::clone(&source), first.take());
            let bytes = stream::once(async move {
                if let Some(chunks) = at_hand {
                    return Ok(chunks);
                }
                let reader = opener.cache.open(&source, part.span).await;
                reader.map(|reader| opener.watched(reader)).map_err(DeliveryError::Read)
            });
            head.chain(bytes.try_flatten())
        });
        let closing = stream::once(std::future::ready(Ok(frame.closing())));
        let body = stream::iter(parts).flatten().chain(closing);
        Ok(Opened { body: AssetBody::stream(body.boxed(), frame.content_length(), meter), came })
    }

    /// Says what a GET would say, and reads nothing but, where the content does not lie in the cache and nobody has just asked for it, one byte of the
    /// store.
    pub(super) async fn probe(self) -> Result<Came, AssetError> {
        let (source, length) = (self.source(), self.located.representation.length);
        let came = self.cache.look(&source, ByteSpan::whole(length));
        let first = ByteSpan::within(0, 0, length).filter(|_| !self.located.is_fresh);
        if let (Found::Some | Found::Nothing, Some(first)) = (came.found, first) {
            let Source { origin, key, version, .. } = source.as_ref();
            drop(origin.read(key, version, first).await.map_err(ReadError::Origin)?);
        }
        Ok(Came { stored: false, ..came })
    }

    /// Where the bytes come from that do not lie here.
    fn source(&self) -> Arc<Source> {
        let (warrant, representation) = (self.located.permit.warrant(), &self.located.representation);
        Arc::new(Source {
            origin: Arc::clone(&self.origin),
            store: warrant.store().clone(),
            key: warrant.key().clone(),
            version: representation.version.clone(),
            length: representation.length,
            content: representation.content,
        })
    }

    fn count(&self, came: Came, reader: &Reader) -> Came {
        let came = Came { collapsed: came.found != Found::All && reader.is_collapsed(), ..came };
        self.cache.count(came);
        came
    }

    fn watch(&self) -> Watch {
        let Located { permit, .. } = self.located.as_ref();
        Watch::new(permit.clone(), self.located.fingerprint(), Arc::clone(&self.revocations), self.deadline)
    }

    fn watched(&self, reader: Reader) -> Chunks {
        Watched::new(reader.into_stream().boxed(), self.watch()).boxed()
    }
}
