//! An S3 server of the test's own process, over the `s3s` crate: very many objects, and objects that are slow, refused or broken.
//!
//! It does what the audit asks of objects, and nothing of a bucket's settings, as many compatible servers do.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use hyper_util::rt::TokioIo;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::auth::SimpleAuth;
use s3s::dto::{
    ETag, EncodingType, GetBucketAclInput, GetBucketAclOutput, GetObjectInput, GetObjectOutput, HeadObjectInput,
    HeadObjectOutput, ListObjectsV2Input, ListObjectsV2Output, Object, StreamingBlob, Timestamp,
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
}

#[derive(Default)]
pub struct State {
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
        let stored = Stored { bytes: bytes.into(), media_type: media_type.map(Into::into), trouble };
        self.state.objects.write().unwrap().insert(key.into(), stored);
    }

    pub fn set_latency(&self, latency: Duration) {
        *self.state.latency.lock().unwrap() = latency;
    }

    pub fn refuse_lists(&self) {
        *self.state.refuses_lists.lock().unwrap() = true;
    }
}

async fn serve(listener: TcpListener, state: Arc<State>) {
    let mut builder = S3ServiceBuilder::new(Service(state));
    builder.set_auth(SimpleAuth::from_single("AKIATESTTESTTESTTEST", "secret-for-tests"));
    let service = builder.build();
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        let service = service.clone();
        let answer = hyper::service::service_fn(move |request: http::Request<hyper::body::Incoming>| {
            let service = service.clone();
            async move { service.call(request.map(s3s::Body::from)).await.map_err(|fault| format!("{fault:?}")) }
        });
        tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
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
            ..Default::default()
        }))
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
        let (prefix, after) = (input.prefix.unwrap_or_default(), input.start_after.unwrap_or_default());
        let room = usize::try_from(input.max_keys.unwrap_or(1000)).unwrap();
        let encode = input.encoding_type.as_ref().is_some_and(|how| how.as_str() == EncodingType::URL);
        let shown =
            |key: &str| if encode { utf8_percent_encode(key, NON_ALPHANUMERIC).to_string() } else { key.into() };
        let objects = self.0.objects.read().unwrap();
        let mut contents: Vec<_> = objects
            .range::<str, _>((std::ops::Bound::Excluded(after.as_str()), std::ops::Bound::Unbounded))
            .filter(|(key, _)| key.starts_with(&prefix))
            .take(room + 1)
            .map(|(key, stored)| Object {
                key: Some(shown(key)),
                e_tag: Some(ETag::Strong(tag(&stored.bytes))),
                size: Some(i64::try_from(stored.bytes.len()).unwrap()),
                ..Default::default()
            })
            .collect();
        let more = contents.len() > room;
        contents.truncate(room);
        Ok(S3Response::new(ListObjectsV2Output {
            contents: Some(contents),
            is_truncated: Some(more),
            encoding_type: input.encoding_type,
            ..Default::default()
        }))
    }
}

fn modified() -> Timestamp {
    (SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000)).into()
}
