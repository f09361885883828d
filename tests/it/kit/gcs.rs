//! A double of Google Cloud Storage: its XML API as its public reference describes it, in this process, over real HTTP.
//!
//! No package registry has an emulator that speaks the XML API, which is what our client speaks; this stands in for it. It knows objects with
//! generations, with or without object versioning, ranges, preconditions, lists, decompressive transcoding, and tokens that a service account
//! signed itself. What it does not know, it answers with 501, so that a client which asks for more is noticed. What goes wrong with its
//! answers is the business of a proxy before it ([`super::chaos`]).

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::ops::Bound;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::SystemTime;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, UnparsedPublicKey};
use bytes::Bytes;
use data_encoding::{BASE64, BASE64URL_NOPAD};
use hallpass::origin::{CloudOrigin, GcsCredentials, GcsSettings};
use hallpass::value::Secret;
use http::{Method, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use percent_encoding::percent_decode_str;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

type Answer = Response<BoxBody<Bytes, Infallible>>;

pub const BUCKET: &str = "acme-media";
const ACCOUNT: &str = "hallpass@acme.iam.gserviceaccount.com";

/// One write of an object.
#[derive(Clone)]
struct Generation {
    number: i64,
    bytes: Bytes,
    /// `Content-Type` and what else its owner stored, by lower-case name.
    head: Vec<(String, Vec<u8>)>,
    modified: SystemTime,
    live: bool,
}

#[derive(Default)]
struct Bucket {
    versioned: bool,
    objects: BTreeMap<String, Vec<Generation>>,
    writes: i64,
    asked: Vec<String>,
}

/// A bucket with a server of its own. It ends when dropped.
pub struct Gcs {
    pub endpoint: String,
    bucket: Arc<Mutex<Bucket>>,
    accepting: JoinHandle<()>,
}

impl Gcs {
    pub async fn start() -> Self {
        Self::new(false).await
    }

    pub async fn versioned() -> Self {
        Self::new(true).await
    }

    async fn new(versioned: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let bucket = Arc::new(Mutex::new(Bucket { versioned, ..Bucket::default() }));
        let served = Arc::clone(&bucket);
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let bucket = Arc::clone(&served);
                let service = service_fn(move |request| answer(Arc::clone(&bucket), request));
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(client), service),
                );
            }
        });
        Self { endpoint, bucket, accepting }
    }

    pub fn put(&self, key: &str, bytes: &[u8]) {
        self.put_with(key, bytes, &[("content-type", b"image/test")]);
    }

    pub fn put_with(&self, key: &str, bytes: &[u8], head: &[(&str, &[u8])]) {
        let head = head.iter().map(|(name, value)| ((*name).to_owned(), value.to_vec())).collect();
        self.bucket.lock().unwrap().write(key, Bytes::copy_from_slice(bytes), head);
    }

    pub fn delete(&self, key: &str) {
        self.bucket.lock().unwrap().retire(key);
    }

    /// The type and the bytes that lie at a key.
    pub fn get(&self, key: &str) -> (String, Vec<u8>) {
        let bucket = self.bucket.lock().unwrap();
        let object = bucket.find(key, None).unwrap();
        (String::from_utf8(object.stored("content-type").unwrap().to_vec()).unwrap(), object.bytes.to_vec())
    }

    /// Method, path and query of each request so far.
    pub fn asked(&self) -> Vec<String> {
        self.bucket.lock().unwrap().asked.clone()
    }

    pub fn settings(&self) -> GcsSettings {
        GcsSettings {
            bucket: BUCKET.to_owned(),
            credentials: GcsCredentials::ServiceAccount(Secret::new(service_account())),
            endpoint: Some(self.endpoint.clone()),
            prefix: None,
        }
    }

    pub fn origin(&self) -> CloudOrigin {
        CloudOrigin::open_gcs(&self.settings()).unwrap()
    }

    pub fn origin_under(&self, prefix: &str) -> CloudOrigin {
        CloudOrigin::open_gcs(&GcsSettings { prefix: Some(prefix.to_owned()), ..self.settings() }).unwrap()
    }

    /// The same bucket, reached by another way such as a proxy.
    pub fn origin_through(&self, endpoint: &str) -> CloudOrigin {
        CloudOrigin::open_gcs(&GcsSettings { endpoint: Some(endpoint.to_owned()), ..self.settings() }).unwrap()
    }
}

