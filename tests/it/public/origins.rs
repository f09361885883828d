//! When the storage is not as it was, or not as it should be: the minted bytes or none, and never a clean end that is a lie.
//!
//! What a gateway was minted from lies in its memory, where no store can do it harm. So each of these gateways was started again since.

use std::sync::Arc;
use std::time::Duration;

use hallpass::cache::BLOCK;
use hallpass::origin::{Origin, OriginError, ReliableOrigin, RetryPolicy, Stores, Waited};
use serde_json::json;

use crate::kit::chaos::{self, Chaos};
use crate::kit::content;
use crate::kit::gateway::{BIG, Gateway, Minted, Place, request};
use crate::kit::moto::{self, Bucket};
use crate::kit::scripted::{Fault, Script};
use crate::kit::wire::{Answer, Broken, End};

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

/// So many whole blocks came, or fewer: a connection that is broken off loses what is still on its way.
fn blocks(broken: &Broken, most: usize, bytes: &[u8]) {
    let body = broken.answer.as_ref().map_or(&[][..], |answer| &answer.body);
    assert!(*body == bytes[..body.len()], "a wrong byte came");
    assert!(body.len() <= most * BLOCK, "{} bytes came, {most} blocks are right", body.len());
}

fn changed(answer: &Answer) {
    assert_eq!(answer.problem(), (410, "content-changed".to_owned()), "{answer:?}");
}

#[tokio::test]
async fn an_object_that_was_overwritten_before_any_fetch_is_gone_and_no_new_byte_leaves() {
    let (old, new) = (content(1, BIG), content(2, BIG));
    let gate = Gateway::start().await;
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
    let (gate, link) = Place::new().cold_link("secret-folder/a.txt", b"hello").await;
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
    // What is too large to keep is read at the pace of its reader, who has not come far when the file is overwritten.
    let place = Place { settings: "[cache]\nmemory = \"4 MiB\"".to_owned(), ..Place::new() };
    let old = content(1, 16 << 20);
    let (gate, link) = place.cold_link("a.bin", &old).await;
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
    for (at, right) in [(0, 0), (BIG / 2, 1), (BIG - 1, 3)] {
        let (gate, link, store) = Place::held().cold_scripted(&bytes).await;
        store.script("a.bin", Script::always(Fault::Flip(at as u64)));
        if right == 0 {
            assert_eq!(gate.get(&link.path).await.problem(), (502, "origin-failed".to_owned()));
        } else {
            let said = broken(&gate, &link, &[]).await;
            assert_eq!(said.promised, if said.answer.is_some() { BIG } else { 0 });
            blocks(&said, right, &bytes);
        }
        assert_eq!(gate.counted("hallpass_verification_failures_total").await, 1);
        let logged = gate.access_log().pop().unwrap();
        let outcome = if right == 0 { "origin-failed" } else { "wrong-bytes" };
        assert_eq!((&logged["outcome"], &logged["completed"]), (&json!(outcome), &json!(right == 0)), "{logged}");
        store.heal("a.bin");
        let reads = || store.reads("a.bin").len();
        let read = reads();
        let again = gate.mint(json!({ "key": "a.bin" })).await;
        assert_eq!(again.url, link.url, "the bytes are the minted ones after all");
        assert_eq!(reads(), read + 1, "and they were read to know that");
        assert!(gate.get(&link.path).await.body == bytes);
        // Once known again, a mint reads nothing.
        gate.mint(json!({ "key": "a.bin", "unique": true })).await;
        assert_eq!(reads(), read + 1);
    }
}

#[tokio::test]
async fn a_body_of_a_small_object_with_a_wrong_byte_brings_none_at_all() {
    let (gate, link, store) = Place::new().cold_scripted(b"the minted bytes").await;
    store.script("a.bin", Script::always(Fault::Flip(3)));
    for lines in [&[][..], &["Range: bytes=0-3"], &["Range: bytes=9-"], &["Range: bytes=0-0,9-9"]] {
        assert_eq!(gate.ask("GET", &link.path, lines).await.problem(), (502, "origin-failed".to_owned()), "{lines:?}");
    }
}

#[tokio::test]
async fn a_body_that_is_cut_at_60_percent_is_aborted_however_the_store_ends_it() {
    let bytes = content(4, BIG);
    let cut = BIG as u64 * 6 / 10;
    for (fault, right, outcome) in [
        (Fault::Short(cut), 1, "origin-failed"),
        (Fault::Cut(cut), 1, "origin-failed"),
        (Fault::Break(cut, OriginError::Changed), 1, "content-changed"),
        (Fault::Break(0, OriginError::Changed), 0, "content-changed"),
        (Fault::Short(0), 0, "origin-failed"),
    ] {
        let (gate, link, store) = Place::new().cold_scripted(&bytes).await;
        store.script("a.bin", Script::once(fault.clone()));
        if right == 0 {
            assert_eq!(gate.get(&link.path).await.problem().1, outcome, "{fault:?}");
        } else {
            blocks(&broken(&gate, &link, &[]).await, right, &bytes);
        }
        let logged = gate.access_log().pop().unwrap();
        assert_eq!((&logged["outcome"], &logged["completed"]), (&json!(outcome), &json!(right == 0)), "{logged}");
        // What came rightly was kept: the next request reads the rest, and gets all of it.
        store.until_quiet().await;
        store.forget_reads();
        assert!(gate.get(&link.path).await.body == bytes, "{fault:?}");
        let reads = store.reads("a.bin");
        let spans: Vec<_> = reads.iter().map(|read| (read.span.first(), read.span.end())).collect();
        assert_eq!(spans, [((right * BLOCK) as u64, BIG as u64)], "{fault:?}");
    }
}

