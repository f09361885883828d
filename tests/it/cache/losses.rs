//! The task that reads for all of them is lost, and they are not.

use futures_util::future::join_all;

use super::{BLOCK, Stage, bare};
use crate::kit::content;
use crate::kit::scripted::{Fault, Script};

const LENGTH: usize = 4 * BLOCK + 77;

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_leader_is_replaced_once_and_who_has_nothing_yet_never_learns_of_it() {
    let bytes = content(1, LENGTH);
    let stage = Stage::new(bare, "").await;
    let link = stage.link("a.bin", &bytes).await;
    for stage in [stage.stranger("").await, stage.cold().await] {
        stage.store.script("a.bin", Script::once(Fault::Panic(0)));
        let came = join_all((0..5).map(|_| stage.get(&link, &[]))).await;
        for came in &came {
            came.is_right(200, &bytes);
        }
        assert_eq!(stage.store.reads("a.bin").len(), 2, "the lost one, and the one in its place");
        assert_eq!(stage.counted("flights_total{ending=\"lost\"}").await, 1);
        assert_eq!(stage.counted("flights_total{ending=\"completed\"}").await, 1);
        stage.store.until_quiet().await;
        stage.store.forget_reads();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_is_lost_again_and_again_is_an_error_and_not_a_loop() {
    let bytes = content(2, LENGTH);
    let stage = Stage::new(bare, "").await;
    let link = stage.link("a.bin", &bytes).await;
    for stage in [stage.stranger("").await, stage.cold().await] {
        stage.store.script("a.bin", Script::always(Fault::Panic(0)));
        let came = stage.get(&link, &[]).await;
        came.is_refused_or_broken(&bytes, &["origin-failed"]);
        assert!(stage.store.reads("a.bin").len() <= 3, "{:?}", stage.store.reads("a.bin"));
        stage.store.heal("a.bin");
        stage.get(&link, &[]).await.is_right(200, &bytes);
        stage.store.until_quiet().await;
        stage.store.forget_reads();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_is_lost_in_the_middle_spoils_no_byte() {
    let bytes = content(3, LENGTH);
    for at in [1, BLOCK, 2 * BLOCK + 5, LENGTH - 1] {
        let stage = Stage::new(bare, "").await;
        let link = stage.link("a.bin", &bytes).await;
        for stage in [stage.stranger("").await, stage.cold().await] {
            stage.store.script("a.bin", Script::once(Fault::Panic(at as u64)));
            for came in join_all((0..5).map(|_| stage.get(&link, &[]))).await {
                if came.end.is_none() && came.status() == Some(200) {
                    came.is_right(200, &bytes);
                } else {
                    came.is_refused_or_broken(&bytes, &["origin-failed"]);
                }
            }
            stage.store.heal("a.bin");
            stage.get(&link, &[]).await.is_right(200, &bytes);
            stage.store.until_quiet().await;
            stage.store.forget_reads();
        }
    }
}
