//! Memory has an end, and whoever is beyond it is told so; what is asked for often is not pushed out by what is asked for once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use super::{BLOCK, Client, MIB, Stage, bare, reliable};
use crate::kit::content;
use crate::kit::gateway::{Minted, request};
use crate::kit::scripted::{Fault, Script};
use crate::kit::wire::Wire;

/// Whether the in-flight bytes are none within a while.
async fn lands(stage: &Stage) {
    let landed = async {
        while stage.counted(IN_FLIGHT).await > 0 {
            sleep(Duration::from_millis(20)).await;
        }
    };
    let landed = timeout(Duration::from_secs(30), landed).await;
    assert!(landed.is_ok(), "{} bytes are still in flight", stage.counted(IN_FLIGHT).await);
}

const IN_FLIGHT: &str = "cache_bytes{state=\"in-flight\"}";

/// Mints links for the objects of these numbers, of `length` bytes each.
async fn mint_many(stage: &Stage, numbers: std::ops::Range<u64>, length: usize) -> Vec<Minted> {
    let name = |number: u64| format!("{number}.bin");
    numbers.clone().for_each(|number| stage.store.put(&name(number), content(number, length)));
    let links: Vec<_> = numbers.map(|number| json!({ "store": "media", "key": name(number) })).collect();
    let answer = stage.gate.api("POST", "/v1/links/batch", &json!({ "links": links })).await;
    let minted = |one: &Value| {
        assert!(one["url"].is_string(), "not minted: {one}");
        Minted::of(one)
    };
    answer.json()["links"].as_array().unwrap().iter().map(minted).collect()
}

async fn fetch(wire: &mut Wire, link: &Minted, wanted: &[u8]) {
    wire.send(request("GET", &link.path, &[])).await;
    let answer = wire.try_answer(false).await.unwrap_or_else(|broken| panic!("{:?}", broken.how));
    assert!(answer.status == 200 && answer.body == wanted, "{}", answer.status_line);
}

