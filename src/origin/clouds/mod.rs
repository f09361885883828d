//! A bucket of Google Cloud Storage or a container of Azure Blob Storage, as a store.
//!
//! `object_store` signs and speaks; what it would do behind our back is off: it neither asks again nor resumes a body nor follows a redirect. A
//! read is pinned by generation (GCS) or entity tag (Azure), and the answer must prove that pin and range were honoured, which is looked at on
//! the line, before the library has it. Keys go out byte for byte, or are refused with a text.

mod answer;
mod azure;
mod create;
mod exposure;
mod faults;
mod gcs;
mod key;
mod line;
mod listing;
mod pin;
mod survey;

use std::fmt;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt, TryStreamExt};
use object_store::azure::MicrosoftAzure;
use object_store::gcp::GoogleCloudStorage;
use object_store::list::{PaginatedListOptions, PaginatedListStore};
use object_store::{Attribute, GetOptions, GetRange, GetResult, ObjectStore};

pub use self::azure::{AzureCredentials, AzureSettings};
use self::create::Uploads;
use self::faults::{Asking, meaning};
pub use self::gcs::{GcsCredentials, GcsSettings};
use self::line::Asked;
use self::pin::Pin;
use super::exact::exactly;
use super::{ByteStream, ObjectMeta, Origin, OriginError};
use crate::value::{ByteSpan, ObjectKey, ObjectVersion, UnixTime};

/// Which cloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cloud {
    Gcs,
    Azure,
}

impl Cloud {
    const fn place(self) -> &'static str {
        match self {
            Self::Gcs => "bucket",
            Self::Azure => "container",
        }
    }

    /// How the headers begin that carry what an object's owner wrote about it.
    const fn metadata(self) -> &'static str {
        match self {
            Self::Gcs => "x-goog-meta-",
            Self::Azure => "x-ms-meta-",
        }
    }

    const fn pin_name(self) -> &'static str {
        match self {
            Self::Gcs => "generation",
            Self::Azure => "strong ETag",
        }
    }

    /// What a refusal most often means.
    const fn rights(self, asking: Asking) -> &'static str {
        match (self, asking) {
            (Self::Gcs, Asking::Create) => "grant roles/storage.objectCreator on the bucket",
            (Self::Gcs, _) => "grant roles/storage.objectViewer on the bucket",
            (Self::Azure, Asking::Create) => "grant Storage Blob Data Contributor on the container",
            (Self::Azure, _) => {
                "grant Storage Blob Data Reader on the container, and compare the account, its key and our clock"
            }
        }
    }
}

/// The library's client.
#[derive(Clone)]
enum Client {
    Gcs(GoogleCloudStorage),
    Azure(MicrosoftAzure),
}

/// A store in a bucket or a container, or in what lies under one prefix of it.
#[derive(Clone)]
pub struct CloudOrigin {
    client: Client,
    cloud: Cloud,
    /// The bucket's or the container's name.
    place: String,
    /// Empty, or ends in `/`.
    prefix: String,
    uploads: Uploads,
}

impl CloudOrigin {
    /// Opens a bucket of Google Cloud Storage. It asks the bucket nothing yet; that is what [`Origin::probe`] does.
    ///
    /// # Errors
    /// [`OriginError::Failed`] when the settings or the credentials make no sense.
    pub fn open_gcs(settings: &GcsSettings) -> Result<Self, OriginError> {
        let line = settings.line()?;
        let base = format!("{}/{}", settings.url()?, settings.bucket);
        Ok(Self {
            client: Client::Gcs(settings.open(line)?),
            cloud: Cloud::Gcs,
            place: settings.bucket.clone(),
            prefix: key::directory(Cloud::Gcs, settings.prefix.as_deref())?,
            uploads: Uploads::new(line, base, String::new())?,
        })
    }

    /// Opens a container of Azure Blob Storage. It asks the container nothing yet; that is what [`Origin::probe`] does.
    ///
    /// # Errors
    /// As [`CloudOrigin::open_gcs`].
    pub fn open_azure(settings: &AzureSettings) -> Result<Self, OriginError> {
        let line = settings.line()?;
        let base = format!("{}/{}", settings.url()?, settings.container);
        Ok(Self {
            client: Client::Azure(settings.open(line)?),
            cloud: Cloud::Azure,
            place: settings.container.clone(),
            prefix: key::directory(Cloud::Azure, settings.prefix.as_deref())?,
            uploads: Uploads::new(line, base, settings.account.clone())?,
        })
    }

