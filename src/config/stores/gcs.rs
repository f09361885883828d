//! `[stores.NAME]` of kind `gcs`: a bucket of Google Cloud Storage.

use toml::Value;

use super::{bucket, endpoint, plain_prefix};
use crate::config::reading::Reading;
use crate::config::section::Section;
use crate::origin::{GcsCredentials, GcsSettings};
use crate::value::Secret;

pub(super) fn read(section: &mut Section<'_>) -> Option<GcsSettings> {
    let bucket = section.need("bucket", "write the bucket's name", bucket);
    let credentials = credentials(section);
    let endpoint = section.read("endpoint", endpoint);
    let prefix = section.read("prefix", plain_prefix);
    Some(GcsSettings { bucket: bucket?, credentials: credentials?, endpoint, prefix })
}

fn credentials(section: &mut Section<'_>) -> Option<GcsCredentials> {
    let stated = section.has("service_account_file");
    let account = section.secret_file("service_account_file", service_account);
    if stated { account.map(GcsCredentials::ServiceAccount) } else { Some(GcsCredentials::UsualChain) }
}

/// The text of a service account's key file. What stands in it is not repeated in a fault.
fn service_account(value: &Value) -> Reading<Secret<String>> {
    let text = value.as_str().unwrap_or_default();
    let json: serde_json::Value =
        serde_json::from_str(text).map_err(|_| "is not JSON; name a service account's key file".to_owned())?;
    let has = |member: &&str| json.get(member).is_some_and(serde_json::Value::is_string);
    if json.get("type").and_then(serde_json::Value::as_str) != Some("service_account") {
        return Err("holds no service account's key, which has \"type\": \"service_account\"; leave it out for other \
                    credentials, and name their file in the environment as GOOGLE_APPLICATION_CREDENTIALS"
            .to_owned());
    }
    match MEMBERS.iter().find(|member| !has(member)) {
        Some(member) => Err(format!("holds a service account's key without {member}; make a new key file")),
        None => Ok(Secret::new(text.to_owned())),
    }
}

/// What a service account's key file must have for us.
const MEMBERS: [&str; 3] = ["private_key", "private_key_id", "client_email"];