impl Drop for Gcs {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

fn key_pair() -> &'static KeyPair {
    static KEY: OnceLock<KeyPair> = OnceLock::new();
    KEY.get_or_init(|| KeyPair::generate(KeySize::Rsa2048).unwrap())
}

/// A key file of a service account, as Google's console hands it out.
pub fn service_account() -> String {
    let der: Pkcs8V1Der<'_> = key_pair().as_der().unwrap();
    let base64 = BASE64.encode(der.as_ref());
    let lines: Vec<_> = base64.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"));
    serde_json::json!({
        "type": "service_account", "project_id": "acme", "private_key_id": "key-1", "private_key": pem, "client_email": ACCOUNT,
    })
    .to_string()
}

/// A token as the service account signs it, valid for an hour.
pub fn token() -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let scope = "https://www.googleapis.com/auth/devstorage.read_only";
    let parts = [
        serde_json::json!({ "alg": "RS256", "typ": "JWT" }),
        serde_json::json!({ "iss": ACCOUNT, "scope": scope, "iat": now, "exp": now + 3600 }),
    ];
    let message = parts.map(|part| BASE64URL_NOPAD.encode(part.to_string().as_bytes())).join(".");
    let mut signature = vec![0; key_pair().public_modulus_len()];
    let random = aws_lc_rs::rand::SystemRandom::new();
    key_pair().sign(&RSA_PKCS1_SHA256, &random, message.as_bytes(), &mut signature).unwrap();
    format!("{message}.{}", BASE64URL_NOPAD.encode(&signature))
}

/// Whether a bearer token was signed by the service account for this purpose and is in time: "Service account authorization without OAuth".
fn is_ours(token: &str) -> Option<()> {
    let (message, signature) = token.rsplit_once('.')?;
    let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key_pair().public_key());
    public.verify(message.as_bytes(), &BASE64URL_NOPAD.decode(signature.as_bytes()).ok()?).ok()?;
    let claims = BASE64URL_NOPAD.decode(message.split_once('.')?.1.as_bytes()).ok()?;
    let claims: serde_json::Value = serde_json::from_slice(&claims).ok()?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let (from, to) = (claims["iat"].as_u64()?, claims["exp"].as_u64()?);
    let scoped = claims["scope"].as_str()?.starts_with("https://www.googleapis.com/auth/");
    (claims["iss"] == ACCOUNT && scoped && from <= now + 60 && now < to && to <= from + 3600).then_some(())
}

impl Generation {
    fn stored(&self, name: &str) -> Option<&[u8]> {
        self.head.iter().find(|(stored, _)| stored == name).map(|(_, value)| value.as_slice())
    }

    fn etag(&self) -> String {
        format!("\"{}\"", &blake3::hash(&self.bytes).to_hex()[..32])
    }
}

impl Bucket {
    fn write(&mut self, key: &str, bytes: Bytes, head: Vec<(String, Vec<u8>)>) -> Generation {
        self.retire(key);
        self.writes += 1;
        // Microseconds since 1970, as real ones look.
        let (number, modified) = (1_763_700_000_000_000 + self.writes, SystemTime::now());
        let written = Generation { number, bytes, head, modified, live: true };
        self.objects.entry(key.to_owned()).or_default().push(written.clone());
        written
    }

    /// What is live becomes noncurrent, or is gone.
    fn retire(&mut self, key: &str) {
        let versioned = self.versioned;
        if let Some(generations) = self.objects.get_mut(key) {
            for generation in generations.iter_mut() {
                generation.live = false;
            }
            generations.retain(|_| versioned);
        }
    }

    fn find(&self, key: &str, generation: Option<i64>) -> Option<&Generation> {
        let mut all = self.objects.get(key)?.iter();
        all.find(|one| generation.map_or(one.live, |number| one.number == number))
    }
}

