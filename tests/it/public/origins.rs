//! When the storage is not as it was, or not as it should be: the minted bytes or none, and never a clean end that is a lie.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt};
use hallpass::cache::BLOCK;
use hallpass::origin::{
    ByteStream, ObjectMeta, Origin, OriginCounters, OriginError, ReliableOrigin, RetryPolicy, Stores, Waited,
};
use hallpass::value::{ByteSpan, ObjectKey, ObjectVersion};
use serde_json::json;

use crate::kit::chaos::{Chaos, Fault};
use crate::kit::content;
use crate::kit::faulty::{FaultyOrigin, Mishap};
use crate::kit::gateway::{BIG, Gateway, Minted, Place, Silent, request};
use crate::kit::moto::{self, Bucket};
use crate::kit::wire::{Answer, Broken, End};

/// A cold gateway whose store goes through `FaultyOrigin`, and a link minted before.
async fn faulty(bytes: &[u8], mishaps: Vec<Mishap>) -> (Gateway, Minted, Arc<FaultyOrigin>) {
    let gate = Gateway::start().await;
    let link = gate.link("a.bin", bytes).await;
    let gate = gate.cold().await;
    let made = Mutex::new(None);
    gate.decorate(|inner| {
        let faulty = Arc::new(FaultyOrigin::new(inner, mishaps.clone()));
        *made.lock().unwrap() = Some(Arc::clone(&faulty));
        faulty
    });
    let faulty = made.into_inner().unwrap().unwrap();
    (gate, link, faulty)
}

/// Asks for the link, and gives what came of a body that did not come whole.
async fn broken(gate: &Gateway, link: &Minted, lines: &[&str]) -> Broken {
    let mut wire = gate.public().await;
    wire.send(request("GET", &link.path, lines)).await;
    let broken = wire.try_answer(false).await.expect_err("a body that must not end well");
    assert_ne!(broken.how, End::Silent, "it is aborted, not left hanging: {broken:?}");
    if let Some(answer) = &broken.answer {
        assert!(answer.body.len() < broken.promised);
    }
    broken
}

/// Asks for the link, which is refused before its head or broken off after it; the bytes that came of the asset.
async fn failed(gate: &Gateway, link: &Minted, lines: &[&str], refusals: &[u16]) -> Vec<u8> {
    let mut wire = gate.public().await;
    wire.send(request("GET", &link.path, lines)).await;
    match wire.try_answer(false).await {
        Ok(answer) => {
            assert!(refusals.contains(&answer.status), "{lines:?}: {answer:?}");
            Vec::new()
        }
        Err(broken) => {
            assert_ne!(broken.how, End::Silent, "it is aborted, not left hanging: {broken:?}");
            body(&broken).to_vec()
        }
    }
}

fn body(broken: &Broken) -> &[u8] {
    broken.answer.as_ref().map_or(&[], |answer| answer.body.as_slice())
}

fn changed(answer: &Answer) {
    assert_eq!(answer.problem(), (410, "content-changed".to_owned()), "{answer:?}");
}

#[tokio::test]
async fn an_object_that_was_overwritten_before_any_fetch_is_gone_and_no_new_byte_leaves() {
    let gate = Gateway::start().await;
    let old = content(1, BIG);
    let new = content(2, BIG);
    let link = gate.link("a.bin", &old).await;
    gate.place.put("a.bin", &new);
    assert!(gate.get(&link.path).await.body == old, "what lies in memory is what was minted");
    let gate = gate.cold().await;
    for lines in [&[][..], &["Range: bytes=0-0"], &["Range: bytes=-1"], &["Range: bytes=0-0,5-5"], &["If-Match: *"]] {
        changed(&gate.ask("GET", &link.path, lines).await);
    }
    assert_eq!(gate.ask("HEAD", &link.path, &[]).await.status, 410, "HEAD says what GET would");
    tokio::time::sleep(Duration::from_millis(2100)).await;
    let renewed = gate.mint(json!({ "key": "a.bin" })).await;
    assert_ne!(renewed.url, link.url);
    assert!(gate.get(&renewed.path).await.body == new);
    changed(&gate.get(&link.path).await);
}

