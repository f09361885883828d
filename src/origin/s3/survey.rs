//! Listing a bucket, page by page.
//!
//! A bucket that keeps versions is listed with them, so overwritten objects are seen. Keys are asked for in URL encoding, since XML cannot
//! carry every character that a key can; a server that does not encode says so by leaving the element out.

use aws_sdk_s3::types::EncodingType;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use percent_encoding::percent_decode_str;

use super::faults::{self, Asked};
use super::pin::Pin;
use super::{S3Origin, exposure};
use crate::origin::survey::{
    Cursor, Exposure, ExposureState, Openness, StoreSetting, Survey, SurveyEntry, SurveyObject, SurveyPage,
};
use crate::origin::{OriginError, S3Settings};
use crate::value::ObjectKey;

/// A bucket that is looked over.
pub struct S3Survey {
    pub(super) store: S3Origin,
    /// Whether versions are listed.
    versions: Versions,
}

/// What is known of a bucket's versions.
enum Versions {
    Listed,
    /// Nobody tells, for this reason: then only what lies there now is listed.
    Unknown(String),
}

impl S3Survey {
    /// Opens the bucket as [`S3Origin::open`] does, and asks it whether it lists versions.
    ///
    /// # Errors
    /// As [`S3Origin::open`]. A bucket that does not tell about its versions is no error: [`Survey::exposure`] says so.
    pub async fn open(settings: &S3Settings) -> Result<Self, OriginError> {
        let store = S3Origin::open(settings).await?;
        let versions = versions_of(&store).await;
        Ok(Self { store, versions })
    }

    /// What lies there now.
    async fn current(&self, prefix: &str, after: Option<&Cursor>) -> Result<SurveyPage, OriginError> {
        let store = &self.store;
        let request = store.client.list_objects_v2().bucket(&store.bucket).prefix(format!("{}{prefix}", store.prefix));
        let request = request.encoding_type(EncodingType::Url).max_keys(PAGE);
        let request = request.set_start_after(after.map(|cursor| format!("{}{}", store.prefix, cursor.key)));
        let page = request.send().await.map_err(|fault| faults::meaning(Asked::List, &fault))?;
        let encoded = page.encoding_type() == Some(&EncodingType::Url);
        let mut entries = Vec::new();
        for object in page.contents() {
            let current = listed(None, object.e_tag(), object.size());
            entries.push(SurveyEntry { key: self.key(object.key(), encoded)?, current: Some(current), odd: None });
        }
        let more = page.is_truncated() == Some(true);
        let last = entries.last().map(|entry| Cursor { key: entry.key.clone(), mark: None });
        Ok(SurveyPage { next: last.filter(|_| more), entries })
    }

    /// What lies there now and what lay there before.
    async fn with_versions(&self, prefix: &str, after: Option<&Cursor>) -> Result<SurveyPage, OriginError> {
        let store = &self.store;
        let request = store.client.list_object_versions().bucket(&store.bucket);
        let request = request.prefix(format!("{}{prefix}", store.prefix)).encoding_type(EncodingType::Url);
        let request = request.max_keys(PAGE).set_version_id_marker(after.and_then(|cursor| cursor.mark.clone()));
        let request = request.set_key_marker(after.map(|cursor| format!("{}{}", store.prefix, cursor.key)));
        let page = request.send().await.map_err(|fault| faults::meaning(Asked::List, &fault))?;
        let encoded = page.encoding_type() == Some(&EncodingType::Url);
        let mut entries = Vec::new();
        for version in page.versions() {
            let current = || listed(version.version_id(), version.e_tag(), version.size());
            let current = (version.is_latest() == Some(true)).then(current);
            entries.push(SurveyEntry { key: self.key(version.key(), encoded)?, current, odd: None });
        }
        let next = match page.next_key_marker().filter(|_| page.is_truncated() == Some(true)) {
            Some(key) => {
                Some(Cursor { key: self.key(Some(key), encoded)?, mark: page.next_version_id_marker().map(Into::into) })
            }
            None => None,
        };
        Ok(SurveyPage { entries, next })
    }

    /// A key as listed, relative to the store.
    fn key(&self, key: Option<&str>, encoded: bool) -> Result<String, OriginError> {
        let odd = |what: &str| OriginError::Failed(format!("its list holds {what}"));
        let key = key.ok_or_else(|| odd("an object without a key"))?;
        let key = if encoded { decoded(key).ok_or_else(|| odd("a key that is not UTF-8"))? } else { key.to_owned() };
        let relative = key.strip_prefix(&self.store.prefix);
        relative.map(str::to_owned).ok_or_else(|| odd("a key outside of the prefix that was asked for"))
    }
}

impl Survey for S3Survey {
    fn page<'a>(
        &'a self,
        prefix: &'a str,
        after: Option<&'a Cursor>,
    ) -> BoxFuture<'a, Result<SurveyPage, OriginError>> {
        match self.versions {
            Versions::Listed => self.with_versions(prefix, after).boxed(),
            Versions::Unknown(_) => self.current(prefix, after).boxed(),
        }
    }

    fn exposure(&self) -> BoxFuture<'_, Vec<Exposure>> {
        async move {
            let mut all = exposure::of_bucket(&self.store).await;
            let state = match &self.versions {
                Versions::Listed => {
                    ExposureState::Closed("overwritten objects are seen, as far as the bucket keeps them".into())
                }
                Versions::Unknown(why) => ExposureState::Unknown(why.clone()),
            };
            all.push(Exposure { setting: StoreSetting::Versions, state });
            all
        }
        .boxed()
    }

    fn openness<'a>(&'a self, key: &'a ObjectKey) -> BoxFuture<'a, Result<Openness, OriginError>> {
        exposure::of_object(&self.store, key).boxed()
    }
}

/// Whether the bucket lets us list versions. Where it keeps none, that lists what lies there now. Its versioning setting is not asked
/// for: it would take another right, and say less.
async fn versions_of(store: &S3Origin) -> Versions {
    let request = store.client.list_object_versions().bucket(&store.bucket).prefix(&store.prefix).max_keys(1);
    match tokio::time::timeout(exposure::PATIENCE, request.send()).await {
        Ok(Ok(_)) => Versions::Listed,
        Ok(Err(fault)) => {
            Versions::Unknown(exposure::without(&fault, "s3:ListBucketVersions, so that overwritten objects are found"))
        }
        Err(_) => Versions::Unknown(format!("no answer within {} s", exposure::PATIENCE.as_secs())),
    }
}

fn listed(id: Option<&str>, tag: Option<&str>, size: Option<i64>) -> SurveyObject {
    SurveyObject { version: Pin::answered(id, tag).ok(), length: size.and_then(|size| u64::try_from(size).ok()) }
}

/// A key from a list in URL encoding, where a space is `+` or `%20`; nothing if it is not UTF-8.
fn decoded(key: &str) -> Option<String> {
    let spaced = key.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

/// How many objects one page has: the most that S3 gives.
const PAGE: i32 = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listed_keys_are_decoded_once() {
        for (listed, key) in [
            ("a+b", Some("a b")),
            ("a%2Bb", Some("a+b")),
            ("a%20b", Some("a b")),
            ("100%2525", Some("100%25")),
            ("%E6%97%A5/x", Some("日/x")),
            ("x%01%0A", Some("x\u{1}\n")),
            ("100%", Some("100%")),
            ("%ff", None),
        ] {
            assert_eq!(decoded(listed).as_deref(), key, "{listed}");
        }
    }
}
