//! Floods of HTTP/2 frames that ask for nothing. Each is ended with its connection, and nobody else notices.
//!
//! Every attack is sent twice: by an attacker that reads what it is told, and by one that reads nothing, so that what it is owed in
//! answers has nowhere to go.

use crate::kit::h2_raw::{
    self, ACK, CANCEL, CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, INITIAL_WINDOW, PING, PRIORITY,
    RST_STREAM, SETTINGS, WINDOW_UPDATE, block, frame, get, stream,
};

use crate::kit::gateway::{HOST, META};

use super::{Fort, THERE};

/// How many frames, or groups of them, are more than any client sends.
const MOST: u32 = 200_000;

/// How long somebody who reads nothing may be owed something.
const STALL: &str = "[limits]\nwrite_stall = \"2s\"";

/// Floods a gateway twice, and expects both connections to end: that of whoever reads as a flood, the other as a flood or a stall.
async fn floods(settings: &str, attack: impl Fn(u32) -> Vec<u8>) -> Fort {
    let fort = Fort::tls(settings).await;
    fort.while_serving(async {
        fort.h2(&[]).await.flood(MOST, &attack).await;
        fort.ended("flooded", 1).await;
        fort.h2(&[]).await.flood_deaf(MOST, &attack).await;
    })
    .await;
    fort.is_left_alone().await;
    fort
}

fn reset(id: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, id, &CANCEL.to_be_bytes())
}

/// CVE-2023-44487.
#[tokio::test]
async fn requests_that_are_given_up_at_once_end_their_connection() {
    let settings = format!("{STALL}\nresets_per_second = 20");
    let block = h2_raw::request("GET", HOST, "/m/no-link/a.jpg", META, &[]);
    let fort = floods(&settings, |at| [get(stream(at), &block), reset(stream(at))].concat()).await;
    let asked = fort.gate.counted("hallpass_requests_total{outcome=\"bad-link\"}").await;
    assert!(asked < 10_000, "{asked} of them were judged");
}

/// The same by somebody who waits until each answer has begun, so that all the work was done.
#[tokio::test]
async fn requests_that_are_given_up_when_their_answer_begins_end_their_connection() {
    let fort = Fort::tls("[limits]\nresets_per_second = 20").await;
    let block = h2_raw::request("GET", HOST, &fort.large.path, META, &[]);
    fort.while_serving(async {
        let mut raw = fort.h2(&[(INITIAL_WINDOW, 0)]).await;
        for wave in 0..1000 {
            let ids = (wave * 10..wave * 10 + 10).map(stream);
            raw.send(ids.clone().flat_map(|id| get(id, &block)).collect::<Vec<_>>()).await;
            let mut begun = 0;
            while begun < 10 {
                match raw.next().await {
                    Some(frame) => begun += u32::from(frame.kind == HEADERS),
                    None => return,
                }
            }
            raw.send(ids.flat_map(reset).collect::<Vec<_>>()).await;
        }
        panic!("ten thousand of them are borne");
    })
    .await;
    fort.ended("flooded", 1).await;
    fort.is_left_alone().await;
}

#[tokio::test]
async fn a_few_requests_that_are_given_up_end_nothing() {
    let fort = Fort::tls("").await;
    let (mut raw, block) = (fort.h2(&[]).await, fort.block());
    for at in 0..30 {
        assert!(raw.send([get(stream(at), &block), reset(stream(at))].concat()).await);
    }
    assert!(raw.send(get(stream(30), &block)).await);
    assert_eq!(raw.status(stream(30)).await, 200);
}

/// CVE-2025-8671: the client breaks a rule, so that it is the server that gives the request up.
#[tokio::test]
async fn requests_that_the_server_is_made_to_give_up_end_their_connection() {
    for fault in [
        |id| frame(WINDOW_UPDATE, 0, id, &[0; 4]),
        |id| frame(DATA, 0, id, b"after the end"),
        |id| frame(PRIORITY, 0, id, &[&id.to_be_bytes()[..], &[1]].concat()),
    ] {
        let fort = Fort::tls("[limits]\nresets_per_second = 20").await;
        let block = fort.block();
        fort.while_serving(async {
            let raw = fort.h2(&[]).await;
            raw.flood(MOST, |at| [get(stream(at), &block), fault(stream(at))].concat()).await;
        })
        .await;
        fort.is_left_alone().await;
    }
}

