//! A bucket behind a connection that breaks: what a reader sees is whole and equal, or an error.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hallpass::origin::{ObjectMeta, Origin, OriginCounters, OriginError, Outcome, ReliableOrigin, RetryPolicy, Waited};
use hallpass::value::ByteSpan;

use crate::kit::chaos::{Chaos, Fault};
use crate::kit::moto::{self, Bucket};
use crate::kit::{content, key, read};

const MIB: usize = 1024 * 1024;

/// One object of 5 MiB in a bucket, and a dependable store that reaches it through the proxy.
struct Scene {
    chaos: Chaos,
    bucket: Bucket,
    origin: ReliableOrigin,
    bytes: Vec<u8>,
    meta: ObjectMeta,
}

impl Scene {
    async fn with(policy: RetryPolicy) -> Self {
        let (bucket, chaos) = (Bucket::create().await, Chaos::before(moto::endpoint()).await);
        let bytes = content(7, 5 * MIB);
        bucket.put("video.mp4", &bytes).await;
        let meta = bucket.origin().head(&key("video.mp4")).await.unwrap();
        let through = Arc::new(bucket.origin_through(&chaos.endpoint));
        let origin = ReliableOrigin::new(through, policy, Arc::new(OriginCounters::default()));
        Self { chaos, bucket, origin, bytes, meta }
    }

    async fn new() -> Self {
        Self::with(RetryPolicy {
            stall: Duration::from_millis(500),
            first_byte: Duration::from_secs(2),
            ..RetryPolicy::default()
        })
        .await
    }

    async fn read(&self) -> Result<Bytes, OriginError> {
        let span = ByteSpan::whole(self.meta.length).unwrap();
        read(&self.origin, &key("video.mp4"), &self.meta.version, span).await
    }

    async fn arrives_whole(&self) {
        let got = self.read().await.unwrap();
        assert!(got == self.bytes, "{} bytes arrived, and they differ", got.len());
        assert_eq!(self.origin.counters().reads(Outcome::Complete), 1);
    }
}

#[tokio::test]
async fn a_body_broken_at_60_percent_is_resumed_from_there_and_pinned() {
    for fault in [Fault::ResetAfter, Fault::CloseAfter, Fault::TruncateCleanly] {
        let scene = Scene::new().await;
        scene.chaos.then([fault(3 * MIB)]);
        scene.arrives_whole().await;
        assert_eq!(scene.origin.counters().resumed(), 1);
        let last = 5 * MIB - 1;
        let ranges = scene.chaos.seen_header("range");
        assert_eq!(ranges[0], Some(format!("bytes=0-{last}")));
        assert_eq!(ranges[1], Some(format!("bytes={}-{last}", 3 * MIB)), "nothing is read twice");
        let pin = scene.meta.version.as_str().strip_prefix("e:").map(str::to_owned);
        assert_eq!(scene.chaos.seen_header("if-match"), [pin.clone(), pin]);
    }
}

#[tokio::test]
async fn a_connection_that_breaks_every_mebibyte_still_brings_it_all() {
    let scene = Scene::new().await;
    scene.chaos.always(Fault::CloseAfter(MIB));
    scene.arrives_whole().await;
    assert_eq!(scene.origin.counters().resumed(), 4);
}

#[tokio::test]
async fn a_connection_that_brings_almost_nothing_is_given_up() {
    let scene = Scene::new().await;
    scene.chaos.always(Fault::CloseAfter(1000));
    let said = scene.read().await;
    assert!(matches!(said, Err(OriginError::Unavailable(_))), "{said:?}");
    assert_eq!(scene.chaos.seen().len(), 4, "one request and three retries");
    assert_eq!(scene.origin.counters().reads(Outcome::Unavailable), 1);
    assert_eq!(scene.origin.counters().bytes(), 4000);
}

#[tokio::test]
async fn a_truncated_body_never_ends_cleanly() {
    for (fault, offset) in [
        (Fault::TruncateCleanly as fn(usize) -> Fault, 0),
        (Fault::TruncateCleanly, 5 * MIB - 1),
        (Fault::CloseAfter, 77),
    ] {
        let scene = Scene::with(RetryPolicy { retries: 0, ..RetryPolicy::default() }).await;
        scene.chaos.always(fault(offset));
        let said = scene.read().await;
        assert!(matches!(said, Err(OriginError::Unavailable(_))), "{offset}: {:?}", said.map(|bytes| bytes.len()));
        // The bare store keeps the same promise.
        let bare = scene.bucket.origin_through(&scene.chaos.endpoint);
        let span = ByteSpan::whole(scene.meta.length).unwrap();
        assert!(read(&bare, &key("video.mp4"), &scene.meta.version, span).await.is_err());
    }
}