#[tokio::test]
async fn a_deleted_or_replaced_object_is_gone_and_nothing_is_said_of_where_it_was() {
    let gate = Gateway::start().await;
    let link = gate.link("secret-folder/a.txt", b"hello").await;
    let gate = gate.cold().await;
    let file = gate.place.dir.path().join("media/secret-folder/a.txt");
    std::fs::remove_file(&file).unwrap();
    let answer = gate.get(&link.path).await;
    changed(&answer);
    let text = String::from_utf8(answer.body).unwrap();
    assert!(!text.contains("secret-folder") && !text.contains("media"), "{text}");
    std::fs::create_dir(&file).unwrap();
    let directory = gate.get(&link.path).await;
    assert!(matches!(directory.status, 410 | 502), "{directory:?}");
    std::fs::remove_dir(&file).unwrap();
    std::os::unix::fs::symlink("/etc/hostname", &file).unwrap();
    let outside = gate.get(&link.path).await;
    assert!(matches!(outside.status, 410 | 502), "{outside:?}");
}

#[tokio::test]
async fn a_file_that_is_overwritten_in_place_while_it_is_read_never_ends_well() {
    // Too large to be kept, so it is read no faster than its reader takes it.
    let gate = Place { settings: "[cache]\nmemory = \"4MiB\"".to_owned(), ..Place::new() }.start().await;
    let old = content(1, 16 << 20);
    let link = gate.link("a.bin", &old).await;
    let gate = gate.cold().await;
    let mut wire = crate::kit::wire::Wire::connect_narrow(gate.addresses.public).await;
    wire.send(request("GET", &link.path, &[])).await;
    let promised = wire.head().await.unwrap().length().unwrap();
    let first = wire.body(1000).await.unwrap();
    assert!(first == old[..1000]);
    let file = std::fs::File::options().write(true).open(gate.place.dir.path().join("media/a.bin")).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, b"overwritten", (16 << 20) - 100).unwrap();
    let (rest, how) = wire.body(promised - 1000).await.unwrap_err();
    assert_ne!(how, End::Silent);
    assert!(rest == old[1000..1000 + rest.len()], "no new byte came");
}

#[tokio::test]
async fn a_flipped_byte_anywhere_aborts_the_body_and_the_next_mint_reads_anew() {
    let bytes = content(3, BIG);
    for at in [0, BIG / 2, BIG - 1] {
        let gate = Place::held().start().await;
        let link = gate.link("a.bin", &bytes).await;
        let gate = gate.cold().await;
        let flips = Arc::new(Flips::default());
        gate.decorate(|inner| Arc::new(Flipped { inner, at, flips: Arc::clone(&flips) }));
        *flips.on.lock().unwrap() = true;
        let came = failed(&gate, &link, &[], &[502]).await;
        assert!(came.len() <= at / BLOCK * BLOCK && bytes.starts_with(&came), "{} bytes of {BIG} came", came.len());
        assert_eq!(gate.counted("hallpass_verification_failures_total").await, 1);
        let logged = gate.access_log().pop().unwrap();
        let outcome = if at < BLOCK { "origin-failed" } else { "wrong-bytes" };
        assert_eq!(logged["outcome"], json!(outcome), "{logged}");
        *flips.on.lock().unwrap() = false;
        let (asked, read) = (gate.origin_calls(), flips.reads());
        let again = gate.mint(json!({ "key": "a.bin" })).await;
        assert_eq!(again.url, link.url, "the bytes are the minted ones after all");
        assert!(gate.origin_calls() > asked && flips.reads() == read + 1, "and they were read to know that");
        assert!(gate.get(&link.path).await.body == bytes);
        // Once known again, a mint reads nothing.
        let read = flips.reads();
        gate.mint(json!({ "key": "a.bin", "unique": true })).await;
        assert_eq!(flips.reads(), read);
    }
}

#[tokio::test]
async fn a_body_of_a_small_object_with_a_wrong_byte_brings_none_at_all() {
    let gate = Gateway::start().await;
    let link = gate.link("a.txt", b"the minted bytes").await;
    let gate = gate.cold().await;
    let flips = Arc::new(Flips::default());
    gate.decorate(|inner| Arc::new(Flipped { inner, at: 3, flips: Arc::clone(&flips) }));
    *flips.on.lock().unwrap() = true;
    assert_eq!(gate.get(&link.path).await.problem(), (502, "origin-failed".to_owned()));
    assert_eq!(gate.ask("GET", &link.path, &["Range: bytes=9-10"]).await.status, 502, "nor does a range beside it");
}

