//! What is kept: it is there when it is asked for, it is never permission, and nobody can wish it away.

use std::time::Duration;

use serde_json::json;

use super::{BLOCK, Client, MIB, Stage, bare, range};
use crate::kit::content;
use crate::kit::gateway::{Place, request};
use crate::kit::scripted::{Fault, Script, Scripted};
use crate::kit::wire::Answer;

const HIT: Option<&str> = Some("hallpass; hit");

#[tokio::test]
async fn what_was_minted_is_fetched_without_another_read() {
    for length in [1, 100, BLOCK, BLOCK + 1, 3 * MIB + 7] {
        let bytes = content(1, length);
        let stage = Stage::new(bare, "").await;
        let link = stage.link("a.bin", &bytes).await;
        assert_eq!(stage.store.reads("a.bin").len(), 1, "the mint's own");
        let part = stage.get(&link, &[&range(length / 2, length - 1)]).await;
        part.is_right(206, &bytes[length / 2..]);
        assert_eq!(part.cache_status(), HIT);
        for _ in 0..3 {
            let came = stage.get(&link, &[]).await;
            came.is_right(200, &bytes);
            assert_eq!(came.cache_status(), HIT, "{length} bytes");
        }
        assert_eq!(stage.store.reads("a.bin").len(), 1, "{length} bytes");
        assert_eq!(stage.counted("cache_lookups_total{result=\"hit\"}").await, 4);
    }
}

#[tokio::test]
async fn what_was_minted_and_finds_no_room_in_the_holding_area_is_counted_and_read_at_most_once_more() {
    let bytes = content(2, 3 * BLOCK);
    let stage = Stage::new(bare, "prewarm = 0").await;
    let link = stage.link("a.bin", &bytes).await;
    assert_eq!(stage.counted("cache_bytes{state=\"held\"}").await, 0);
    assert_eq!(stage.counted("prewarm_drops_total").await, 1);
    stage.get(&link, &[]).await.is_right(200, &bytes);
    let reads = stage.store.reads("a.bin").len();
    assert!(reads <= 2, "the mint's, and the fetch's");
    stage.get(&link, &[]).await.is_right(200, &bytes);
    assert_eq!(stage.store.reads("a.bin").len(), reads);
}

#[tokio::test]
async fn the_holding_area_lets_its_oldest_go_first_and_counts_it() {
    let stage = Stage::new(bare, "memory = \"8MiB\"\nprewarm = \"2MiB\"").await;
    let mut links = Vec::new();
    for number in 0..6 {
        let bytes = content(number, 2 * BLOCK);
        links.push((stage.link(&format!("{number}.bin"), &bytes).await, bytes));
    }
    assert!(stage.counted("prewarm_drops_total").await >= 2, "six halves of a megabyte do not fit into two");
    assert!(stage.counted("cache_bytes{state=\"held\"}").await <= 2 * MIB as u64);
    for (link, bytes) in links.iter().rev().take(3) {
        let came = stage.get(link, &[]).await;
        came.is_right(200, bytes);
        assert_eq!(came.cache_status(), HIT);
    }
    for (link, bytes) in &links {
        stage.get(link, &[]).await.is_right(200, bytes);
    }
}

#[tokio::test]
async fn equal_bytes_under_two_keys_are_read_once_for_both() {
    let bytes = content(3, 3 * BLOCK + 5);
    let stage = Stage::new(bare, "").await;
    let links = [stage.link("a.bin", &bytes).await, stage.link("b.bin", &bytes).await];
    let stage = stage.cold().await;
    for link in &links {
        stage.get(link, &[]).await.is_right(200, &bytes);
    }
    let reads = stage.store.all_reads();
    assert_eq!((reads.len(), reads[0].key.as_str()), (1, "a.bin"), "{reads:?}");
    // And the second key is good even while the first one's object is gone.
    stage.store.put("a.bin", content(4, 10));
    stage.get(&links[0], &[]).await.is_right(200, &bytes);
}

