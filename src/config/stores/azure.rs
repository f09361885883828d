//! `[stores.NAME]` of kind `azure`: a container of Azure Blob Storage.

use data_encoding::BASE64;
use toml::Value;

use super::{endpoint, plain_prefix};
use crate::config::reading::{Reading, owned};
use crate::config::section::Section;
use crate::origin::{AzureCredentials, AzureSettings};
use crate::value::Secret;

pub(super) fn read(section: &mut Section<'_>) -> Option<AzureSettings> {
    let account = section.need("account", "write the storage account's name", account);
    let container = section.need("container", "write the container's name", container);
    let credentials = credentials(section);
    let endpoint = section.read("endpoint", endpoint);
    let prefix = section.read("prefix", plain_prefix);
    Some(AzureSettings { account: account?, container: container?, credentials: credentials?, endpoint, prefix })
}

fn credentials(section: &mut Section<'_>) -> Option<AzureCredentials> {
    let stated = |section: &Section<'_>, name: &str, file: &str| section.has(name) || section.has(file);
    let by_key = stated(section, "access_key", "access_key_file");
    let by_token = stated(section, "sas_token", "sas_token_file");
    let key = section.secret_or_none("access_key", "access_key_file", access_key);
    let token = section.secret_or_none("sas_token", "sas_token_file", sas_token);
    match (by_key, by_token) {
        (false, false) => Some(AzureCredentials::UsualChain),
        (true, false) => key.map(AzureCredentials::AccessKey),
        (false, true) => token.map(AzureCredentials::SasToken),
        (true, true) => {
            section.fault("sas_token", "is a second kind of credential beside access_key; keep one of them");
            None
        }
    }
}

/// "Storage account names", Azure.
fn account(value: &Value) -> Reading<String> {
    let name = owned(value)?;
    let plain = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    if plain && (3..=24).contains(&name.len()) {
        Ok(name)
    } else {
        Err("is a storage account's name: 3 to 24 of a-z and 0-9".to_owned())
    }
}

/// "Naming and Referencing Containers, Blobs, and Metadata", Azure.
fn container(value: &Value) -> Reading<String> {
    let name = owned(value)?;
    let plain = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    let special = matches!(name.as_str(), "$root" | "$web");
    if special || plain && (3..=63).contains(&name.len()) {
        Ok(name)
    } else {
        Err("is a container's name: 3 to 63 of a-z, 0-9 and -".to_owned())
    }
}

fn access_key(value: &Value) -> Reading<Secret<String>> {
    let key = owned(value)?;
    match BASE64.decode(key.as_bytes()) {
        Ok(_) => Ok(Secret::new(key)),
        Err(_) => Err("is a key of the storage account, in base64 as the portal shows it".to_owned()),
    }
}

fn sas_token(value: &Value) -> Reading<Secret<String>> {
    let text = owned(value)?;
    let token = text.strip_prefix('?').unwrap_or(&text);
    let pairs: Option<Vec<(&str, &str)>> = token.split('&').map(|pair| pair.split_once('=')).collect();
    let signed = pairs.is_some_and(|pairs| pairs.iter().any(|(name, value)| *name == "sig" && !value.is_empty()));
    if signed && token.is_ascii() && !token.contains(' ') {
        Ok(Secret::new(token.to_owned()))
    } else {
        Err("is a shared access signature, such as \"sv=...&sig=...\"".to_owned())
    }
}