#[tokio::test]
async fn a_body_that_is_cut_at_60_percent_is_aborted_however_the_store_ends_it() {
    let bytes = content(4, BIG);
    let cut = BIG * 6 / 10;
    for mishap in [
        Mishap::EndAfter(cut),
        Mishap::BreakAfter(cut, OriginError::Unavailable("reset".into())),
        Mishap::BreakAfter(cut, OriginError::Changed),
        Mishap::BreakAfter(0, OriginError::Changed),
        Mishap::EndAfter(0),
    ] {
        let (gate, link, faulty) = faulty(&bytes, vec![mishap.clone()]).await;
        let came = failed(&gate, &link, &[], &[410, 502]).await;
        assert!(came.len() <= cut && bytes.starts_with(&came), "{mishap:?}");
        if !came.is_empty() {
            let logged = gate.access_log().pop().unwrap();
            assert_eq!(logged["completed"], false, "{logged}");
        }
        // What was not proven was not kept: the next request reads it anew, and gets all of it.
        let reads = faulty.reads().len();
        assert!(gate.get(&link.path).await.body == bytes, "{mishap:?}");
        assert_eq!(faulty.reads().len(), reads + 1, "{mishap:?}");
    }
}

#[tokio::test]
async fn a_range_that_breaks_off_is_aborted_too() {
    let bytes = content(4, BIG);
    // The second one's first part is a read of its own.
    for (range, breaks) in [("Range: bytes=100-300000", 2), ("Range: bytes=0-9,100-300000", 1)] {
        let (gate, link, _) = faulty(&bytes, vec![Mishap::EndAfter(BLOCK + 5), Mishap::EndAfter(5)]).await;
        for _ in 0..breaks {
            failed(&gate, &link, &[range], &[]).await;
        }
        assert_eq!(gate.ask("GET", &link.path, &[range]).await.status, 206);
    }
}

#[tokio::test]
async fn a_body_with_more_bytes_than_it_should_have_is_not_passed_on_beyond_its_length() {
    let (gate, link, _) = faulty(b"hello", vec![Mishap::Surplus(b"smuggled HTTP/1.1 200 OK\r\n\r\n")]).await;
    let mut wire = gate.public().await;
    wire.send(request("GET", &link.path, &[])).await;
    if let Ok(answer) = wire.try_answer(false).await {
        assert_eq!(answer.body, b"hello");
        wire.send(request("HEAD", "/robots.txt", &[])).await;
        if let Ok(next) = wire.try_answer(true).await {
            assert_eq!(next.length(), Some(23), "what follows is the next answer: {next:?}");
        }
    }
}

#[tokio::test]
async fn what_a_store_says_at_the_opening_is_told_by_its_own_status_and_in_our_words() {
    for (error, status, code) in [
        (OriginError::Denied("AccessDenied canary-77aa".into()), 502, "origin-failed"),
        (OriginError::Unavailable("canary-77aa".into()), 502, "origin-failed"),
        (OriginError::Failed("canary-77aa".into()), 502, "origin-failed"),
        (OriginError::Timeout(Waited::FirstByte(Duration::from_secs(3))), 504, "origin-timeout"),
        (OriginError::Changed, 410, "content-changed"),
        (OriginError::NotFound, 410, "content-changed"),
    ] {
        let refusals = vec![Mishap::Refuse(error.clone()); 4];
        let (gate, link, _) = faulty(b"hello", refusals).await;
        for lines in [&[][..], &["Range: bytes=1-2"], &["Range: bytes=0-0,2-2"]] {
            let answer = gate.ask("GET", &link.path, lines).await;
            assert_eq!(answer.problem(), (status, code.to_owned()), "{error:?}");
            assert!(!String::from_utf8_lossy(&answer.body).contains("canary"), "{answer:?}");
        }
        assert_eq!(gate.ask("HEAD", &link.path, &[]).await.status, status, "{error:?}");
        assert_eq!(gate.get(&link.path).await.status, 200, "and it is over when it is over");
        assert_eq!(gate.counted(&format!("hallpass_requests_total{{outcome=\"{code}\"}}")).await, 4);
    }
}

