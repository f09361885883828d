//! Heads that are too long, have too many lines, or never end; and connections that say nothing.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::kit::gateway::{HOST, META, request};
use crate::kit::h2_raw::{self, get, stream};
use crate::kit::wire::Wire;

use super::{Fort, HERE, PATIENCE, THERE};

/// A request whose head has this many bytes.
fn head_of(path: &str, bytes: usize) -> String {
    let bare = request("GET", path, &["X-Filler: "]);
    request("GET", path, &[&format!("X-Filler: {}", "a".repeat(bytes - bare.len()))])
}

async fn status(fort: &Fort, request: &str) -> u16 {
    let mut wire = fort.wire(THERE).await;
    wire.send(request).await;
    let status = wire.answer().await.status;
    assert!(status == 200 || wire.is_closed().await);
    status
}

#[tokio::test]
async fn a_head_may_have_so_many_bytes_and_no_more() {
    let fort = Fort::plain("[limits]\nhead_bytes = \"10KiB\"").await;
    let path = fort.small.path.clone();
    fort.while_serving(async {
        assert_eq!(status(&fort, &head_of(&path, 10_000)).await, 200);
        for bytes in [10 * 1024 + 1, 16 * 1024, 100_000] {
            assert_eq!(status(&fort, &head_of(&path, bytes)).await, 431, "{bytes}");
        }
    })
    .await;
    fort.ended("head-too-large", 3).await;
}

#[tokio::test]
async fn a_head_may_have_so_many_lines_and_no_more() {
    let fort = Fort::plain("[limits]\nhead_lines = 20").await;
    // Host and User-Agent are two of them.
    let ask = |lines: usize| {
        let lines: Vec<_> = (0..lines - 2).map(|at| format!("X-{at}: y")).collect();
        request("GET", &fort.small.path, &lines.iter().map(String::as_str).collect::<Vec<_>>())
    };
    fort.while_serving(async {
        assert_eq!(status(&fort, &ask(20)).await, 200);
        for lines in [21, 101, 1000] {
            assert_eq!(status(&fort, &ask(lines)).await, 431, "{lines}");
        }
    })
    .await;
    fort.ended("head-too-large", 3).await;
}

#[tokio::test]
async fn an_endless_line_is_read_to_the_limit_and_no_further() {
    let fort = Fort::plain("").await;
    fort.while_serving(async {
        for start in ["GET /", "GET / HTTP/1.1\r\nHost: x\r\nX: ", "GET / HTTP/1.1\r\nHost: "] {
            let mut wire = fort.wire(THERE).await;
            wire.send(start).await;
            for _ in 0..100 {
                wire.send("a".repeat(1000)).await;
            }
            if let Ok(answer) = wire.try_answer(false).await {
                assert!([400, 414, 431].contains(&answer.status), "{answer:?}");
            }
            assert!(wire.is_closed().await);
        }
    })
    .await;
    fort.ended("head-too-large", 3).await;
}

/// The same limits for heads that come as blocks of fields.
#[tokio::test]
async fn heads_of_http_2_have_the_same_limits() {
    let fort = Fort::tls("[limits]\nhead_bytes = \"10KiB\"\nhead_lines = 20").await;
    let (mut raw, mut other) = (fort.h2(&[]).await, fort.h2(&[]).await);
    let long = "a".repeat(20_000);
    let names: Vec<_> = (0..40).map(|at| format!("x-{at}")).collect();
    let many: Vec<_> = names.iter().map(|name| (name.as_str(), "y")).collect();
    fort.while_serving(async {
        let block = |more: &[(&str, &str)]| h2_raw::request("GET", HOST, &fort.small.path, META, more);
        raw.send(get(stream(0), &block(&many[..10]))).await;
        assert_eq!(raw.status(stream(0)).await, 200);
        raw.send(get(stream(1), &block(&many))).await;
        assert_eq!(raw.status(stream(1)).await, 431, "too many lines");
        // A block of 20 KB is longer than a frame may be.
        let block = block(&[("x-filler", &long)]);
        other.send(h2_raw::frame(h2_raw::HEADERS, h2_raw::END_STREAM, stream(0), &block[..10_000])).await;
        other.send(h2_raw::frame(h2_raw::CONTINUATION, h2_raw::END_HEADERS, stream(0), &block[10_000..])).await;
        assert_eq!(other.status(stream(0)).await, 431, "too many bytes");
    })
    .await;
}

/// Sends one byte after another, the next after each pause, until the other end closes.
async fn drip(wire: &mut Wire, text: &str) {
    let begun = Instant::now();
    for byte in text.bytes() {
        wire.send([byte]).await;
        sleep(Duration::from_millis(100)).await;
        if wire.has_ended().await {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "it is still waited for");
    }
    panic!("the whole of {text:?} was taken");
}

#[tokio::test]
async fn a_head_that_drips_is_cut_off_at_its_time_however_regularly_it_comes() {
    for fort in [
        Fort::plain("[limits]\nhead_timeout = \"1s\"\nidle_timeout = \"10m\"").await,
        Fort::tls("[limits]\nhead_timeout = \"1s\"\nidle_timeout = \"10m\"").await,
    ] {
        let text = head_of(&fort.small.path, 4000);
        fort.while_serving(async {
            let mut first = fort.wire(THERE).await;
            let mut second = fort.wire(THERE).await;
            second.send(request("GET", &fort.small.path, &[])).await;
            assert_eq!(second.answer().await.status, 200);
            tokio::join!(drip(&mut first, &text), drip(&mut second, &text));
        })
        .await;
        fort.ended("head-late", 2).await;
    }
}

#[tokio::test]
async fn a_connection_that_asks_for_nothing_is_closed_and_one_that_asks_is_not() {
    for fort in [
        Fort::plain("[limits]\nidle_timeout = \"1s\"\nhead_timeout = \"10m\"").await,
        Fort::tls("[limits]\nidle_timeout = \"1s\"\nhead_timeout = \"10m\"").await,
    ] {
        fort.while_serving(async {
            let mut never = fort.wire(THERE).await;
            let mut once = fort.wire(THERE).await;
            once.send(request("GET", &fort.small.path, &[])).await;
            assert_eq!(once.answer().await.status, 200);
            assert!(never.is_closed().await && once.is_closed().await);
        })
        .await;
        fort.ended("timed-out", 2).await;
        if fort.trust.is_some() {
            let ended = fort.h2(&[]).await.ended().await;
            assert!([None, Some(0)].contains(&ended.goaway), "{ended:?}");
            fort.ended("timed-out", 3).await;
            // A head that has begun and comes by single bytes asks for nothing either.
            let mut dripping = fort.h2(&[]).await;
            for byte in get(1, &fort.block()) {
                if !dripping.send([byte]).await {
                    break;
                }
                sleep(Duration::from_millis(50)).await;
            }
            dripping.ended().await;
            fort.ended("timed-out", 4).await;
        }
        let mut busy = fort.wire(HERE).await;
        for _ in 0..8 {
            sleep(Duration::from_millis(250)).await;
            busy.send(request("GET", &fort.small.path, &[])).await;
            assert_eq!(busy.answer().await.status, 200, "what is used stays open");
        }
    }
}
