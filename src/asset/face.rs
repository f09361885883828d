//! What every answer about one grant says: made once, then shared by all of them.
//!
//! A grant never changes and the URL names the bytes, so nothing here can become stale. What depends on the moment (how long a cache may
//! keep the answer, how its bytes came about) is added to each answer by `reply`.

use std::sync::OnceLock;

use ::http::header::{
    ACCEPT_RANGES, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, LAST_MODIFIED,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use ::http::{HeaderMap, HeaderName, HeaderValue};

use crate::http::{BadEntityTag, Disposition, EntityTag, HttpDate, content_disposition};
use crate::link::Grant;
use crate::media;

/// The lasting part of the heads of one grant's answers.
#[derive(Debug)]
pub(super) struct Face {
    /// The value of the `ETag` field.
    pub(super) etag: EntityTag,
    /// A 200 without what depends on the moment, and without the digest.
    pub(super) whole: HeaderMap,
    /// The `Repr-Digest`, once it is known.
    pub(super) digest: OnceLock<HeaderValue>,
}

impl Face {
    /// The face of `grant`.
    pub(super) fn of(grant: &Grant) -> Result<Self, BadEntityTag> {
        let etag = EntityTag::strong(&format!("b3-{}", grant.fingerprint.half()))?;
        let mut whole = HeaderMap::with_capacity(16);
        whole.insert(ETAG, etag.to_header_value());
        whole.insert(LAST_MODIFIED, HttpDate(grant.last_modified).to_header_value());
        whole.insert(CONTENT_TYPE, written(grant.media_type.as_str()));
        whole.insert(CONTENT_LENGTH, HeaderValue::from(grant.length));
        whole.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        for (name, value) in GUARDS {
            whole.insert(name, HeaderValue::from_static(value));
        }
        let kind = if media::is_active(&grant.media_type) {
            whole.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(SANDBOX));
            Disposition::Attachment
        } else {
            Disposition::Inline
        };
        whole.insert(CONTENT_DISPOSITION, content_disposition(kind, &grant.name));
        Ok(Self { etag, whole, digest: OnceLock::new() })
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
