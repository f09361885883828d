//! An S3 server of the test's own process, over the `s3s` crate: very many objects, and objects that are slow, refused or broken.
//!
//! It does what the audit asks of objects, and nothing of a bucket's settings, as many compatible servers do. In a key, U+F8FF stands in
//! for a byte that is no UTF-8.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use hyper_util::rt::TokioIo;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::auth::SimpleAuth;
use s3s::dto::{
    CopyObjectInput, CopyObjectOutput, ETag, EncodingType, GetBucketAclInput, GetBucketAclOutput, GetObjectInput,
    GetObjectOutput, HeadObjectInput, HeadObjectOutput, ListObjectVersionsInput, ListObjectVersionsOutput,
    ListObjectsV2Input, ListObjectsV2Output, Object, ObjectVersion, StreamingBlob, Timestamp,
};
use s3s::service::S3ServiceBuilder;
use s3s::{S3, S3Request, S3Response, S3Result, s3_error};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// What becomes of a request for an object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Trouble {
    #[default]
    None,
    Denied,
    Broken,
    /// No answer for this long.
    Slow(Duration),
    /// Each answer is of another overwrite.
    Changing,
}

#[derive(Clone)]
struct Stored {
    bytes: Bytes,
    media_type: Option<String>,
    trouble: Trouble,
    encryption: Encryption,
}

/// What an object is encrypted with; by default nothing is said of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Encryption {
    pub method: Option<String>,
    pub key: Option<String>,
    pub bucket_key: Option<bool>,
}

/// What becomes of a request to copy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CopyTrouble {
    #[default]
    None,
    /// Conditions of the destination are not implemented.
    NoCondition,
    /// Somebody uploads other bytes between the reading of the source and the writing.
    Upload,
    /// It is done, and the answer is an error.
    DoneAndBroken,
    /// It is done, and nothing answers.
    DoneAndSilent,
    Denied,
}

/// How lists are made.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lists {
    /// Whether versions are listed: one of each object.
    pub versions: bool,
    /// The most entries of a page; 0 for what was asked for.
    pub most: usize,
    /// Whether prefixes are ignored.
    pub ignores_prefix: bool,
    /// Whether a page that is not the last has neither entries nor a place to go on from.
    pub is_lost: bool,
}

#[derive(Default)]
pub struct State {
    copy_trouble: Mutex<CopyTrouble>,
    how: Mutex<Lists>,
    objects: RwLock<BTreeMap<String, Stored>>,
    latency: Mutex<Duration>,
    refuses_lists: Mutex<bool>,
    pub heads: AtomicU64,
    pub lists: AtomicU64,
    changes: AtomicU64,
}

/// A running server with one bucket, `vault`; it ends when dropped.
pub struct Vault {
    pub endpoint: String,
    pub state: Arc<State>,
    _stop: oneshot::Sender<()>,
}

impl Vault {
    pub fn open() -> Self {
        let state = Arc::new(State::default());
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel::<()>();
        let served = Arc::clone(&state);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = TcpListener::from_std(listener).unwrap();
                tokio::select! { () = serve(listener, served) => {}, _ = stopped => {} }
            });
        });
        Self { endpoint, state, _stop: stop }
    }

    pub fn put(&self, key: &str, media_type: Option<&str>, bytes: impl Into<Bytes>) {
        self.put_in_trouble(key, media_type, bytes, Trouble::None);
    }

    pub fn put_in_trouble(&self, key: &str, media_type: Option<&str>, bytes: impl Into<Bytes>, trouble: Trouble) {
        let (media_type, encryption) = (media_type.map(Into::into), Encryption::default());
        let stored = Stored { bytes: bytes.into(), media_type, trouble, encryption };
        self.state.objects.write().unwrap().insert(key.into(), stored);
    }

    pub fn encrypt(&self, key: &str, encryption: Encryption) {
        self.state.objects.write().unwrap().get_mut(key).unwrap().encryption = encryption;
    }

    /// The type, bytes and encryption of an object.
    pub fn get(&self, key: &str) -> (Option<String>, Bytes, Encryption) {
        let stored = self.state.objects.read().unwrap().get(key).unwrap().clone();
        (stored.media_type, stored.bytes, stored.encryption)
    }

    pub fn trouble_copies(&self, trouble: CopyTrouble) {
        *self.state.copy_trouble.lock().unwrap() = trouble;
    }

    pub fn list(&self, how: Lists) {
        *self.state.how.lock().unwrap() = how;
    }

    pub fn set_latency(&self, latency: Duration) {
        *self.state.latency.lock().unwrap() = latency;
    }

    pub fn refuse_lists(&self) {
        *self.state.refuses_lists.lock().unwrap() = true;
    }
}

