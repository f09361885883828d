//! Where a bucket lies, and how the SDK is set up to speak to it.

use std::fmt;

use aws_config::BehaviorVersion;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::{
    Builder, Config, ProvideCredentials, Region, RequestChecksumCalculation, ResponseChecksumValidation,
    StalledStreamProtectionConfig,
};

use crate::origin::OriginError;

/// Where a bucket lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct S3Settings {
    /// The bucket's name.
    pub bucket: String,
    /// Its region. Where it is absent, the SDK's usual chain names it; with an `endpoint` it is then `us-east-1`, which
    /// compatible servers expect.
    pub region: Option<String>,
    /// `http://` or `https://` and the host of a compatible server; absent for Amazon's own.
    pub endpoint: Option<String>,
    /// Whether the bucket stands in the path (`host/bucket/key`) and not in the host name (`bucket.host/key`).
    pub path_style: bool,
    /// Only what lies under this prefix is the store. It is a directory: `promo` and `promo/` mean the same, and neither
    /// reaches `promo-secret/`.
    pub prefix: Option<String>,
}

impl S3Settings {
    /// The prefix as it is put before a key: empty, or ending in `/`.
    pub(super) fn directory(&self) -> String {
        match self.prefix.as_deref() {
            None | Some("") => String::new(),
            Some(prefix) if prefix.ends_with('/') => prefix.into(),
            Some(prefix) => format!("{prefix}/"),
        }
    }

    /// The SDK's settings, with credentials from its usual chain.
    pub(super) async fn with_usual_chain(&self) -> Result<Config, OriginError> {
        let loader = aws_config::defaults(BehaviorVersion::latest());
        let shared = match self.stated_region() {
            Some(region) => loader.region(region).load().await,
            None => loader.load().await,
        };
        let region =
            shared.region().cloned().ok_or_else(|| failed("no region is set, and the SDK's chain names none"))?;
        self.finish(Builder::from(&shared).region(region))
    }

    /// The SDK's settings, with given credentials.
    pub(super) fn with_credentials(
        &self,
        credentials: impl ProvideCredentials + 'static,
    ) -> Result<Config, OriginError> {
        let region = self.stated_region().ok_or_else(|| failed("no region is set"))?;
        let builder = Config::builder().behavior_version(BehaviorVersion::latest());
        self.finish(builder.region(region).credentials_provider(credentials))
    }

    fn stated_region(&self) -> Option<Region> {
        let fallback = self.endpoint.as_ref().map(|_| "us-east-1".to_owned());
        self.region.clone().or(fallback).map(Region::new)
    }

    fn finish(&self, builder: Builder) -> Result<Config, OriginError> {
        if self.bucket.is_empty() {
            return Err(failed("the bucket has no name"));
        }
        let mut builder = builder
            .force_path_style(self.path_style)
            .retry_config(RetryConfig::disabled())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
        if let Some(endpoint) = &self.endpoint {
            builder = builder.endpoint_url(checked(endpoint)?);
        }
        Ok(builder.build())
    }
}

impl fmt::Display for S3Settings {
    /// Where the bucket lies, in words.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bucket {}/{}", self.bucket, self.directory())?;
        self.endpoint.as_ref().map_or(Ok(()), |endpoint| write!(f, " at {endpoint}"))
    }
}

/// An endpoint is scheme and host, and carries no password that would end in a log.
fn checked(endpoint: &str) -> Result<&str, OriginError> {
    let uri: http::Uri = endpoint.parse().map_err(|_| failed("the endpoint is not a URL"))?;
    let scheme = matches!(uri.scheme_str(), Some("http" | "https"));
    let host = uri.authority().filter(|authority| !authority.as_str().contains('@'));
    match host {
        Some(_) if scheme && uri.query().is_none() => Ok(endpoint),
        _ => Err(failed("the endpoint must be http:// or https:// and a host, without user, password or query")),
    }
}

fn failed(said: &str) -> OriginError {
    OriginError::Failed(said.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_scheme_and_host() {
        for good in ["http://127.0.0.1:9000", "https://s3.example.com", "https://s3.example.com/base/"] {
            assert_eq!(checked(good), Ok(good));
        }
        for bad in ["", "s3.example.com", "ftp://host", "http://user:pass@host", "https://host/?a=b", "https://", "a b"]
        {
            assert!(checked(bad).is_err(), "{bad}");
        }
    }
}
