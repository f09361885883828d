//! The zero-copy lane: large bodies leave from block memory itself, and what was sent is right whatever becomes of that memory.

use futures_util::future::join_all;
use tokio::task::JoinSet;

use super::{BLOCK, Client, MIB, Stage, bare, range};
use crate::kit::content;
use crate::kit::gateway::Gateway;
use crate::kit::wire::Wire;

const LANE: &str = "zero_copy_bytes_total{listener=\"public\"}";

#[tokio::test(flavor = "multi_thread")]
async fn large_bodies_take_the_lane_and_small_ones_and_a_heap_do_not() {
    let bytes = content(1, 5 * BLOCK + 77);
    let lengths = [32 * 1024, 100 * 1024, BLOCK, bytes.len()];
    for (cache, takes_it) in [("zero_copy = true", true), ("zero_copy = false", false)] {
        let stage = Stage::exactly(bare, cache).await;
        let mut before = 0;
        for (length, is_large) in
            [(1, false), (4096, false), (16 * 1024 - 1, false)].into_iter().chain(lengths.map(|length| (length, true)))
        {
            let bytes = &bytes[..length];
            let link = stage.link(&format!("{length}.bin"), bytes).await;
            for _ in 0..2 {
                stage.get(&link, &[]).await.is_right(200, bytes);
            }
            let sent = stage.counted(LANE).await - before;
            before += sent;
            // What is left of a piece that a socket took in parts may be copied.
            let least = if takes_it && is_large { length as u64 } else { 0 };
            let most = if takes_it && is_large { 2 * length as u64 } else { 0 };
            assert!((least..=most).contains(&sent), "{cache}: {sent} of twice {length}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_takes_the_lane_too_and_is_right_to_the_byte() {
    let bytes = content(2, 3 * BLOCK);
    let stage = Stage::exactly(bare, "zero_copy = true").await;
    let link = stage.link("a.bin", &bytes).await;
    for (first, last) in [(1, 40_000), (BLOCK - 50_000, BLOCK + 50_000), (4097, 3 * BLOCK - 1), (BLOCK, 2 * BLOCK - 1)]
    {
        let before = stage.counted(LANE).await;
        stage.get(&link, &[&range(first, last)]).await.is_right(206, &bytes[first..=last]);
        assert!(stage.counted(LANE).await > before, "{first} to {last}");
    }
}

/// Bytes that a socket took lie in block memory until the reader's end has them. Here readers take nothing while the blocks they were sent
/// from are evicted and filled with others, many times over.
#[tokio::test(flavor = "multi_thread")]
async fn a_stalled_reader_gets_what_it_was_sent_though_its_blocks_were_freed_and_filled_anew() {
    let stage = Stage::exactly(bare, "memory = \"4MiB\"\nin_flight = \"16MiB\"\nzero_copy = true").await;
    let victims: Vec<Vec<u8>> = (0..3).map(|n| content(100 + n, 3 * BLOCK)).collect();
    let mut stalled = Vec::new();
    for (number, bytes) in victims.iter().enumerate() {
        let link = stage.link(&format!("victim-{number}"), bytes).await;
        for _ in 0..4 {
            let mut client = Client::send(wide(&stage.gate).await, &link.path, &[]).await;
            client.read_to(1).await.unwrap();
            stalled.push((client, bytes, link.clone()));
        }
    }
    let sent = stage.counted(LANE).await;
    assert!(
        sent >= stalled.len() as u64 * 2 * BLOCK as u64,
        "they were sent {sent} bytes: do net.ipv4.tcp_wmem and net.core.rmem_max allow half a megabyte?"
    );
    evict_with_others(&stage, 5 * MIB, 12).await;
    stage.store.forget_reads();
    for (_, bytes, link) in stalled.iter().step_by(4) {
        stage.get(link, &["Range: bytes=0-0"]).await.is_right(206, &bytes[..1]);
    }
    assert_eq!(stage.store.all_reads().len(), victims.len(), "no victim's first block lies in the cache any more");
    for (mut client, bytes, _) in stalled {
        client.rest().await.is_right(200, bytes);
    }
}

/// The same under load: readers that stall now and then, while a scan of many objects goes through a small cache.
#[tokio::test(flavor = "multi_thread")]
async fn under_eviction_and_load_no_byte_of_any_body_is_wrong() {
    let stage = Stage::exactly(bare, "memory = \"4MiB\"\nin_flight = \"16MiB\"\nzero_copy = true").await;
    let mut objects = Vec::new();
    for number in 0..24_usize {
        let bytes = content(200 + number as u64, 40 * 1024 + 37_123 * number);
        objects.push((stage.link(&format!("{number}.bin"), &bytes).await, bytes));
    }
    for round in 0..4 {
        let all = objects.iter().enumerate().map(|(number, (link, bytes))| {
            let stage = &stage;
            async move {
                let mut client = Client::send(wide(&stage.gate).await, &link.path, &[]).await;
                if (number + round) % 3 == 0 {
                    client.read_to(1 + number * 1000).await.unwrap();
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                }
                client.rest().await.is_right(200, bytes);
            }
        });
        join_all(all).await;
    }
    assert!(stage.counted(LANE).await > 0);
    assert!(stage.counted("cache_evictions_total").await > 0);
}

/// A connection whose receiving end takes much before anybody reads it.
async fn wide(gate: &Gateway) -> Wire {
    Wire::connect_with_buffer(gate.addresses.public, 2 << 20).await
}

/// Mints and fetches objects of other bytes until so many have gone through the cache, so many times.
async fn evict_with_others(stage: &Stage, amount: usize, rounds: u32) {
    let length = 3 * BLOCK;
    for round in 0..rounds {
        let mut links = Vec::new();
        for number in 0..amount / length {
            let bytes = content(1000 + u64::from(round) * 100 + number as u64, length);
            links.push((stage.link(&format!("other-{round}-{number}"), &bytes).await, bytes));
        }
        let mut fetches = JoinSet::new();
        for (link, bytes) in links {
            let mut client = Client::ask(&stage.gate, &link.path, &[]).await;
            fetches.spawn(async move { client.rest().await.is_right(200, &bytes) });
        }
        fetches.join_all().await;
    }
}
