//! Which bytes a presigned link leads to: those that are there now, of one version, under a tag that is that version's and no other's.

use std::sync::Arc;
use std::time::{Duration, Instant};

use data_encoding::HEXLOWER;
use hallpass::http::HttpDate;
use hallpass::origin::{ReliableOrigin, RetryPolicy};
use serde_json::json;

use super::{code, refusal};
use crate::kit::content;
use crate::kit::gateway::{BIG, Gateway, request};
use crate::kit::moto::Bucket;
use crate::kit::presigner::{Presigner, gate, place};
use crate::kit::scripted::{Fault, Script, Scripted, generated};
use crate::kit::wire::{Answer, End, Wire};

const JPEG: &[u8] = include_bytes!("../../../src/cli/demo_media/winter-sale.jpg");

/// The tag of the version that the store has now, as it is promised to be made.
async fn tag(gate: &Gateway, key: &str) -> String {
    let stores = gate.rooms.stores.keep();
    let store = stores.get(&"media".parse().unwrap()).unwrap();
    let version = store.head(&key.parse().unwrap()).await.unwrap().version;
    let mut hasher = blake3::Hasher::new();
    for part in ["media", key, version.as_str()] {
        hasher.update(&u32::try_from(part.len()).unwrap().to_le_bytes()).update(part.as_bytes());
    }
    format!("\"v-{}\"", HEXLOWER.encode(&hasher.finalize().as_bytes()[..16]))
}

#[tokio::test]
async fn an_answer_has_these_lines_and_no_others() {
    let (mut gate, key) = gate().await;
    let file = gate.place.put("promo/hero.jpg", JPEG);
    let hour_ago = std::time::SystemTime::now() - Duration::from_secs(3600);
    std::fs::File::options().write(true).open(file).unwrap().set_modified(hour_ago).unwrap();
    let modified = hallpass::value::UnixTime::from_system(hour_ago);
    let link = key.link(gate.rooms.clock.now(), "promo/hero.jpg");
    let expected = async |gate: &Gateway| {
        vec![
            "accept-ranges: bytes".to_owned(),
            "cache-control: private, max-age=3600".to_owned(),
            "content-disposition: inline; filename=\"hero.jpg\"".to_owned(),
            format!("content-length: {}", JPEG.len()),
            "content-type: image/jpeg".to_owned(),
            format!("etag: {}", tag(gate, "promo/hero.jpg").await),
            format!("last-modified: {}", HttpDate(modified)),
            "referrer-policy: no-referrer".to_owned(),
            "x-content-type-options: nosniff".to_owned(),
            "x-robots-tag: noindex, nofollow, noarchive".to_owned(),
        ]
    };
    for round in 0..2 {
        for cache_status in ["cache-status: hallpass; fwd=miss; stored", "cache-status: hallpass; hit"] {
            let answer = gate.get(&link).await;
            assert_eq!((&*answer.status_line, answer.body == JPEG), ("HTTP/1.1 200 OK", true));
            let mut lines = expected(&gate).await;
            lines.push(cache_status.to_owned());
            lines.sort();
            // Once the content is known, its digest may be told as well.
            let told: Vec<_> = answer.block().into_iter().filter(|line| !line.starts_with("repr-digest: ")).collect();
            assert_eq!(told, lines, "round {round}");
            let head = gate.ask("HEAD", &link, &[]).await;
            let told: Vec<_> = head.block().into_iter().filter(|line| !line.starts_with("repr-digest: ")).collect();
            assert_eq!(told.len(), lines.len(), "HEAD says what GET would: {head:?}");
        }
        gate = gate.cold().await;
    }
}