async fn serve(listener: TcpListener, state: Arc<State>) {
    let mut builder = S3ServiceBuilder::new(Service(Arc::clone(&state)));
    builder.set_auth(SimpleAuth::from_single("AKIATESTTESTTESTTEST", "secret-for-tests"));
    let service = builder.build();
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        let (service, state) = (service.clone(), Arc::clone(&state));
        let answer = hyper::service::service_fn(move |request: http::Request<hyper::body::Incoming>| {
            let (service, state, is_put) = (service.clone(), Arc::clone(&state), request.method() == "PUT");
            async move {
                let answer = service.call(request.map(s3s::Body::from)).await.map_err(|fault| format!("{fault:?}"));
                let is_silent = is_put && *state.copy_trouble.lock().unwrap() == CopyTrouble::DoneAndSilent;
                // An error of a service closes the connection.
                if is_silent { Err("silent".to_owned()) } else { answer }
            }
        });
        tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
    }
}

impl State {
    /// A page of a list, and whether there is more.
    fn listed(
        &self,
        prefix: Option<String>,
        after: Option<String>,
        most: Option<i32>,
    ) -> (Vec<(String, Stored)>, bool) {
        let how = *self.how.lock().unwrap();
        let (prefix, after) = (prefix.unwrap_or_default(), after.unwrap_or_default());
        let asked = usize::try_from(most.unwrap_or(1000)).unwrap();
        let room = if how.most == 0 { asked } else { asked.min(how.most) };
        let objects = self.objects.read().unwrap();
        let mut listed: Vec<_> = objects
            .range::<str, _>((std::ops::Bound::Excluded(after.as_str()), std::ops::Bound::Unbounded))
            .filter(|(key, _)| how.ignores_prefix || key.starts_with(&prefix))
            .take(room + 1)
            .map(|(key, stored)| (key.clone(), stored.clone()))
            .collect();
        let more = listed.len() > room;
        listed.truncate(room);
        (listed, more)
    }
}

struct Service(Arc<State>);

impl Service {
    /// The object and its tag, after whatever trouble it has.
    async fn object(&self, key: &str) -> S3Result<(Stored, String)> {
        let latency = *self.0.latency.lock().unwrap();
        if !latency.is_zero() {
            tokio::time::sleep(latency).await;
        }
        let stored = self.0.objects.read().unwrap().get(key).cloned().ok_or_else(|| s3_error!(NoSuchKey))?;
        let mut tag = tag(&stored.bytes);
        match stored.trouble {
            Trouble::None => {}
            Trouble::Denied => return Err(s3_error!(AccessDenied)),
            Trouble::Broken => return Err(s3_error!(InternalError)),
            Trouble::Slow(delay) => tokio::time::sleep(delay).await,
            Trouble::Changing => tag = format!("{tag}-{}", self.0.changes.fetch_add(1, Ordering::SeqCst)),
        }
        Ok((stored, tag))
    }
}

/// A key in a list. What stands in for a byte in a test's key is that byte here, which is no UTF-8.
fn shown(key: &str) -> String {
    utf8_percent_encode(key, NON_ALPHANUMERIC).to_string().replace("%EF%A3%BF", "%E9")
}

fn tag(bytes: &Bytes) -> String {
    format!("{:x}-{}", bytes.len(), bytes.first().copied().unwrap_or_default())
}

#[async_trait::async_trait]
impl S3 for Service {
    async fn head_object(&self, request: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
        self.0.heads.fetch_add(1, Ordering::SeqCst);
        let (stored, tag) = self.object(&request.input.key).await?;
        Ok(S3Response::new(HeadObjectOutput {
            content_length: Some(i64::try_from(stored.bytes.len()).unwrap()),
            content_type: stored.media_type,
            e_tag: Some(ETag::Strong(tag)),
            last_modified: Some(modified()),
            server_side_encryption: stored.encryption.method.map(Into::into),
            ssekms_key_id: stored.encryption.key,
            bucket_key_enabled: stored.encryption.bucket_key,
            ..Default::default()
        }))
    }

