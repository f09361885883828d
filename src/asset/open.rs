//! From a decision to the bytes it needs: pinned reads of exactly those spans.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt, TryStreamExt};
use tokio::time::Instant;

use super::delivery::{Verified, Watched};
use super::locate::Located;
use super::{AssetBody, AssetError, DeliveryError, Permit};
use crate::http::Multipart;
use crate::link::Revocations;
use crate::mint::KnownObjects;
use crate::origin::{Origin, OriginError, Stores};
use crate::telemetry::Metrics;
use crate::value::{ByteSpan, UnixTime};

type Chunks = BoxStream<'static, Result<Bytes, DeliveryError>>;

/// Opens the bytes that one permit allows.
#[derive(Clone)]
pub(super) struct Opener {
    permit: Permit,
    store: Arc<dyn Origin>,
    revocations: Arc<Revocations>,
    known: KnownObjects,
    metrics: Arc<Metrics>,
    deadline: Instant,
}

impl Opener {
    /// An opener for `permit`, whose bodies end `body_max` after the link does.
    pub(super) fn new(permit: Permit, parts: &super::AssetParts, now: UnixTime) -> Result<Self, AssetError> {
        let stores: &Stores = &parts.stores.get();
        let store = stores.get(&permit.grant().store).ok_or_else(store_is_gone)?;
        let left: Duration = now.until(permit.grant().expires);
        Ok(Self {
            store: Arc::clone(store),
            revocations: Arc::clone(&parts.revocations),
            known: parts.known.clone(),
            metrics: Arc::clone(&parts.metrics),
            deadline: Instant::now() + left + parts.body_max,
            permit,
        })
    }

    /// All bytes, compared with the fingerprint.
    pub(super) async fn whole(self, located: &Located) -> Result<AssetBody, AssetError> {
        let Some(span) = ByteSpan::whole(located.length) else { return Ok(AssetBody::empty()) };
        let read = self.read(span).await?;
        let (known, metrics, id) = (self.known, self.metrics, located.id.clone());
        let on_wrong_bytes = move || {
            metrics.verification_failure();
            tracing::error!(store = %id.store, key = ?id.key, "the store gave other bytes than were minted; the body was aborted");
            tokio::spawn(async move { known.forget(&id).await });
        };
        let fingerprint = self.permit.grant().fingerprint;
        let verified = Verified::new(read, located.length, fingerprint, on_wrong_bytes);
        Ok(AssetBody::stream(verified.boxed(), located.length))
    }

    /// One span. What is less than all of the content is pinned to its version, and cannot be compared with the fingerprint of the whole.
    pub(super) async fn part(self, span: ByteSpan, located: &Located) -> Result<AssetBody, AssetError> {
        if ByteSpan::whole(located.length) == Some(span) {
            return self.whole(located).await;
        }
        Ok(AssetBody::stream(self.read(span).await?, span.len()))
    }

    /// Several spans in a `multipart/byteranges` frame. The first is opened now, so that a failure can still be told; the others
    /// follow one at a time.
    pub(super) async fn parts(self, frame: &Multipart) -> Result<AssetBody, AssetError> {
        let mut first_read = None;
        if let Some(first) = frame.parts().first() {
            first_read = Some(self.read(first.span).await?);
        }
        let parts = frame.parts().to_vec().into_iter().map(move |part| {
            let head = stream::once(async { Ok(part.head) });
            let (opener, at_hand) = (self.clone(), first_read.take());
            let bytes = stream::once(async move {
                match at_hand {
                    Some(read) => Ok(read),
                    None => opener.read(part.span).await.map_err(DeliveryError::Origin),
                }
            });
            head.chain(bytes.try_flatten())
        });
        let closing = stream::once(std::future::ready(Ok(frame.closing())));
        let body = stream::iter(parts).flatten().chain(closing);
        Ok(AssetBody::stream(body.boxed(), frame.content_length()))
    }

    /// Asks the store for one byte, so that a HEAD says what a GET would.
    pub(super) async fn probe(self, located: &Located) -> Result<(), AssetError> {
        match ByteSpan::within(0, 0, located.length) {
            Some(first) => Ok(self.read(first).await.map(drop)?),
            None => Ok(()),
        }
    }

    async fn read(&self, span: ByteSpan) -> Result<Chunks, OriginError> {
        let grant = self.permit.grant();
        let read = self.store.read(&grant.key, &grant.version, span).await?;
        let watched = Watched::new(read, self.permit.clone(), Arc::clone(&self.revocations), self.deadline);
        Ok(watched.boxed())
    }
}

fn store_is_gone() -> OriginError {
    OriginError::Failed("the link's store is no longer in the settings".to_owned())
}
