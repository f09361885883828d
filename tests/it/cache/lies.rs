//! A store that cuts, lies, or changes its mind: the minted bytes or none, never a clean end that is a lie, and right again afterwards.

use std::time::Duration;

use hallpass::origin::OriginError;

use super::{BLOCK, Client, MIB, Stage, bare, range, reliable};
use crate::kit::content;
use crate::kit::scripted::{Fault, Script};

/// Not a whole number of blocks, and several of them.
const LENGTH: usize = 5 * BLOCK + 1234;
const CUT: usize = LENGTH * 6 / 10;

/// A cold gateway with a manifest, and a link.
async fn known(around: super::Around, bytes: &[u8]) -> (Stage, crate::kit::gateway::Minted) {
    let stage = Stage::new(around, "").await;
    let link = stage.link("a.bin", bytes).await;
    (stage.cold().await, link)
}

/// A gateway that knows nothing but the keys, and a link.
async fn unknown(around: super::Around, bytes: &[u8]) -> (Stage, crate::kit::gateway::Minted) {
    let stage = Stage::new(around, "").await;
    let link = stage.link("a.bin", bytes).await;
    (stage.stranger("manifest_wait = \"20s\"").await, link)
}

/// The whole, and ranges before, over and behind the middle.
fn requests() -> [(Vec<String>, std::ops::Range<usize>); 4] {
    let part = |first: usize, last: usize| (vec![range(first, last)], first..last + 1);
    [(vec![], 0..LENGTH), part(0, LENGTH - 1), part(CUT - 10, CUT + BLOCK), part(LENGTH - 1, LENGTH - 1)]
}

fn lines(request: &[String]) -> Vec<&str> {
    request.iter().map(String::as_str).collect()
}

