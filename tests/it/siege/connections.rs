//! More connections than one network may hold, and more than the gateway holds in all.

use std::net::{IpAddr, Ipv4Addr};

use crate::kit::gateway::{Place, request};
use crate::kit::wire::Wire;

use super::{BESIDE_THERE, Fort, HERE, THERE};

async fn asks(fort: &Fort, wire: &mut Wire) -> Option<u16> {
    wire.send(request("GET", &fort.small.path, &[])).await;
    wire.try_answer(false).await.ok().map(|answer| answer.status)
}

#[tokio::test]
async fn a_network_holds_so_many_connections_and_the_next_is_closed_unserved() {
    let fort = Fort::plain("[limits]\nconnections_per_network = 5").await;
    let other = IpAddr::V4(Ipv4Addr::new(127, 0, 8, 1));
    let mut held = Vec::new();
    for from in [THERE, BESIDE_THERE, THERE, BESIDE_THERE, THERE] {
        let mut wire = fort.wire(from).await;
        assert_eq!(asks(&fort, &mut wire).await, Some(200));
        held.push(wire);
    }
    fort.while_serving(async {
        for from in [THERE, BESIDE_THERE, IpAddr::V4(Ipv4Addr::new(127, 0, 7, 77))] {
            assert_eq!(asks(&fort, &mut fort.wire(from).await).await, None, "one too many");
        }
        assert_eq!(asks(&fort, &mut fort.wire(other).await).await, Some(200), "another network is another matter");
        for wire in &mut held {
            assert_eq!(asks(&fort, wire).await, Some(200), "those that are held go on");
        }
    })
    .await;
    fort.refused("per-network", 3).await;
    drop(held.pop());
    fort.counts("hallpass_connections{listener=\"public\"}", 4).await;
    assert_eq!(asks(&fort, &mut fort.wire(THERE).await).await, Some(200), "a place that was left is free");
}

#[tokio::test]
async fn a_flood_of_refused_connections_leaves_others_alone() {
    let fort = Fort::plain("[limits]\nconnections_per_network = 3").await;
    fort.while_serving(async {
        let mut held = Vec::new();
        for _ in 0..500 {
            held.push(fort.tcp(THERE).await);
        }
        fort.refused("per-network", 497).await;
    })
    .await;
    fort.is_left_alone().await;
}

#[tokio::test]
async fn a_trusted_proxy_holds_as_many_connections_as_it_likes() {
    let place = Place {
        listen: ", trusted_proxies = [\"127.0.7.0/24\"]",
        settings: "[limits]\nconnections_per_network = 2".to_owned(),
        ..Place::new()
    };
    let fort = Fort::at(place, None).await;
    let mut held = Vec::new();
    for _ in 0..20 {
        let mut wire = fort.wire(THERE).await;
        assert_eq!(asks(&fort, &mut wire).await, Some(200));
        held.push(wire);
    }
    fort.refused("per-network", 0).await;
    let mut others = Vec::new();
    for expected in [Some(200), Some(200), None] {
        let mut wire = fort.wire(HERE).await;
        assert_eq!(asks(&fort, &mut wire).await, expected, "whoever is no proxy is counted");
        others.push(wire);
    }
}

#[tokio::test]
async fn when_all_places_are_taken_by_silence_they_come_free_in_time() {
    let fort = Fort::plain("[limits]\nmax_connections = 8\nidle_timeout = \"1s\"").await;
    let mut held = Vec::new();
    for network in 0..8 {
        held.push(fort.tcp(IpAddr::V4(Ipv4Addr::new(127, 1, network, 1))).await);
    }
    fort.counts("hallpass_connections{listener=\"public\"}", 8).await;
    fort.serves().await;
    assert!(fort.gate.counted("hallpass_connection_waits_total{listener=\"public\"}").await > 0);
    fort.ended("timed-out", 8).await;
}