async fn answer(bucket: Arc<Mutex<Bucket>>, request: Request<Incoming>) -> Result<Answer, Infallible> {
    let (head, body) = request.into_parts();
    let Ok(body) = body.collect().await else { return Ok(fault(400, "IncompleteBody")) };
    let asked = head.uri.path_and_query().unwrap().to_string();
    bucket.lock().unwrap().asked.push(format!("{} {asked}", head.method));
    let bearer = head.headers.get("authorization").and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    if bearer.and_then(is_ours).is_none() {
        return Ok(fault(401, "AuthenticationRequired"));
    }
    let path = head.uri.path().strip_prefix('/').unwrap();
    let (place, name) = path.split_once('/').unwrap_or((path, ""));
    let [place, name] = [place, name].map(|text| percent_decode_str(text).decode_utf8().unwrap().into_owned());
    if place != BUCKET {
        return Ok(fault(404, "NoSuchBucket"));
    }
    let query: BTreeMap<String, String> = url_query(head.uri.query().unwrap_or_default());
    let mut bucket = bucket.lock().unwrap();
    Ok(match head.method {
        Method::GET if name.is_empty() => list(&bucket, &query),
        Method::GET | Method::HEAD => get(&bucket, &name, &query, &head),
        Method::PUT if query.is_empty() => put(&mut bucket, &name, body.to_bytes(), &head),
        Method::DELETE if query.is_empty() => match bucket.find(&name, None) {
            Some(_) => {
                bucket.retire(&name);
                plain(204)
            }
            None => fault(404, "NoSuchKey"),
        },
        _ => fault(501, "NotImplemented"),
    })
}

/// "List objects", with `list-type=2`.
fn list(bucket: &Bucket, query: &BTreeMap<String, String>) -> Answer {
    let known = ["list-type", "prefix", "max-keys", "start-after", "continuation-token"];
    if query.keys().any(|name| !known.contains(&name.as_str())) || query.get("list-type").is_none_or(|kind| kind != "2")
    {
        return fault(501, "NotImplemented");
    }
    let prefix = query.get("prefix").cloned().unwrap_or_default();
    let max: usize = query.get("max-keys").map_or(1000, |max| max.parse().unwrap());
    let token = query
        .get("continuation-token")
        .map(|token| String::from_utf8(BASE64.decode(token.as_bytes()).unwrap()).unwrap());
    let after = token.or_else(|| query.get("start-after").cloned()).unwrap_or_default();
    let behind = (Bound::Excluded(after.as_str()), Bound::Unbounded);
    let live = bucket.objects.range::<str, _>(behind).filter(|(key, _)| key.starts_with(&prefix));
    let live = live.filter_map(|(key, _)| Some((key, bucket.find(key, None)?)));
    let mut live: Vec<_> = live.take(max + 1).collect();
    let more = live.len() > max;
    live.truncate(max);
    let next = live.last().filter(|_| more).map(|(key, _)| BASE64.encode(key.as_bytes()));
    let next = next.map(|next| format!("<NextContinuationToken>{next}</NextContinuationToken>")).unwrap_or_default();
    let listed: String = live.into_iter().map(|(key, object)| contents(key, object)).collect();
    let text = format!(
        "<?xml version='1.0' encoding='UTF-8'?><ListBucketResult xmlns='http://doc.s3.amazonaws.com/2006-03-01'><Name>{BUCKET}</Name>\
         <Prefix>{}</Prefix><IsTruncated>{more}</IsTruncated>{next}{listed}</ListBucketResult>",
        escaped(&prefix)
    );
    let body = Full::new(Bytes::from(text)).boxed();
    Response::builder().header("content-type", "application/xml; charset=UTF-8").body(body).unwrap()
}

fn contents(key: &str, object: &Generation) -> String {
    let (number, modified) = (object.number, humantime::format_rfc3339_millis(object.modified));
    format!(
        "<Contents><Key>{}</Key><Generation>{number}</Generation><MetaGeneration>1</MetaGeneration><LastModified>{modified}</LastModified>\
         <ETag>{}</ETag><Size>{}</Size></Contents>",
        escaped(key),
        escaped(&object.etag()),
        object.bytes.len()
    )
}

