//! What no client, no store and no disk can bring about: a half object, an overwritten one, a link to other bytes.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join_all};
use hallpass::origin::{
    ByteStream, Create, CreateError, LocalOrigin, LocalSettings, NewObject, ObjectMeta, Origin, OriginError,
};
use hallpass::value::{ByteSpan, Fingerprint, ObjectKey, ObjectVersion};
use serde_json::json;

use super::{files, gateway, head, publish, replace, sample, stored};
use crate::kit::chaos::{Chaos, Fault};
use crate::kit::gateway::Gateway;
use crate::kit::moto::{self, Bucket};
use crate::kit::wire::Wire;
use crate::kit::{fetch, key};

const PROMOS: &str = "store=media&prefix=promos/&filename=a.jpg";

fn key_of(bytes: &[u8]) -> String {
    format!("promos/a.{}.jpg", Fingerprint::of(bytes).half())
}

async fn until(gate: &Gateway, outcome: &str, times: u64) {
    for _ in 0..500 {
        if gate.counted(&format!("hallpass_publishes_total{{outcome=\"{outcome}\"}}")).await == times {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{outcome} is not counted {times} times:\n{}", gate.metrics().await);
}

#[tokio::test]
async fn an_upload_that_stops_is_given_up_and_leaves_nothing() {
    let gate = gateway("").await;
    let photo = sample("winter-sale.jpg");
    let length = format!("Content-Length: {}", photo.len());

    let mut slow = Wire::connect(gate.addresses.control).await;
    slow.send(head(&gate, PROMOS, &[&length])).await;
    slow.send(&photo[..1000]).await;
    assert_eq!(slow.answer().await.problem(), (408, "request-timeout".into()));
    until(&gate, "upload-slow", 1).await;

    for lines in [&[length.as_str()][..], &["Transfer-Encoding: chunked"]] {
        let mut wire = Wire::connect(gate.addresses.control).await;
        wire.send(head(&gate, PROMOS, lines)).await;
        wire.send([b"3e8\r\n", &photo[..1000]].concat()).await;
        drop(wire);
    }
    assert_eq!(publish(&gate, PROMOS, &[], &photo).await.status, 201, "others are not in their way");
    assert_eq!(files(&gate, "media"), [key_of(&photo)]);
    assert_eq!(files(&gate, "spool"), Vec::<String>::new());
}

#[tokio::test]
async fn uploads_that_do_not_move_keep_others_waiting_only_for_so_long() {
    let mut place = crate::kit::gateway::Place::new();
    place.settings = "[publish]\nat_once = 2\nstall = '1s'\n".to_owned();
    let gate = Box::pin(place.start()).await;
    let photo = sample("winter-sale.jpg");
    let mut stuck = Vec::new();
    for _ in 0..2 {
        let mut wire = Wire::connect(gate.addresses.control).await;
        wire.send(head(&gate, PROMOS, &[&format!("Content-Length: {}", photo.len())])).await;
        stuck.push(wire);
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(publish(&gate, PROMOS, &[], &photo).await.status, 201);
    assert_eq!(stuck[0].answer().await.problem(), (408, "request-timeout".into()));
}

#[tokio::test]
async fn other_bytes_at_the_key_are_told_and_stay_as_they_are() {
    let (gate, bucket) = (gateway("").await, Bucket::create().await);
    let (photo, other) = (sample("winter-sale.jpg"), sample("grey.jpg"));
    gate.place.put(&key_of(&photo), &other);
    let answer = publish(&gate, PROMOS, &[], &photo).await;
    assert_eq!(answer.problem(), (409, "key-taken".into()));
    assert!(stored(&gate, &key_of(&photo)) == other);

    let chaos = Chaos::before(moto::endpoint()).await;
    chaos.always(Fault::IgnorePin);
    // Bytes of which no link could be made are no different.
    for taken in [&other[..], b"<html><script>", b""] {
        bucket.put(&key_of(&photo), taken).await;
        for store in [bucket.origin(), bucket.origin_through(&chaos.endpoint)] {
            replace(&gate, store);
            let answer = publish(&gate, PROMOS, &[], &photo).await;
            assert_eq!(answer.problem(), (409, "key-taken".into()), "{answer:?}");
        }
        assert!(fetch(&bucket.origin(), &key(&key_of(&photo))).await.unwrap() == taken);
        bucket.delete(&key_of(&photo)).await;
    }
    assert_eq!(gate.counted("hallpass_mints_total{outcome=\"minted\"}").await, 0, "no link was made");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_ignores_conditions_is_given_the_same_bytes_once() {
    let (gate, bucket) = (gateway("").await, Bucket::create_versioned().await);
    let chaos = Chaos::before(moto::endpoint()).await;
    chaos.always(Fault::IgnorePin);
    replace(&gate, bucket.origin_through(&chaos.endpoint));
    let photo = sample("winter-sale.jpg");
    let answers = join_all((0..10).map(|_| publish(&gate, PROMOS, &[], &photo))).await;
    assert!(answers.iter().all(|answer| answer.json() == answers[0].json()), "{answers:?}");
    let puts = chaos.seen().iter().filter(|head| head.starts_with("PUT ")).count();
    assert_eq!(puts, 1);
}

/// A store that takes objects and holds something else, or nothing.
#[derive(Clone)]
struct Faithless {
    inner: LocalOrigin,
    holds: Option<&'static [u8]>,
}

impl Create for Faithless {
    fn create<'a>(&'a self, key: &'a ObjectKey, object: &'a NewObject) -> BoxFuture<'a, Result<(), CreateError>> {
        async move {
            let Some(bytes) = self.holds else { return Ok(()) };
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(bytes).unwrap();
            let other = NewObject { file: Arc::new(file), length: bytes.len() as u64, ..object.clone() };
            self.inner.create(key, &other).await
        }
        .boxed()
    }
}

impl Origin for Faithless {
    fn head<'a>(&'a self, key: &'a ObjectKey) -> BoxFuture<'a, Result<ObjectMeta, OriginError>> {
        self.inner.head(key)
    }

    fn read<'a>(
        &'a self,
        key: &'a ObjectKey,
        version: &'a ObjectVersion,
        span: ByteSpan,
    ) -> BoxFuture<'a, Result<ByteStream, OriginError>> {
        self.inner.read(key, version, span)
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), OriginError>> {
        self.inner.probe()
    }
}

