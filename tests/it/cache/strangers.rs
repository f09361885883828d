//! Links of another node: no manifest, so nothing is verified before all of it is, and nothing is answered as verified before that.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;
use tokio::time::{Instant, timeout};

use super::{BLOCK, Client, MIB, Stage, bare, range};
use crate::kit::content;
use crate::kit::gateway::Minted;
use crate::kit::scripted::{Fault, Script};

async fn stranger(bytes: &[u8], cache: &str) -> (Stage, Minted) {
    let stage = Stage::new(bare, "").await;
    let link = stage.link("a.bin", bytes).await;
    (stage.stranger(cache).await, link)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_without_a_manifest_waits_for_the_fill_and_is_right() {
    let bytes = content(1, 2 * MIB + 9);
    let (stage, link) = stranger(&bytes, "manifest_wait = \"1m\"").await;
    stage.store.script("a.bin", Script::always(Fault::Stall(MIB as u64)));
    // Several blocks: the last one would wait in any case.
    let asked = range(9, 3 * BLOCK);
    let mut early = Client::ask(&stage.gate, &link.path, &[&asked]).await;
    stage.store.until("a.bin", |reads| reads.iter().any(|read| read.sent == MIB as u64)).await;
    let waits = timeout(Duration::from_millis(500), early.read_to(1)).await;
    assert!(waits.is_err(), "it was answered before anything could be verified");
    let mut late = Client::ask(&stage.gate, &link.path, &[&range(2 * MIB, 2 * MIB + 8)]).await;
    stage.store.heal("a.bin");
    early.rest().await.is_right(206, &bytes[9..=3 * BLOCK]);
    late.rest().await.is_right(206, &bytes[2 * MIB..]);
    let reads = stage.store.reads("a.bin");
    assert_eq!(reads.len(), 1, "one fill serves both: {reads:?}");
    stage.get(&link, &[]).await.is_right(200, &bytes);
    assert_eq!(stage.store.reads("a.bin").len(), 1, "and what it read was kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_that_waits_too_long_for_a_manifest_is_504_and_the_next_may_be_right() {
    let bytes = content(2, 2 * MIB);
    let (stage, link) = stranger(&bytes, "manifest_wait = \"1s\"").await;
    stage.store.script("a.bin", Script::always(Fault::Stall(MIB as u64)));
    let begun = Instant::now();
    for asked in [range(0, 0), range(2 * MIB - 1, 2 * MIB - 1)] {
        let came = stage.get(&link, &[&asked]).await;
        assert_eq!(came.problem(), (504, "origin-timeout".to_owned()), "{asked}");
    }
    assert!(begun.elapsed() >= Duration::from_millis(1900), "each waited its time: {:?}", begun.elapsed());
    stage.store.heal("a.bin");
    stage.get(&link, &[&range(MIB - 5, MIB + 5)]).await.is_right(206, &bytes[MIB - 5..=MIB + 5]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_body_without_a_manifest_streams_and_its_last_block_is_held_back_until_all_of_it_matches() {
    let bytes = content(3, 8 * BLOCK + 100);
    let (stage, link) = stranger(&bytes, "").await;
    let last = bytes.len() - 1;
    stage.store.script("a.bin", Script::always(Fault::Stall(last as u64)));
    let clients = join_all((0..5).map(|_| Client::ask(&stage.gate, &link.path, &[]))).await;
    let halves = clients.into_iter().map(|mut client| async {
        // All but the end comes while the store still owes its last byte.
        assert!(client.read_to(7 * BLOCK).await.unwrap() == &bytes[..7 * BLOCK]);
        client
    });
    let mut clients = join_all(halves).await;
    let more = timeout(Duration::from_millis(300), clients[0].read_to(8 * BLOCK + 1)).await;
    assert!(more.is_err(), "a byte of the last block came");
    let ends = stage.store.reads("a.bin");
    assert_eq!((ends.len(), ends[0].sent), (1, last as u64));
    stage.store.heal("a.bin");
    for mut client in clients {
        client.rest().await.is_right(200, &bytes);
    }
    assert_eq!(stage.store.reads("a.bin").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_manifest_of_a_fill_outlives_a_restart() {
    let bytes = content(4, 6 * BLOCK + 3);
    let (stage, link) = stranger(&bytes, "").await;
    stage.get(&link, &[]).await.is_right(200, &bytes);
    let stage = stage.cold().await;
    stage.get(&link, &[&range(3 * BLOCK, 3 * BLOCK)]).await.is_right(206, &bytes[3 * BLOCK..=3 * BLOCK]);
    let reads = stage.store.reads("a.bin");
    assert_eq!(reads.len(), 1);
    assert_eq!((reads[0].span.first(), reads[0].span.end()), (3 * BLOCK as u64, 4 * BLOCK as u64));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_too_large_to_keep_is_served_without_a_manifest_too() {
    let bytes = content(5, 12 * MIB + 1);
    let (stage, link) = stranger(&bytes, "memory = \"4MiB\"\nin_flight = \"16MiB\"\nmanifest_wait = \"1m\"").await;
    let (part, some) = (range(9 * MIB, 10 * MIB), 9 * MIB..10 * MIB + 1);
    let lines = [part.as_str()];
    let (whole, other, ranged) = tokio::join!(stage.get(&link, &[]), stage.get(&link, &[]), stage.get(&link, &lines));
    whole.is_right(200, &bytes);
    other.is_right(200, &bytes);
    ranged.is_right(206, &bytes[some]);
}

#[tokio::test]
async fn small_and_empty_objects_need_no_manifest() {
    let stage = Stage::new(bare, "").await;
    let mut links = Vec::new();
    for length in [0, 1, 100, BLOCK - 1, BLOCK, BLOCK + 1] {
        let (key, bytes) = (format!("{length}.bin"), content(6, length));
        links.push((stage.link(&key, &bytes).await, bytes));
    }
    for stage in [stage.stranger("").await, stage.cold().await] {
        for (link, bytes) in &links {
            if let Some(last) = bytes.len().checked_sub(1) {
                stage.get(link, &["Range: bytes=-1"]).await.is_right(206, &bytes[last..]);
            } else {
                stage.get(link, &["Range: bytes=0-0"]).await.problem();
                stage.get(link, &["Range: bytes=-5"]).await.is_right(200, &[]);
            }
            for _ in 0..2 {
                stage.get(link, &[]).await.is_right(200, bytes);
            }
        }
    }
}

#[tokio::test]
async fn a_link_whose_fingerprint_no_longer_fits_the_object_is_forgotten_and_the_next_mint_reads_anew() {
    let bytes = content(7, 2 * BLOCK);
    let stage = Stage::new(bare, "").await;
    let link = stage.link("a.bin", &bytes).await;
    let stage = stage.cold().await;
    stage.store.script("a.bin", Script::always(Fault::Flip(5)));
    assert_eq!(stage.get(&link, &[]).await.problem(), (502, "origin-failed".to_owned()));
    let before = stage.store.reads("a.bin").len();
    let minted = stage.gate.mint(json!({ "key": "a.bin" })).await;
    assert_ne!(minted.fingerprint, link.fingerprint, "the store has other bytes now, whatever it calls them");
    assert_eq!(stage.store.reads("a.bin").len(), before + 1);
    let mut wrong = bytes.clone();
    wrong[5] ^= 1;
    stage.get(&minted, &[]).await.is_right(200, &wrong);
    assert_eq!(stage.get(&link, &[]).await.problem(), (502, "origin-failed".to_owned()));
}