#[tokio::test]
async fn a_store_that_is_down_is_not_missed_where_everything_is_kept() {
    let bytes = content(5, 2 * MIB + 3);
    let stage = Stage::new(bare, "").await;
    let link = stage.link("a.bin", &bytes).await;
    let other = stage.link("b.bin", &content(6, 1000)).await;
    let stage = stage.cold().await;
    stage.get(&link, &[]).await.is_right(200, &bytes);
    stage.store.down(true);
    for _ in 0..3 {
        let whole = stage.get(&link, &[]).await;
        whole.is_right(200, &bytes);
        assert_eq!(whole.cache_status(), HIT);
        let part = stage.get(&link, &[&range(MIB - 1, MIB + 1)]).await;
        part.is_right(206, &bytes[MIB - 1..=MIB + 1]);
        assert_eq!(part.cache_status(), HIT);
        let parts = stage.get(&link, &["Range: bytes=0-0,1000000-1000009"]).await;
        assert_eq!((parts.status(), parts.end), (Some(206), None), "{parts:?}");
        let head = stage.gate.ask("HEAD", &link.path, &[]).await;
        assert_eq!((head.status, head.field("cache-status")), (200, HIT));
    }
    let etag = stage.gate.ask("HEAD", &link.path, &[]).await.field("etag").unwrap().to_owned();
    let known = stage.gate.ask("GET", &link.path, &[&format!("If-None-Match: {etag}")]).await;
    assert_eq!((known.status, known.field("cache-status")), (304, HIT));
    for lines in [&[][..], &["Range: bytes=5-6"]] {
        assert_eq!(stage.get(&other, lines).await.problem(), (502, "origin-failed".to_owned()), "not kept: {lines:?}");
    }
    assert_eq!(stage.gate.ask("HEAD", &other.path, &[]).await.status, 502, "HEAD says what GET would");
    stage.store.down(false);
    stage.get(&other, &[]).await.is_right(200, &content(6, 1000));
}

#[tokio::test]
async fn what_is_kept_is_no_permission() {
    let bytes = content(7, BLOCK + 1);
    let stage = Stage::at(Place::held(), bare, Scripted::new(), "").await;
    let link = stage.link("a.bin", &bytes).await;
    let other = stage.link("b.bin", &bytes).await;
    for one in [&link, &other] {
        stage.get(one, &[]).await.is_right(200, &bytes);
    }
    stage.gate.revoke(json!({ "link": link.id })).await;
    for lines in [&[][..], &["Range: bytes=0-0"], &["If-None-Match: *"]] {
        assert_eq!(stage.get(&link, lines).await.problem(), (410, "link-revoked".to_owned()));
    }
    stage.get(&other, &[]).await.is_right(200, &bytes);
    let browser = stage.get(&other, &["User-Agent: curl/8.0"]).await;
    assert_eq!(browser.problem(), (403, "fetcher-refused".to_owned()));
    stage.gate.place.clock.advance(Duration::from_secs(3600));
    for lines in [&[][..], &["Range: bytes=0-0"], &["If-None-Match: *"]] {
        assert_eq!(stage.get(&other, lines).await.problem(), (410, "link-expired".to_owned()));
    }
    assert_eq!(stage.store.all_reads().len(), 2, "the mints' own");
}

#[tokio::test]
async fn no_wish_of_a_client_makes_a_hit_a_read() {
    let bytes = content(8, 2 * BLOCK);
    let stage = Stage::new(bare, "").await;
    let link = stage.link("a.bin", &bytes).await;
    let stage = stage.cold().await;
    stage.get(&link, &[]).await.is_right(200, &bytes);
    for wish in [
        "Cache-Control: no-cache",
        "Cache-Control: no-store, max-age=0",
        "Cache-Control: only-if-cached",
        "Pragma: no-cache",
        "Expires: 0",
        "If-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT",
        "Accept-Encoding: gzip, br",
    ] {
        let came = stage.get(&link, &[wish]).await;
        came.is_right(200, &bytes);
        assert_eq!(came.cache_status(), HIT, "{wish}");
    }
    for number in 0..20 {
        let path = format!("{}?cachebuster={number}&fbclid=x", link.path);
        let came = Client::ask(&stage.gate, &path, &["Cache-Control: no-cache"]).await.rest().await;
        came.is_right(200, &bytes);
        assert_eq!(came.cache_status(), HIT);
    }
    assert_eq!(stage.store.all_reads().len(), 1);
}

/// The answer to a cold request, while the store owes everything, and the answer to one that joins it.
async fn asked_twice(stage: &Stage, path: &str, lines: &[&str]) -> [super::Came; 2] {
    stage.store.script("a.bin", Script::always(Fault::Stall(0)));
    let mut one = Client::ask(&stage.gate, path, lines).await;
    stage.store.until("a.bin", |reads| !reads.is_empty()).await;
    // Each body is charged for when it is asked for, which is how to see that the second request has come.
    let charged = stage.counted("cache_bytes{state=\"in-flight\"}").await;
    let mut two = Client::ask(&stage.gate, path, lines).await;
    let joined = async {
        while stage.counted("cache_bytes{state=\"in-flight\"}").await == charged {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), joined).await.expect("the second request is admitted");
    stage.store.heal("a.bin");
    [one.rest().await, two.rest().await]
}

