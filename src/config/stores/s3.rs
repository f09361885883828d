//! `[stores.NAME]` of kind `s3`: a bucket of Amazon S3 or of a compatible server.

use toml::Value;

use super::{bucket, endpoint, prefix};
use crate::config::reading::{Reading, flag, owned};
use crate::config::section::Section;
use crate::origin::S3Settings;

pub(super) fn read(section: &mut Section<'_>) -> Option<S3Settings> {
    let bucket = section.need("bucket", "write the bucket's name", bucket);
    let region = section.read("region", region);
    let endpoint = section.read("endpoint", endpoint);
    let path_style = section.read("path_style", flag).unwrap_or(endpoint.is_some());
    let prefix = section.read("prefix", prefix);
    Some(S3Settings { bucket: bucket?, region, endpoint, path_style, prefix })
}

fn region(value: &Value) -> Reading<String> {
    let name = owned(value)?;
    let plain = name.len() <= 64 && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if plain { Ok(name) } else { Err("is a region's name, such as \"eu-central-1\"".to_owned()) }
}