/// Two thousand objects of 8 KB are to 4 MiB what ten thousand are to 20 MiB.
#[tokio::test(flavor = "multi_thread")]
async fn a_scan_of_what_is_asked_for_once_leaves_the_hot_set_alone() {
    const EACH: usize = 8 * 1024;
    let stage = Stage::new(bare, "memory = \"4MiB\"").await;
    let mut wire = stage.gate.public().await;
    let hot = mint_many(&stage, 0..128, EACH).await;
    for _ in 0..3 {
        for (number, link) in hot.iter().enumerate() {
            fetch(&mut wire, link, &content(number as u64, EACH)).await;
        }
    }
    for batch in 1..=10_u64 {
        let numbers = batch * 1000..batch * 1000 + 200;
        for (link, number) in mint_many(&stage, numbers.clone(), EACH).await.iter().zip(numbers) {
            fetch(&mut wire, link, &content(number, EACH)).await;
        }
    }
    let reads = stage.store.all_reads().len();
    for (number, link) in hot.iter().enumerate() {
        fetch(&mut wire, link, &content(number as u64, EACH)).await;
    }
    assert_eq!(stage.store.all_reads().len() - reads, 0, "blocks of the hot set were pushed out");
    assert!(stage.counted("cache_evictions_total").await > 1000, "the scan was larger than the memory");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_large_object_does_not_flush_many_small_ones() {
    let stage = Stage::new(bare, "memory = \"8MiB\"\nin_flight = \"16MiB\"").await;
    let mut wire = stage.gate.public().await;
    let small = mint_many(&stage, 0..100, 10_000).await;
    let video = content(7777, 24 * MIB);
    let large = stage.link("a.bin", &video).await;
    for _ in 0..2 {
        for (number, link) in small.iter().enumerate() {
            fetch(&mut wire, link, &content(number as u64, 10_000)).await;
        }
    }
    let reads = || stage.store.all_reads().iter().filter(|read| read.key != "a.bin").count();
    let before = reads();
    for _ in 0..2 {
        stage.get(&large, &[]).await.is_right(200, &video);
    }
    for (number, link) in small.iter().enumerate() {
        fetch(&mut wire, link, &content(number as u64, 10_000)).await;
    }
    assert_eq!(reads(), before, "small objects were pushed out");
}

/// Samples the accounts of memory until told to stop, and gives the highest of each.
async fn highest(stage: &Stage, stop: &AtomicBool) -> (u64, u64) {
    let (mut in_flight, mut kept) = (0, 0);
    while !stop.load(Ordering::Relaxed) {
        in_flight = in_flight.max(stage.counted(IN_FLIGHT).await);
        let metrics = stage.gate.metrics().await;
        let states = ["held", "probation", "protected", "hoarded"].map(|state| {
            let series = format!("hallpass_cache_bytes{{state=\"{state}\"}} ");
            metrics.lines().find_map(|line| line.strip_prefix(&series)?.parse::<u64>().ok()).unwrap_or(0)
        });
        kept = kept.max(states.iter().sum());
        sleep(Duration::from_millis(10)).await;
    }
    (in_flight, kept)
}

#[tokio::test(flavor = "multi_thread")]
async fn past_the_ceiling_there_is_503_and_never_growth_and_all_of_it_comes_back() {
    const OBJECTS: usize = 40;
    let stage = Stage::new(bare, "memory = \"4MiB\"\nin_flight = \"4MiB\"\nmin_rate = 0").await;
    let links = mint_many(&stage, 0..OBJECTS as u64, 4 * MIB).await;
    let stage = stage.cold().await;
    let stop = AtomicBool::new(false);
    let ask = |number: usize| {
        let (stage, links) = (&stage, &links);
        async move {
            let mut client = Client::ask_narrowly(&stage.gate, &links[number % OBJECTS].path, &[]).await;
            let begun = client.read_to(1000).await.is_ok();
            (client, begun)
        }
    };
    let readers = async {
        // All of them hold on to what they have until the last one was answered.
        let clients = join_all((0..2 * OBJECTS).map(ask)).await;
        let mut refused = 0;
        for (number, (mut client, begun)) in clients.into_iter().enumerate() {
            let wanted = content((number % OBJECTS) as u64, 4 * MIB);
            // A tenth goes on to its end, or to where it is cut; the others leave.
            if begun && number % 10 != 0 {
                assert!(client.so_far() == &wanted[..client.so_far().len()]);
                continue;
            }
            let came = client.rest().await;
            if came.status() == Some(503) {
                assert_eq!(came.problem().1, "overloaded");
                let after = came.head.as_ref().unwrap().field("retry-after").unwrap();
                assert!(after.parse::<u32>().unwrap() >= 1, "{after}");
                refused += 1;
            } else if came.end.is_none() {
                came.is_right(200, &wanted);
            } else {
                came.is_refused_or_broken(&wanted, &[]);
            }
        }
        stop.store(true, Ordering::Relaxed);
        refused
    };
    let (refused, (in_flight, kept)) = tokio::join!(readers, highest(&stage, &stop));
    assert!(refused > 0, "eighty readers of forty objects fit into 4 MiB");
    assert!(in_flight <= 4 * MIB as u64, "{in_flight} bytes were in flight");
    assert!(in_flight > MIB as u64, "the samples saw something: {in_flight}");
    assert!(kept <= 4 * MIB as u64, "{kept} bytes were kept");
    assert!(stage.counted("overload_refusals_total{limit=\"in-flight\"}").await >= 1);
    lands(&stage).await;
    stage.get(&links[0], &[]).await.is_right(200, &content(0, 4 * MIB));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_nobody_waits_for_any_more_gives_back_what_it_took() {
    let bytes = content(1, 3 * MIB);
    for cache in ["", "memory = \"4MiB\"\nin_flight = \"16MiB\""] {
        let stage = Stage::new(reliable, cache).await;
        let link = stage.link("a.bin", &bytes).await;
        let stage = stage.cold().await;
        stage.store.script("a.bin", Script::always(Fault::Stall(2 * MIB as u64 + 5)));
        let mut clients = join_all((0..5).map(|_| Client::ask(&stage.gate, &link.path, &[]))).await;
        for client in &mut clients {
            assert!(client.read_to(BLOCK).await.unwrap() == &bytes[..BLOCK]);
        }
        assert!(stage.counted(IN_FLIGHT).await > 0);
        drop(clients);
        // The store stalls for ever; nobody is there to be told.
        stage.store.until_quiet().await;
        lands(&stage).await;
        stage.store.heal("a.bin");
        stage.get(&link, &[]).await.is_right(200, &bytes);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_that_stand_still_hold_a_bounded_part_of_an_object_and_others_go_on() {
    let bytes = content(2, 16 * MIB);
    let stage = Stage::new(bare, "memory = \"4MiB\"\nin_flight = \"16MiB\"\nmin_rate = 0").await;
    let link = stage.link("a.bin", &bytes).await;
    let stage = stage.cold().await;
    let mut still = join_all((0..4).map(|_| Client::ask_narrowly(&stage.gate, &link.path, &[]))).await;
    for client in &mut still {
        assert!(client.read_to(1000).await.unwrap() == &bytes[..1000]);
    }
    for _ in 0..2 {
        stage.get(&link, &[]).await.is_right(200, &bytes);
    }
    assert!(stage.counted(IN_FLIGHT).await <= 16 * MIB as u64);
    for client in &mut still {
        client.rest().await.is_right(200, &bytes);
    }
    drop(still);
    lands(&stage).await;
    assert!(stage.store.reads("a.bin").iter().all(|read| read.over));
    assert_eq!(BLOCK * 64, bytes.len());
}