/// CVE-2024-27316 and its kin: a block of fields that never ends.
#[tokio::test]
async fn a_block_without_an_end_ends_its_connection() {
    let filler = block(&[("x-filler", &"a".repeat(1000))]);
    for piece in [&filler[..], &[]] {
        let fort = Fort::tls("").await;
        let begin = frame(HEADERS, END_STREAM, 1, &fort.block());
        fort.while_serving(async {
            let mut raw = fort.h2(&[]).await;
            raw.send(&begin).await;
            raw.flood(MOST, |_| frame(CONTINUATION, 0, 1, piece)).await;
        })
        .await;
        fort.is_left_alone().await;
    }
}

/// CVE-2019-9512.
#[tokio::test]
async fn a_flood_of_pings_ends_its_connection() {
    floods(STALL, |at| frame(PING, 0, 0, &u64::from(at).to_be_bytes())).await;
}

#[tokio::test]
async fn a_flood_of_answers_to_pings_that_were_never_sent_ends_its_connection() {
    floods(STALL, |at| frame(PING, ACK, 0, &u64::from(at).to_be_bytes())).await;
}

/// CVE-2019-9515.
#[tokio::test]
async fn a_flood_of_settings_ends_its_connection() {
    floods(STALL, |_| frame(SETTINGS, 0, 0, &[])).await;
}

#[tokio::test]
async fn a_flood_of_windows_that_open_ends_its_connection() {
    floods(STALL, |_| frame(WINDOW_UPDATE, 0, 0, &1_u32.to_be_bytes())).await;
}

/// CVE-2019-9513.
#[tokio::test]
async fn a_flood_of_priorities_ends_its_connection() {
    floods(STALL, |at| frame(PRIORITY, 0, stream(at), &[0, 0, 0, 0, 1])).await;
}

#[tokio::test]
async fn a_flood_of_frames_of_no_known_kind_ends_its_connection() {
    floods(STALL, |_| frame(0xfa, 0, 0, &[])).await;
}

/// CVE-2019-9518, for a request whose body never ends; there is none that takes a body, so it is answered at once.
#[tokio::test]
async fn a_flood_of_empty_data_ends_its_connection() {
    let fort = Fort::tls("").await;
    let begin = frame(HEADERS, END_HEADERS, 1, &fort.block());
    fort.while_serving(async {
        let mut raw = fort.h2(&[]).await;
        raw.send(&begin).await;
        raw.flood(MOST, |_| frame(DATA, 0, 1, &[])).await;
    })
    .await;
    fort.is_left_alone().await;
}

/// Requests without a single field, each of which the server must refuse.
#[tokio::test]
async fn a_flood_of_empty_heads_ends_its_connection() {
    let fort = Fort::tls("").await;
    fort.while_serving(async {
        fort.h2(&[]).await.flood(MOST, |at| get(stream(at), &[])).await;
    })
    .await;
    fort.is_left_alone().await;
}

#[tokio::test]
async fn frames_that_no_peer_may_send_end_their_connection_at_once() {
    for (what, bytes) in [
        ("a frame longer than was agreed", frame(DATA, 0, 1, &vec![0; 20_000])),
        ("a push", frame(h2_raw::PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2])),
        ("a continuation of nothing", frame(CONTINUATION, END_HEADERS, 1, &[])),
        ("data on no stream", frame(DATA, 0, 0, b"x")),
        ("a request on an even stream", get(2, &[])),
        ("settings of seven bytes", frame(SETTINGS, 0, 0, &[0; 7])),
        ("a ping of seven bytes", frame(PING, 0, 0, &[0; 7])),
        ("a window that grows by nothing", frame(WINDOW_UPDATE, 0, 0, &[0; 4])),
        ("a window beyond its bounds", frame(WINDOW_UPDATE, 0, 0, &0x7fff_ffff_u32.to_be_bytes())),
        ("a reset of what was never asked", reset(1)),
        ("a field that no table holds", get(1, &[0xff, 0xff, 0xff, 0x7f])),
    ] {
        let fort = Fort::tls("").await;
        fort.while_serving(async {
            let mut raw = fort.h2(&[]).await;
            raw.send(bytes).await;
            let ended = raw.ended().await;
            assert!(ended.goaway.is_some_and(|code| code != 0), "{what}: {ended:?}");
        })
        .await;
        fort.ended("bad-head", 1).await;
    }
}

#[tokio::test]
async fn what_is_no_preface_ends_its_connection() {
    let fort = Fort::tls("").await;
    fort.while_serving(async {
        for begin in [
            "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
            "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n",
            "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
        ] {
            let stream = fort.tcp(THERE).await;
            let stream = fort.trust.as_ref().unwrap().connect(stream, HOST, &["h2"]).await.unwrap();
            let mut raw = h2_raw::RawH2::bare(stream);
            raw.send(begin).await;
            assert!(raw.ended().await.statuses.is_empty());
        }
    })
    .await;
    fort.is_left_alone().await;
}
