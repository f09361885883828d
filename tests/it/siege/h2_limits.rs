//! HTTP/2: how many requests are under way at once, and what a block of fields may become.

use crate::kit::gateway::{HOST, META};
use crate::kit::h2_raw::{self, INITIAL_WINDOW, MAX_STREAMS, REFUSED_STREAM, RST_STREAM, SETTINGS, frame, get, stream};

use super::Fort;

#[tokio::test]
async fn a_connection_has_so_many_requests_under_way_and_the_next_are_refused() {
    let fort = Fort::tls("[limits]\nstreams_per_connection = 10").await;
    // Nothing can be written on them, so none of them ends.
    let mut raw = fort.h2(&[(INITIAL_WINDOW, 0)]).await;
    let told = raw.until(|frame| frame.kind == SETTINGS && frame.flags == 0).await;
    let most = told.payload.chunks(6).find(|entry| entry[..2] == MAX_STREAMS.to_be_bytes());
    assert_eq!(most.map(|entry| entry[2..].to_vec()), Some(vec![0, 0, 0, 10]), "it is told beforehand");
    let block = h2_raw::request("GET", HOST, &fort.large.path, META, &[]);
    fort.while_serving(async {
        for at in 0..15 {
            raw.send(get(stream(at), &block)).await;
        }
        for _ in 0..5 {
            let refused = raw.until(|frame| frame.kind == RST_STREAM).await;
            assert!(refused.stream >= stream(10), "those within the limit go on: {refused:?}");
            assert_eq!(refused.code(), Some(REFUSED_STREAM));
        }
        // One ends, and there is a place.
        raw.send(frame(RST_STREAM, 0, stream(0), &h2_raw::CANCEL.to_be_bytes())).await;
        raw.send(get(stream(15), &fort.block())).await;
        assert_eq!(raw.status(stream(15)).await, 200);
    })
    .await;
}

/// One entry of the table, named again and again (CVE-2016-6581): few bytes that become many.
#[tokio::test]
async fn a_block_that_unpacks_to_more_than_a_head_may_be_is_refused() {
    let fort = Fort::tls("").await;
    let mut raw = fort.h2(&[]).await;
    // A literal that enters the table (RFC 7541 section 6.2.1), and then its index 10,000 times.
    let mut block = fort.block();
    block.extend([0x40, 1, b'x', 0x7f, 0xa1, 0x1e]);
    block.extend([b'a'; 4000]);
    block.extend([0xbe; 10_000]);
    fort.while_serving(async {
        raw.send(get(stream(0), &block)).await;
        let refused = raw.until(|frame| frame.stream == stream(0) || frame.kind == h2_raw::GOAWAY).await;
        assert!(refused.status() == Some(431) || refused.code().is_some(), "{refused:?}");
    })
    .await;
}