#[tokio::test]
async fn a_stall_is_resumed() {
    let scene = Scene::new().await;
    scene.chaos.then([Fault::StallAfter(2 * MIB)]);
    scene.arrives_whole().await;
    assert_eq!(scene.origin.counters().resumed(), 1);
}

#[tokio::test]
async fn a_stall_that_lasts_is_a_timeout_within_the_patience() {
    let patience = Duration::from_millis(1200);
    let scene =
        Scene::with(RetryPolicy { stall: Duration::from_millis(300), patience, ..RetryPolicy::default() }).await;
    scene.chaos.always(Fault::StallAfter(0));
    let began = Instant::now();
    // Which wait used up the last of the patience depends on how busy the machine is: a stall, or the answer of the last retry.
    let said = scene.read().await;
    assert!(matches!(said, Err(OriginError::Timeout(Waited::Stall(_) | Waited::FirstByte(_)))), "{said:?}");
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    assert_eq!(scene.origin.counters().reads(Outcome::Timeout), 1);
}

#[tokio::test]
async fn a_store_that_never_answers_is_a_timeout_within_the_patience() {
    let limits = RetryPolicy {
        first_byte: Duration::from_millis(300),
        patience: Duration::from_millis(800),
        ..RetryPolicy::default()
    };
    let scene = Scene::with(limits).await;
    scene.chaos.always(Fault::NoAnswer);
    let began = Instant::now();
    let said = [
        scene.read().await.map(|_| ()),
        scene.origin.head(&key("video.mp4")).await.map(|_| ()),
        scene.origin.probe().await,
    ];
    for said in said {
        assert!(matches!(said, Err(OriginError::Timeout(Waited::FirstByte(_)))), "{said:?}");
    }
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_503_is_tried_again_until_it_passes() {
    let scene = Scene::new().await;
    scene.chaos.then([Fault::Status(503), Fault::Status(500), Fault::Status(429)]);
    scene.arrives_whole().await;
    assert_eq!(scene.origin.counters().retries(), 3);
    scene.chaos.then([Fault::Status(503), Fault::Status(503)]);
    assert_eq!(scene.origin.head(&key("video.mp4")).await.unwrap(), scene.meta);
}

#[tokio::test]
async fn a_503_that_stays_is_unavailable() {
    let scene = Scene::new().await;
    scene.chaos.always(Fault::Status(503));
    assert_eq!(scene.read().await, Err(OriginError::Unavailable("503".into())));
    assert_eq!(scene.chaos.seen().len(), 4);
    assert_eq!(scene.origin.head(&key("video.mp4")).await, Err(OriginError::Unavailable("503".into())));
    assert_eq!(scene.chaos.seen().len(), 8);
}

#[tokio::test]
async fn what_will_not_pass_is_not_tried_again() {
    let scene = Scene::new().await;
    for status in [403, 404, 412, 501] {
        scene.chaos.then([Fault::Status(status)]);
        assert!(scene.read().await.is_err());
    }
    assert_eq!(scene.chaos.seen().len(), 4);
    assert_eq!(scene.origin.counters().retries(), 0);
}

#[tokio::test]
async fn an_overwrite_during_a_break_is_changed_and_never_mixed() {
    let scene = Scene::new().await;
    scene.bucket.put("video.mp4", &content(8, 5 * MIB)).await;
    let meta = scene.bucket.origin().head(&key("video.mp4")).await.unwrap();
    let new = content(8, 5 * MIB);
    scene.chaos.then([Fault::StallAfter(MIB)]);
    let span = ByteSpan::whole(meta.length).unwrap();
    let stream = scene.origin.read(&key("video.mp4"), &meta.version, span).await.unwrap();
    scene.bucket.put("video.mp4", &content(9, 5 * MIB)).await;
    let (bytes, error) = crate::kit::drain(stream).await;
    assert_eq!(error, Some(OriginError::Changed));
    assert!(new.starts_with(&bytes));
}

#[tokio::test]
async fn a_slow_answer_within_the_limits_is_no_fault() {
    let scene = Scene::new().await;
    scene.chaos.then([Fault::Delay(Duration::from_millis(400))]);
    scene.arrives_whole().await;
    assert_eq!(scene.origin.counters().retries(), 0);
}

/// A store cannot know a flipped bit from the right one; the manifest's check of every block does. This shows that the
/// proxy's fault is real, for the tests above that check.
#[tokio::test]
async fn a_flipped_bit_passes_the_store_and_is_left_to_the_manifest() {
    let scene = Scene::new().await;
    scene.chaos.then([Fault::Flip(MIB)]);
    let got = scene.read().await.unwrap();
    assert!(got.len() == scene.bytes.len() && got != scene.bytes);
}
