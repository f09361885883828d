//! Buckets in memory, behind the protocol that the `s3s` crate speaks: it checks signatures, parses and renders; this holds bytes.
//!
//! The bucket [`KEPT`] keeps its versions, as a bucket with versioning does; in every other one an overwritten object is gone.
//! Of a body, the part that a [`Fault`](super::origin::Fault) lets through is sent, and every byte handed on is counted.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::stream;
use s3s::dto::{
    ETag, ETagCondition, GetObjectInput, GetObjectOutput, HeadObjectInput, HeadObjectOutput, ListObjectsV2Input,
    ListObjectsV2Output, Range, StreamingBlob, Timestamp,
};
use s3s::{S3, S3Request, S3Response, S3Result, s3_error};
use tokio::sync::mpsc;

use super::origin::{Plan, State};

/// The bucket with versions.
pub const KEPT: &str = "kept";
/// One without.
pub const PLAIN: &str = "plain";
/// One without, which anybody may read.
pub const OPEN: &str = "open";
/// How many versions of one object are kept.
const VERSIONS: usize = 8;

#[derive(Clone)]
struct Version {
    id: u64,
    bytes: Bytes,
    tag: String,
}

/// What lies in all buckets.
#[derive(Default)]
pub struct Objects {
    versions: Mutex<BTreeMap<(String, String), Vec<Version>>>,
}

impl Objects {
    /// Writes an object; a bucket is there as soon as something is in it.
    pub fn put(&self, bucket: &str, key: &str, bytes: Bytes) {
        let tag = blake3::hash(&bytes).to_hex()[..32].to_owned();
        let mut all = self.versions.lock().unwrap();
        let versions = all.entry((bucket.to_owned(), key.to_owned())).or_default();
        let id = versions.last().map_or(1, |last| last.id + 1);
        if bucket != KEPT {
            versions.clear();
        }
        versions.push(Version { id, bytes, tag });
        let surplus = versions.len().saturating_sub(VERSIONS);
        versions.drain(..surplus);
    }

    fn get(&self, bucket: &str, key: &str, version: Option<&str>) -> S3Result<Version> {
        let all = self.versions.lock().unwrap();
        let versions = all.get(&(bucket.to_owned(), key.to_owned())).ok_or_else(|| s3_error!(NoSuchKey))?;
        match version {
            None => versions.last().cloned().ok_or_else(|| s3_error!(NoSuchKey)),
            Some(id) => {
                let asked = versions.iter().find(|version| version.id.to_string() == id);
                asked.cloned().ok_or_else(|| s3_error!(NoSuchVersion))
            }
        }
    }
}

/// The service that `s3s` puts on HTTP.
pub struct Service(pub Arc<State>);

#[async_trait::async_trait]
impl S3 for Service {
    async fn get_object(&self, request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let (input, plan) = (request.input, request.extensions.get::<Plan>().cloned().unwrap_or_default());
        let version = self.0.objects.get(&input.bucket, &input.key, input.version_id.as_deref())?;
        if let Some(ETagCondition::ETag(wanted)) = &input.if_match
            && wanted.as_strong() != Some(&version.tag)
        {
            return Err(s3_error!(PreconditionFailed));
        }
        let whole = u64::try_from(version.bytes.len()).unwrap();
        let span = input.range.as_ref().map(|range: &Range| range.check(whole)).transpose()?;
        let content_range = span.as_ref().map(|span| format!("bytes {}-{}/{whole}", span.start, span.end - 1));
        let span = span.unwrap_or(0..whole);
        let bytes = version.bytes.slice(usize::try_from(span.start).unwrap()..usize::try_from(span.end).unwrap());
        let output = GetObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            content_length: Some(i64::try_from(bytes.len()).unwrap()),
            content_range,
            e_tag: Some(ETag::Strong(version.tag)),
            last_modified: Some(modified()),
            version_id: (input.bucket == KEPT).then(|| version.id.to_string()),
            body: Some(body(Arc::clone(&self.0), bytes, plan)),
            ..Default::default()
        };
        Ok(S3Response::new(output))
    }

    async fn head_object(&self, request: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
        let input = request.input;
        let version = self.0.objects.get(&input.bucket, &input.key, input.version_id.as_deref())?;
        let output = HeadObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            content_length: Some(i64::try_from(version.bytes.len()).unwrap()),
            e_tag: Some(ETag::Strong(version.tag)),
            last_modified: Some(modified()),
            version_id: (input.bucket == KEPT).then(|| version.id.to_string()),
            ..Default::default()
        };
        Ok(S3Response::new(output))
    }

    /// The gateway's probe asks for a list only to see whether it is allowed to; it never reads it.
    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let output = ListObjectsV2Output { name: Some(request.input.bucket), key_count: Some(0), ..Default::default() };
        Ok(S3Response::new(output))
    }
}

fn modified() -> Timestamp {
    (SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000)).into()
}

/// A body that a task of ours feeds, as far and as fast as the plan says.
fn body(state: Arc<State>, bytes: Bytes, plan: Plan) -> StreamingBlob {
    let (sender, mut receiver) = mpsc::channel::<io::Result<Bytes>>(2);
    tokio::spawn(async move {
        plan.send(bytes, &state, &sender).await;
    });
    StreamingBlob::wrap(stream::poll_fn(move |cx| receiver.poll_recv(cx)))
}
