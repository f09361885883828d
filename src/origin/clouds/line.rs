//! The line to a cloud: every request and every answer of `object_store` passes here.
//!
//! The library takes what it gets: it follows redirects, keeps error bodies of any size in memory, prints URLs in errors, and believes lengths.
//! So each request of ours carries what it asks ([`Asked`]), and its answer is judged before the library sees it. Requests without that mark are
//! the library's own, to whoever gives it credentials.

use std::error::Error;
use std::time::Duration;

use async_trait::async_trait;
use http::header::{ACCEPT_ENCODING, CONTENT_LENGTH, HeaderValue};
use http_body_util::{BodyExt, Limited};
use object_store::client::{
    ClientConfigKey, ClientOptions, HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse,
    HttpResponseBody, HttpService,
};
use reqwest::redirect::Policy;

use super::Cloud;
use super::answer;
use super::faults::{self, Asking, Judged};
use super::listing;
use super::pin::Pin;
use crate::origin::OriginError;
use crate::value::ByteSpan;

/// What a request of ours asks; it travels with the request.
#[derive(Clone, Debug)]
pub(super) enum Asked {
    /// HEAD of an object.
    Head,
    /// A pinned GET of an object's part.
    Read(Pin, ByteSpan),
    /// A list, which the probe asks for.
    List,
    /// A page of a list, which we read ourselves.
    Page,
}

impl Asked {
    /// As the library takes it along.
    pub(super) fn marked(self) -> object_store::Extensions {
        let mut extensions = object_store::Extensions::new();
        extensions.insert(self);
        extensions
    }

    const fn asking(&self) -> Asking {
        match self {
            Self::Head => Asking::Head,
            Self::Read(..) => Asking::Read,
            Self::List | Self::Page => Asking::List,
        }
    }
}

/// Makes lines to one store.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    pub(super) cloud: Cloud,
    /// Whether the store's own endpoint is `http://`.
    pub(super) plain: bool,
}

impl Line {
    /// What the library is to know of it.
    pub(super) fn options(self) -> ClientOptions {
        ClientOptions::new().with_allow_http(self.plain)
    }

    /// A client that never goes where it was not sent. `metadata` is for the cloud's own address within its machines, which is plain HTTP,
    /// and answers at once or not at all.
    pub(super) fn client(self, metadata: bool) -> Result<reqwest::Client, reqwest::Error> {
        reqwest::Client::builder()
            .user_agent(concat!("hallpass/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            .http1_only()
            .https_only(!(self.plain || metadata))
            .connect_timeout(if metadata { METADATA_CONNECT } else { CONNECT })
            .no_gzip()
            .no_brotli()
            .no_zstd()
            .no_deflate()
            .build()
    }
}

impl HttpConnector for Line {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        // The library allows plain HTTP by itself for one purpose only.
        let allowed = options.get_config_value(&ClientConfigKey::AllowHttp).is_some_and(|allowed| allowed == "true");
        let client = self.client(allowed && !self.plain);
        let client =
            client.map_err(|error| object_store::Error::Generic { store: "HTTP client", source: Box::new(error) })?;
        Ok(HttpClient::new(Wire { client, cloud: self.cloud }))
    }
}

#[derive(Debug)]
struct Wire {
    client: reqwest::Client,
    cloud: Cloud,
}

#[async_trait]
impl HttpService for Wire {
    async fn call(&self, mut request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let asked = request.extensions().get::<Asked>().cloned();
        if asked.is_some() && self.cloud == Cloud::Gcs {
            // Else GCS unpacks objects that are stored with `Content-Encoding: gzip`, and says neither their length nor that it did.
            request.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        }
        let answered = self.client.call(request).await?;
        match asked {
            Some(asked) => self.judge(&asked, answered).await.map_err(refused),
            None if answered.status().is_success() => Ok(bounded(answered)),
            None => Err(refused(faults::of_credentials(answered.status()))),
        }
    }
}

impl Wire {
    async fn judge(&self, asked: &Asked, answered: HttpResponse) -> Result<HttpResponse, OriginError> {
        if !answered.status().is_success() {
            let status = answered.status().as_u16();
            let code = faults::code(self.cloud, answered).await;
            return Err(faults::by_status(self.cloud, asked.asking(), status, &code));
        }
        match asked {
            Asked::Head => Ok(answer::plain_head(self.cloud, answered)),
            Asked::Read(pin, span) => {
                answer::fits(answered.status(), answered.headers(), pin, *span)?;
                let mut answered = answer::plain_head(self.cloud, answered);
                // The library wants a length, and does not hold the body to it; we do, wherever it stands.
                answered.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(span.len()));
                Ok(answered)
            }
            Asked::List => Ok(bounded(answered)),
            Asked::Page => listing::read(self.cloud, answered).await,
        }
    }
}

/// A verdict of ours, as the library passes it on.
fn refused(said: OriginError) -> HttpError {
    HttpError::new(HttpErrorKind::Unknown, Judged(said))
}

/// An answer that the library reads whole, of which no more than [`ANSWER_MAX`] is read.
fn bounded(answered: HttpResponse) -> HttpResponse {
    let too_long = |error: Box<dyn Error + Send + Sync>| HttpError::new_boxed(HttpErrorKind::Decode, error);
    answered.map(|body| HttpResponseBody::new(Limited::new(body, ANSWER_MAX).map_err(too_long)))
}

/// How long the opening of a connection may take.
const CONNECT: Duration = Duration::from_secs(5);
const METADATA_CONNECT: Duration = Duration::from_secs(1);
/// Lists of one and tokens have a few KiB.
const ANSWER_MAX: usize = 1 << 20;
