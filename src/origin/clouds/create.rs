//! New objects in a cloud: one request that the store takes only where nothing lies.
//!
//! The library puts what lies in memory, and finishes what it put in parts without a condition. So the request is our own, signed with the
//! library's credentials: one PUT whose body streams from the file, with `x-goog-if-generation-match: 0` (GCS XML API, "Put Object") or
//! `If-None-Match: *` (Azure, "Put Blob"). The store shows the object whole or not at all.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, IF_NONE_MATCH};
use http::{HeaderMap, Method};
use http_body_util::BodyExt;
use object_store::azure::AzureAuthorizer;
use object_store::client::{HttpError, HttpErrorKind, HttpRequest, HttpRequestBody, HttpResponseBody};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::faults::{self, Asking, meaning};
use super::line::Line;
use super::{Client, Cloud, CloudOrigin, key};
use crate::origin::error::causes;
use crate::origin::file_body::Unreadable;
use crate::origin::{Create, CreateError, NewObject, OriginError, Waited};
use crate::value::ObjectKey;

/// What a request for a new object needs besides the library's credentials.
#[derive(Clone)]
pub(super) struct Uploads {
    http: reqwest::Client,
    /// URL of the bucket or container, without a slash at its end.
    base: String,
    /// The storage account; empty in GCS.
    pub(super) account: String,
}

impl Uploads {
    pub(super) fn new(line: Line, base: String, account: String) -> Result<Self, OriginError> {
        let http = line.client(false).map_err(|error| OriginError::Failed(causes(&error.without_url())))?;
        Ok(Self { http, base, account })
    }
}

impl Create for CloudOrigin {
    fn create<'a>(&'a self, key: &'a ObjectKey, object: &'a NewObject) -> BoxFuture<'a, Result<(), CreateError>> {
        async move {
            let max = self.cloud.object_max();
            if object.length > max {
                let said = format!("it takes new objects of at most {max} bytes, this one has {}", object.length);
                return Err(OriginError::Failed(said).into());
            }
            self.put(key, object).await
        }
        .boxed()
    }
}

impl CloudOrigin {
    async fn put(&self, key: &ObjectKey, object: &NewObject) -> Result<(), CreateError> {
        let path = key::path(self.cloud, &self.prefix, key)?;
        let url = format!("{}/{}", self.uploads.base, utf8_percent_encode(path.as_ref(), self.cloud.encoded()));
        let (url, head) = self.signed(&url, object).await?;
        let body = reqwest::Body::wrap(object.body());
        let sent = self.uploads.http.put(url).headers(head).body(body).send().await;
        let answered = sent.map_err(|error| of_transport(&error.without_url()))?;
        if answered.status().is_success() {
            return Ok(());
        }
        let answered = http::Response::<reqwest::Body>::from(answered).map(|body| {
            HttpResponseBody::new(body.map_err(|error| HttpError::new(HttpErrorKind::Unknown, error.without_url())))
        });
        let status = answered.status().as_u16();
        let code = faults::code(self.cloud, answered).await;
        match (self.cloud, status, code.as_str()) {
            (_, 412, _) | (Cloud::Azure, 409, "BlobAlreadyExists") => Err(CreateError::Exists),
            _ => Err(faults::by_status(self.cloud, Asking::Create, status, &code).into()),
        }
    }

    /// The request's URL and head, with what proves who we are: in Azure that may be a part of the URL.
    async fn signed(&self, url: &str, object: &NewObject) -> Result<(String, HeaderMap), OriginError> {
        let bad = |_| OriginError::Failed("the new object cannot be asked for".into());
        let mut request = HttpRequest::new(HttpRequestBody::empty());
        *request.method_mut() = Method::PUT;
        *request.uri_mut() = url.parse().map_err(|error: http::uri::InvalidUri| bad(error.to_string()))?;
        let kind = HeaderValue::from_str(object.media_type.as_str()).map_err(|error| bad(error.to_string()))?;
        let head = request.headers_mut();
        head.insert(CONTENT_LENGTH, HeaderValue::from(object.length));
        match &self.client {
            Client::Gcs(client) => {
                head.insert(CONTENT_TYPE, kind);
                head.insert(HeaderName::from_static("x-goog-if-generation-match"), HeaderValue::from_static("0"));
                let credential = client.credentials().get_credential().await.map_err(|error| meaning(&error))?;
                let bearer = HeaderValue::from_str(&format!("Bearer {}", credential.bearer));
                let mut bearer = bearer.map_err(|error| bad(error.to_string()))?;
                bearer.set_sensitive(true);
                head.insert(AUTHORIZATION, bearer);
            }
            Client::Azure(client) => {
                head.insert(HeaderName::from_static("x-ms-blob-type"), HeaderValue::from_static("BlockBlob"));
                head.insert(HeaderName::from_static("x-ms-blob-content-type"), kind);
                head.insert(IF_NONE_MATCH, HeaderValue::from_static("*"));
                let credential = client.credentials().get_credential().await.map_err(|error| meaning(&error))?;
                let signer = AzureAuthorizer::new(&credential, &self.uploads.account);
                signer.try_authorize(&mut request).map_err(|error| meaning(&error))?;
            }
        }
        Ok((request.uri().to_string(), std::mem::take(request.headers_mut())))
    }
}

impl Cloud {
    /// What one PUT may hold: "Quotas & limits" of Cloud Storage; "Put Blob" since version 2019-12-12.
    const fn object_max(self) -> u64 {
        match self {
            Self::Gcs => 5 << 40,
            Self::Azure => 5000 << 20,
        }
    }

    /// GCS takes an object's name as one segment of the path.
    const fn encoded(self) -> &'static AsciiSet {
        match self {
            Self::Gcs => &NAME,
            Self::Azure => &SEGMENTS,
        }
    }
}

fn of_transport(error: &reqwest::Error) -> OriginError {
    match Unreadable::behind(error) {
        Some(unreadable) => unreadable,
        None if error.is_timeout() => OriginError::Timeout(Waited::Connection),
        None => OriginError::Unavailable(causes(error)),
    }
}

/// RFC 3986 section 2.3: what stands for itself in a URL.
const NAME: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const SEGMENTS: AsciiSet = NAME.remove(b'/');
