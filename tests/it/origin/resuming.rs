//! The dependable store over a scripted one: the faults that no network makes on demand, and what they cost.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use hallpass::origin::{
    LocalOrigin, LocalSettings, ObjectMeta, Origin, OriginCounters, OriginError, Outcome, ReliableOrigin, RetryPolicy,
};
use hallpass::value::ByteSpan;

use crate::kit::faulty::{FaultyOrigin, Mishap};
use crate::kit::{content, drain, key};

struct Scene {
    _dir: tempfile::TempDir,
    faulty: Arc<FaultyOrigin>,
    origin: ReliableOrigin,
    meta: ObjectMeta,
    bytes: Vec<u8>,
}

impl Scene {
    async fn new(policy: RetryPolicy, script: Vec<Mishap>, lasting: Mishap) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let bytes = content(1, 1_000_000);
        std::fs::write(dir.path().join("a"), &bytes).unwrap();
        let local = LocalOrigin::open(&LocalSettings { root: dir.path().into() }).unwrap();
        let meta = local.head(&key("a")).await.unwrap();
        let faulty = Arc::new(FaultyOrigin::new(Arc::new(local), script).then_always(lasting));
        let below: Arc<dyn Origin> = faulty.clone();
        let origin = ReliableOrigin::new(below, policy, Arc::new(OriginCounters::default()));
        Self { _dir: dir, faulty, origin, meta, bytes }
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
    for mishap in [Mishap::BreakAfter(300_000, broken()), Mishap::EndAfter(300_000), Mishap::StallAfter(300_000)] {
        let scene = Scene::new(quick(), vec![mishap], Mishap::None).await;
        let (bytes, error) = scene.read(100, 899_999).await;
        assert_eq!(error, None);
        assert!(bytes == scene.bytes[100..900_000]);
        let asked: Vec<_> = scene.faulty.reads().iter().map(|span| (span.first(), span.last())).collect();
        assert_eq!(asked, [(100, 899_999), (300_100, 899_999)]);
        assert_eq!(scene.origin.counters().bytes(), 899_900);
    }
}

#[tokio::test]
async fn a_break_at_any_byte_leaves_the_body_equal() {
    for at in [0, 1, 262_143, 262_144, 262_145, 524_288, 999_999, 1_000_000] {
        let scene = Scene::new(quick(), vec![Mishap::BreakAfter(at, broken())], Mishap::None).await;
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
    let scene = Scene::new(quick(), vec![], Mishap::Surplus(b"and more")).await;
    let (bytes, error) = scene.read(10, 19).await;
    assert!(matches!(error, Some(OriginError::Failed(_))), "{error:?}");
    assert!(scene.bytes[10..20].starts_with(&bytes));
    assert_eq!(scene.origin.counters().reads(Outcome::Failed), 1);
}

#[tokio::test]
async fn a_version_that_is_gone_when_resumed_is_changed() {
    let script = vec![Mishap::BreakAfter(5, broken()), Mishap::Refuse(broken()), Mishap::Refuse(OriginError::Changed)];
    let scene = Scene::new(quick(), script, Mishap::None).await;
    let (bytes, error) = scene.read(0, 999).await;
    assert_eq!((bytes.as_slice(), error), (&scene.bytes[..5], Some(OriginError::Changed)));
    assert_eq!(scene.origin.counters().reads(Outcome::Changed), 1);
}

#[tokio::test]
async fn a_failing_store_is_not_asked_four_times_as_often() {
    let policy = RetryPolicy { budget_burst: 5.0, budget_trickle: 0.0, ..quick() };
    let scene = Scene::new(policy, vec![], Mishap::Refuse(broken())).await;
    for _ in 0..100 {
        assert_eq!(scene.read(0, 9).await.1, Some(broken()));
    }
    let asked = scene.faulty.reads().len();
    assert!((110..=116).contains(&asked), "100 requests, 5 saved and 10 earned retries, asked {asked} times");
    assert!(scene.origin.counters().unpaid_retries() >= 90);
}

#[tokio::test]
async fn a_reader_that_takes_its_time_loses_no_patience() {
    let policy = RetryPolicy { patience: Duration::from_millis(300), ..quick() };
    let script = vec![Mishap::BreakAfter(10, broken()), Mishap::BreakAfter(10, broken())];
    let scene = Scene::new(policy, script, Mishap::None).await;
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
    let scene = Scene::new(quick(), vec![], Mishap::None).await;
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