#[tokio::test]
async fn the_tag_is_the_versions_cold_and_hot_known_and_unknown() {
    let (gate, key) = gate().await;
    let bytes = content(1, BIG);
    gate.place.put("a.bin", &bytes);
    let link = key.link(gate.rooms.clock.now(), "a.bin");
    let expected = tag(&gate, "a.bin").await;
    let same = async |gate: &Gateway, when: &str| {
        for lines in [&[][..], &["Range: bytes=5-9"], &[&*format!("If-None-Match: {expected}")]] {
            for method in ["HEAD", "GET"] {
                let answer = gate.ask(method, &link, lines).await;
                assert_eq!(answer.field("etag"), Some(&*expected), "{when}: {method} {lines:?}: {answer:?}");
            }
        }
        assert!(gate.get(&link).await.body == bytes, "{when}");
        assert_eq!(gate.get(&link).await.field("etag"), Some(&*expected), "{when}, hot");
    };
    same(&gate, "cold").await;
    let minted = gate.mint(json!({ "key": "a.bin" })).await;
    same(&gate, "known since").await;
    let own = gate.get(&minted.path).await;
    assert_eq!(
        own.field("etag"),
        Some(&*format!("\"b3-{}\"", &minted.fingerprint[..32])),
        "our own links have their own"
    );
    let gate = gate.cold().await;
    same(&gate, "known and cold").await;
    // The same bytes elsewhere, or written again, are another version.
    gate.place.put("b.bin", &bytes);
    let other = gate.get(&key.link(gate.rooms.clock.now(), "b.bin")).await;
    assert_ne!(other.field("etag"), Some(&*expected));
}

#[tokio::test]
async fn an_object_that_was_minted_first_is_served_from_the_same_memory() {
    let (gate, key) = gate().await;
    let bytes = content(2, BIG);
    let minted = gate.link("a.bin", &bytes).await;
    assert!(gate.get(&minted.path).await.body == bytes);
    let link = key.link(gate.rooms.clock.now(), "a.bin");
    let asked = gate.origin_calls();
    assert!(gate.get(&link).await.body == bytes);
    assert!(gate.origin_calls() <= asked + 1, "at most its head: the bytes are known by their content");
}

