//! What every store promises. Each promise is one function, and every backend runs them all.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use hallpass::origin::{LocalOrigin, LocalSettings, Origin, OriginCounters, OriginError, ReliableOrigin, RetryPolicy};
use hallpass::value::{ByteSpan, Clock};

use crate::kit::azurite::Container;
use crate::kit::gcs::Gcs;
use crate::kit::moto::Bucket;
use crate::kit::{content, fetch, key, read};

/// A store, and the hand that changes what lies in it.
struct Backend {
    origin: Arc<dyn Origin>,
    below: Below,
    /// Whether an overwritten version stays readable.
    keeps_versions: bool,
    /// Those of the odd keys that it cannot address, and says so.
    refuses: &'static [&'static str],
}

enum Below {
    Directory(tempfile::TempDir),
    Bucket(Bucket, &'static str),
    Container(Container, &'static str),
    Gcs(Gcs, &'static str),
}

impl Backend {
    fn new(origin: impl Origin, below: Below, keeps_versions: bool) -> Self {
        Self { origin: Arc::new(origin), below, keeps_versions, refuses: &[] }
    }

    fn refusing(self, refuses: &'static [&'static str]) -> Self {
        Self { refuses, ..self }
    }

    async fn put(&self, key: &str, bytes: &[u8]) {
        match &self.below {
            Below::Directory(dir) => {
                let path = dir.path().join(key);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                // Longer than a tick of the clock that stamps files.
                tokio::time::sleep(Duration::from_millis(20)).await;
                std::fs::write(path, bytes).unwrap();
            }
            Below::Bucket(bucket, prefix) => bucket.put(&format!("{prefix}{key}"), bytes).await,
            Below::Container(container, prefix) => container.put(&format!("{prefix}{key}"), bytes).await,
            Below::Gcs(bucket, prefix) => bucket.put(&format!("{prefix}{key}"), bytes),
        }
    }

    async fn delete(&self, key: &str) {
        match &self.below {
            Below::Directory(dir) => std::fs::remove_file(dir.path().join(key)).unwrap(),
            Below::Bucket(bucket, prefix) => bucket.delete(&format!("{prefix}{key}")).await,
            Below::Container(container, prefix) => container.delete(&format!("{prefix}{key}")).await,
            Below::Gcs(bucket, prefix) => bucket.delete(&format!("{prefix}{key}")),
        }
    }

    async fn read(&self, name: &str, span: (u64, u64)) -> Result<bytes::Bytes, OriginError> {
        let meta = self.origin.head(&key(name)).await.unwrap();
        let span = ByteSpan::within(span.0, span.1, meta.length).unwrap();
        read(&*self.origin, &key(name), &meta.version, span).await
    }
}

fn directory() -> Backend {
    let dir = tempfile::tempdir().unwrap();
    let origin = LocalOrigin::open(&LocalSettings { root: dir.path().into() }).unwrap();
    Backend::new(origin, Below::Directory(dir), false)
}

async fn bucket() -> Backend {
    let bucket = Bucket::create().await;
    Backend::new(bucket.origin(), Below::Bucket(bucket, ""), false)
}

async fn versioned_bucket() -> Backend {
    let bucket = Bucket::create_versioned().await;
    Backend::new(bucket.origin(), Below::Bucket(bucket, ""), true)
}

async fn prefix_of_a_bucket() -> Backend {
    let bucket = Bucket::create().await;
    Backend::new(bucket.origin_under("deep/er"), Below::Bucket(bucket, "deep/er/"), false)
}

async fn container() -> Backend {
    let container = Container::create().await;
    Backend::new(container.origin(), Below::Container(container, ""), false).refusing(&AZURE_REFUSES)
}

async fn prefix_of_a_container() -> Backend {
    let container = Container::create().await;
    let origin = container.origin_under("deep/er");
    Backend::new(origin, Below::Container(container, "deep/er/"), false).refusing(&AZURE_REFUSES)
}

async fn gcs() -> Backend {
    let bucket = Gcs::start().await;
    Backend::new(bucket.origin(), Below::Gcs(bucket, ""), false).refusing(&["tab\there"])
}

async fn versioned_gcs() -> Backend {
    let bucket = Gcs::versioned().await;
    Backend::new(bucket.origin(), Below::Gcs(bucket, ""), true).refusing(&["tab\there"])
}

async fn prefix_of_gcs() -> Backend {
    let bucket = Gcs::start().await;
    Backend::new(bucket.origin_under("deep/er"), Below::Gcs(bucket, "deep/er/"), false).refusing(&["tab\there"])
}

/// What no client can address, and what Azure would take for another key.
const AZURE_REFUSES: [&str; 3] = ["tab\there", "...", "back\\slash"];

fn reliable(backend: Backend) -> Backend {
    let counters = Arc::new(OriginCounters::default());
    let origin = Arc::new(ReliableOrigin::new(backend.origin, RetryPolicy::default(), counters));
    Backend { origin, ..backend }
}

macro_rules! contract {
    ($($promise:ident)*) => {
        contract! { @ local_directory: directory(); $($promise)* }
        contract! { @ s3: bucket().await; $($promise)* }
        contract! { @ s3_versioned: versioned_bucket().await; $($promise)* }
        contract! { @ s3_under_a_prefix: prefix_of_a_bucket().await; $($promise)* }
        contract! { @ azure: container().await; $($promise)* }
        contract! { @ azure_under_a_prefix: prefix_of_a_container().await; $($promise)* }
        contract! { @ gcs: gcs().await; $($promise)* }
        contract! { @ gcs_versioned: versioned_gcs().await; $($promise)* }
        contract! { @ gcs_under_a_prefix: prefix_of_gcs().await; $($promise)* }
        contract! { @ reliable_local: reliable(directory()); $($promise)* }
        contract! { @ reliable_s3: reliable(versioned_bucket().await); $($promise)* }
        contract! { @ reliable_azure: reliable(container().await); $($promise)* }
        contract! { @ reliable_gcs: reliable(versioned_gcs().await); $($promise)* }
    };
    (@ $backend:ident: $make:expr; $($promise:ident)*) => {
        mod $backend {
            use super::*;
            $(
                #[tokio::test]
                async fn $promise() {
                    super::$promise($make).await;
                }
            )*
        }
    };
}

contract! {
    a_head_tells_length_version_and_time
    an_absent_key_is_not_found
    a_whole_object_is_read
    every_span_is_exactly_its_bytes
    five_mebibytes_arrive_equal
    an_empty_object_has_a_head
    an_overwritten_version_is_kept_or_changed
    an_overwrite_of_equal_length_is_noticed
    a_deleted_version_is_kept_or_changed
    a_span_past_the_end_is_changed
    a_version_of_another_store_is_changed
    odd_keys_round_trip
    keys_are_told_apart_byte_by_byte
    a_stream_left_early_disturbs_nobody
    the_probe_succeeds
}

async fn a_head_tells_length_version_and_time(store: Backend) {
    let before = Clock::system().now().minus(Duration::from_secs(2));
    store.put("dir/a.jpg", b"hello").await;
    let meta = store.origin.head(&key("dir/a.jpg")).await.unwrap();
    assert_eq!(meta.length, 5);
    let now = Clock::system().now().plus(Duration::from_secs(2));
    assert!((before..=now).contains(&meta.last_modified), "{before} {} {now}", meta.last_modified);
    assert_eq!(meta, store.origin.head(&key("dir/a.jpg")).await.unwrap(), "two heads of one version agree");
    assert_eq!(meta.content_encoding, None);
}

async fn an_absent_key_is_not_found(store: Backend) {
    store.put("dir/a.jpg", b"hello").await;
    for absent in ["b.jpg", "dir/b.jpg", "dir/a.jp", "dir/a.jpgg", "DIR/a.jpg", "dir/a.jpg/b"] {
        assert_eq!(store.origin.head(&key(absent)).await, Err(OriginError::NotFound), "{absent}");
    }
}

async fn a_whole_object_is_read(store: Backend) {
    store.put("a.txt", b"hello").await;
    assert_eq!(fetch(&*store.origin, &key("a.txt")).await.unwrap(), "hello");
}

async fn every_span_is_exactly_its_bytes(store: Backend) {
    let bytes = content(1, 600_000);
    store.put("a.bin", &bytes).await;
    for (first, last) in
        [(0, 0), (599_999, 599_999), (0, 599_999), (1, 599_998), (262_143, 262_144), (262_144, 524_287), (10, 19)]
    {
        let got = store.read("a.bin", (first, last)).await.unwrap();
        let want = &bytes[usize::try_from(first).unwrap()..=usize::try_from(last).unwrap()];
        assert!(got == want, "{first}-{last}: {} bytes", got.len());
    }
}

async fn five_mebibytes_arrive_equal(store: Backend) {
    let bytes = content(2, 5 * 1024 * 1024);
    store.put("video.mp4", &bytes).await;
    assert!(fetch(&*store.origin, &key("video.mp4")).await.unwrap() == bytes);
}

async fn an_empty_object_has_a_head(store: Backend) {
    store.put("empty", b"").await;
    assert_eq!(store.origin.head(&key("empty")).await.unwrap().length, 0);
}

async fn an_overwritten_version_is_kept_or_changed(store: Backend) {
    store.put("a", b"old bytes").await;
    let old = store.origin.head(&key("a")).await.unwrap();
    store.put("a", b"new and longer bytes").await;
    let new = store.origin.head(&key("a")).await.unwrap();
    assert_ne!(old.version, new.version);
    let read_old = read(&*store.origin, &key("a"), &old.version, ByteSpan::whole(9).unwrap()).await;
    if store.keeps_versions {
        assert_eq!(read_old.unwrap(), "old bytes");
    } else {
        assert_eq!(read_old, Err(OriginError::Changed));
    }
    assert_eq!(fetch(&*store.origin, &key("a")).await.unwrap(), "new and longer bytes");
}

async fn an_overwrite_of_equal_length_is_noticed(store: Backend) {
    store.put("a", b"old").await;
    let old = store.origin.head(&key("a")).await.unwrap();
    store.put("a", b"new").await;
    assert_ne!(old.version, store.origin.head(&key("a")).await.unwrap().version);
    let got = read(&*store.origin, &key("a"), &old.version, ByteSpan::whole(3).unwrap()).await;
    assert_ne!(got, Ok("new".into()), "a new byte under an old version");
}

async fn a_deleted_version_is_kept_or_changed(store: Backend) {
    store.put("a", b"bytes").await;
    let meta = store.origin.head(&key("a")).await.unwrap();
    store.delete("a").await;
    assert_eq!(store.origin.head(&key("a")).await, Err(OriginError::NotFound));
    let got = read(&*store.origin, &key("a"), &meta.version, ByteSpan::whole(5).unwrap()).await;
    let want = if store.keeps_versions { Ok("bytes".into()) } else { Err(OriginError::Changed) };
    assert_eq!(got, want);
}

async fn a_span_past_the_end_is_changed(store: Backend) {
    store.put("a", b"bytes").await;
    let meta = store.origin.head(&key("a")).await.unwrap();
    let beyond = ByteSpan::within(100, 200, 300).unwrap();
    assert_eq!(read(&*store.origin, &key("a"), &meta.version, beyond).await, Err(OriginError::Changed));
    let across = ByteSpan::within(2, 200, 300).unwrap();
    let got = read(&*store.origin, &key("a"), &meta.version, across).await;
    assert!(matches!(got, Err(OriginError::Changed | OriginError::Failed(_))), "{got:?}");
}

async fn a_version_of_another_store_is_changed(store: Backend) {
    store.put("a", b"bytes").await;
    for version in ["f:1-5-1.000000001", "e:\"no such tag\"", "z:what", "nonsense"] {
        let got = read(&*store.origin, &key("a"), &version.parse().unwrap(), ByteSpan::whole(5).unwrap()).await;
        assert_eq!(got, Err(OriginError::Changed), "{version}");
    }
}

async fn odd_keys_round_trip(store: Backend) {
    let odd = [
        "space in it",
        " lead and trail ",
        "plus+plus",
        "colon:colon",
        "it's",
        "(round)",
        "star*",
        "bang!",
        "dollar$",
        "amp&amp",
        "comma,",
        "semi;colon",
        "equals=",
        "at@",
        "hash#hash",
        "what?is=this",
        "100%",
        "%2e%2e%2f",
        "a%2Fb",
        "%zz",
        "größe/straße.jpg",
        "日本語/絵😀.png",
        "e\u{301}",
        "back\\slash",
        "quote\"quote",
        "<tag>",
        "pipe|~`^{}[]",
        "tab\there",
        "...",
        ".hidden",
        "a/.b/..c/d",
        "deep/1/2/3/4/5/6/7/8/9/x",
        "CON",
        "-rf",
    ];
    let (refused, odd): (Vec<_>, Vec<_>) = odd.into_iter().partition(|name| store.refuses.contains(name));
    assert_eq!(refused.len(), store.refuses.len());
    for name in refused {
        let said = store.origin.head(&key(name)).await;
        assert!(matches!(said, Err(OriginError::Unaddressable(_))), "{name:?}: {said:?}");
        let said = read(&*store.origin, &key(name), &"e:\"0x8D\"".parse().unwrap(), ByteSpan::whole(5).unwrap()).await;
        assert!(matches!(said, Err(OriginError::Unaddressable(_) | OriginError::Changed)), "{name:?}: {said:?}");
    }
    for key in &odd {
        store.put(key, format!("content of {key}").as_bytes()).await;
    }
    for name in odd {
        let got = fetch(&*store.origin, &key(name)).await;
        assert_eq!(got.unwrap_or_else(|error| panic!("{name:?}: {error}")), format!("content of {name}"));
    }
}

async fn keys_are_told_apart_byte_by_byte(store: Backend) {
    for (there, other) in [("a b", "a+b"), ("a%20b", "a b"), ("é", "e\u{301}"), ("x?y", "x"), ("k#z", "k"), ("q", "Q")]
    {
        store.put(there, b"here").await;
        store.delete(there).await;
        store.put(other, b"other").await;
        assert_eq!(store.origin.head(&key(there)).await, Err(OriginError::NotFound), "{there:?} is not {other:?}");
        store.delete(other).await;
    }
}

async fn a_stream_left_early_disturbs_nobody(store: Backend) {
    let bytes = content(3, 3 * 1024 * 1024);
    store.put("a", &bytes).await;
    let meta = store.origin.head(&key("a")).await.unwrap();
    for _ in 0..20 {
        let span = ByteSpan::whole(meta.length).unwrap();
        let mut stream = store.origin.read(&key("a"), &meta.version, span).await.unwrap();
        assert!(!stream.next().await.unwrap().unwrap().is_empty());
    }
    assert!(fetch(&*store.origin, &key("a")).await.unwrap() == bytes);
}

async fn the_probe_succeeds(store: Backend) {
    store.origin.probe().await.unwrap();
    store.put("a", b"bytes").await;
    store.origin.probe().await.unwrap();
}
