//! The corpus without anybody in between: which answers come, whether the connection is closed, and how many requests were read.

use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::time::sleep;

use super::corpus::{Direct, Targets, corpus};
use super::measure::{Client, statuses, sum};
use crate::kit::gateway::{Gateway, Place, request};

#[tokio::test]
async fn every_hostile_framing_is_read_in_one_way() {
    let (gate, outer) = Place::new().cold_link("outer.txt", b"outer").await;
    let inner = gate.link("inner.txt", b"inner").await;
    let corpus = corpus(&Targets { outer: outer.path, inner: inner.path });
    let mut wrong = Vec::new();
    for hostile in &corpus {
        let expected = hostile.direct.unwrap();
        let seen = send(&gate, &hostile.bytes, &expected).await;
        if seen != Ok(expected) {
            wrong.push(format!("{}: {seen:?}, not {expected:?}", hostile.name));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), corpus.len(), wrong.join("\n"));
    assert!(corpus.len() > 300, "the corpus was read: {}", corpus.len());
}

/// Sends one request, and tells what came of it in the words of what was expected; what is no such thing is told as text.
async fn send(gate: &Gateway, bytes: &[u8], expected: &Direct) -> Result<Direct, String> {
    let before = requests_read(gate).await;
    let mut client = Client::connect(Ipv4Addr::LOCALHOST, gate.addresses.public).await;
    client.send(bytes).await;
    let enough = if expected.closes { usize::MAX } else { expected.statuses.len() };
    client.take(PATIENCE, |came| statuses(came).len() >= enough).await;
    let mut probed = 0;
    if !client.closed {
        // What follows is read from its beginning, so nothing is left over.
        client.send(request("HEAD", "/robots.txt", &[])).await;
        client.take(PATIENCE, |came| statuses(came).len() > enough).await;
        probed = 1;
    }
    let mut came = client.statuses();
    if probed == 1 && came.pop() != Some(200) {
        return Err(format!("what follows is not answered: {:?}", String::from_utf8_lossy(&client.came)));
    }
    let closes = client.closed;
    drop(client);
    let read = settled(gate, before + expected.read + probed).await - before - probed;
    if came == expected.statuses {
        Ok(Direct { statuses: expected.statuses, read, closes })
    } else {
        Err(format!("{came:?}, {read} read, closes: {closes}"))
    }
}

/// How many requests were read, once it is what was expected or does not change: an account is closed a little after its answer.
async fn settled(gate: &Gateway, expected: usize) -> usize {
    let mut read = requests_read(gate).await;
    for _ in 0..50 {
        if read == expected {
            break;
        }
        sleep(Duration::from_millis(20)).await;
        read = requests_read(gate).await;
    }
    read
}

async fn requests_read(gate: &Gateway) -> usize {
    sum(&gate.metrics().await, "hallpass_requests_total{")
}

const PATIENCE: Duration = Duration::from_secs(3);
