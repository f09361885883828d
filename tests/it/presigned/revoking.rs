//! Presigned links that end early: by link, object, client, time and content, at once, however hot, and in the middle of a body.

use std::time::{Duration, Instant};

use serde_json::json;

use super::refusal;
use crate::kit::content;
use crate::kit::gateway::{Gateway, Place, request};
use crate::kit::presigner::{Presigner, gate, place};
use crate::kit::wire::{Answer, End, Wire};

/// Larger than what the sockets of one connection hold.
const HUGE: usize = 16 << 20;

fn is_revoked(answer: &Answer) -> bool {
    if answer.status == 200 {
        return false;
    }
    let (status, code, message) = refusal(answer);
    assert_eq!((status, &*code), (403, "AccessDenied"), "{message}");
    assert_ne!(message, "Request has expired");
    true
}

/// The id under which the last request of this link was written down.
async fn id_of(gate: &Gateway, link: &str) -> String {
    assert_eq!(gate.get(link).await.status, 200);
    let line = gate.access_log().pop().unwrap();
    line["link"].as_str().unwrap_or_else(|| panic!("no link in {line}")).to_owned()
}

#[tokio::test]
async fn every_kind_of_revocation_ends_its_presigned_links_and_no_others() {
    let (billing, crm) = (Presigner::new("billing"), Presigner::new("crm"));
    let gate = place(&[&billing, &crm], "").start().await;
    for (name, bytes) in [("promo/a.txt", "hello"), ("promo/b.txt", "hello"), ("promo/c.txt", "other")] {
        gate.place.put(name, bytes.as_bytes());
    }
    let now = gate.rooms.clock.now();
    let earlier = now.minus(Duration::from_secs(100));
    let links = [
        billing.link(now, "promo/a.txt"),
        billing.link(now, "promo/b.txt"),
        billing.link(earlier, "promo/c.txt"),
        crm.link(now, "promo/a.txt"),
    ];
    let id = id_of(&gate, &links[0]).await;
    assert!(id.starts_with("lnk_"), "{id}");
    for (what, ended) in [
        (json!({ "link": id }), [true, false, false, false]),
        (json!({ "object": { "store": "media", "key": "promo/a.txt" } }), [true, false, false, true]),
        (json!({ "object": { "store": "media", "key": "promo/" } }), [false; 4]),
        (json!({ "client": "billing" }), [true, true, true, false]),
        (json!({ "client": "crm" }), [false, false, false, true]),
        (json!({ "client": "root" }), [false; 4]),
        (json!({ "issued_before": now }), [false, false, true, false]),
    ] {
        let number = gate.revoke(what.clone()).await;
        for (link, ended) in links.iter().zip(ended) {
            let asked = gate.origin_calls();
            for lines in [&[][..], &["Range: bytes=0-0"], &["If-None-Match: *"]] {
                let answer = gate.ask("GET", link, lines).await;
                assert_eq!(matches!(answer.status, 403), ended, "{what}: {link}: {answer:?}");
                assert!(!ended || is_revoked(&answer));
            }
            assert_eq!(gate.ask("HEAD", link, &[]).await.status, if ended { 403 } else { 200 });
            assert!(!ended || gate.origin_calls() == asked, "what has ended asks no store");
        }
        gate.lift(number).await;
        for link in &links {
            assert_eq!(gate.get(link).await.status, 200, "after {what} was lifted");
        }
    }
}

#[tokio::test]
async fn a_client_that_mints_and_presigns_is_one_client() {
    let (gate, key) = gate().await;
    let minted = gate.link("a.txt", b"hello").await;
    let link = key.link(gate.rooms.clock.now(), "a.txt");
    gate.revoke(json!({ "client": "billing" })).await;
    assert!(is_revoked(&gate.get(&link).await));
    assert_eq!(gate.get(&minted.path).await.problem().1, "link-revoked");
}

