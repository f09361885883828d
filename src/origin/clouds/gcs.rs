//! Where a bucket of Google Cloud Storage lies, and who we are there.

use std::fmt;

use object_store::RetryConfig;
use object_store::gcp::{GoogleCloudStorage, GoogleCloudStorageBuilder, GoogleConfigKey};

use super::faults::meaning;
use super::line::Line;
use super::{Cloud, endpoint};
use crate::origin::OriginError;
use crate::value::Secret;

/// Where a bucket of Google Cloud Storage lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GcsSettings {
    /// The bucket's name.
    pub bucket: String,
    /// Who we are there.
    pub credentials: GcsCredentials,
    /// `http://` or `https://` and the host of another server that speaks the XML API; absent for Google's own.
    pub endpoint: Option<String>,
    /// Only what lies under this prefix is the store. It is a directory: `promo` and `promo/` mean the same, and neither
    /// reaches `promo-secret/`.
    pub prefix: Option<String>,
}

/// Who we are in Google Cloud.
#[derive(Clone, Debug)]
pub enum GcsCredentials {
    /// `GOOGLE_APPLICATION_CREDENTIALS`, the file that gcloud writes, or the metadata server of the machine.
    UsualChain,
    /// The text of a service account's key file.
    ServiceAccount(Secret<String>),
}

impl PartialEq for GcsCredentials {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::UsualChain, Self::UsualChain) => true,
            (Self::ServiceAccount(one), Self::ServiceAccount(other)) => one.matches(other),
            _ => false,
        }
    }
}

impl Eq for GcsCredentials {}

impl fmt::Display for GcsSettings {
    /// Where the bucket lies, in words.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix =
            self.prefix.as_deref().map(|prefix| prefix.strip_suffix('/').unwrap_or(prefix)).unwrap_or_default();
        write!(f, "GCS bucket {}/{prefix}", self.bucket)?;
        self.endpoint.as_ref().map_or(Ok(()), |endpoint| write!(f, " at {endpoint}"))
    }
}

impl GcsSettings {
    /// The server's URL, without a slash at its end.
    pub(super) fn url(&self) -> Result<String, OriginError> {
        endpoint(self.endpoint.as_deref().unwrap_or("https://storage.googleapis.com"))
    }

    pub(super) fn open(&self, line: Line) -> Result<GoogleCloudStorage, OriginError> {
        let builder = match &self.credentials {
            GcsCredentials::UsualChain => GoogleCloudStorageBuilder::from_env(),
            GcsCredentials::ServiceAccount(text) => {
                GoogleCloudStorageBuilder::new().with_service_account_key(text.expose())
            }
        };
        // What the environment or a key file may say of the place, or against signing, is not theirs to say.
        let builder = builder
            .with_config(GoogleConfigKey::SkipSignature, "false")
            .with_bucket_name(&self.bucket)
            .with_base_url(&self.url()?)
            .with_client_options(line.options())
            .with_retry(RetryConfig {
                max_retries: 0,
                retry_timeout: std::time::Duration::ZERO,
                ..RetryConfig::default()
            })
            .with_http_connector(line);
        builder.build().map_err(|error| meaning(&error))
    }

    pub(super) fn line(&self) -> Result<Line, OriginError> {
        Ok(Line { cloud: Cloud::Gcs, plain: self.url()?.starts_with("http://") })
    }
}