#[tokio::test]
async fn a_range_that_breaks_off_is_aborted_too() {
    let bytes = content(4, BIG);
    for range in ["Range: bytes=100-300000", "Range: bytes=0-9,100-300000"] {
        let (gate, link, store) = Place::new().cold_scripted(&bytes).await;
        store.script("a.bin", Script::always(Fault::Short(BLOCK as u64 + 5)));
        let said = broken(&gate, &link, &[range]).await;
        assert!(said.answer.is_none_or(|answer| answer.status == 206), "{range}");
    }
}

#[tokio::test]
async fn a_body_with_more_bytes_than_it_should_have_is_not_passed_on_beyond_its_length() {
    let (gate, link, store) = Place::new().cold_scripted(b"hello").await;
    store.script("a.bin", Script::always(Fault::Surplus(28)));
    let mut wire = gate.public().await;
    wire.send(request("GET", &link.path, &[])).await;
    if let Ok(answer) = wire.try_answer(false).await {
        assert_eq!(answer.body, b"hello");
        wire.send(request("HEAD", "/robots.txt", &[])).await;
        if let Ok(next) = wire.try_answer(true).await {
            assert_eq!(next.status_line, "HTTP/1.1 200 OK", "what follows is the next answer");
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
        let (gate, link, store) = Place::new().cold_scripted(b"hello").await;
        store.script("a.bin", Script::default().times(Fault::Refuse(error.clone()), 4));
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
    let bytes = content(5, BIG);
    let (gate, link, store) = Place::new().cold_scripted(&bytes).await;
    gate.replace_store(Arc::new(ReliableOrigin::new(Arc::new(store.clone()), quick, Arc::default())));
    for fault in [Fault::Silent, Fault::Stall(0)] {
        store.script("a.bin", Script::always(fault.clone()));
        assert_eq!(gate.get(&link.path).await.problem(), (504, "origin-timeout".to_owned()), "{fault:?}");
    }
    store.script("a.bin", Script::always(Fault::Stall(BLOCK as u64 + 5)));
    blocks(&broken(&gate, &link, &[]).await, 1, &bytes);
    // One stall is mended, and the fetcher sees one unbroken body.
    store.script("a.bin", Script::once(Fault::Stall(BIG as u64 / 2)));
    store.until_quiet().await;
    store.forget_reads();
    assert!(gate.get(&link.path).await.body == bytes);
    assert_eq!(store.reads("a.bin").len(), 2);
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
    let mut gate = Gateway::start().await;
    gate.replace_store(Arc::new(bucket.origin()));
    bucket.put("a.txt", b"the old bytes").await;
    let link = gate.mint(json!({ "key": "a.txt" })).await;
    for overwritten in [true, false] {
        if overwritten {
            bucket.put("a.txt", b"the new bytes, and more").await;
        } else {
            bucket.delete("a.txt").await;
        }
        gate = gate.cold().await;
        gate.replace_store(Arc::new(bucket.origin()));
        let answer = gate.get(&link.path).await;
        assert_eq!((answer.body.as_slice(), gate.origin_calls()), (&b"the old bytes"[..], 1));
        for (name, _) in &answer.fields {
            assert!(!name.starts_with("x-amz") && name != "server" && name != "set-cookie", "{name}");
        }
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
    let store: Arc<dyn Origin> =
        Arc::new(ReliableOrigin::new(Arc::new(bucket.origin_through(&chaos.endpoint)), quick, Arc::default()));
    let mut gate = Gateway::start().await;
    gate.replace_store(Arc::clone(&store));
    let link = gate.mint(json!({ "key": "a.bin" })).await;
    gate = gate.cold().await;
    gate.replace_store(Arc::clone(&store));
    for status in [401, 403] {
        chaos.always(chaos::Fault::Status(status));
        assert_eq!(gate.get(&link.path).await.problem(), (502, "origin-failed".to_owned()), "{status}");
    }
    for status in [404, 412] {
        chaos.always(chaos::Fault::Status(status));
        let answer = gate.get(&link.path).await;
        // A bare 404 may be a bucket's, which is ours to mend; the pinned condition that failed is the object's.
        assert!(answer.status == 410 || (status == 404 && answer.status == 502), "{status}: {answer:?}");
    }
    chaos.always(chaos::Fault::NoAnswer);
    assert_eq!(gate.get(&link.path).await.problem(), (504, "origin-timeout".to_owned()));
    chaos.always(chaos::Fault::Pass);
    for fault in [chaos::Fault::ResetAfter(BIG * 6 / 10), chaos::Fault::CloseAfter(BIG / 3)] {
        let asked = chaos.seen().len();
        chaos.then([fault.clone()]);
        assert!(gate.get(&link.path).await.body == bytes, "{fault:?}");
        assert_eq!(chaos.seen().len() - asked, 2, "{fault:?} was mended by a second request");
        gate = gate.cold().await;
        gate.replace_store(Arc::clone(&store));
    }
    chaos.then([chaos::Fault::Flip(BIG / 2)]);
    blocks(&broken(&gate, &link, &[]).await, 1, &bytes);
    assert!(gate.get(&link.path).await.body == bytes);
}
