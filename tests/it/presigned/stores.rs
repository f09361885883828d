//! What presigned links ask of a store, and what is told when it does not do as it should.

use std::sync::Arc;
use std::time::Duration;

use hallpass::origin::{ReliableOrigin, RetryPolicy};

use super::{code, refusal, scripted};
use crate::kit::content;
use crate::kit::gateway::{BIG, request};
use crate::kit::moto::Bucket;
use crate::kit::presigner::{Presigner, place};
use crate::kit::scripted::{Fault, Script, generated};

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
