//! More requests than a network may send: the surplus is told to come again at once, on whatever connection and protocol it came.

use crate::kit::gateway::request;
use crate::kit::h2_raw::{HEADERS, frame, get, stream};

use super::{BESIDE_THERE, Fort, THERE};

const LIMIT: &str = "[limits]\nrequests_per_second = 50";
const REFUSALS: &str = "hallpass_overload_refusals_total{limit=\"requests-per-second\"}";

#[tokio::test]
async fn a_network_that_floods_by_many_connections_has_one_rate_and_others_theirs() {
    let fort = Fort::plain(LIMIT).await;
    let ask = request("GET", &fort.small.path, &[]);
    let refused = fort
        .while_serving(async {
            let mut refused = 0;
            for at in 0..50 {
                let mut wire = fort.wire(if at % 2 == 0 { THERE } else { BESIDE_THERE }).await;
                wire.send(ask.repeat(10)).await;
                for _ in 0..10 {
                    let answer = wire.answer().await;
                    if answer.status != 200 {
                        assert_eq!(answer.problem(), (503, "overloaded".to_owned()));
                        assert_eq!(answer.field("retry-after"), Some("1"));
                        refused += 1;
                    }
                }
            }
            refused
        })
        .await;
    // Of 500, two seconds' worth pass at once, and what comes anew meanwhile.
    assert!(refused > 100, "{refused}");
    fort.counts(REFUSALS, refused).await;
}

#[tokio::test]
async fn a_flood_of_requests_over_http_2_is_told_to_come_again() {
    let fort = Fort::tls(LIMIT).await;
    let block = fort.block();
    fort.while_serving(async {
        let mut raw = fort.h2(&[]).await;
        let (mut sent, mut answered) = (0, 0);
        while sent < 500 {
            let wave: Vec<u8> = (sent..sent + 50).flat_map(|at| get(stream(at), &block)).collect();
            assert!(raw.send(wave).await);
            sent += 50;
            while answered < sent {
                let came = raw.next().await.expect("the connection stays open");
                answered += u32::from(came.kind == HEADERS);
            }
            raw.send(frame(crate::kit::h2_raw::WINDOW_UPDATE, 0, 0, &60_000_u32.to_be_bytes())).await;
        }
    })
    .await;
    assert!(fort.gate.counted(REFUSALS).await > 100);
}
