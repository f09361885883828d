//! One read of the store for any number of requests, and none of them waits for another.

use std::sync::Arc;

use futures_util::future::join_all;
use hallpass::value::ByteSpan;
use serde_json::json;
use tokio::sync::Barrier;

use super::{BLOCK, Client, MIB, Stage, bare, range, reliable};
use crate::kit::content;
use crate::kit::scripted::{Fault, Script, generated};

/// The spans that were read of `a.bin`, as their first byte and the one past their last.
fn spans(stage: &Stage) -> Vec<(u64, u64)> {
    stage.store.reads("a.bin").iter().map(|read| (read.span.first(), read.span.end())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_clients_of_a_cold_object_share_one_read_and_so_does_one_that_comes_late() {
    let bytes = content(1, 4 * MIB + 17);
    let stage = Stage::new(bare, "").await;
    let link = stage.link("a.bin", &bytes).await;
    let stage = stage.cold().await;
    let half = 2 * MIB;
    stage.store.script("a.bin", Script::always(Fault::Stall(half as u64)));
    let barrier = Barrier::new(51);
    let client = |until: usize| {
        let (stage, link, barrier, bytes) = (&stage, &link, &barrier, &bytes);
        async move {
            let mut client = Client::ask(&stage.gate, &link.path, &[]).await;
            // The store is in the middle of the object, and who asks has what it gave so far.
            assert!(client.read_to(until).await.unwrap() == &bytes[..until]);
            barrier.wait().await;
            client.rest().await
        }
    };
    let late = async {
        // Somebody has all that came so far; this one is behind by that.
        stage.store.until("a.bin", |reads| reads.iter().any(|read| read.sent == half as u64)).await;
        let came = client(1).await;
        assert!(came.cache_status().unwrap().starts_with("hallpass;"), "{came:?}");
        came
    };
    let healed = async {
        barrier.wait().await;
        stage.store.heal("a.bin");
    };
    let (early, late, ()) = tokio::join!(join_all((0..49).map(|_| client(half))), late, healed);
    for came in early.iter().chain([&late]) {
        came.is_right(200, &bytes);
    }
    assert_eq!(spans(&stage), [(0, bytes.len() as u64)], "one read");
    assert_eq!(stage.store.sent("a.bin"), bytes.len() as u64);
    stage.get(&link, &[]).await.is_right(200, &bytes);
    assert_eq!(spans(&stage).len(), 1, "and what was read was kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cold_range_reads_the_blocks_it_touches_and_no_other() {
    const LENGTH: u64 = 95 << 20;
    let block = BLOCK as u64;
    let odd = LENGTH - 100_000;
    let mut stage = Stage::new(bare, "").await;
    stage.store.put_generated("a.bin", 1, odd);
    let link = stage.gate.mint(json!({ "key": "a.bin" })).await;
    let last_block = odd / block * block;
    for (asked, first, end, read) in [
        ("bytes=0-0", 0, 1, (0, block)),
        ("bytes=-1", odd - 1, odd, (last_block, odd)),
        ("bytes=262143-262144", block - 1, block + 1, (0, 2 * block)),
        ("bytes=524288-524288", 2 * block, 2 * block + 1, (2 * block, 3 * block)),
        ("bytes=524287-524287", 2 * block - 1, 2 * block, (block, 2 * block)),
        ("bytes=1000000-2000000", 1_000_000, 2_000_001, (3 * block, 8 * block)),
    ] {
        stage = stage.cold().await;
        let came = stage.get(&link, &[&format!("Range: {asked}")]).await;
        came.is_right(206, &generated(1, first, end));
        assert_eq!(spans(&stage), [read], "{asked}");
        assert_eq!(stage.store.sent("a.bin"), read.1 - read.0, "{asked}");
    }
}

#[tokio::test]
async fn a_range_reads_only_what_is_missing_between_the_blocks_that_are_there() {
    let bytes = content(2, 6 * BLOCK);
    let stage = Stage::new(bare, "").await;
    let link = stage.link("a.bin", &bytes).await;
    let stage = stage.cold().await;
    stage.get(&link, &[&range(2 * BLOCK, 2 * BLOCK)]).await.is_right(206, &bytes[2 * BLOCK..=2 * BLOCK]);
    let all = BLOCK / 2..5 * BLOCK + 1;
    let came = stage.get(&link, &[&range(all.start, all.end - 1)]).await;
    came.is_right(206, &bytes[all]);
    let block = BLOCK as u64;
    assert_eq!(spans(&stage), [(2 * block, 3 * block), (0, 2 * block), (3 * block, 6 * block)]);
    stage.get(&link, &[]).await.is_right(200, &bytes);
    assert_eq!(spans(&stage).len(), 3, "by then all of it is there");
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_go_on_when_the_one_that_came_first_leaves() {
    let bytes = content(3, 4 * MIB);
    for around in [bare, reliable] {
        let stage = Stage::new(around, "").await;
        let link = stage.link("a.bin", &bytes).await;
        let stage = stage.cold().await;
        let tenth = MIB / 2;
        // No stall: a reliable store would not wait that long. The latency leaves time for all to come.
        let slow = Script::default().in_chunks(BLOCK / 2).slowly(std::time::Duration::from_millis(60));
        stage.store.script("a.bin", slow);
        let mut first = Client::ask(&stage.gate, &link.path, &[]).await;
        assert!(first.read_to(tenth).await.unwrap() == &bytes[..tenth]);
        let others = join_all((0..10).map(|_| async {
            let mut client = Client::ask(&stage.gate, &link.path, &[]).await;
            client.read_to(1).await.unwrap();
            client
        }));
        let mut others = others.await;
        assert!(stage.store.reads("a.bin").iter().all(|read| !read.over), "the read still runs");
        drop(first);
        for came in join_all(others.iter_mut().map(Client::rest)).await {
            came.is_right(200, &bytes);
        }
        assert_eq!(spans(&stage), [(0, bytes.len() as u64)], "one read");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_among_a_hundred_slows_nobody() {
    let bytes = Arc::new(content(4, 4 * MIB));
    let stage = Stage::new(bare, "").await;
    let link = stage.link("a.bin", &bytes).await;
    let stage = stage.cold().await;
    let mut slow = Client::ask_narrowly(&stage.gate, &link.path, &[]).await;
    let trickle = async {
        for second in 1..=600 {
            slow.read_to(1000 * second).await.unwrap();
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        }
        unreachable!("the others are not done after ten minutes");
    };
    let others = async {
        let mut done = Vec::new();
        for _ in 0..3 {
            done.extend(join_all((0..33).map(|_| stage.get(&link, &[]))).await);
        }
        done
    };
    let done = tokio::select! {
        done = others => done,
        () = trickle => unreachable!(),
    };
    assert_eq!(done.len(), 99);
    for came in &done {
        came.is_right(200, &bytes);
    }
    assert_eq!(spans(&stage), [(0, bytes.len() as u64)], "one read");
    slow.read_to(100_000).await.unwrap();
    assert!(slow.body == bytes[..slow.body.len()]);
    slow.rest().await.is_right(200, &bytes);
    assert_eq!(spans(&stage).len(), 1, "and the slow one is not read for either");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cache_smaller_than_the_object_serves_it_to_several_at_once() {
    let bytes = content(5, 16 * MIB);
    let stage = Stage::new(bare, "memory = \"4MiB\"\nin_flight = \"16MiB\"").await;
    let link = stage.link("a.bin", &bytes).await;
    let stage = stage.cold().await;
    let (from, to) = (5 * MIB - 3, 11 * MIB + 5);
    let several = join_all((0..6).map(|_| stage.get(&link, &[])));
    let asked = range(from, to);
    let parts = [asked.as_str()];
    let ranges = join_all((0..3).map(|_| stage.get(&link, &parts)));
    let (several, ranges) = tokio::join!(several, ranges);
    for came in &several {
        came.is_right(200, &bytes);
    }
    for came in &ranges {
        came.is_right(206, &bytes[from..=to]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_ranges_of_one_byte_read_each_block_once() {
    let bytes = content(6, 16 * MIB);
    let stage = Stage::new(bare, "").await;
    let link = stage.link("a.bin", &bytes).await;
    let stage = stage.cold().await;
    let ask = |worker: usize| {
        let (stage, link, bytes) = (&stage, &link, &bytes);
        async move {
            let mut wire = stage.gate.public().await;
            for number in 0..125 {
                // A step that is prime to the length meets all blocks, in no order.
                let at = (worker * 125 + number) * 7_654_321 % bytes.len();
                wire.send(crate::kit::gateway::request("GET", &link.path, &[&range(at, at)])).await;
                let answer = wire.try_answer(false).await.unwrap_or_else(|broken| panic!("at {at}: {:?}", broken.how));
                assert_eq!((answer.status, answer.body.as_slice()), (206, &bytes[at..=at]), "at {at}");
            }
        }
    };
    join_all((0..8).map(ask)).await;
    let mut blocks: Vec<_> = stage.store.reads("a.bin").iter().map(|read| read.span).collect();
    blocks.sort_by_key(|span| span.first());
    let overlap = blocks.windows(2).find(|pair| pair[0].end() > pair[1].first());
    assert_eq!(overlap, None, "each block once");
    assert!(stage.store.sent("a.bin") <= bytes.len() as u64);
    assert!(blocks.iter().all(|span: &ByteSpan| span.len() == BLOCK as u64), "{blocks:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lone_slow_reader_of_what_is_too_large_to_keep_sets_the_pace_of_its_read() {
    let bytes = content(7, 16 * MIB);
    let stage = Stage::new(bare, "memory = \"4MiB\"\nin_flight = \"16MiB\"\nmin_rate = 0").await;
    let link = stage.link("a.bin", &bytes).await;
    for stage in [stage.stranger("memory = \"4MiB\"\nin_flight = \"16MiB\"\nmin_rate = 0").await, stage.cold().await] {
        let mut slow = Client::ask_narrowly(&stage.gate, &link.path, &[]).await;
        for step in 1..=8 {
            slow.read_to(step * MIB / 2).await.unwrap();
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        assert!(stage.store.reads("a.bin").iter().all(|read| !read.over), "the store waits for the reader");
        slow.rest().await.is_right(200, &bytes);
        assert_eq!(spans(&stage), [(0, bytes.len() as u64)], "nothing was read twice");
        stage.store.until_quiet().await;
        stage.store.forget_reads();
    }
}