#[tokio::test(flavor = "multi_thread")]
async fn cache_status_tells_how_an_answer_came_about() {
    let bytes = content(9, 4 * BLOCK);
    let stage = Stage::new(bare, "").await;
    let link = stage.link("a.bin", &bytes).await;
    let stage = stage.cold().await;
    let [one, two] = asked_twice(&stage, &link.path, &[]).await;
    one.is_right(200, &bytes);
    two.is_right(200, &bytes);
    assert_eq!(one.cache_status(), Some("hallpass; fwd=miss; stored"));
    // RFC 9211 gives the parameters no order.
    let mut said: Vec<_> = two.cache_status().unwrap().split("; ").collect();
    said.sort_unstable();
    assert_eq!(said, ["collapsed", "fwd=miss", "hallpass", "stored"]);
    assert_eq!(stage.counted("cache_lookups_total{result=\"joined\"}").await, 1);
    assert_eq!(stage.get(&link, &[]).await.cache_status(), HIT);
    assert_eq!(stage.get(&link, &[&range(5, 6)]).await.cache_status(), HIT);
    assert_eq!(stage.gate.ask("GET", &link.path, &["If-None-Match: *"]).await.field("cache-status"), HIT);

    let stage = stage.cold().await;
    let first = stage.get(&link, &[&range(BLOCK, BLOCK)]).await;
    assert_eq!(first.cache_status(), Some("hallpass; fwd=miss; stored"));
    assert_eq!(stage.get(&link, &[&range(BLOCK + 5, BLOCK + 6)]).await.cache_status(), HIT);
    let some = stage.get(&link, &[]).await;
    some.is_right(200, &bytes);
    assert_eq!(some.cache_status(), Some("hallpass; fwd=partial; stored"));
    for (result, number) in [("miss", 1), ("hit", 1), ("partial", 1), ("joined", 0)] {
        let series = format!("cache_lookups_total{{result=\"{result}\"}}");
        assert_eq!(stage.counted(&series).await, number, "{result}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_to_keep_is_not_called_stored() {
    let bytes = content(10, 3 * MIB);
    let stage = Stage::new(bare, "memory = \"4MiB\"\nin_flight = \"16MiB\"").await;
    let link = stage.link("a.bin", &bytes).await;
    let stage = stage.cold().await;
    for _ in 0..2 {
        let came = stage.get(&link, &[]).await;
        came.is_right(200, &bytes);
        assert_eq!(came.cache_status(), Some("hallpass; fwd=miss"));
    }
    // One block of it is small enough.
    for said in ["hallpass; fwd=miss; stored", "hallpass; hit"] {
        assert_eq!(stage.get(&link, &[&range(5, 6)]).await.cache_status(), Some(said));
    }
}

#[tokio::test]
async fn head_agrees_with_get_whatever_is_kept() {
    let bytes = content(11, BLOCK + 9);
    // The time stands still, for Cache-Control tells how much of it is left.
    let stage = Stage::at(Place::held(), bare, Scripted::new(), "").await;
    let link = stage.link("a.bin", &bytes).await;
    let stage = stage.cold().await;
    let without = |answer: &Answer| {
        let mut lines = answer.block();
        lines.retain(|line| !line.to_ascii_lowercase().starts_with("cache-status:"));
        lines
    };
    let cold = stage.gate.ask("HEAD", &link.path, &["Range: bytes=0-0"]).await;
    assert_eq!(cold.status, 200);
    let said = cold.field("cache-status").unwrap().to_owned();
    assert!(said.starts_with("hallpass; fwd=miss") || said == "hallpass; hit", "{said}");
    let get = stage.get(&link, &[]).await;
    get.is_right(200, &bytes);
    let warm = stage.gate.ask("HEAD", &link.path, &[]).await;
    assert_eq!(without(&cold), without(&warm));
    assert_eq!(without(&warm), without(&get.head.unwrap()));
    let again = stage.get(&link, &[]).await;
    assert_eq!(warm.block(), again.head.unwrap().block(), "a hit, both");
    for line in [request("GET", &link.path, &[]), request("HEAD", &link.path, &[])] {
        let answer = stage.gate.raw(line).await;
        let said = answer.field("cache-status").unwrap();
        assert!(!said.contains("key") && !said.contains("detail"), "{said}");
    }
}