/// "Download an object" and "Get object metadata".
fn get(bucket: &Bucket, key: &str, query: &BTreeMap<String, String>, asked: &http::request::Parts) -> Answer {
    if query.keys().any(|name| name != "generation") {
        return fault(501, "NotImplemented");
    }
    let Ok(generation) = query.get("generation").map(|text| text.parse()).transpose() else {
        return fault(400, "InvalidArgument");
    };
    let Some(object) = bucket.find(key, generation) else { return fault(404, "NoSuchKey") };
    let said = |name: &str| asked.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    let wrong_tag = said("if-match").is_some_and(|tag| tag != "*" && tag != object.etag());
    if wrong_tag || said("x-goog-if-generation-match").is_some_and(|number| number != object.number.to_string()) {
        return fault(412, "PreconditionFailed");
    }
    let coding = object.stored("content-encoding").map_or("identity".into(), String::from_utf8_lossy);
    let length = object.bytes.len();
    let mut answer = Response::builder()
        .header("etag", object.etag())
        .header("last-modified", httpdate::fmt_http_date(object.modified))
        .header("x-goog-generation", object.number)
        .header("x-goog-metageneration", 1)
        .header("x-goog-storage-class", "STANDARD")
        .header("x-goog-stored-content-encoding", &*coding)
        .header("x-goog-stored-content-length", length);
    // "Transcoding of gzip-compressed files": who does not say that it takes gzip gets it unpacked, whole, and without its length.
    let unpacked = coding == "gzip" && !said("accept-encoding").is_some_and(|taken| taken.contains("gzip"));
    for (name, value) in &object.head {
        if !(unpacked && name == "content-encoding") {
            answer = answer.header(name, http::HeaderValue::from_bytes(value).unwrap());
        }
    }
    if unpacked {
        let chunk = Ok(Frame::data(Bytes::from_static(b"what was packed")));
        let body = StreamBody::new(futures_util::stream::iter([chunk])).boxed();
        return answer.header("warning", "214 UploadServer gunzipped").body(body).unwrap();
    }
    let answer = answer.header("accept-ranges", "bytes");
    let (answer, part) = match said("range").map(|range| span(&range, length)) {
        None => (answer, 0..length),
        Some(None) => return fault(416, "InvalidRange"),
        Some(Some((first, last))) => {
            let range = format!("bytes {first}-{last}/{length}");
            (answer.status(StatusCode::PARTIAL_CONTENT).header("content-range", range), first..last + 1)
        }
    };
    let bytes = object.bytes.slice(part);
    answer.header("content-length", bytes.len()).body(Full::new(bytes).boxed()).unwrap()
}

/// "Upload an object": what it is stored with is what the request says.
fn put(bucket: &mut Bucket, key: &str, bytes: Bytes, asked: &http::request::Parts) -> Answer {
    let current = bucket.find(key, None).map_or(0, |object| object.number);
    let condition = asked.headers.get("x-goog-if-generation-match").map(|value| value.to_str().unwrap().parse::<i64>());
    match condition {
        Some(Err(_)) => return fault(400, "InvalidArgument"),
        Some(Ok(number)) if number != current => return fault(412, "PreconditionFailed"),
        _ => {}
    }
    let keeps = |name: &str| matches!(name, "content-type" | "content-encoding") || name.starts_with("x-goog-meta-");
    let head = asked.headers.iter().filter(|(name, _)| keeps(name.as_str()));
    let head = head.map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect();
    let written = bucket.write(key, bytes, head);
    let answer = Response::builder().header("etag", written.etag()).header("x-goog-generation", written.number);
    answer.header("content-length", 0).body(Full::default().boxed()).unwrap()
}

/// First and last offset of `bytes=first-last`, of which the last may lie beyond the end.
fn span(range: &str, length: usize) -> Option<(usize, usize)> {
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    let (first, last) = (first.parse().ok()?, last.parse::<usize>().ok()?.min(length.checked_sub(1)?));
    (first <= last).then_some((first, last))
}

fn fault(status: u16, code: &str) -> Answer {
    let text = format!(
        "<?xml version='1.0' encoding='UTF-8'?><Error><Code>{code}</Code><Message>As it is told to.</Message></Error>"
    );
    let body = Full::new(Bytes::from(text)).boxed();
    Response::builder().status(status).header("content-type", "application/xml; charset=UTF-8").body(body).unwrap()
}

fn plain(status: u16) -> Answer {
    Response::builder().status(status).body(Full::default().boxed()).unwrap()
}

fn url_query(query: &str) -> BTreeMap<String, String> {
    let decoded = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8().unwrap().into_owned();
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decoded(name), decoded(value)))
        .collect()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('\t', "&#x9;").replace('<', "&lt;").replace('>', "&gt;")
}