#[tokio::test]
async fn content_that_was_revoked_ends_presigned_links_once_it_is_known_for_it() {
    let (gate, key) = gate().await;
    let now = gate.rooms.clock.now();
    // Known since it was minted.
    let minted = gate.link("a.txt", b"hello").await;
    gate.place.put("other.txt", b"other");
    let (link, other) = (key.link(now, "a.txt"), key.link(now, "other.txt"));
    assert_eq!((gate.get(&link).await.status, gate.get(&other).await.status), (200, 200));
    let number = gate.revoke(json!({ "fingerprint": minted.fingerprint })).await;
    assert!(is_revoked(&gate.get(&link).await));
    assert_eq!(gate.get(&other).await.status, 200);
    gate.lift(number).await;
    assert_eq!(gate.get(&link).await.status, 200);
    // Revoked first, and known only when somebody wants to mint it.
    gate.place.put("late.txt", b"late");
    let late = key.link(now, "late.txt");
    gate.revoke(json!({ "fingerprint": blake3::hash(b"late").to_hex().as_str() })).await;
    gate.get(&late).await;
    assert_eq!(gate.try_mint(json!({ "key": "late.txt" })).await.problem(), (409, "revoked".to_owned()));
    // What a link led to is believed for as long as the store's word is.
    let begun = Instant::now();
    while !is_revoked(&gate.get(&late).await) {
        assert!(begun.elapsed() < Duration::from_secs(20), "it is known, and still served");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(is_revoked(&gate.ask("GET", &late, &["Range: bytes=0-0"]).await), "known, and hot");
    // And after a restart, since the catalog knows.
    let gate = gate.cold().await;
    assert!(is_revoked(&gate.get(&late).await));
    assert_eq!(gate.get(&link).await.status, 200);
}

#[tokio::test]
async fn a_running_body_is_cut_and_never_ends_well() {
    let bytes = content(7, HUGE);
    for memory in ["512 MiB", "4 MiB"] {
        let key = Presigner::new("billing");
        let place = place(&[&key], "");
        let settings = format!("{}\n[cache]\nmemory = \"{memory}\"", place.settings);
        let gate = Place { settings, ..place }.start().await;
        gate.place.put("huge.bin", &bytes);
        let now = gate.rooms.clock.now();
        let (link, other) = (key.link(now, "huge.bin"), key.link(now.minus(Duration::from_secs(9)), "huge.bin"));
        let (mut wire, mut kept) = (begun(&gate, &link, &bytes).await, begun(&gate, &other, &bytes).await);
        let id = {
            assert_eq!(gate.ask("HEAD", &link, &[]).await.status, 200);
            gate.access_log().pop().unwrap()["link"].as_str().unwrap().to_owned()
        };
        gate.revoke(json!({ "link": id })).await;
        let (rest, how) = wire.body(HUGE - 1000).await.expect_err("the body must be cut");
        assert_ne!(how, End::Silent);
        assert!(rest == bytes[1000..1000 + rest.len()] && rest.len() < HUGE / 2, "{} bytes still came", rest.len());
        let logged = gate.access_log().pop().unwrap();
        assert_eq!((&logged["outcome"], &logged["completed"]), (&json!("cut-revoked"), &json!(false)), "{logged}");
        assert!(kept.body(HUGE - 1000).await.unwrap() == bytes[1000..], "another link's body goes on");
    }
}

async fn begun(gate: &Gateway, link: &str, bytes: &[u8]) -> Wire {
    let mut wire = Wire::connect_narrow(gate.addresses.public).await;
    wire.send(request("GET", link, &[])).await;
    assert_eq!(wire.head().await.unwrap().length(), Some(HUGE));
    assert!(wire.body(1000).await.unwrap() == bytes[..1000]);
    wire
}

#[tokio::test]
async fn what_was_fetched_by_a_presigned_link_is_written_down_as_its_clients() {
    let (gate, key) = gate().await;
    gate.place.put("a.txt", b"hello");
    let link = key.link(gate.rooms.clock.now(), "a.txt");
    assert_eq!(gate.ask("GET", &link, &["Range: bytes=1-2"]).await.body, b"el");
    let line = gate.access_log().pop().unwrap();
    for (name, value) in json!({"store": "media", "minted_by": "billing", "status": 206, "outcome": "served", "bytes": 2, "completed": true})
        .as_object()
        .unwrap()
    {
        assert_eq!(&line[name], value, "{name} of {line}");
    }
    let text = line.to_string();
    assert!(!text.contains("X-Amz") && !text.contains(&link[link.len() - 64..]), "{text}");
}