/// Asks until the new bytes come, and sees that each answer is of one version, with that version's tag.
async fn turns_over(gate: &Gateway, link: &str, old: (&[u8], &str), new: &[u8]) -> String {
    let begun = Instant::now();
    loop {
        let answer = gate.get(link).await;
        if answer.status == 200 {
            let etag = answer.field("etag").unwrap();
            if answer.body == new {
                assert_ne!(etag, old.1, "another version has another tag");
                return etag.to_owned();
            }
            assert!(answer.body == old.0 && etag == old.1, "one version or the other: {answer:?}");
        } else {
            refusal(&answer);
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "the current version never came: {answer:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn the_current_version_is_served_after_an_overwrite() {
    let (old, new) = (content(3, BIG), content(4, BIG));
    for minted in [false, true] {
        let (gate, key) = gate().await;
        gate.place.put("a.bin", &old);
        if minted {
            gate.mint(json!({ "key": "a.bin" })).await;
        }
        let link = key.link(gate.rooms.clock.now(), "a.bin");
        let before = gate.get(&link).await;
        assert!(before.body == old);
        let etag = before.field("etag").unwrap();
        gate.place.put("a.bin", &new);
        let renewed = turns_over(&gate, &link, (&old, etag), &new).await;
        assert_eq!(renewed, tag(&gate, "a.bin").await);
        let conditional = gate.ask("GET", &link, &[&format!("If-None-Match: {etag}")]).await;
        assert_eq!((conditional.status, conditional.body == new), (200, true));
        let part = gate.ask("GET", &link, &["Range: bytes=0-9", &format!("If-Range: {etag}")]).await;
        assert_eq!((part.status, part.body == new), (200, true), "a part of the old is not continued with the new");
        std::fs::remove_file(gate.place.dir.path().join("media/a.bin")).unwrap();
        let begun = Instant::now();
        while gate.get(&link).await.status != 404 {
            assert!(begun.elapsed() < Duration::from_secs(20), "what was deleted is still served");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(code(&gate.get(&link).await).1, "NoSuchKey");
        let again = gate.place.put("a.bin", &old);
        assert!(again.exists());
        let begun = Instant::now();
        while gate.get(&link).await.body != old {
            assert!(begun.elapsed() < Duration::from_secs(20), "what is there again is not served");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

#[tokio::test]
async fn the_current_version_of_a_bucket_is_served_with_and_without_versions() {
    let (old, new) = (content(5, 300_000), content(6, 400_000));
    for versioned in [false, true] {
        let bucket = if versioned { Bucket::create_versioned().await } else { Bucket::create().await };
        bucket.put("a.bin", &old).await;
        let key = Presigner::new("billing");
        let mut place = place(&[&key], "");
        place.settings.push_str("[mint]\nfresh_for = \"300ms\"\n");
        let gate = place.start().await;
        gate.replace_store(Arc::new(bucket.origin()));
        let link = key.link(gate.rooms.clock.now(), "a.bin");
        let before = gate.get(&link).await;
        assert!(before.body == old);
        let etag = before.field("etag").unwrap();
        assert_eq!(etag, tag(&gate, "a.bin").await);
        bucket.put("a.bin", &new).await;
        let renewed = turns_over(&gate, &link, (&old, etag), &new).await;
        // Only a store with versions tells two overwrites with equal bytes apart.
        bucket.put("a.bin", &old).await;
        let third = turns_over(&gate, &link, (&new, &renewed), &old).await;
        assert_eq!(third == etag, !versioned);
        bucket.delete("a.bin").await;
        let begun = Instant::now();
        while gate.get(&link).await.status != 404 {
            assert!(begun.elapsed() < Duration::from_secs(20), "what was deleted is still served");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// A gateway over a scripted store whose one object is `a.bin`.
async fn scripted(settings: &str, bytes: &[u8]) -> (Gateway, String, Scripted) {
    let key = Presigner::new("billing");
    let mut place = place(&[&key], "");
    place.settings.push_str(settings);
    let store = Scripted::new();
    store.put("a.bin", bytes.to_vec());
    let gate = place.start().await;
    gate.replace_store(Arc::new(store.clone()));
    let link = key.link(gate.rooms.clock.now(), "a.bin");
    (gate, link, store)
}

#[tokio::test]
async fn a_body_under_way_never_mixes_versions() {
    let (old, new) = (content(7, 4 << 20), content(8, 4 << 20));
    let stops = 1_500_000;
    for settings in ["", "[cache]\nmemory = \"4 MiB\"\n"] {
        let (gate, link, store) = scripted(settings, &old).await;
        store.script("a.bin", Script::always(Fault::Stall(stops)));
        let mut wire = Wire::connect_narrow(gate.addresses.public).await;
        wire.send(request("GET", &link, &[])).await;
        let head = wire.head().await.unwrap();
        assert_eq!((head.status, head.length()), (200, Some(old.len())));
        let first = wire.body(1000).await.unwrap();
        store.until("a.bin", |reads| reads.iter().any(|read| read.sent == stops)).await;
        store.put("a.bin", new.clone());
        store.heal("a.bin");
        let Err((rest, how)) = wire.body(old.len() - 1000).await else { panic!("the old version was gone") };
        assert_ne!(how, End::Silent);
        assert!([first, rest.clone()].concat() == old[..1000 + rest.len()], "no byte of the new came");
        let etag = head.field("etag").unwrap();
        let renewed = turns_over(&gate, &link, (&old, etag), &new).await;
        assert_ne!(renewed, etag);
    }
}

#[tokio::test]
async fn readers_during_overwrites_get_whole_versions_or_none() {
    let versions: Vec<_> = (0..8).map(|seed| content(100 + seed, 700_000)).collect();
    let (gate, link, store) = scripted("[mint]\nfresh_for = \"0s\"\n", &versions[0]).await;
    store.script("a.bin", Script::default().slowly(Duration::from_millis(2)));
    let writer = async {
        for version in versions.iter().skip(1) {
            tokio::time::sleep(Duration::from_millis(60)).await;
            store.put("a.bin", version.clone());
        }
    };
    let reader = async {
        let (mut whole, mut broken, mut seen) = (0, 0, Vec::<(String, usize)>::new());
        for _ in 0..40 {
            let mut wire = gate.public().await;
            wire.send(request("GET", &link, &[])).await;
            match wire.try_answer(false).await {
                Ok(answer) if answer.status == 200 => {
                    let at = versions.iter().position(|one| *one == answer.body).expect("bytes of one version");
                    let etag = answer.field("etag").unwrap().to_owned();
                    assert!(
                        seen.iter().all(|(tag, version)| (*tag == etag) == (*version == at)),
                        "a tag is one version's"
                    );
                    seen.push((etag, at));
                    whole += 1;
                }
                Ok(answer) => drop(refusal(&answer)),
                Err(cut) => {
                    let body = cut.answer.map(|answer| answer.body).unwrap_or_default();
                    assert!(versions.iter().any(|one| one.starts_with(&body)), "bytes of two versions");
                    broken += 1;
                }
            }
        }
        assert!(whole > 0, "{whole} whole, {broken} broken");
    };
    tokio::join!(writer, reader);
    let last: Answer = gate.get(&link).await;
    assert!(last.status == 200 && last.body == versions[7], "{last:?}");
}

#[tokio::test]
async fn an_overwrite_between_a_question_and_a_read_gives_the_new_or_nothing() {
    let (old, new) = (content(11, BIG), content(12, BIG));
    let (gate, link, store) = scripted("", &old).await;
    let head = gate.ask("HEAD", &link, &[]).await;
    let etag = head.field("etag").unwrap();
    store.put("a.bin", new.clone());
    // What the store said a moment ago is believed, and is not so any more.
    let mut wire = gate.public().await;
    wire.send(request("GET", &link, &[])).await;
    match wire.try_answer(false).await {
        Ok(answer) if answer.status == 200 => {
            assert!(answer.body == new && answer.field("etag") != Some(etag), "{answer:?}");
        }
        Ok(answer) => drop(refusal(&answer)),
        Err(cut) => assert!(old.starts_with(&cut.answer.map(|answer| answer.body).unwrap_or_default())),
    }
    // It was found out, so nobody has to wait until it is forgotten.
    let next = gate.get(&link).await;
    assert!(next.status == 200 && next.body == new, "{next:?}");
}

#[tokio::test]
async fn what_comes_to_be_there_is_served_a_moment_later() {
    let (gate, key) = gate().await;
    let link = key.link(gate.rooms.clock.now(), "late.txt");
    for _ in 0..2 {
        assert_eq!(code(&gate.get(&link).await).1, "NoSuchKey");
    }
    gate.place.put("late.txt", b"hello");
    // That nothing was there is believed for a fifth of a second.
    tokio::time::sleep(Duration::from_millis(250)).await;
    assert_eq!(gate.get(&link).await.body, b"hello");
}

#[tokio::test]
async fn a_cold_range_of_a_large_object_reads_its_blocks_and_the_beginning() {
    const LENGTH: u64 = 1 << 30;
    let (gate, link, store) = scripted("", b"").await;
    store.put_generated("a.bin", 1, LENGTH);
    let (from, to) = (700_000_000, 700_000_999);
    let answer = gate.ask("GET", &link, &[&format!("Range: bytes={from}-{to}")]).await;
    assert_eq!((answer.status, answer.body == generated(1, from, to + 1)), (206, true), "{answer:?}");
    assert_eq!(answer.field("content-range"), Some(&*format!("bytes {from}-{to}/{LENGTH}")));
    store.until_quiet().await;
    // The beginning tells what it is.
    assert!(store.sent("a.bin") <= 2 * hallpass::cache::BLOCK as u64, "{:?}", store.reads("a.bin"));
    let again = gate.ask("GET", &link, &[&format!("Range: bytes={}-{}", from + 10, from + 19)]).await;
    assert_eq!(again.body, generated(1, from + 10, from + 20));
    assert_eq!(gate.ask("HEAD", &link, &[]).await.length(), Some(1 << 30));
    assert!(store.sent("a.bin") <= 2 * hallpass::cache::BLOCK as u64, "what was read is kept");
    assert!(gate.counted("hallpass_unverified_blocks_total").await >= 1, "{}", gate.metrics().await);
}

#[tokio::test]
async fn a_store_that_does_not_answer_is_told_as_s3_would() {
    let (gate, link, store) = scripted("", b"hello").await;
    let policy = RetryPolicy { retries: 0, first_byte: Duration::from_millis(200), ..RetryPolicy::default() };
    let reliable = ReliableOrigin::new(Arc::new(store.clone()), policy, Arc::default());
    gate.replace_store(Arc::new(reliable));
    store.script("a.bin", Script::always(Fault::Silent));
    assert_eq!(code(&gate.get(&link).await), (504, "InternalError".to_owned()));
    store.heal("a.bin");
    assert_eq!(gate.get(&link).await.body, b"hello");
}

#[tokio::test]
async fn a_panic_in_a_store_is_an_error_of_s3s_and_ends_nothing_else() {
    let (gate, link, store) = scripted("", b"hello").await;
    store.script("a.bin", Script::always(Fault::Panic(0)));
    let answer = gate.get(&link).await;
    assert!(matches!(code(&answer), (500 | 502, ref code) if code == "InternalError"), "{answer:?}");
    store.heal("a.bin");
    assert_eq!(gate.get(&link).await.body, b"hello");
}

#[tokio::test]
async fn a_version_that_is_read_for_the_first_time_may_be_minted_meanwhile() {
    let bytes = content(13, 4 << 20);
    let (gate, link, store) = scripted("", &bytes).await;
    store.script("a.bin", Script::always(Fault::Stall(1_500_000)));
    let mut wire = Wire::connect_narrow(gate.addresses.public).await;
    wire.send(request("GET", &link, &[])).await;
    let head = wire.head().await.unwrap();
    assert_eq!((head.status, head.length()), (200, Some(bytes.len())));
    let minting = async { gate.mint(json!({ "key": "a.bin" })).await };
    let healing = async {
        store.until("a.bin", |reads| reads.iter().all(|read| read.sent == 1_500_000 || read.over)).await;
        store.heal("a.bin");
    };
    let (minted, ()) = tokio::join!(minting, healing);
    assert!(wire.body(bytes.len()).await.unwrap() == bytes, "who came first reads on");
    let after = gate.get(&link).await;
    assert_eq!((after.field("etag"), after.body == bytes), (head.field("etag"), true));
    assert!(gate.get(&minted.path).await.body == bytes);
}

#[tokio::test]
async fn a_store_that_fails_is_told_as_s3_would_and_nothing_of_it_is_kept() {
    let bytes = content(9, BIG);
    let (gate, link, store) = scripted("", &bytes).await;
    store.down(true);
    let down = gate.get(&link).await;
    assert!(matches!(code(&down), (502 | 504, ref code) if code == "InternalError"), "{down:?}");
    store.down(false);
    store.script("a.bin", Script::once(Fault::Short(0)));
    let short = gate.get(&link).await;
    assert_eq!(code(&short), (502, "InternalError".to_owned()));
    store.script("a.bin", Script::once(Fault::Cut(400_000)));
    let mut wire = gate.public().await;
    wire.send(request("GET", &link, &[])).await;
    let Err(cut) = wire.try_answer(false).await else { panic!("it must be broken off") };
    let body = cut.answer.map(|answer| answer.body).unwrap_or_default();
    assert!(body.len() < bytes.len() && bytes.starts_with(&body));
    assert!(gate.get(&link).await.body == bytes, "and the next one is whole");
}

#[tokio::test]
async fn objects_with_a_coding_are_refused_and_empty_ones_are_served() {
    let bucket = Bucket::create().await;
    let coded = bucket.client.put_object().bucket(&bucket.name).key("coded.txt").content_encoding("gzip");
    coded.body(b"not really".to_vec().into()).send().await.unwrap();
    bucket.put("empty.txt", b"").await;
    let key = Presigner::new("billing");
    let gate = place(&[&key], "").start().await;
    gate.replace_store(Arc::new(bucket.origin()));
    let now = gate.rooms.clock.now();
    let coded = gate.get(&key.link(now, "coded.txt")).await;
    assert!(!matches!(coded.status, 200 | 206 | 500), "{coded:?}");
    refusal(&coded);
    let empty = gate.get(&key.link(now, "empty.txt")).await;
    assert_eq!((empty.status, empty.length()), (200, Some(0)), "{empty:?}");
    assert_eq!(gate.ask("HEAD", &key.link(now, "empty.txt"), &[]).await.length(), Some(0));
}
