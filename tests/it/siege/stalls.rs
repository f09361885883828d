//! Readers that ask for much and take nothing, each in the way of its protocol.

use crate::kit::gateway::{HOST, META, request};
use crate::kit::h2_raw::{self, INITIAL_WINDOW, RawH2, get, stream};
use crate::kit::trust::connect_narrow_from;
use crate::kit::wire::{End, Wire};

use super::{Fort, THERE};

const LIMITS: &str = "[limits]\nwrite_stall = \"1s\"\nidle_timeout = \"10m\"\nhead_timeout = \"10m\"";

/// Asks for the large body on a connection whose end takes so many bytes, and reads none of it.
async fn stalled(fort: &Fort, buffer: u32) -> Wire {
    let stream = connect_narrow_from(THERE, fort.gate.addresses.public, Some(buffer)).await;
    let mut wire = match &fort.trust {
        None => Wire::over(stream),
        Some(trust) => Wire::over(trust.connect(stream, HOST, &["http/1.1"]).await.unwrap()),
    };
    wire.send(request("GET", &fort.large.path, &[])).await;
    wire
}

#[tokio::test]
async fn a_reader_that_takes_nothing_is_cut_off_and_its_body_has_no_end() {
    for fort in [Fort::plain(LIMITS).await, Fort::tls(LIMITS).await] {
        let mut wires = fort
            .while_serving(async {
                let wires = [stalled(&fort, 4096).await, stalled(&fort, 4096).await, stalled(&fort, 4096).await];
                fort.ended("write-stalled", 3).await;
                wires
            })
            .await;
        for wire in &mut wires {
            let broken = wire.try_answer(false).await.unwrap_err();
            assert!(broken.answer.is_none_or(|answer| answer.body.len() < super::LARGE), "it was cut");
        }
        fort.is_left_alone().await;
    }
}

/// The kernel may hold megabytes that were written and not taken; they must not outlive the connection, or attackers pile them up.
#[tokio::test]
async fn what_a_stalled_reader_did_not_take_is_given_up_with_its_connection() {
    let fort = Fort::plain(LIMITS).await;
    let mut wire = stalled(&fort, 4096).await;
    fort.ended("write-stalled", 1).await;
    let broken = wire.try_answer(false).await.unwrap_err();
    assert_eq!(broken.how, End::Reset, "the connection is closed in the ordinary way, so its bytes are still sent");
    assert!(broken.answer.is_none_or(|answer| answer.body.len() < 100_000), "only what had arrived already");
}

#[tokio::test]
async fn a_reader_that_takes_its_time_is_served() {
    // The socket tells of what it took only when a third of its buffer is free, so whoever is slower than that looks stalled.
    let fort = Fort::plain("[limits]\nwrite_stall = \"3s\"").await;
    let mut wire = stalled(&fort, 256 * 1024).await;
    let answer = wire.head().await.unwrap();
    let mut left = answer.length().unwrap();
    let mut hasher = blake3::Hasher::new();
    for _ in 0..12 {
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        let part =
            wire.body(left.min(600_000)).await.unwrap_or_else(|(part, how)| panic!("{how:?} after {}", part.len()));
        left -= part.len();
        hasher.update(&part);
    }
    let rest = wire.body(left).await.unwrap_or_else(|(part, how)| panic!("{how:?} after {} of {left}", part.len()));
    hasher.update(&rest);
    assert_eq!(hasher.finalize(), blake3::hash(&crate::kit::content(1, super::LARGE)));
    fort.ended("write-stalled", 0).await;
}

/// An answer cannot begin, or not go on, as long as the window of its stream or of its connection is closed.
#[tokio::test]
async fn a_closed_window_is_a_reader_that_takes_nothing() {
    let fort = Fort::tls(LIMITS).await;
    let block = h2_raw::request("GET", HOST, &fort.large.path, META, &[]);
    let ask = |count: u32| -> Vec<u8> { (0..count).flat_map(|at| get(stream(at), &block)).collect() };
    fort.while_serving(async {
        // Nothing of any stream; and 65,535 bytes of all of them together.
        let mut closed = fort.h2(&[(INITIAL_WINDOW, 0)]).await;
        closed.send(ask(50)).await;
        let mut connection = fort.h2(&[(INITIAL_WINDOW, 0x7fff_ffff)]).await;
        connection.send(ask(2)).await;
        tokio::join!(closed.ended(), connection.ended());
    })
    .await;
    fort.ended("write-stalled", 2).await;
    fort.is_left_alone().await;
}

/// The window opens by a byte at a time: many frames, and next to nothing taken (CVE-2019-9511).
#[tokio::test]
async fn a_window_that_opens_by_single_bytes_does_not_hold_a_connection_for_ever() {
    let fort = Fort::tls(LIMITS).await;
    let block = h2_raw::request("GET", HOST, &fort.large.path, META, &[]);
    let mut raw: RawH2 = fort.h2(&[(INITIAL_WINDOW, 0)]).await;
    fort.while_serving(async {
        raw.send(get(stream(0), &block)).await;
        for _ in 0..100 {
            let more = h2_raw::frame(h2_raw::WINDOW_UPDATE, 0, stream(0), &1_u32.to_be_bytes());
            if !raw.send(more).await {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        raw.ended().await;
    })
    .await;
    fort.is_left_alone().await;
}
