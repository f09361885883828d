//! A bucket of Amazon S3, or of anything that speaks its protocol, as a store.
//!
//! The SDK signs and speaks; what it would do behind our back is off: retries and stall checks (ours have one budget per
//! store), and checksums of answers, which break ranged reads on compatible servers. A read is pinned by version id where the
//! bucket has versions, by `If-Match` where it has none, and the answer must prove that the pin and the range were honoured.
//!
//! Keys go out byte for byte; the prefix is put before them and nothing else happens to them.

mod answer;
mod create;
mod exposure;
mod faults;
mod pin;
mod retype;
mod settings;
mod survey;

use std::fmt;

use aws_sdk_s3::Client;
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, stream};

use self::faults::Asked;
use self::pin::Pin;
pub use self::settings::S3Settings;
pub use self::survey::S3Survey;
use super::error::causes;
use super::exact::exactly;
use super::{ByteStream, ObjectMeta, Origin, OriginError};
use crate::value::{ByteSpan, ObjectKey, ObjectVersion, UnixTime};

/// A store in a bucket, or in what lies under one prefix of it.
#[derive(Clone)]
pub struct S3Origin {
    client: Client,
    bucket: String,
    /// Empty, or ends in `/`.
    prefix: String,
}

impl S3Origin {
    /// Opens the store with the credentials of the SDK's usual chain: environment, profile files, container or machine role.
    /// It asks the bucket nothing yet; that is what [`Origin::probe`] does.
    ///
    /// # Errors
    /// [`OriginError::Failed`] when the settings make no sense or no region is to be found.
    pub async fn open(settings: &S3Settings) -> Result<Self, OriginError> {
        Ok(Self::with_client(Client::from_conf(settings.with_usual_chain().await?), settings))
    }

    /// Opens the store with credentials from elsewhere.
    ///
    /// # Errors
    /// As [`S3Origin::open`].
    pub fn open_with(
        settings: &S3Settings,
        credentials: impl aws_sdk_s3::config::ProvideCredentials + 'static,
    ) -> Result<Self, OriginError> {
        Ok(Self::with_client(Client::from_conf(settings.with_credentials(credentials)?), settings))
    }

    fn with_client(client: Client, settings: &S3Settings) -> Self {
        Self { client, bucket: settings.bucket.clone(), prefix: settings.directory() }
    }

    /// The whole name of the object in its bucket.
    fn full(&self, key: &ObjectKey) -> Result<String, OriginError> {
        let full = format!("{}{key}", self.prefix);
        if full.len() > ObjectKey::MAX_BYTES {
            return Err(OriginError::Unaddressable("with the store's prefix it is longer than 1,024 bytes"));
        }
        // The SDK takes a blank key for a missing one.
        if full.trim().is_empty() {
            return Err(OriginError::Unaddressable("it is nothing but white space"));
        }
        // S3 takes such segments literally, but a server that keeps its objects in a file system may not, and then the
        // prefix would hold nothing in.
        if !self.prefix.is_empty() && key.as_str().split('/').any(|segment| matches!(segment, "." | "..")) {
            return Err(OriginError::Unaddressable("one of its segments is '.' or '..', and the store has a prefix"));
        }
        Ok(full)
    }

    async fn ask_head(&self, key: &ObjectKey) -> Result<ObjectMeta, OriginError> {
        let request = self.client.head_object().bucket(&self.bucket).key(self.full(key)?);
        meta(&request.send().await.map_err(|fault| faults::meaning(Asked::Head, &fault))?)
    }

    async fn ask_read(&self, key: &ObjectKey, pin: Pin<'_>, span: ByteSpan) -> Result<ByteStream, OriginError> {
        let range = format!("bytes={}-{}", span.first(), span.last());
        let request = self.client.get_object().bucket(&self.bucket).key(self.full(key)?).range(range);
        let request = match pin {
            Pin::Version(id) => request.version_id(id),
            Pin::EntityTag(tag) => request.if_match(tag),
        };
        let answered = request.send().await.map_err(|fault| faults::meaning(Asked::Read, &fault))?;
        answer::fits(&answered, pin, span)?;
        Ok(exactly(body(answered.body), span.len()))
    }