fn status(request: &[String]) -> u16 {
    if request.is_empty() { 200 } else { 206 }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_cut_or_short_or_long_never_ends_well_and_is_right_once_the_store_is() {
    let bytes = content(1, LENGTH);
    for fault in [
        Fault::Cut(CUT as u64),
        Fault::Short(CUT as u64),
        Fault::Cut(0),
        Fault::Short(0),
        Fault::Cut(LENGTH as u64 - 1),
        Fault::Short(LENGTH as u64 - 1),
        Fault::Refuse(OriginError::Unavailable("no".into())),
    ] {
        for (stage, link) in [known(bare, &bytes).await, unknown(bare, &bytes).await] {
            stage.store.script("a.bin", Script::always(fault.clone()));
            let came = stage.get(&link, &[]).await;
            came.is_refused_or_broken(&bytes, &["origin-failed"]);
            let last = range(LENGTH - 1, LENGTH - 1);
            if !matches!(fault, Fault::Cut(n) | Fault::Short(n) if n < (LENGTH - LENGTH % BLOCK) as u64) {
                stage.get(&link, &[&last]).await.is_refused_or_broken(&bytes[LENGTH - 1..], &["origin-failed"]);
            }
            stage.store.heal("a.bin");
            for (request, span) in requests() {
                let came = stage.get(&link, &lines(&request)).await;
                came.is_right(status(&request), &bytes[span]);
            }
        }
    }
}

#[tokio::test]
async fn bytes_beyond_the_length_are_never_sent() {
    let bytes = content(2, LENGTH);
    for (stage, link) in [known(bare, &bytes).await, unknown(bare, &bytes).await] {
        stage.store.script("a.bin", Script::always(Fault::Surplus(5)));
        for (request, span) in requests() {
            let came = stage.get(&link, &lines(&request)).await;
            // The store's word is worth nothing here: the bytes are the minted ones or they are not.
            match came.status() {
                Some(200 | 206) if came.end.is_none() => came.is_right(status(&request), &bytes[span]),
                _ => came.is_refused_or_broken(&bytes[span], &["origin-failed"]),
            }
        }
        stage.store.heal("a.bin");
        stage.get(&link, &[]).await.is_right(200, &bytes);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_breaks_off_is_resumed_and_the_fetcher_sees_one_unbroken_body() {
    let bytes = content(3, 4 * MIB + 5);
    for fault in [Script::once(Fault::Cut(MIB as u64 * 12 / 5)), Script::always(Fault::CutEvery(700_000))] {
        let (stage, link) = known(reliable, &bytes).await;
        stage.store.script("a.bin", fault.clone());
        stage.get(&link, &[]).await.is_right(200, &bytes);
        assert!(stage.store.reads("a.bin").len() > 1, "{fault:?} happened");
        assert!(stage.store.sent("a.bin") * 10 <= bytes.len() as u64 * 11, "{} bytes", stage.store.sent("a.bin"));
        let (stage, link) = unknown(reliable, &bytes).await;
        stage.store.script("a.bin", fault);
        stage.get(&link, &[]).await.is_right(200, &bytes);
        assert!(stage.store.sent("a.bin") * 10 <= bytes.len() as u64 * 11, "{} bytes", stage.store.sent("a.bin"));
    }
}

/// Where bits are flipped: ends, edges, middles.
fn places() -> [usize; 9] {
    [0, 1, BLOCK - 1, BLOCK, LENGTH / 2, 5 * BLOCK - 1, 5 * BLOCK, LENGTH - 2, LENGTH - 1]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_bit_anywhere_never_leaves() {
    let bytes = content(4, LENGTH);
    let stage = Stage::new(bare, "").await;
    let link = stage.link("a.bin", &bytes).await;
    let mut stage = stage;
    for at in places() {
        stage = stage.cold().await;
        stage.store.script("a.bin", Script::always(Fault::Flip(at as u64)));
        let came = stage.get(&link, &[]).await;
        came.is_refused_or_broken(&bytes, &["origin-failed"]);
        assert!(came.status() == Some(502) || at >= BLOCK, "the first block decides the status: {came:?}");
        assert!(came.status() != Some(200) || came.body.len() <= at / BLOCK * BLOCK, "a byte of that block: {came:?}");
        let (first, last) = (at.saturating_sub(5), (at + 5).min(LENGTH - 1));
        let part = stage.get(&link, &[&range(first, last)]).await;
        part.is_refused_or_broken(&bytes[first..=last], &["origin-failed"]);
        assert!(stage.counted("verification_failures_total").await >= 1, "at {at}");
        let blocks_before = at / BLOCK * BLOCK;
        if blocks_before > 0 {
            let before = stage.get(&link, &[&range(0, blocks_before - 1)]).await;
            before.is_right(206, &bytes[..blocks_before]);
        }
        stage.store.heal("a.bin");
        stage.get(&link, &[]).await.is_right(200, &bytes);
        stage.get(&link, &[&range(first, last)]).await.is_right(206, &bytes[first..=last]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bit_that_is_flipped_once_is_not_held_against_the_object_afterwards() {
    let bytes = content(5, LENGTH);
    for at in [0, LENGTH / 2, LENGTH - 1] {
        for (stage, link) in [known(bare, &bytes).await, unknown(bare, &bytes).await] {
            stage.store.script("a.bin", Script::once(Fault::Flip(at as u64)));
            let came = stage.get(&link, &[]).await;
            came.begins_rightly_or(at, &bytes);
            stage.get(&link, &[]).await.is_right(200, &bytes);
            stage.get(&link, &[&range(at, at)]).await.is_right(206, &bytes[at..=at]);
        }
    }
}

impl super::Came {
    /// A body of which one byte is wrong and which did not come whole; or one that is right altogether, since it was read again.
    #[track_caller]
    fn begins_rightly_or(&self, at: usize, wanted: &[u8]) {
        if self.status() == Some(200) && self.end.is_none() {
            return self.is_right(200, wanted);
        }
        if self.status() != Some(200) {
            return self.is_refused_or_broken(wanted, &["origin-failed"]);
        }
        let right = Self { body: self.body[..self.body.len().min(at)].to_vec(), ..self.clone() };
        right.is_refused_or_broken(wanted, &["origin-failed"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_manifest_no_wrong_body_ever_completes_and_nothing_of_it_is_kept() {
    let bytes = content(6, LENGTH);
    for at in places() {
        let (stage, link) = unknown(bare, &bytes).await;
        stage.store.script("a.bin", Script::always(Fault::Flip(at as u64)));
        let came = stage.get(&link, &[]).await;
        if came.status() == Some(502) {
            assert_eq!(came.problem().1, "origin-failed");
        } else {
            assert!(came.end.is_some(), "a wrong body is whole: {came:?}");
            assert!(came.body.len() <= 5 * BLOCK, "the last block is held back: {came:?}");
        }
        for (first, last) in [(at, at), (0, LENGTH - 2), (BLOCK, LENGTH - 1), (0, 2 * BLOCK)] {
            let part = stage.get(&link, &[&range(first, last)]).await;
            assert_eq!(part.problem(), (502, "origin-failed".to_owned()), "a range is answered unverified");
        }
        assert!(stage.counted("verification_failures_total").await >= 1, "at {at}");
        stage.store.heal("a.bin");
        stage.get(&link, &[&range(at, at)]).await.is_right(206, &bytes[at..=at]);
        stage.get(&link, &[]).await.is_right(200, &bytes);
    }
}

#[tokio::test]
async fn the_status_of_wrong_bytes_is_said_while_it_still_can_be() {
    let bytes = content(7, 10_000);
    for (stage, link) in [known(bare, &bytes).await, unknown(bare, &bytes).await] {
        for fault in [Fault::Flip(9_999), Fault::OtherFrom(0), Fault::Short(9_999), Fault::Cut(5)] {
            stage.store.script("a.bin", Script::always(fault.clone()));
            let came = stage.get(&link, &[]).await;
            assert_eq!(came.problem(), (502, "origin-failed".to_owned()), "{fault:?}");
        }
        stage.store.heal("a.bin");
        stage.get(&link, &[]).await.is_right(200, &bytes);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_becomes_another_while_it_is_read_is_never_mixed() {
    let (old, new) = (content(8, LENGTH), content(9, LENGTH));
    // In secret: the store goes on with other bytes under the same version.
    for from in [0, BLOCK, 2 * BLOCK + 7, LENGTH - 1] {
        let (stage, link) = known(bare, &old).await;
        stage.store.script("a.bin", Script::always(Fault::OtherFrom(from as u64)));
        let came = stage.get(&link, &[]).await;
        came.is_refused_or_broken(&old, &["origin-failed"]);
        stage.store.heal("a.bin");
        stage.get(&link, &[]).await.is_right(200, &old);
    }
    // Openly, before any byte: gone. In the middle: broken off.
    for at in [0, 2 * BLOCK] {
        for (stage, link) in [known(bare, &old).await, unknown(bare, &old).await] {
            stage.store.script("a.bin", Script::always(Fault::Stall(at as u64)));
            let mut client = Client::ask(&stage.gate, &link.path, &[]).await;
            stage.store.until("a.bin", |reads| reads.iter().any(|read| read.sent == at as u64)).await;
            if at > 0 {
                assert!(client.read_to(BLOCK).await.unwrap() == &old[..BLOCK]);
            }
            stage.store.put("a.bin", new.clone());
            let came = client.rest().await;
            came.is_refused_or_broken(&old, &["content-changed"]);
            assert_eq!(came.status(), Some(if at == 0 { 410 } else { 200 }), "{came:?}");
            stage.store.heal("a.bin");
            let later = stage.get(&link, &[]).await;
            // Blocks that were kept may still begin an answer; they cannot end it.
            later.is_refused_or_broken(&old, &["content-changed"]);
            assert!(at > 0 || later.status() == Some(410), "{later:?}");
        }
    }
}

#[tokio::test]
async fn what_was_kept_of_an_overwritten_object_is_still_served() {
    let (old, new) = (content(8, LENGTH), content(9, LENGTH));
    let (stage, link) = known(bare, &old).await;
    stage.get(&link, &[&range(BLOCK, BLOCK)]).await.is_right(206, &old[BLOCK..=BLOCK]);
    stage.store.put("a.bin", new);
    stage.get(&link, &[&range(BLOCK + 9, 2 * BLOCK - 1)]).await.is_right(206, &old[BLOCK + 9..2 * BLOCK]);
    let beyond = stage.get(&link, &[&range(BLOCK, 2 * BLOCK)]).await;
    beyond.is_refused_or_broken(&old[BLOCK..=2 * BLOCK], &["content-changed"]);
    assert_eq!(stage.get(&link, &[]).await.problem(), (410, "content-changed".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_stalls_once_is_resumed_and_one_that_always_does_holds_up_nobody_else() {
    let bytes = content(10, LENGTH);
    for at in [0, LENGTH / 2, LENGTH - 1] {
        for (stage, link) in [known(reliable, &bytes).await, unknown(reliable, &bytes).await] {
            stage.store.script("a.bin", Script::once(Fault::Stall(at as u64)));
            let (one, other) = tokio::join!(stage.get(&link, &[]), stage.get(&link, &[]));
            one.is_right(200, &bytes);
            other.is_right(200, &bytes);
            assert_eq!(stage.store.reads("a.bin").len(), 2, "one read, and one that resumed it");
        }
    }
    for (at, status) in [(0, 504), (LENGTH / 2, 200)] {
        let (stage, link) = known(reliable, &bytes).await;
        stage.store.put("b.bin", content(11, LENGTH));
        let other = stage.gate.mint(serde_json::json!({ "key": "b.bin" })).await;
        stage.store.script("a.bin", Script::always(Fault::Stall(at as u64)));
        let stalled = stage.get(&link, &[]);
        let meanwhile = async {
            stage.store.until("a.bin", |reads| reads.iter().any(|read| !read.over)).await;
            stage.get(&other, &[]).await.is_right(200, &content(11, LENGTH));
        };
        let (came, ()) = tokio::join!(stalled, meanwhile);
        came.is_refused_or_broken(&bytes, &["origin-timeout"]);
        assert_eq!(came.status(), Some(status), "{came:?}");
        stage.store.heal("a.bin");
        stage.get(&link, &[]).await.is_right(200, &bytes);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_clients_of_a_failing_read_all_learn_of_it_and_none_is_left_hanging() {
    let bytes = content(12, LENGTH);
    for (at, status) in [(0, 502), (3 * BLOCK, 200)] {
        let (stage, link) = known(bare, &bytes).await;
        let slow = Script::always(Fault::Cut(at as u64)).slowly(Duration::from_millis(20));
        stage.store.script("a.bin", slow);
        let came = futures_util::future::join_all((0..20).map(|_| stage.get(&link, &[]))).await;
        for came in came {
            came.is_refused_or_broken(&bytes, &["origin-failed"]);
            assert_eq!(came.status(), Some(status), "{came:?}");
        }
        stage.store.heal("a.bin");
        stage.get(&link, &[]).await.is_right(200, &bytes);
    }
}