    async fn copy_object(&self, request: S3Request<CopyObjectInput>) -> S3Result<S3Response<CopyObjectOutput>> {
        let trouble = *self.0.copy_trouble.lock().unwrap();
        let destination = request.headers.get("if-match").map(|tag| tag.to_str().unwrap().trim_matches('"').to_owned());
        match trouble {
            CopyTrouble::NoCondition if destination.is_some() => return Err(s3_error!(NotImplemented)),
            CopyTrouble::Denied => return Err(s3_error!(AccessDenied)),
            _ => {}
        }
        let input = request.input;
        let (source, held) = self.object(&input.key).await?;
        if input.copy_source_if_match.is_some_and(|wanted| wanted.into_etag() != Some(ETag::Strong(held))) {
            return Err(s3_error!(PreconditionFailed));
        }
        let mut objects = self.0.objects.write().unwrap();
        let there = objects.get_mut(&input.key).unwrap();
        if trouble == CopyTrouble::Upload {
            there.bytes = Bytes::from_static(b"uploaded meanwhile");
        }
        if destination.is_some_and(|wanted| wanted != tag(&there.bytes)) {
            return Err(s3_error!(PreconditionFailed));
        }
        there.bytes = source.bytes;
        there.media_type = input.content_type;
        there.encryption = Encryption {
            method: input.server_side_encryption.map(|method| method.as_str().to_owned()),
            key: input.ssekms_key_id,
            bucket_key: input.bucket_key_enabled,
        };
        if trouble == CopyTrouble::DoneAndBroken {
            return Err(s3_error!(InternalError));
        }
        Ok(S3Response::new(CopyObjectOutput::default()))
    }

    async fn get_object(&self, request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let input = request.input;
        let (stored, tag) = self.object(&input.key).await?;
        let whole = u64::try_from(stored.bytes.len()).unwrap();
        let span = input.range.map(|range| range.check(whole)).transpose()?.unwrap_or(0..whole);
        let bytes = stored.bytes.slice(usize::try_from(span.start).unwrap()..usize::try_from(span.end).unwrap());
        Ok(S3Response::new(GetObjectOutput {
            content_length: Some(i64::try_from(bytes.len()).unwrap()),
            content_range: Some(format!("bytes {}-{}/{whole}", span.start, span.end - 1)),
            e_tag: Some(ETag::Strong(tag)),
            last_modified: Some(modified()),
            body: Some(StreamingBlob::from(s3s::Body::from(bytes))),
            ..Default::default()
        }))
    }

    async fn get_bucket_acl(&self, _: S3Request<GetBucketAclInput>) -> S3Result<S3Response<GetBucketAclOutput>> {
        Err(s3_error!(AccessDenied))
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        if *self.0.refuses_lists.lock().unwrap() {
            return Err(s3_error!(AccessDenied));
        }
        self.0.lists.fetch_add(1, Ordering::SeqCst);
        let input = request.input;
        assert!(input.encoding_type.as_ref().is_some_and(|how| how.as_str() == EncodingType::URL));
        let after = input.continuation_token.or(input.start_after);
        let (listed, more) = self.0.listed(input.prefix, after, input.max_keys);
        let is_lost = self.0.how.lock().unwrap().is_lost && more;
        let last = listed.last().map(|(key, _)| key.clone()).filter(|_| more && !is_lost);
        let object = |(key, stored): (String, Stored)| Object {
            key: Some(shown(&key)),
            e_tag: Some(ETag::Strong(tag(&stored.bytes))),
            size: Some(i64::try_from(stored.bytes.len()).unwrap()),
            ..Default::default()
        };
        Ok(S3Response::new(ListObjectsV2Output {
            contents: Some(listed.into_iter().filter(|_| !is_lost).map(object).collect()),
            is_truncated: Some(more),
            next_continuation_token: last,
            encoding_type: input.encoding_type,
            ..Default::default()
        }))
    }

    async fn list_object_versions(
        &self,
        request: S3Request<ListObjectVersionsInput>,
    ) -> S3Result<S3Response<ListObjectVersionsOutput>> {
        let how = *self.0.how.lock().unwrap();
        if !how.versions {
            return Err(s3_error!(NotImplemented));
        }
        let input = request.input;
        let (listed, more) = self.0.listed(input.prefix, input.key_marker, input.max_keys);
        let last = listed.last().map(|(key, _)| shown(key)).filter(|_| more && !how.is_lost);
        let version = |(key, stored): (String, Stored)| ObjectVersion {
            key: Some(shown(&key)),
            e_tag: Some(ETag::Strong(tag(&stored.bytes))),
            is_latest: Some(true),
            size: Some(i64::try_from(stored.bytes.len()).unwrap()),
            ..Default::default()
        };
        Ok(S3Response::new(ListObjectVersionsOutput {
            versions: Some(listed.into_iter().map(version).collect()),
            is_truncated: Some(more),
            next_key_marker: last,
            encoding_type: input.encoding_type,
            ..Default::default()
        }))
    }
}

fn modified() -> Timestamp {
    (SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000)).into()
}
