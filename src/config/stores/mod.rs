//! `[stores.NAME]` and `[origin]`: where private assets lie, and how patient we are with those places.

mod azure;
mod gcs;
mod s3;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use toml::Value;

use super::reading::{Reading, choice, count, duration, flag, owned};
use super::section::Section;
use crate::origin::{AzureSettings, GcsSettings, LocalSettings, RetryPolicy, S3Settings};
use crate::value::{ObjectKey, StoreName};

/// One private storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreSettings {
    /// Where its objects lie.
    pub place: StorePlace,
    /// Whether HTML, SVG, XML and scripts may be minted, as attachments in a sandbox. Default no.
    pub allow_active_content: bool,
}

/// Where a store's objects lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StorePlace {
    /// In a bucket of Amazon S3 or a compatible server.
    S3(S3Settings),
    /// In a bucket of Google Cloud Storage.
    Gcs(GcsSettings),
    /// In a container of Azure Blob Storage.
    Azure(AzureSettings),
    /// In a directory of this machine.
    Local(LocalSettings),
}

/// What `[stores]` says, and the names it gives, also of stores that have faults.
pub(super) struct Stores {
    pub(super) settings: BTreeMap<StoreName, StoreSettings>,
    pub(super) names: BTreeSet<StoreName>,
}

/// Reads every `[stores.NAME]`.
pub(super) fn read(root: &mut Section<'_>) -> Stores {
    let mut names = BTreeSet::new();
    let mut written = 0;
    let found = root.each_named("stores", |name, section| {
        written += 1;
        match name.parse::<StoreName>() {
            Ok(name) => {
                names.insert(name.clone());
                store(section).map(|settings| (name, settings))
            }
            Err(fault) => {
                section.refuse(fault.to_string());
                None
            }
        }
    });
    if written == 0 {
        root.fault("stores", "is empty; name at least one, such as [stores.media]");
    }
    Stores { settings: found.into_iter().collect(), names }
}

fn store(mut section: Section<'_>) -> Option<StoreSettings> {
    let Some(kind) = section.need("kind", "write \"s3\", \"gcs\", \"azure\" or \"local\"", kind) else {
        section.give_up();
        return None;
    };
    let allow_active_content = section.read("allow_active_content", flag).unwrap_or(false);
    let place = match kind {
        Kind::S3 => s3::read(&mut section).map(StorePlace::S3),
        Kind::Gcs => gcs::read(&mut section).map(StorePlace::Gcs),
        Kind::Azure => azure::read(&mut section).map(StorePlace::Azure),
        Kind::Local => local(&mut section).map(StorePlace::Local),
    };
    section.end();
    Some(StoreSettings { place: place?, allow_active_content })
}

#[derive(Clone, Copy)]
enum Kind {
    S3,
    Gcs,
    Azure,
    Local,
}

fn kind(value: &Value) -> Reading<Kind> {
    choice(&[("s3", Kind::S3), ("gcs", Kind::Gcs), ("azure", Kind::Azure), ("local", Kind::Local)])(value)
}

fn local(section: &mut Section<'_>) -> Option<LocalSettings> {
    section.need_path("root", "write the directory that holds the objects").map(|root| LocalSettings { root })
}

/// A bucket's name is checked for what would change a request's path; the rest is the server's to judge.
fn bucket(value: &Value) -> Reading<String> {
    let name = owned(value)?;
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'));
    if plain && name.len() <= 255 {
        Ok(name)
    } else {
        Err("is a bucket's name alone, such as \"acme-media\"".to_owned())
    }
}

/// Scheme and host; a password in it would end in a log.
fn endpoint(value: &Value) -> Reading<String> {
    let url = owned(value)?;
    let uri = url.parse::<http::Uri>().ok();
    let fits = uri.is_some_and(|uri| {
        let scheme = matches!(uri.scheme_str(), Some("http" | "https"));
        let host = uri.authority().is_some_and(|authority| !authority.as_str().contains('@'));
        scheme && host && uri.query().is_none()
    });
    if fits { Ok(url) } else { Err("is http:// or https:// and a host, without user, password or query".to_owned()) }
}

fn prefix(value: &Value) -> Reading<String> {
    let prefix = owned(value)?;
    prefix.parse::<ObjectKey>().map_err(|fault| fault.to_string())?;
    if prefix.starts_with('/') { Err("begins without '/', such as \"media/\"".to_owned()) } else { Ok(prefix) }
}

/// A prefix within what the clouds' client can address; see `origin::clouds::key`.
fn plain_prefix(value: &Value) -> Reading<String> {
    let prefix = prefix(value)?;
    let segments = prefix.strip_suffix('/').unwrap_or(&prefix).split('/');
    if segments.into_iter().any(|segment| matches!(segment, "" | "." | "..")) {
        return Err("has an empty segment, '.' or '..' in it, which this kind of store cannot address".to_owned());
    }
    Ok(prefix)
}

/// Reads `[origin]`: how long a store is waited for, and how often it is asked again.
pub(super) fn retries(mut section: Section<'_>) -> RetryPolicy {
    let mut policy = RetryPolicy::default();
    let wait = || duration(Duration::from_millis(1)..=Duration::from_secs(600));
    let mut set = |name, to: &mut Duration| *to = section.read(name, wait()).unwrap_or(*to);
    set("first_byte", &mut policy.first_byte);
    set("stall", &mut policy.stall);
    set("patience", &mut policy.patience);
    set("backoff", &mut policy.backoff);
    set("backoff_max", &mut policy.backoff_max);
    policy.retries = section.read("retries", count(0..=100)).unwrap_or(policy.retries);
    if policy.first_byte > policy.patience {
        section.fault("first_byte", "is longer than patience, which bounds it; make it shorter, or patience longer");
    }
    if policy.backoff > policy.backoff_max {
        section.fault("backoff", "is longer than backoff_max; make it shorter, or backoff_max longer");
    }
    section.end();
    policy
}