    async fn get(&self, key: &ObjectKey, options: GetOptions) -> Result<GetResult, OriginError> {
        let path = key::path(self.cloud, &self.prefix, key)?;
        let answered = match &self.client {
            Client::Gcs(client) => client.get_opts(&path, options).await,
            Client::Azure(client) => client.get_opts(&path, options).await,
        };
        answered.map_err(|error| meaning(&error))
    }

    async fn ask_head(&self, key: &ObjectKey) -> Result<ObjectMeta, OriginError> {
        let options = GetOptions { head: true, extensions: Asked::Head.marked(), ..GetOptions::default() };
        meta(self.cloud, &self.get(key, options).await?)
    }

    async fn ask_read(&self, key: &ObjectKey, pin: Pin, span: ByteSpan) -> Result<ByteStream, OriginError> {
        let options = GetOptions {
            range: Some(GetRange::Bounded(span.first()..span.end())),
            extensions: Asked::Read(pin.clone(), span).marked(),
            ..pin.options()
        };
        let body = self.get(key, options).await?.into_stream();
        // A break in it is worth a resumed read.
        let broke_off = |error| match meaning(&error) {
            OriginError::Unavailable(said) | OriginError::Failed(said) => {
                OriginError::Unavailable(format!("a body broke off: {said}"))
            }
            other => other,
        };
        Ok(exactly(body.map_err(broke_off).boxed(), span.len()))
    }

    async fn ask_probe(&self) -> Result<(), OriginError> {
        // Listing and not HEAD, which needs an object. Nothing is called so, so nothing comes that the library could not read.
        let prefix = format!("{}{NOBODY}", self.prefix);
        let options =
            PaginatedListOptions { max_keys: Some(1), extensions: Asked::List.marked(), ..Default::default() };
        let answered = match &self.client {
            Client::Gcs(client) => client.list_paginated(Some(&prefix), options).await,
            Client::Azure(client) => client.list_paginated(Some(&prefix), options).await,
        };
        answered.map(|_| ()).map_err(|error| meaning(&error))
    }
}

impl Origin for CloudOrigin {
    fn head<'a>(&'a self, key: &'a ObjectKey) -> BoxFuture<'a, Result<ObjectMeta, OriginError>> {
        self.ask_head(key).boxed()
    }

    fn read<'a>(
        &'a self,
        key: &'a ObjectKey,
        version: &'a ObjectVersion,
        span: ByteSpan,
    ) -> BoxFuture<'a, Result<ByteStream, OriginError>> {
        async move { self.ask_read(key, Pin::of(self.cloud, version)?, span).await }.boxed()
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), OriginError>> {
        self.ask_probe().boxed()
    }
}

impl fmt::Debug for CloudOrigin {
    /// Not the client's: that one prints credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (cloud, place, prefix) = (&self.cloud, &self.place, &self.prefix);
        f.debug_struct("CloudOrigin")
            .field("cloud", cloud)
            .field("place", place)
            .field("prefix", prefix)
            .finish_non_exhaustive()
    }
}

fn meta(cloud: Cloud, answered: &GetResult) -> Result<ObjectMeta, OriginError> {
    let stored = |attribute| {
        let text = answered.attributes.get(&attribute).map(|value| value.as_ref().to_owned());
        text.filter(|text: &String| !text.is_empty())
    };
    let modified = u64::try_from(answered.meta.last_modified.timestamp()).ok();
    Ok(ObjectMeta {
        version: Pin::answered(cloud, answered.meta.version.as_deref(), answered.meta.e_tag.as_deref())?,
        length: answered.meta.size,
        last_modified: modified.and_then(UnixTime::from_secs).unwrap_or(UnixTime::EPOCH),
        media_type: stored(Attribute::ContentType),
        content_encoding: stored(Attribute::ContentEncoding),
    })
}

/// Scheme, host and perhaps a path, without a slash at the end; no user or password that would end in a log.
fn endpoint(url: &str) -> Result<String, OriginError> {
    let uri: Option<http::Uri> = url.parse().ok();
    let fits = uri.is_some_and(|uri| {
        let scheme = matches!(uri.scheme_str(), Some("http" | "https"));
        let host = uri.authority().is_some_and(|authority| !authority.as_str().contains('@'));
        scheme && host && uri.query().is_none()
    });
    let bad = || {
        OriginError::Failed(
            "the endpoint must be http:// or https:// and a host, without user, password or query".into(),
        )
    };
    if fits { Ok(url.trim_end_matches('/').to_owned()) } else { Err(bad()) }
}

/// What the probe lists.
const NOBODY: &str = ".hallpass-probe/";
