//! The head of every answer that carries an asset, or says that it has not changed. It is written here and nowhere else.

use ::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_SECURITY_POLICY,
    CONTENT_TYPE, ETAG, LAST_MODIFIED, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use ::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use data_encoding::BASE64;

use super::locate::Located;
use super::open::Opened;
use super::{AssetBody, Permit};
use crate::cache::{Came, Found};
use crate::http::{Disposition, HttpDate, Multipart, content_disposition, content_range};
use crate::link::{CachePolicy, Grant};
use crate::media;
use crate::value::{ByteSpan, Sha256, UnixTime};

/// What an answer carries, and so what its head must say.
pub(super) enum Content<'a> {
    /// All of it.
    Whole,
    /// One span.
    Part(ByteSpan),
    /// Several spans.
    Parts(&'a Multipart),
}

/// Writes the heads of answers to one request.
pub(super) struct Reply<'a> {
    permit: &'a Permit,
    located: &'a Located,
    now: UnixTime,
    sha256: Option<Sha256>,
}

impl<'a> Reply<'a> {
    /// Heads for what `permit` allows, at `now`.
    pub(super) const fn new(permit: &'a Permit, located: &'a Located, now: UnixTime) -> Self {
        Self { permit, located, now, sha256: None }
    }

    /// Heads from now on carry this digest of the whole content.
    pub(super) const fn digest(&mut self, sha256: Option<Sha256>) {
        self.sha256 = sha256;
    }

    /// 200 or 206 with what was opened.
    pub(super) fn content(&self, content: &Content<'_>, opened: Opened) -> Response<AssetBody> {
        let grant = self.permit.grant();
        let mut fields = self.validators(opened.came);
        describe_content(&mut fields, content, grant);
        fields.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        for (name, value) in GUARDS {
            fields.insert(name, HeaderValue::from_static(value));
        }
        let kind = if media::is_active(&grant.media_type) {
            fields.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(SANDBOX));
            Disposition::Attachment
        } else {
            Disposition::Inline
        };
        fields.insert(CONTENT_DISPOSITION, content_disposition(kind, &grant.name));
        if let Some(sha256) = &self.sha256 {
            fields.insert(REPR_DIGEST, repr_digest(sha256));
        }
        let status = if matches!(content, Content::Whole) { StatusCode::OK } else { StatusCode::PARTIAL_CONTENT };
        answer(status, fields, opened.body)
    }

    /// 304: the fields that a 200 would have had and that caches need (RFC 9110 section 15.4.5), and no others.
    pub(super) fn not_modified(&self) -> Response<AssetBody> {
        answer(StatusCode::NOT_MODIFIED, self.validators(Came::HIT), AssetBody::empty())
    }

    fn validators(&self, came: Came) -> HeaderMap {
        let mut fields = HeaderMap::with_capacity(16);
        fields.insert(ETAG, self.located.etag.to_header_value());
        fields.insert(LAST_MODIFIED, HttpDate(self.located.last_modified).to_header_value());
        fields.insert(CACHE_CONTROL, cache_control(self.permit.grant(), self.now));
        fields.insert(CACHE_STATUS, HeaderValue::from_static(cache_status(came)));
        fields
    }
}

fn describe_content(fields: &mut HeaderMap, content: &Content<'_>, grant: &Grant) {
    let (media_type, length) = match content {
        Content::Whole => (written(grant.media_type.as_str()), grant.length),
        Content::Part(span) => {
            fields.insert(CONTENT_RANGE, content_range(*span, grant.length));
            (written(grant.media_type.as_str()), span.len())
        }
        Content::Parts(frame) => (frame.content_type(), frame.content_length()),
    };
    fields.insert(CONTENT_TYPE, media_type);
    fields.insert(CONTENT_LENGTH, HeaderValue::from(length));
}

/// `s-maxage` makes a shared cache in front of us stop at the link's expiry; the fetcher's own copy may live for ever, since the URL
/// names the bytes.
fn cache_control(grant: &Grant, now: UnixTime) -> HeaderValue {
    let left = now.until(grant.expires).as_secs();
    match grant.cache {
        CachePolicy::Immutable => written(&format!("public, max-age=31536000, s-maxage={left}, immutable")),
        CachePolicy::Private => written(&format!("private, max-age={left}")),
        CachePolicy::NoStore => HeaderValue::from_static("no-store"),
    }
}

/// RFC 9211: `hit` when nothing was asked of the store; else why it was asked (section 2.2), whether another request had asked
/// already (2.6), and whether the bytes are kept (2.5). Keys and details are nobody's business.
const fn cache_status(came: Came) -> &'static str {
    match (came.found, came.collapsed, came.stored) {
        (Found::All, ..) => "hallpass; hit",
        (Found::Nothing, false, false) => "hallpass; fwd=miss",
        (Found::Nothing, false, true) => "hallpass; fwd=miss; stored",
        (Found::Nothing, true, false) => "hallpass; fwd=miss; collapsed",
        (Found::Nothing, true, true) => "hallpass; fwd=miss; collapsed; stored",
        (Found::Some, false, false) => "hallpass; fwd=partial",
        (Found::Some, false, true) => "hallpass; fwd=partial; stored",
        (Found::Some, true, false) => "hallpass; fwd=partial; collapsed",
        (Found::Some, true, true) => "hallpass; fwd=partial; collapsed; stored",
    }
}

/// RFC 9530 section 3, as an RFC 8941 dictionary with a byte sequence.
fn repr_digest(sha256: &Sha256) -> HeaderValue {
    written(&format!("sha-256=:{}:", BASE64.encode(sha256.as_bytes())))
}

/// A field value of visible ASCII, which everything that comes here is by its type.
fn written(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""))
}

fn answer(status: StatusCode, fields: HeaderMap, body: AssetBody) -> Response<AssetBody> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = fields;
    response
}

const REPR_DIGEST: HeaderName = HeaderName::from_static("repr-digest");
const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");
const SANDBOX: &str = "default-src 'none'; sandbox";
const GUARDS: [(HeaderName, &str); 3] = [
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("x-robots-tag"), "noindex, nofollow, noarchive"),
];
