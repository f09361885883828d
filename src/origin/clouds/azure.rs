//! Where a container of Azure Blob Storage lies, and who we are there.

use std::fmt;

use object_store::RetryConfig;
use object_store::azure::{AzureConfigKey, MicrosoftAzure, MicrosoftAzureBuilder};

use super::faults::meaning;
use super::line::Line;
use super::{Cloud, endpoint};
use crate::origin::OriginError;
use crate::value::Secret;

/// Where a container of Azure Blob Storage lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AzureSettings {
    /// The storage account's name.
    pub account: String,
    /// The container's name.
    pub container: String,
    /// Who we are there.
    pub credentials: AzureCredentials,
    /// `http://` or `https://`, the host of another server and, where it needs one, a path that the container follows; absent for
    /// `https://{account}.blob.core.windows.net`.
    pub endpoint: Option<String>,
    /// Only what lies under this prefix is the store. It is a directory: `promo` and `promo/` mean the same, and neither
    /// reaches `promo-secret/`.
    pub prefix: Option<String>,
}

/// Who we are in Azure.
#[derive(Clone, Debug)]
pub enum AzureCredentials {
    /// What the environment names (a workload identity, a client secret, the Azure CLI), or the machine's managed identity.
    UsualChain,
    /// A shared key of the account, in base64.
    AccessKey(Secret<String>),
    /// A shared access signature: the query of a URL that has one.
    SasToken(Secret<String>),
}

impl PartialEq for AzureCredentials {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::UsualChain, Self::UsualChain) => true,
            (Self::AccessKey(one), Self::AccessKey(other)) | (Self::SasToken(one), Self::SasToken(other)) => {
                one.matches(other)
            }
            _ => false,
        }
    }
}

impl Eq for AzureCredentials {}

impl fmt::Display for AzureSettings {
    /// Where the container lies, in words.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix =
            self.prefix.as_deref().map(|prefix| prefix.strip_suffix('/').unwrap_or(prefix)).unwrap_or_default();
        write!(f, "Azure container {}/{prefix} of account {}", self.container, self.account)?;
        self.endpoint.as_ref().map_or(Ok(()), |endpoint| write!(f, " at {endpoint}"))
    }
}

impl AzureSettings {
    /// The account's URL, without a slash at its end.
    pub(super) fn url(&self) -> Result<String, OriginError> {
        match &self.endpoint {
            Some(url) => endpoint(url),
            None => endpoint(&format!("https://{}.blob.core.windows.net", self.account)),
        }
    }

    pub(super) fn open(&self, line: Line) -> Result<MicrosoftAzure, OriginError> {
        let builder = match &self.credentials {
            AzureCredentials::UsualChain => MicrosoftAzureBuilder::from_env(),
            AzureCredentials::AccessKey(key) => MicrosoftAzureBuilder::new().with_access_key(key.expose()),
            AzureCredentials::SasToken(token) => {
                MicrosoftAzureBuilder::new().with_config(AzureConfigKey::SasKey, token.expose())
            }
        };
        // What the environment may say of the place, or against signing, is not its to say.
        let builder = builder
            .with_use_emulator(false)
            .with_skip_signature(false)
            .with_account(&self.account)
            .with_container_name(&self.container)
            .with_endpoint(self.url()?)
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
        Ok(Line { cloud: Cloud::Azure, plain: self.url()?.starts_with("http://") })
    }
}
