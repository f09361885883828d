//! Hundreds of fetchers of one presigned link at once: one question and one read, whoever comes.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;

use crate::kit::content;
use crate::kit::gateway::{BIG, request};
use crate::kit::presigner::gate;
use crate::kit::scripted::{Script, Scripted};
use crate::kit::trust::connect_from;
use crate::kit::wire::Wire;

const CLIENTS: usize = 500;
/// Two blocks: five hundred times more would be more than a busy machine moves in time.
const LENGTH: usize = 256 * 1024 + 17;

fn address(at: usize) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(127, 0, 8, u8::try_from(at % 250).unwrap() + 1))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_clients_of_one_cold_object_are_one_question_and_one_read() {
    let (gate, key) = gate().await;
    let (store, bytes) = (Scripted::new(), Arc::new(content(1, LENGTH)));
    store.put("a.bin", bytes.to_vec());
    store.script("a.bin", Script::default().slowly(Duration::from_millis(50)));
    gate.replace_store(Arc::new(store.clone()));
    let now = gate.rooms.clock.now();
    // As many links as clients: what is shared is the object.
    let connections = (0..CLIENTS).map(|at| {
        let link = key.link(now.minus(Duration::from_secs(at as u64 % 50)), "a.bin");
        let (bytes, public) = (Arc::clone(&bytes), gate.addresses.public);
        tokio::spawn(async move {
            let mut wire = Wire::over(connect_from(address(at), public).await);
            wire.send(request("GET", &link, &[])).await;
            let answer = wire.patient_answer().await;
            assert!(answer.status == 200 && answer.body == *bytes, "{answer:?}");
            answer.field("etag").unwrap().to_owned()
        })
    });
    let tags: Vec<_> = join_all(connections).await.into_iter().map(Result::unwrap).collect();
    assert!(tags.iter().all(|tag| *tag == tags[0]));
    assert_eq!(store.reads("a.bin").len(), 1, "{:?}", store.reads("a.bin"));
    // A head is believed for two seconds, which a loaded machine may need more than once.
    let heads = gate.origin_calls() - 1;
    assert!((1..=5).contains(&heads), "{heads} questions");
}

#[tokio::test]
async fn what_is_absent_or_refused_does_not_ask_the_store_each_time() {
    let (gate, key) = gate().await;
    let store = Scripted::new();
    store.put(
        "page.jpg",
        b"<!doctype html><title>x</title>".iter().chain(&content(1, BIG)).copied().collect::<Vec<_>>(),
    );
    gate.replace_store(Arc::new(store.clone()));
    for (name, status) in [("absent.jpg", 404), ("page.jpg", 403)] {
        let link = key.link(gate.rooms.clock.now(), name);
        let before = gate.origin_calls();
        for _ in 0..50 {
            assert_eq!(gate.get(&link).await.status, status, "{name}");
        }
        // That nothing is there is believed for a fifth of a second, a head for two, which a loaded machine may need more than once.
        let calls = gate.origin_calls() - before;
        assert!((1..=25).contains(&calls), "{name}: {calls}");
    }
}