#[tokio::test]
async fn a_store_that_does_not_answer_is_504_and_one_that_stalls_breaks_the_body_off() {
    let quick = RetryPolicy {
        first_byte: Duration::from_millis(50),
        stall: Duration::from_millis(50),
        patience: Duration::from_millis(150),
        retries: 1,
        ..RetryPolicy::default()
    };
    let reliable =
        |inner: Arc<dyn Origin>| Arc::new(ReliableOrigin::new(inner, quick, Arc::new(OriginCounters::default())));
    let gate = Gateway::start().await;
    let bytes = content(5, BIG);
    let link = gate.link("a.bin", &bytes).await;
    let gate = gate.cold().await;
    let store = Arc::clone(gate.rooms.stores.keep().iter().next().unwrap().1);
    gate.replace_store(reliable(Arc::new(Silent(Arc::clone(&store)))));
    assert_eq!(gate.get(&link.path).await.problem(), (504, "origin-timeout".to_owned()));
    let stalls = FaultyOrigin::new(Arc::clone(&store), []).then_always(Mishap::StallAfter(0));
    gate.replace_store(reliable(Arc::new(stalls)));
    assert_eq!(gate.get(&link.path).await.problem(), (504, "origin-timeout".to_owned()), "not one block came");
    let beginning = [Mishap::StallAfter(BLOCK + 1)];
    let stalls = FaultyOrigin::new(Arc::clone(&store), beginning).then_always(Mishap::StallAfter(0));
    gate.replace_store(reliable(Arc::new(stalls)));
    broken(&gate, &link, &[]).await;
    // One stall is mended, and the fetcher sees one unbroken body.
    let once = FaultyOrigin::new(store, [Mishap::StallAfter(BLOCK / 2)]);
    gate.replace_store(reliable(Arc::new(once)));
    assert!(gate.get(&link.path).await.body == bytes);
}

#[tokio::test]
async fn a_store_that_a_reload_took_away_is_502_until_it_is_back() {
    let gate = Gateway::start().await;
    let link = gate.link("a.txt", b"hello").await;
    let stores = gate.rooms.stores.keep();
    gate.rooms.stores.replace(Stores::default());
    for method in ["GET", "HEAD"] {
        assert_eq!(gate.ask(method, &link.path, &[]).await.status, 502, "{method}");
    }
    assert_eq!(gate.get(&link.path).await.problem().1, "origin-failed");
    assert_eq!(gate.ask("GET", &link.path, &["If-None-Match: *"]).await.status, 304, "this needs no store");
    gate.rooms.stores.replace(stores.iter().map(|(name, store)| (name.clone(), Arc::clone(store))).collect());
    assert_eq!(gate.get(&link.path).await.body, b"hello");
}

#[tokio::test]
async fn an_object_overwritten_in_a_bucket_without_versions_is_gone() {
    let bucket = Bucket::create().await;
    let gate = Gateway::start().await;
    gate.replace_store(Arc::new(bucket.origin()));
    bucket.put("promo/a.txt", b"the old bytes").await;
    let link = gate.mint(json!({ "key": "promo/a.txt" })).await;
    bucket.put("promo/a.txt", b"the new bytes").await;
    assert_eq!(gate.get(&link.path).await.body, b"the old bytes", "they lie in memory");
    let gate = gate.cold().await;
    gate.replace_store(Arc::new(bucket.origin()));
    changed(&gate.get(&link.path).await);
    changed(&gate.ask("GET", &link.path, &["Range: bytes=0-3"]).await);
    bucket.delete("promo/a.txt").await;
    changed(&gate.get(&link.path).await);
}

