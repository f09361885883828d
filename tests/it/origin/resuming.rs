//! The dependable store over a scripted one: the faults that no network makes on demand, and what they cost.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use hallpass::origin::{ObjectMeta, Origin, OriginCounters, OriginError, Outcome, ReliableOrigin, RetryPolicy};
use hallpass::value::ByteSpan;

use crate::kit::scripted::{Fault, Script, Scripted};
use crate::kit::{content, drain, key};

struct Scene {
    store: Scripted,
    origin: ReliableOrigin,
    meta: ObjectMeta,
    bytes: Vec<u8>,
}

impl Scene {
    async fn new(policy: RetryPolicy, script: Script) -> Self {
        let (store, bytes) = (Scripted::new(), content(1, 1_000_000));
        store.put("a", bytes.clone());
        store.script("a", script);
        let meta = store.head(&key("a")).await.unwrap();
        let origin = ReliableOrigin::new(Arc::new(store.clone()), policy, Arc::new(OriginCounters::default()));
        Self { store, origin, meta, bytes }
    }

    async fn read(&self, first: u64, last: u64) -> (Vec<u8>, Option<OriginError>) {
        let span = ByteSpan::within(first, last, self.meta.length).unwrap();
        match self.origin.read(&key("a"), &self.meta.version, span).await {
            Ok(stream) => drain(stream).await,
            Err(error) => (Vec::new(), Some(error)),
        }
    }
}

fn quick() -> RetryPolicy {
    RetryPolicy { backoff: Duration::from_millis(1), stall: Duration::from_millis(200), ..RetryPolicy::default() }
}

fn broken() -> OriginError {
    OriginError::Unavailable("broken on purpose".into())
}

#[tokio::test]
async fn a_span_is_resumed_behind_the_last_byte_passed_on() {
    for fault in [Fault::Cut(300_100), Fault::Short(300_100), Fault::Stall(300_100)] {
        let scene = Scene::new(quick(), Script::once(fault)).await;
        let (bytes, error) = scene.read(100, 899_999).await;
        assert_eq!(error, None);
        assert!(bytes == scene.bytes[100..900_000]);
        let asked: Vec<_> = scene.store.reads("a").iter().map(|read| (read.span.first(), read.span.last())).collect();
        assert_eq!(asked, [(100, 899_999), (300_100, 899_999)]);
        assert_eq!(scene.origin.counters().bytes(), 899_900);
    }
}

#[tokio::test]
async fn a_break_at_any_byte_leaves_the_body_equal() {
    for at in [0, 1, 262_143, 262_144, 262_145, 524_288, 999_999, 1_000_000] {
        let scene = Scene::new(quick(), Script::once(Fault::Cut(at))).await;
        let (bytes, error) = scene.read(0, 999_999).await;
        assert_eq!(error, None, "{at}");
        assert!(bytes == scene.bytes, "{at}");
        assert_eq!(
            scene.origin.counters().resumed(),
            u64::from(at < 1_000_000),
            "{at}: a break after the last byte is none"
        );
    }
}

#[tokio::test]
async fn a_longer_body_fails_and_passes_no_byte_too_many() {
    let scene = Scene::new(quick(), Script::always(Fault::Surplus(8))).await;
    let (bytes, error) = scene.read(10, 19).await;
    assert!(matches!(error, Some(OriginError::Failed(_))), "{error:?}");
    assert!(scene.bytes[10..20].starts_with(&bytes));
    assert_eq!(scene.origin.counters().reads(Outcome::Failed), 1);
}

#[tokio::test]
async fn a_version_that_is_gone_when_resumed_is_changed() {
    let scene = Scene::new(quick(), Script::always(Fault::Cut(5))).await;
    let span = ByteSpan::within(0, 999, scene.meta.length).unwrap();
    let stream = scene.origin.read(&key("a"), &scene.meta.version, span).await.unwrap();
    // From now on, and so for the resuming alone, reads are refused.
    let resuming = Script::always(Fault::Cut(5)).times(Fault::Refuse(broken()), 1);
    scene.store.script("a", resuming.times(Fault::Refuse(OriginError::Changed), 1));
    let (bytes, error) = drain(stream).await;
    assert_eq!((bytes.as_slice(), error), (&scene.bytes[..5], Some(OriginError::Changed)));
    assert_eq!(scene.store.reads("a").len(), 3);
    assert_eq!(scene.origin.counters().reads(Outcome::Changed), 1);
}

#[tokio::test]
async fn a_failing_store_is_not_asked_four_times_as_often() {
    let policy = RetryPolicy { budget_burst: 5.0, budget_trickle: 0.0, ..quick() };
    let scene = Scene::new(policy, Script::always(Fault::Refuse(broken()))).await;
    for _ in 0..100 {
        assert_eq!(scene.read(0, 9).await.1, Some(broken()));
    }
    let asked = scene.store.reads("a").len();
    assert!((110..=116).contains(&asked), "100 requests, 5 saved and 10 earned retries, asked {asked} times");
    assert!(scene.origin.counters().unpaid_retries() >= 90);
}

#[tokio::test]
async fn a_reader_that_takes_its_time_loses_no_patience() {
    let policy = RetryPolicy { patience: Duration::from_millis(300), ..quick() };
    let scene = Scene::new(policy, Script::once(Fault::Cut(10)).times(Fault::Cut(20), 1)).await;
    let span = ByteSpan::whole(scene.meta.length).unwrap();
    let mut stream = scene.origin.read(&key("a"), &scene.meta.version, span).await.unwrap();
    let mut bytes = Vec::new();
    while let Some(chunk) = stream.next().await {
        bytes.extend_from_slice(&chunk.unwrap());
        tokio::time::sleep(Duration::from_millis(400)).await;
    }
    assert!(bytes == scene.bytes);
}

#[tokio::test]
async fn a_reader_that_leaves_is_counted_as_such() {
    let scene = Scene::new(quick(), Script::default()).await;
    let span = ByteSpan::whole(scene.meta.length).unwrap();
    let mut stream = scene.origin.read(&key("a"), &scene.meta.version, span).await.unwrap();
    stream.next().await.unwrap().unwrap();
    drop(stream);
    let counters = scene.origin.counters();
    assert_eq!((counters.reads(Outcome::Dropped), counters.reads(Outcome::Complete)), (1, 0));
    // Whoever knows the length does not ask for the end.
    let span = ByteSpan::within(0, 9, scene.meta.length).unwrap();
    let mut stream = scene.origin.read(&key("a"), &scene.meta.version, span).await.unwrap();
    assert_eq!(stream.next().await.unwrap().unwrap().len(), 10);
    drop(stream);
    assert_eq!((counters.reads(Outcome::Dropped), counters.reads(Outcome::Complete)), (1, 1));
}