    async fn ask_probe(&self) -> Result<(), OriginError> {
        // Listing and not HEAD: without the right to list, S3 answers 403 for absent keys, and a HEAD's 404 cannot say
        // whether it is the bucket that is absent.
        let request = self.client.list_objects_v2().bucket(&self.bucket).prefix(&self.prefix).max_keys(1);
        request.send().await.map_err(|fault| faults::meaning(Asked::List, &fault)).map(|_| ())
    }
}

impl Origin for S3Origin {
    fn head<'a>(&'a self, key: &'a ObjectKey) -> BoxFuture<'a, Result<ObjectMeta, OriginError>> {
        self.ask_head(key).boxed()
    }

    fn read<'a>(
        &'a self,
        key: &'a ObjectKey,
        version: &'a ObjectVersion,
        span: ByteSpan,
    ) -> BoxFuture<'a, Result<ByteStream, OriginError>> {
        async move { self.ask_read(key, Pin::of(version)?, span).await }.boxed()
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), OriginError>> {
        self.ask_probe().boxed()
    }
}

impl fmt::Debug for S3Origin {
    /// Not the client's: that one prints the access key's id.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Origin").field("bucket", &self.bucket).field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

fn meta(answered: &HeadObjectOutput) -> Result<ObjectMeta, OriginError> {
    let stored = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
    let length = answered.content_length().and_then(|length| u64::try_from(length).ok());
    let modified = answered.last_modified().map(|time| u64::try_from(time.secs()).unwrap_or_default());
    Ok(ObjectMeta {
        version: Pin::answered(answered.version_id(), answered.e_tag())?,
        length: length.ok_or_else(|| OriginError::Failed("it answers HEAD without a usable Content-Length".into()))?,
        last_modified: modified.and_then(UnixTime::from_secs).unwrap_or(UnixTime::EPOCH),
        media_type: stored(answered.content_type()),
        content_encoding: stored(answered.content_encoding()),
    })
}

/// The SDK's body as ours; a break in it is worth a resumed read.
fn body(body: aws_sdk_s3::primitives::ByteStream) -> ByteStream {
    Box::pin(stream::unfold(body, |mut body| async {
        let chunk = body.next().await?;
        let chunk = chunk.map_err(|e| OriginError::Unavailable(format!("a body broke off: {}", causes(&e))));
        Some((chunk, body))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(prefix: Option<&str>) -> S3Origin {
        let settings = S3Settings {
            bucket: "b".into(),
            region: None,
            endpoint: Some("http://127.0.0.1:9".into()),
            path_style: true,
            prefix: prefix.map(Into::into),
        };
        let credentials = aws_sdk_s3::config::Credentials::new("id", "secret", None, None, "test");
        S3Origin::open_with(&settings, credentials).unwrap()
    }

    #[test]
    fn the_prefix_is_a_directory_and_nothing_leaves_it() {
        for (prefix, key, full) in [
            (None, "a/../b", Some("a/../b")),
            (Some(""), "/a", Some("/a")),
            (Some("promo"), "-secret/x", Some("promo/-secret/x")),
            (Some("promo/"), "/x", Some("promo//x")),
            (None, " ", None),
            (None, "\u{2003}\n", None),
            (Some("promo/"), " ", Some("promo/ ")),
            (Some("promo/"), "../secret", None),
            (Some("promo/"), "a/./b", None),
            (Some("promo/"), &"x".repeat(1019), None),
        ] {
            let key: ObjectKey = key.parse().unwrap();
            assert_eq!(origin(prefix).full(&key).ok().as_deref(), full, "{prefix:?} {key}");
        }
    }

    #[test]
    fn an_answer_without_a_length_or_a_version_is_no_meta() {
        let whole = HeadObjectOutput::builder().content_length(5).e_tag("\"abc\"");
        assert!(meta(&whole.clone().build()).is_ok());
        for odd in [
            whole.clone().content_length(-1),
            whole.clone().set_content_length(None),
            whole.clone().set_e_tag(None),
            whole.e_tag("W/\"abc\""),
        ] {
            assert!(matches!(meta(&odd.build()), Err(OriginError::Failed(_))));
        }
    }
}
