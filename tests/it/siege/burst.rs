//! What Meta does when a campaign begins, which no default may slow down: hundreds of connections from one network, all at once.

use std::net::{IpAddr, Ipv4Addr};

use futures_util::future::join_all;

use crate::kit::gateway::{HOST, META, request};
use crate::kit::h2_raw::{self, RawH2, WINDOW_UPDATE, frame, get, stream};
use crate::kit::trust::connect_from;
use crate::kit::wire::Wire;

use super::{Fort, SMALL};

/// Addresses of one /24.
fn address(at: u32) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(127, 0, 9, u8::try_from(at % 250).unwrap() + 1))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_of_metas_fetchers_from_one_network_is_not_throttled_by_the_defaults() {
    const CONNECTIONS: u32 = 500;
    const REQUESTS: usize = 5;
    // What depends on how fast the machine is, and not on how many come.
    let fort = Fort::tls("[limits]\nhandshake_timeout = \"2m\"\nidle_timeout = \"2m\"").await;
    let (trust, public) = (fort.trust.clone().unwrap(), fort.gate.addresses.public);
    let ask = request("GET", &fort.small.path, &[]);
    let connections = (0..CONNECTIONS).map(|at| {
        let (trust, ask) = (trust.clone(), ask.clone());
        tokio::spawn(async move {
            let stream = connect_from(address(at), public).await;
            let mut wire = Wire::over(trust.connect(stream, HOST, &["http/1.1"]).await.unwrap());
            for _ in 0..REQUESTS {
                wire.send(&ask).await;
                let answer = wire.patient_answer().await;
                assert_eq!((answer.status, answer.body.as_slice()), (200, SMALL));
            }
            wire
        })
    });
    // All stay open until the last one was served.
    let wires = join_all(connections).await;
    assert!(wires.iter().all(Result::is_ok));
    assert_eq!(fort.gate.counted("hallpass_connections{listener=\"public\"}").await, u64::from(CONNECTIONS));
    drop(wires);
    fort.refused("per-network", 0).await;
    fort.ended("flooded", 0).await;
    fort.is_left_alone().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_over_http_2_is_not_throttled_by_the_defaults() {
    const CONNECTIONS: u32 = 20;
    const REQUESTS: u32 = 90;
    // What depends on how fast the machine is, and not on how many come.
    let fort = Fort::tls("[limits]\nhandshake_timeout = \"2m\"\nidle_timeout = \"2m\"").await;
    let (trust, public) = (fort.trust.clone().unwrap(), fort.gate.addresses.public);
    let block = h2_raw::request("GET", HOST, &fort.small.path, META, &[]);
    let connections = (0..CONNECTIONS).map(|at| {
        let (trust, block) = (trust.clone(), block.clone());
        tokio::spawn(async move {
            let socket = connect_from(address(at), public).await;
            let mut raw = RawH2::open(trust.connect(socket, HOST, &["h2"]).await.unwrap(), &[]).await;
            // Two waves, each of as many requests as one connection may have under way.
            for wave in 0..2 {
                let ids = (wave * REQUESTS)..((wave + 1) * REQUESTS);
                let asks: Vec<u8> = ids.clone().flat_map(|at| get(stream(at), &block)).collect();
                assert!(raw.send(asks).await);
                let mut served = 0;
                while served < REQUESTS {
                    let frame = raw.next().await.expect("it stays open");
                    assert_ne!(frame.kind, h2_raw::RST_STREAM, "{frame:?}");
                    served += u32::from(frame.status() == Some(200) && frame.kind == h2_raw::HEADERS);
                }
                raw.send(frame(WINDOW_UPDATE, 0, 0, &60_000_u32.to_be_bytes())).await;
            }
            assert!(raw.send(get(stream(2 * REQUESTS), &block)).await);
            assert_eq!(raw.status(stream(2 * REQUESTS)).await, 200);
        })
    });
    let done = join_all(connections).await;
    assert!(done.iter().all(Result::is_ok), "{done:?}");
    fort.ended("flooded", 0).await;
}