#[tokio::test]
async fn a_link_is_made_only_for_what_the_store_really_holds() {
    let gate = gateway("").await;
    let inner = LocalOrigin::open(&LocalSettings { root: gate.place.dir.path().join("media") }).unwrap();
    for (holds, name, expected) in [
        (Some(b"other bytes".as_slice()), "a", (502, "origin-failed")),
        (Some(b""), "b", (502, "origin-failed")),
        (None, "c", (409, "object-changed")),
    ] {
        replace(&gate, Faithless { inner: inner.clone(), holds });
        let query = format!("store=media&prefix=promos/&filename={name}.jpg");
        let answer = publish(&gate, &query, &[], &sample("winter-sale.jpg")).await;
        assert_eq!(answer.problem(), (expected.0, expected.1.into()), "{holds:?}");
    }
    assert_eq!(gate.counted("hallpass_mints_total{outcome=\"minted\"}").await, 0);
}

#[tokio::test]
async fn a_store_that_fails_is_told_and_nothing_is_linked() {
    let (gate, bucket) = (gateway("").await, Bucket::create().await);
    let chaos = Chaos::before(moto::endpoint()).await;
    replace(&gate, bucket.origin_through(&chaos.endpoint));
    for status in [403, 500, 503, 501] {
        chaos.then([Fault::Pass, Fault::Status(status)]);
        let answer = publish(&gate, PROMOS, &[], &sample("winter-sale.jpg")).await;
        assert_eq!(answer.problem(), (502, "origin-failed".into()), "{status}");
    }
    assert_eq!(gate.counted("hallpass_publishes_total{outcome=\"origin-failed\"}").await, 4);
}

#[tokio::test]
async fn uploads_that_cannot_be_put_by_are_told() {
    let mut place = crate::kit::gateway::Place::new();
    place.settings = "[publish]\ndirectory = 'no-such-directory'\n".to_owned();
    let gate = Box::pin(place.start()).await;
    let answer = publish(&gate, PROMOS, &[], &sample("tour.mp4")).await;
    assert_eq!(answer.problem(), (503, "spool-failed".into()));
    assert!(answer.field("retry-after").is_some());
    assert_eq!(files(&gate, "media"), Vec::<String>::new());
}

#[tokio::test]
async fn what_a_standing_revocation_forbids_is_not_stored() {
    let gate = gateway("").await;
    let (photo, length) = (sample("winter-sale.jpg"), format!("Content-Length: {}", sample("winter-sale.jpg").len()));
    for (what, early) in [
        (json!({ "client": "press" }), true),
        (json!({ "fingerprint": Fingerprint::of(&photo).to_string() }), false),
        (json!({ "object": { "store": "media", "key": key_of(&photo) } }), false),
        (json!({ "key_id": gate.place.keyring.keys()[0].id.to_string() }), true),
    ] {
        let number = gate.revoke(what.clone()).await;
        let mut wire = Wire::connect(gate.addresses.control).await;
        wire.send(head(&gate, PROMOS, &[&length])).await;
        if !early {
            wire.send(&photo).await;
        }
        assert_eq!(wire.answer().await.problem(), (409, "revoked".into()), "{what}");
        assert_eq!(files(&gate, "media"), Vec::<String>::new(), "{what}");
        gate.lift(number).await;
    }
    assert_eq!(gate.counted("hallpass_publishes_total{outcome=\"revoked\"}").await, 4);
    assert_eq!(publish(&gate, PROMOS, &[], &photo).await.status, 201, "lifted");
}

/// What a store said of an object a moment ago is believed by mints for two seconds, unless it was published meanwhile.
#[tokio::test]
async fn a_link_is_for_the_version_that_was_stored_and_not_for_the_one_before() {
    let (gate, bucket) = (gateway("[mint]\nfresh_for = '1h'\n").await, Bucket::create_versioned().await);
    let photo = sample("winter-sale.jpg");
    for store in ["directory", "bucket"] {
        if store == "bucket" {
            replace(&gate, bucket.origin());
        }
        let first = publish(&gate, PROMOS, &[], &photo).await;
        assert_eq!(first.status, 201, "{first:?}");
        match store {
            "bucket" => bucket.delete(&key_of(&photo)).await,
            _ => std::fs::remove_file(gate.place.dir.path().join("media").join(key_of(&photo))).unwrap(),
        }
        let second = publish(&gate, PROMOS, &[], &photo).await;
        assert_eq!(second.status, 201, "{store}: {second:?}");
        assert_ne!(second.json()["url"], first.json()["url"], "{store}: the link is for what was deleted");
    }
}
