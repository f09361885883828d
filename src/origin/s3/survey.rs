//! Listing a bucket, page by page.
//!
//! A bucket that keeps versions is listed with them, so overwritten objects are seen. Keys are asked for in URL encoding, since XML cannot
//! carry every character that a key can; a server that does not encode says so by leaving the element out. A key that no request of ours could
//! name is listed as odd, and the listing goes on.

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

    /// What lies there now. The mark of a place is the store's continuation token; a key does where there is none.
    async fn current(&self, prefix: &str, after: Option<&Cursor>) -> Result<SurveyPage, OriginError> {
        let store = &self.store;
        let request = store.client.list_objects_v2().bucket(&store.bucket).prefix(format!("{}{prefix}", store.prefix));
        let request = request.encoding_type(EncodingType::Url).max_keys(PAGE);
        let token = after.and_then(|cursor| cursor.mark.clone());
        let behind = after.filter(|cursor| cursor.mark.is_none()).map(|cursor| self.whole(&cursor.key));
        let request = request.set_start_after(behind).set_continuation_token(token);
        let page = request.send().await.map_err(|fault| faults::meaning(Asked::List, &fault))?;
        let encoded = page.encoding_type() == Some(&EncodingType::Url);
        let mut entries = Vec::new();
        for object in page.contents() {
            let current = listed(None, object.e_tag(), object.size());
            entries.push(self.name(object.key(), encoded)?.entry(Some(current)));
        }
        if page.is_truncated() != Some(true) {
            return Ok(SurveyPage { entries, next: None });
        }
        let mark = page.next_continuation_token().map(str::to_owned);
        let key = match (entries.last(), &mark) {
            (Some(last), mark) if mark.is_some() || last.odd.is_none() => last.key.clone(),
            (None, Some(_)) => after.map(|cursor| cursor.key.clone()).unwrap_or_default(),
            _ => return Err(OriginError::Failed("its list goes on, and does not say where".into())),
        };
        Ok(SurveyPage { entries, next: Some(Cursor { key, mark }) })
    }

    /// What lies there now and what lay there before. A page can only begin behind a key that is UTF-8; where one ends at another,
    /// a shorter one may not.
    async fn with_versions(&self, prefix: &str, after: Option<&Cursor>) -> Result<SurveyPage, OriginError> {
        let mut size = PAGE;
        loop {
            match self.versions_page(prefix, after, size).await? {
                Some(page) => return Ok(page),
                None if size > 1 => size /= 2,
                None => {
                    let why = "its list has many keys together that are not UTF-8, and begins behind none of them; use \
                               --prefix for the rest";
                    return Err(OriginError::Failed(why.into()));
                }
            }
        }
    }

    /// One page of versions; `None` where the next one could not be asked for.
    async fn versions_page(
        &self,
        prefix: &str,
        after: Option<&Cursor>,
        size: i32,
    ) -> Result<Option<SurveyPage>, OriginError> {
        let store = &self.store;
        let request = store.client.list_object_versions().bucket(&store.bucket);
        let request = request.prefix(format!("{}{prefix}", store.prefix)).encoding_type(EncodingType::Url);
        let request = request.max_keys(size).set_version_id_marker(after.and_then(|cursor| cursor.mark.clone()));
        let request = request.set_key_marker(after.map(|cursor| self.whole(&cursor.key)));
        let page = request.send().await.map_err(|fault| faults::meaning(Asked::List, &fault))?;
        let encoded = page.encoding_type() == Some(&EncodingType::Url);
        let mut entries = Vec::new();
        for version in page.versions() {
            let current = || listed(version.version_id(), version.e_tag(), version.size());
            let current = (version.is_latest() == Some(true)).then(current);
            entries.push(self.name(version.key(), encoded)?.entry(current));
        }
        if page.is_truncated() != Some(true) {
            return Ok(Some(SurveyPage { entries, next: None }));
        }
        let Some(key) = page.next_key_marker() else {
            return Err(OriginError::Failed("its list goes on, and does not say where".into()));
        };
        let Named { key, odd } = self.name(Some(key), encoded)?;
        let mark = page.next_version_id_marker().map(Into::into);
        Ok(odd.is_none().then_some(SurveyPage { entries, next: Some(Cursor { key, mark }) }))
    }

    /// The whole name of what lies at this relative key.
    fn whole(&self, key: &str) -> String {
        format!("{}{key}", self.store.prefix)
    }

    /// A key as listed, relative to the store.
    fn name(&self, listed: Option<&str>, encoded: bool) -> Result<Named, OriginError> {
        let listed = listed.ok_or_else(|| OriginError::Failed("its list holds an object without a key".into()))?;
        let bytes = if encoded { decoded(listed) } else { listed.as_bytes().to_vec() };
        let Some(relative) = bytes.strip_prefix(self.store.prefix.as_bytes()) else {
            let odd = Some("the store lists it, though it lies outside of the prefix that was asked for");
            return Ok(Named { key: readable(&bytes), odd });
        };
        let exact = std::str::from_utf8(relative).is_ok();
        let odd =
            (!exact).then_some("its key is not UTF-8 (here its odd bytes are in hexadecimal), so no link can name it");
        Ok(Named { key: readable(relative), odd })
    }
}

/// A key as text.
struct Named {
    key: String,
    /// Why it is not what the store calls the object.
    odd: Option<&'static str>,
}

impl Named {
    fn entry(self, current: Option<SurveyObject>) -> SurveyEntry {
        SurveyEntry { key: self.key, current, odd: self.odd }
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

/// The bytes of a key from a list in URL encoding, where a space is `+` or `%20`.
fn decoded(key: &str) -> Vec<u8> {
    percent_decode_str(&key.replace('+', " ")).collect()
}

/// Bytes as text: what is not UTF-8 in them as `%FF`.
fn readable(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|byte| format!("%{byte:02X}")));
    }
    text
}

/// How many objects one page has: the most that S3 gives.
const PAGE: i32 = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listed_keys_are_decoded_once() {
        for (listed, key) in [
            ("a+b", "a b"),
            ("a%2Bb", "a+b"),
            ("a%20b", "a b"),
            ("100%2525", "100%25"),
            ("%E6%97%A5/x", "日/x"),
            ("x%01%0A", "x\u{1}\n"),
            ("100%", "100%"),
            ("caf%e9/%E6%97.x", "caf%E9/%E6%97.x"),
        ] {
            assert_eq!(readable(&decoded(listed)), key, "{listed}");
        }
    }
}
