//! From a decision to the bytes it needs: exactly those spans, from the cache or through it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt, TryStreamExt};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::delivery::{Watch, Watched};
use super::locate::Located;
use super::{AssetBody, AssetError, DeliveryError, Permit};
use crate::cache::{Cache, Came, Found, ReadError, Reader, Source};
use crate::http::Multipart;
use crate::link::Revocations;
use crate::origin::OriginError;
use crate::value::{ByteSpan, UnixTime};

type Chunks = BoxStream<'static, Result<Bytes, DeliveryError>>;

/// Opens the bytes that one permit allows.
#[derive(Clone)]
pub(super) struct Opener {
    permit: Permit,
    source: Arc<Source>,
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
    /// An opener for `permit`, whose bodies end `body_max` after the link does, or when `cut` cuts their connection.
    pub(super) fn new(
        permit: Permit,
        parts: &super::AssetParts,
        cut: CancellationToken,
        now: UnixTime,
    ) -> Result<Self, AssetError> {
        let grant = permit.grant();
        let stores = parts.stores.get();
        let origin = Arc::clone(stores.get(&grant.store).ok_or_else(store_is_gone)?);
        let source = Arc::new(Source {
            origin,
            store: grant.store.clone(),
            key: grant.key.clone(),
            version: grant.version.clone(),
            length: grant.length,
            fingerprint: grant.fingerprint,
        });
        let left: Duration = now.until(grant.expires);
        Ok(Self {
            source,
            cache: parts.cache.clone(),
            revocations: Arc::clone(&parts.revocations),
            deadline: Instant::now() + left + parts.body_max,
            cut,
            permit,
        })
    }

    /// All bytes.
    pub(super) async fn whole(self, located: &Located<'_>) -> Result<Opened, AssetError> {
        match ByteSpan::whole(located.length) {
            Some(span) => self.part(span).await,
            None => Ok(Opened { body: AssetBody::empty(), came: Came::HIT }),
        }
    }

    /// One span.
    pub(super) async fn part(self, span: ByteSpan) -> Result<Opened, AssetError> {
        let meter = self.cache.admit(self.cut.clone())?;
        if let Some(bytes) = self.cache.at_hand(&self.source, span, &meter) {
            self.cache.count(Came::HIT);
            return Ok(Opened { body: AssetBody::chunk(bytes, meter, self.watch()), came: Came::HIT });
        }
        let came = self.cache.look(&self.source, [span]);
        let reader = self.open(span).await?;
        let came = self.count(came, &reader);
        Ok(Opened { body: AssetBody::stream(self.watched(reader), span.len(), meter), came })
    }

    /// Several spans in a `multipart/byteranges` frame. The first is opened now, so that a failure can still be told; the others
    /// follow one at a time.
    pub(super) async fn parts(self, frame: &Multipart) -> Result<Opened, AssetError> {
        let parts = frame.parts().to_vec();
        let Some(span) = parts.first().map(|first| first.span) else {
            return Ok(Opened { body: AssetBody::of(frame.closing()), came: Came::HIT });
        };
        let meter = self.cache.admit(self.cut.clone())?;
        let came = self.cache.look(&self.source, parts.iter().map(|part| part.span));
        let first = self.open(span).await?;
        let came = self.count(came, &first);
        let mut first = Some(self.watched(first));
        let parts = parts.into_iter().map(move |part| {
            let head = stream::once(async { Ok(part.head) });
            let (opener, at_hand) = (self.clone(), first.take());
            let bytes = stream::once(async move {
                match at_hand {
                    Some(chunks) => Ok(chunks),
                    None => {
                        opener.open(part.span).await.map(|reader| opener.watched(reader)).map_err(DeliveryError::Read)
                    }
                }
            });
            head.chain(bytes.try_flatten())
        });
        let closing = stream::once(std::future::ready(Ok(frame.closing())));
        let body = stream::iter(parts).flatten().chain(closing);
        Ok(Opened { body: AssetBody::stream(body.boxed(), frame.content_length(), meter), came })
    }

    /// Says what a GET would say, and reads nothing but, where the content does not lie in the cache, one byte of the store.
    pub(super) async fn probe(self, located: &Located<'_>) -> Result<Came, AssetError> {
        let came = self.cache.look(&self.source, ByteSpan::whole(located.length));
        if let (Found::Some | Found::Nothing, Some(first)) = (came.found, ByteSpan::within(0, 0, located.length)) {
            let Source { origin, key, version, .. } = self.source.as_ref();
            drop(origin.read(key, version, first).await.map_err(ReadError::Origin)?);
        }
        Ok(Came { stored: false, ..came })
    }

    async fn open(&self, span: ByteSpan) -> Result<Reader, ReadError> {
        self.cache.open(&self.source, span).await
    }

    fn count(&self, came: Came, reader: &Reader) -> Came {
        let came = Came { collapsed: came.found != Found::All && reader.is_collapsed(), ..came };
        self.cache.count(came);
        came
    }

    fn watch(&self) -> Watch {
        Watch::new(self.permit.clone(), Arc::clone(&self.revocations), self.deadline)
    }

    fn watched(&self, reader: Reader) -> Chunks {
        Watched::new(reader.into_stream().boxed(), self.watch()).boxed()
    }
}

fn store_is_gone() -> AssetError {
    ReadError::Origin(OriginError::Failed("the link's store is no longer in the settings".to_owned())).into()
}
