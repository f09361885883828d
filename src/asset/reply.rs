//! The head of every answer that carries an asset, or says that it has not changed. It is written here and nowhere else.

use ::http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, LAST_MODIFIED};
use ::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};

use super::AssetBody;
use super::locate::Located;
use super::open::Opened;
use crate::cache::{Came, Found};
use crate::http::{HttpDate, Multipart, content_range};
use crate::value::{ByteSpan, UnixTime};

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
    located: &'a Located,
    now: UnixTime,
    digest: Option<HeaderValue>,
}

impl<'a> Reply<'a> {
    /// Heads for what was located, at `now`.
    pub(super) const fn new(located: &'a Located, now: UnixTime) -> Self {
        Self { located, now, digest: None }
    }

    /// Heads from now on carry this digest of the whole content.
    pub(super) fn digest(&mut self, digest: Option<HeaderValue>) {
        self.digest = digest;
    }

    /// 200 or 206 with what was opened.
    pub(super) fn content(&self, content: &Content<'_>, opened: Opened) -> Response<AssetBody> {
        let representation = &self.located.representation;
        let mut fields = representation.whole.clone();
        if self.located.last_modified != representation.last_modified {
            fields.insert(LAST_MODIFIED, self.last_modified());
        }
        self.for_now(&mut fields, opened.came);
        let status = self.describe(&mut fields, content);
        if let Some(digest) = &self.digest {
            fields.insert(REPR_DIGEST, digest.clone());
        }
        answer(status, fields, opened.body)
    }

    /// 304: the fields that a 200 would have had and that caches need (RFC 9110 section 15.4.5), and no others.
    pub(super) fn not_modified(&self) -> Response<AssetBody> {
        let mut fields = HeaderMap::with_capacity(8);
        fields.insert(ETAG, self.located.representation.etag.to_header_value());
        fields.insert(LAST_MODIFIED, self.last_modified());
        self.for_now(&mut fields, Came::HIT);
        answer(StatusCode::NOT_MODIFIED, fields, AssetBody::empty())
    }

    fn last_modified(&self) -> HeaderValue {
        HttpDate(self.located.last_modified).to_header_value()
    }

    /// What depends on the moment.
    fn for_now(&self, fields: &mut HeaderMap, came: Came) {
        let warrant = self.located.permit.warrant();
        fields.insert(CACHE_CONTROL, warrant.cache_control(self.now.until(warrant.expires()).as_secs()));
        fields.insert(CACHE_STATUS, HeaderValue::from_static(cache_status(came)));
    }

    /// Turns the head of the whole into that of `content`.
    fn describe(&self, fields: &mut HeaderMap, content: &Content<'_>) -> StatusCode {
        match content {
            Content::Whole => return StatusCode::OK,
            Content::Part(span) => {
                fields.insert(CONTENT_RANGE, content_range(*span, self.located.representation.length));
                fields.insert(CONTENT_LENGTH, HeaderValue::from(span.len()));
            }
            Content::Parts(frame) => {
                fields.insert(CONTENT_TYPE, frame.content_type());
                fields.insert(CONTENT_LENGTH, HeaderValue::from(frame.content_length()));
            }
        }
        StatusCode::PARTIAL_CONTENT
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

fn answer(status: StatusCode, fields: HeaderMap, body: AssetBody) -> Response<AssetBody> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = fields;
    response
}

const REPR_DIGEST: HeaderName = HeaderName::from_static("repr-digest");
const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");