#[tokio::test]
async fn an_object_overwritten_or_deleted_in_a_versioned_bucket_is_served_as_it_was_minted() {
    let bucket = Bucket::create_versioned().await;
    let gate = Gateway::start().await;
    gate.replace_store(Arc::new(bucket.origin()));
    bucket.put("a.txt", b"the old bytes").await;
    let link = gate.mint(json!({ "key": "a.txt" })).await;
    bucket.put("a.txt", b"the new bytes, and more").await;
    let gate = gate.cold().await;
    gate.replace_store(Arc::new(bucket.origin()));
    assert_eq!(gate.get(&link.path).await.body, b"the old bytes");
    bucket.delete("a.txt").await;
    let gate = gate.cold().await;
    gate.replace_store(Arc::new(bucket.origin()));
    let answer = gate.get(&link.path).await;
    assert_eq!(answer.body, b"the old bytes");
    for (name, _) in &answer.fields {
        assert!(!name.starts_with("x-amz") && name != "server" && name != "set-cookie", "{name}");
    }
}

#[tokio::test]
async fn a_bucket_that_refuses_us_is_502_and_one_that_is_silent_504_and_a_cut_is_resumed_unseen() {
    let bucket = Bucket::create().await;
    let bytes = content(6, BIG);
    bucket.put("a.bin", &bytes).await;
    let chaos = Chaos::before(moto::endpoint()).await;
    let quick = RetryPolicy {
        first_byte: Duration::from_millis(400),
        patience: Duration::from_millis(900),
        ..RetryPolicy::default()
    };
    let store = ReliableOrigin::new(Arc::new(bucket.origin_through(&chaos.endpoint)), quick, Arc::default());
    let store: Arc<dyn Origin> = Arc::new(store);
    let gate = Place::new().start().await;
    gate.replace_store(Arc::clone(&store));
    let link = gate.mint(json!({ "key": "a.bin" })).await;
    let mut gate = gate.cold().await;
    gate.replace_store(Arc::clone(&store));
    for status in [401, 403] {
        chaos.always(Fault::Status(status));
        assert_eq!(gate.get(&link.path).await.problem(), (502, "origin-failed".to_owned()), "{status}");
    }
    for status in [404, 412] {
        chaos.always(Fault::Status(status));
        let answer = gate.get(&link.path).await;
        // A bare 404 may be a bucket's, which is ours to mend; the pinned condition that failed is the object's.
        assert!(answer.status == 410 || (status == 404 && answer.status == 502), "{status}: {answer:?}");
    }
    chaos.always(Fault::NoAnswer);
    assert_eq!(gate.get(&link.path).await.problem(), (504, "origin-timeout".to_owned()));
    chaos.always(Fault::Pass);
    for fault in [Fault::ResetAfter(BIG * 6 / 10), Fault::CloseAfter(BIG / 3)] {
        chaos.then([fault.clone()]);
        assert!(gate.get(&link.path).await.body == bytes, "{fault:?}");
        gate = gate.cold().await;
        gate.replace_store(Arc::clone(&store));
    }
    chaos.then([Fault::Flip(BIG / 2)]);
    broken(&gate, &link, &[]).await;
    assert!(gate.get(&link.path).await.body == bytes);
}

#[derive(Default)]
struct Flips {
    on: Mutex<bool>,
    reads: Mutex<usize>,
}

impl Flips {
    fn reads(&self) -> usize {
        *self.reads.lock().unwrap()
    }
}

/// A store whose bodies have the lowest bit of one byte turned, while that is on.
struct Flipped {
    inner: Arc<dyn Origin>,
    at: usize,
    flips: Arc<Flips>,
}

impl Origin for Flipped {
    fn head<'a>(&'a self, key: &'a ObjectKey) -> BoxFuture<'a, Result<ObjectMeta, OriginError>> {
        self.inner.head(key)
    }

    fn read<'a>(
        &'a self,
        key: &'a ObjectKey,
        version: &'a ObjectVersion,
        span: ByteSpan,
    ) -> BoxFuture<'a, Result<ByteStream, OriginError>> {
        *self.flips.reads.lock().unwrap() += 1;
        let (on, at) = (*self.flips.on.lock().unwrap(), self.at);
        async move {
            let body = self.inner.read(key, version, span).await?;
            let mut passed = 0;
            let turned = body.map(move |chunk| {
                let chunk = chunk?;
                let mut bytes = chunk.to_vec();
                if on && (passed..passed + bytes.len()).contains(&at) {
                    bytes[at - passed] ^= 1;
                }
                passed += bytes.len();
                Ok(Bytes::from(bytes))
            });
            Ok(turned.boxed())
        }
        .boxed()
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), OriginError>> {
        self.inner.probe()
    }
}
