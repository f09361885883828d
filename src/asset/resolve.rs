//! What a presigned URL leads to: the version that lies in its store now, and what can be said of it.
//!
//! The store's word is believed for a moment, as at a mint. Where the content was read as a whole before, its fingerprint is known and its bytes
//! are proven like those of any link. Where it was not, the store is believed: the media type is judged by the beginning of the bytes, and blocks
//! are keyed by the version.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use bytes::Bytes;

use super::representation::{Description, Representation};
use super::{AssetError, AssetParts};
use crate::cache::{Came, ContentId, ReadError, Reader, Source};
use crate::http::BadEntityTag;
use crate::media::{self, Facts};
use crate::mint::{HeadFailure, ObjectId};
use crate::origin::{ObjectMeta, Origin};
use crate::presign::VerifiedUrl;
use crate::value::{ByteSpan, FileName, VersionId};

/// What a URL led to last. Any number of its requests share it.
#[derive(Debug, Default)]
pub(super) struct Place(ArcSwapOption<Resolved>);

/// What was made of what the store said.
#[derive(Debug)]
struct Resolved {
    meta: Arc<ObjectMeta>,
    outcome: Outcome,
}

/// A refusal is kept too: it would cost a read of the store each time.
type Outcome = Result<Arc<Representation>, AssetError>;

/// What was read already to see what it is: the beginning of a body that is wanted as a whole.
pub(super) struct Ahead {
    pub(super) reader: Reader,
    pub(super) came: Came,
}

/// Asks what lies there now. Where `wants_whole`, and the beginning must be read to see what it is, all of it is asked for at once.
pub(super) async fn resolve(
    parts: &AssetParts,
    url: &VerifiedUrl,
    place: &Place,
    wants_whole: bool,
) -> Result<(Arc<Representation>, Option<Ahead>), AssetError> {
    let origin = parts.store(url.store())?;
    let meta = parts.heads.ask_for_anybody(&origin, url.store(), url.key()).await.map_err(not_there)?;
    let last = place.0.load_full();
    if let Some(last) = last.as_ref().filter(|last| Arc::ptr_eq(&last.meta, &meta)) {
        return last.outcome.clone().map(|representation| (representation, None));
    }
    Box::pin(Resolving { parts, url, origin, meta }.anew(place, last, wants_whole)).await
}

impl Place {
    /// What it led to last is not there any more.
    pub(super) fn forget(&self) {
        self.0.store(None);
    }
}

struct Resolving<'a> {
    parts: &'a AssetParts,
    url: &'a VerifiedUrl,
    origin: Arc<dyn Origin>,
    meta: Arc<ObjectMeta>,
}

impl Resolving<'_> {
    async fn anew(
        self,
        place: &Place,
        last: Option<Arc<Resolved>>,
        wants_whole: bool,
    ) -> Result<(Arc<Representation>, Option<Ahead>), AssetError> {
        let (outcome, ahead) = self.look(last, wants_whole).await?;
        place.0.store(Some(Arc::new(Resolved { meta: Arc::clone(&self.meta), outcome: outcome.clone() })));
        outcome.map(|representation| (representation, ahead))
    }

    /// What is there now, or why it is not served; an error where that could not be found out.
    async fn look(
        &self,
        last: Option<Arc<Resolved>>,
        wants_whole: bool,
    ) -> Result<(Outcome, Option<Ahead>), AssetError> {
        if let Some(coding) = &self.meta.content_encoding {
            return Ok((Err(AssetError::ContentEncoded(coding.clone())), None));
        }
        let known = self.parts.known.recall(&self.id()).await.filter(|known| known.length == self.meta.length);
        if let Some(known) = known {
            let content = ContentId::Fingerprint(known.fingerprint);
            return Ok((self.describe(content, &known.facts).map(Arc::new), None));
        }
        if let Some(last) = last.filter(|last| *last.meta == *self.meta && holds_still(&last.outcome)) {
            return Ok((last.outcome.clone(), None));
        }
        let (facts, ahead) = self.glimpse(wants_whole).await?;
        Ok((self.describe(ContentId::Version(self.version()), &facts).map(Arc::new), ahead))
    }

    fn id(&self) -> ObjectId {
        let (store, key) = (self.url.store().clone(), self.url.key().clone());
        ObjectId { store, key, version: self.meta.version.clone() }
    }

    fn version(&self) -> VersionId {
        VersionId::of(self.url.store(), self.url.key(), &self.meta.version)
    }

    /// What the beginning of the bytes shows.
    async fn glimpse(&self, wants_whole: bool) -> Result<(Facts, Option<Ahead>), AssetError> {
        let length = self.meta.length;
        let end = length.min(media::GLIMPSE as u64).saturating_sub(1);
        let span = if wants_whole { ByteSpan::whole(length) } else { ByteSpan::within(0, end, length) };
        let Some(span) = span else { return Ok((media::glimpse(b"", length), None)) };
        let source = Arc::new(Source {
            origin: Arc::clone(&self.origin),
            store: self.url.store().clone(),
            key: self.url.key().clone(),
            version: self.meta.version.clone(),
            length,
            content: ContentId::Version(self.version()),
        });
        let came = self.parts.cache.look(&source, [span]);
        let reader = self.parts.cache.open(&source, span).await?;
        let facts = media::glimpse(reader.at_hand().map_or(&[][..], Bytes::as_ref), length);
        Ok((facts, wants_whole.then_some(Ahead { reader, came })))
    }

    /// The media type and the name by the rules of a mint; the signer's wishes stand for those of a request.
    fn describe(&self, content: ContentId, facts: &Facts) -> Result<Representation, AssetError> {
        let wishes = self.url.overrides();
        let name: Option<FileName> = self.url.key().last_segment().parse().ok();
        let stored = self.meta.media_type.as_deref().and_then(|text| text.parse().ok());
        let allow_active = self.parts.policy.get().active_content.contains(self.url.store());
        let extension = name.as_ref().and_then(FileName::extension);
        let declared = wishes.content_type.as_ref();
        let decided = media::decide_type(facts, declared, extension, stored.as_ref(), allow_active)?;
        let description = Description {
            content,
            version: self.meta.version.clone(),
            length: self.meta.length,
            last_modified: self.meta.last_modified,
            media_type: decided.media_type,
            is_active: decided.active,
            etag: format!("v-{}", self.version().half()),
        };
        let name = name.unwrap_or_else(FileName::nameless);
        // Hexadecimal digits are always an entity tag.
        let described = Representation::of_object(description, &name, wishes.disposition.as_ref());
        described.map_err(|BadEntityTag| AssetError::Read(ReadError::Lost))
    }
}

/// Whether the beginning would show the same again: it was all that was seen. Rules that change make another memo, and so another place.
fn holds_still(outcome: &Outcome) -> bool {
    outcome.as_ref().map_or(true, |representation| matches!(representation.content, ContentId::Version(_)))
}

fn not_there(failure: HeadFailure) -> AssetError {
    match failure {
        HeadFailure::Store(error) => AssetError::of_head(error),
        HeadFailure::GivenUp => AssetError::Read(ReadError::Lost),
    }
}
