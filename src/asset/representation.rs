//! What every answer about one version of one object says: made once, then shared by all of them.
//!
//! Nothing here can become stale, since another version is another representation. What depends on the moment (how long a cache may keep the
//! answer, how its bytes came about) is added to each answer by `reply`.

use std::sync::OnceLock;

use ::http::header::{
    ACCEPT_RANGES, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, LAST_MODIFIED,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use ::http::{HeaderMap, HeaderName, HeaderValue};

use crate::cache::ContentId;
use crate::http::{BadEntityTag, Disposition, EntityTag, HttpDate, content_disposition};
use crate::link::Grant;
use crate::media;
use crate::presign::DispositionOverride;
use crate::value::{FileName, MediaType, ObjectVersion, UnixTime};

/// One version of one object, as answers tell of it.
#[derive(Debug)]
pub(super) struct Representation {
    /// What names its bytes: the fingerprint, where anybody knows it.
    pub(super) content: ContentId,
    /// Which overwrite it is.
    pub(super) version: ObjectVersion,
    /// How long it is, in bytes.
    pub(super) length: u64,
    /// When it was written.
    pub(super) last_modified: UnixTime,
    /// What it is.
    pub(super) media_type: MediaType,
    /// The value of the `ETag` field.
    pub(super) etag: EntityTag,
    /// A 200 without what depends on the moment, and without the digest.
    pub(super) whole: HeaderMap,
    /// The `Repr-Digest`, once it is known.
    pub(super) digest: OnceLock<HeaderValue>,
}

/// What a representation is made of.
pub(super) struct Description {
    pub(super) content: ContentId,
    pub(super) version: ObjectVersion,
    pub(super) length: u64,
    pub(super) last_modified: UnixTime,
    pub(super) media_type: MediaType,
    /// Whether a browser would run it.
    pub(super) is_active: bool,
    /// The opaque part of the entity tag.
    pub(super) etag: String,
}

impl Representation {
    /// What a grant names.
    pub(super) fn of_grant(grant: &Grant) -> Result<Self, BadEntityTag> {
        let description = Description {
            content: ContentId::Fingerprint(grant.fingerprint),
            version: grant.version.clone(),
            length: grant.length,
            last_modified: grant.last_modified,
            media_type: grant.media_type.clone(),
            is_active: media::is_active(&grant.media_type),
            etag: format!("b3-{}", grant.fingerprint.half()),
        };
        Self::new(description, |kind| content_disposition(kind, &grant.name))
    }

    /// What is described so, under this name, or with the `Content-Disposition` that was wished for. Active content leaves as an attachment
    /// whatever was wished.
    pub(super) fn of_object(
        description: Description,
        name: &FileName,
        wish: Option<&DispositionOverride>,
    ) -> Result<Self, BadEntityTag> {
        Self::new(description, |kind| match (kind, wish) {
            (Disposition::Inline, Some(wish)) => written(wish.as_str()),
            (Disposition::Attachment, Some(wish)) => written(&wish.as_attachment()),
            (kind, None) => content_disposition(kind, name),
        })
    }

    fn new(
        description: Description,
        disposition: impl FnOnce(Disposition) -> HeaderValue,
    ) -> Result<Self, BadEntityTag> {
        let Description { content, version, length, last_modified, media_type, is_active, etag } = description;
        let etag = EntityTag::strong(&etag)?;
        let mut whole = HeaderMap::with_capacity(16);
        whole.insert(ETAG, etag.to_header_value());
        whole.insert(LAST_MODIFIED, HttpDate(last_modified).to_header_value());
        whole.insert(CONTENT_TYPE, written(media_type.as_str()));
        whole.insert(CONTENT_LENGTH, HeaderValue::from(length));
        whole.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        for (name, value) in GUARDS {
            whole.insert(name, HeaderValue::from_static(value));
        }
        let kind = if is_active {
            whole.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(SANDBOX));
            Disposition::Attachment
        } else {
            Disposition::Inline
        };
        whole.insert(CONTENT_DISPOSITION, disposition(kind));
        let digest = OnceLock::new();
        Ok(Self { content, version, length, last_modified, media_type, etag, whole, digest })
    }

    /// What separates the parts of a multipart answer: 32 hexadecimal digits of what names the bytes.
    pub(super) fn boundary(&self) -> String {
        match &self.content {
            ContentId::Fingerprint(fingerprint) => fingerprint.half(),
            ContentId::Version(version) => version.half(),
        }
    }
}

/// A field value of visible ASCII, which everything that comes here is by its type.
pub(super) fn written(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""))
}

const SANDBOX: &str = "default-src 'none'; sandbox";
const GUARDS: [(HeaderName, &str); 3] = [
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("x-robots-tag"), "noindex, nofollow, noarchive"),
];
