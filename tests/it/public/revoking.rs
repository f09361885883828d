//! Links that end early: at once, also in the middle of a body, and for good.

use std::time::Duration;

use serde_json::{Value, json};

use crate::kit::content;
use crate::kit::gateway::{Gateway, Minted, Place, request};
use crate::kit::wire::{Answer, End, Wire};

/// Larger than what the sockets of one connection hold, so that a reader who stops leaves most of it with the gateway.
const HUGE: usize = 16 << 20;

fn revoked(answer: &Answer) {
    assert_eq!(answer.problem(), (410, "link-revoked".to_owned()));
}

async fn end(gate: &Gateway, link: &Minted) {
    let answer = gate.api("DELETE", &format!("/v1/links/{}", link.id), &Value::Null).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test]
async fn a_link_that_was_ended_is_410_from_the_answer_on() {
    let gate = Gateway::start().await;
    let link = gate.link("a.txt", b"hello").await;
    let other = gate.mint(json!({ "key": "a.txt", "unique": true })).await;
    assert_eq!(gate.get(&link.path).await.status, 200);
    let gate = gate.cold().await;
    let asked = gate.origin_calls();
    end(&gate, &link).await;
    for lines in [&[][..], &["Range: bytes=0-0"], &["If-None-Match: *"]] {
        revoked(&gate.ask("GET", &link.path, lines).await);
    }
    assert_eq!(gate.ask("HEAD", &link.path, &[]).await.status, 410);
    assert_eq!(gate.origin_calls(), asked);
    assert_eq!(gate.get(&other.path).await.status, 200, "another link to the same object");
    end(&gate, &link).await;
}

#[tokio::test]
async fn a_mint_after_its_link_was_ended_gives_another_url() {
    let gate = Place::held().start().await;
    let link = gate.link("a.txt", b"hello").await;
    assert_eq!(gate.mint(json!({ "key": "a.txt" })).await.url, link.url, "the same request, the same URL");
    end(&gate, &link).await;
    let second = gate.mint(json!({ "key": "a.txt" })).await;
    assert_ne!(second.url, link.url);
    assert_eq!(gate.get(&second.path).await.status, 200);
    revoked(&gate.get(&link.path).await);
}

#[tokio::test]
async fn every_kind_of_revocation_ends_its_links_and_no_others() {
    let place = Place::held();
    let key_id = place.keyring.keys()[0].id.to_string();
    let gate = place.start().await;
    let link = gate.link("promo/a.txt", b"hello").await;
    let same_bytes = gate.link("promo/b.txt", b"hello").await;
    let other = gate.link("promo/c.txt", b"other").await;
    let of_root = {
        let answer = gate.admin("POST", "/v1/links", &json!({ "store": "media", "key": "promo/c.txt" })).await;
        Minted::of(&answer.json())
    };
    let links = [&link, &same_bytes, &other, &of_root];
    for (what, ended) in [
        (json!({ "link": link.id }), [true, false, false, false]),
        (json!({ "object": { "store": "media", "key": "promo/a.txt" } }), [true, false, false, false]),
        (json!({ "object": { "store": "media", "key": "promo/" } }), [false; 4]),
        (json!({ "fingerprint": link.fingerprint }), [true, true, false, false]),
        (json!({ "client": "billing" }), [true, true, true, false]),
        (json!({ "key_id": key_id }), [true; 4]),
        (json!({ "issued_before": gate.rooms.clock.now() }), [true; 4]),
    ] {
        let number = gate.revoke(what.clone()).await;
        for (link, ended) in links.iter().zip(ended) {
            let answer = gate.get(&link.path).await;
            if ended {
                revoked(&answer);
            } else {
                assert_eq!(answer.status, 200, "{what}");
            }
        }
        gate.lift(number).await;
        for link in links {
            assert_eq!(gate.get(&link.path).await.status, 200, "after {what} was lifted");
        }
    }
}

#[tokio::test]
async fn under_a_standing_revocation_nothing_is_minted_until_it_is_lifted() {
    let place = Place::held();
    let key_id = place.keyring.keys()[0].id.to_string();
    let gate = place.start().await;
    let link = gate.link("a.txt", b"hello").await;
    for what in [
        json!({ "object": { "store": "media", "key": "a.txt" } }),
        json!({ "fingerprint": link.fingerprint }),
        json!({ "client": "billing" }),
        json!({ "key_id": key_id }),
    ] {
        let number = gate.revoke(what.clone()).await;
        for members in [json!({ "key": "a.txt" }), json!({ "key": "a.txt", "unique": true })] {
            let answer = gate.try_mint(members).await;
            assert_eq!(answer.problem(), (409, "revoked".to_owned()), "{what}");
        }
        gate.lift(number).await;
        let again = gate.mint(json!({ "key": "a.txt" })).await;
        assert_eq!(gate.get(&again.path).await.status, 200, "{what}");
    }
    // What lapses by itself forbids no mint.
    gate.revoke(json!({ "issued_before": gate.rooms.clock.now() })).await;
    let fresh = gate.mint(json!({ "key": "a.txt" })).await;
    assert_ne!(fresh.url, link.url);
    assert_eq!(gate.get(&fresh.path).await.status, 200);
    revoked(&gate.get(&link.path).await);
}

/// A link to a huge object, and a reader that has begun and stopped.
async fn reading(gate: &Gateway) -> (Minted, Vec<u8>, Wire) {
    let bytes = content(7, HUGE);
    let link = gate.link("huge.bin", &bytes).await;
    let wire = begun(gate, &link, &bytes).await;
    (link, bytes, wire)
}

async fn begun(gate: &Gateway, link: &Minted, bytes: &[u8]) -> Wire {
    let mut wire = Wire::connect_narrow(gate.addresses.public).await;
    wire.send(request("GET", &link.path, &[])).await;
    assert_eq!(wire.head().await.unwrap().length(), Some(HUGE));
    assert!(wire.body(1000).await.unwrap() == bytes[..1000]);
    wire
}

#[tokio::test]
async fn a_running_body_is_cut_at_its_next_chunk_and_never_ends_well() {
    let bytes = content(7, HUGE);
    // From memory, through it, and past it.
    for (memory, asked) in [("512 MiB", 0), ("512 MiB", 1), ("4 MiB", 1)] {
        let place = Place { settings: format!("[cache]\nmemory = \"{memory}\""), ..Place::new() };
        let mut gate = place.start().await;
        let link = gate.link("huge.bin", &bytes).await;
        let other = gate.mint(json!({ "key": "huge.bin", "unique": true })).await;
        if asked > 0 {
            gate = gate.cold().await;
        }
        let before = gate.origin_calls();
        cut(&gate, &link, &other, &bytes).await;
        assert_eq!((gate.origin_calls() - before).min(1), asked, "{memory}");
    }
}

async fn cut(gate: &Gateway, link: &Minted, other: &Minted, bytes: &[u8]) {
    let mut wire = begun(gate, link, bytes).await;
    let mut other = begun(gate, other, bytes).await;
    end(gate, link).await;
    let (rest, how) = wire.body(HUGE - 1000).await.expect_err("the body must be cut");
    assert_ne!(how, End::Silent);
    assert!(rest == bytes[1000..1000 + rest.len()] && rest.len() < HUGE / 2, "{} bytes still came", rest.len());
    let logged = gate.access_log().pop().unwrap();
    assert_eq!((&logged["outcome"], &logged["completed"]), (&json!("cut-revoked"), &json!(false)), "{logged}");
    assert!(other.body(HUGE - 1000).await.unwrap() == bytes[1000..], "another link's body goes on");
}

#[tokio::test]
async fn a_running_body_may_outlive_its_links_expiry() {
    let gate = Place::held().start().await;
    let (link, bytes, mut wire) = reading(&gate).await;
    gate.place.clock.set(link.expires.plus(Duration::from_secs(5)));
    assert_eq!(gate.get(&link.path).await.problem().1, "link-expired");
    assert!(wire.body(HUGE - 1000).await.unwrap() == bytes[1000..]);
}

#[tokio::test]
async fn a_fetcher_that_leaves_is_written_down_as_that() {
    let gate = Gateway::start().await;
    let (_, _, wire) = reading(&gate).await;
    drop(wire);
    for _ in 0..200 {
        if let Some(logged) = gate.access_log().pop() {
            assert_eq!((&logged["outcome"], &logged["completed"]), (&json!("fetcher-left"), &json!(false)), "{logged}");
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("no line was written");
}

#[tokio::test]
async fn a_restart_forgets_no_link_and_no_revocation() {
    let gate = Place::held().start().await;
    let (kept, ended) = (gate.link("a.txt", b"hello").await, gate.link("b.txt", b"other").await);
    let object = gate.link("c.txt", b"third").await;
    end(&gate, &ended).await;
    let number = gate.revoke(json!({ "object": { "store": "media", "key": "c.txt" } })).await;
    let gate = gate.stop().await.start().await;
    assert_eq!(gate.get(&kept.path).await.body, b"hello");
    assert!(gate.get(&kept.path).await.field("repr-digest").is_some(), "what was learned of the bytes is known again");
    revoked(&gate.get(&ended.path).await);
    revoked(&gate.get(&object.path).await);
    assert_eq!(gate.try_mint(json!({ "key": "c.txt" })).await.problem().1, "revoked");
    assert_eq!(gate.mint(json!({ "key": "a.txt" })).await.url, kept.url, "still the same window");
    gate.lift(number).await;
    let gate = gate.stop().await.start().await;
    assert_eq!(gate.get(&object.path).await.body, b"third", "a lifted revocation stays lifted");
}

#[tokio::test]
async fn a_revocation_of_another_process_is_obeyed_within_its_tick() {
    let gate = Gateway::start().await;
    let link = gate.link("a.txt", b"hello").await;
    let sockets = [0; 3].map(|port| std::net::TcpListener::bind(("127.0.0.1", port)).unwrap());
    let loaded = gate.place.loaded(&sockets);
    let other =
        hallpass::app::Rooms::open(&loaded, gate.place.clock.clone(), hallpass::telemetry::Sink::Off).await.unwrap();
    let id = hallpass::link::Revocation::parse("link", &link.id).unwrap();
    other.revoker.revoke(&"shell".parse().unwrap(), id, None).await.unwrap();
    for _ in 0..30 {
        let answer = gate.get(&link.path).await;
        if answer.status == 410 {
            return revoked(&answer);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("not within 3 s");
}

#[tokio::test]
async fn what_an_inspection_says_is_what_a_fetch_gets() {
    let gate = Place::held().start().await;
    let link = gate.link("a.txt", b"hello").await;
    let inspect = async || gate.api("POST", "/v1/inspect", &json!({ "url": link.url })).await.json();
    assert_eq!(gate.get(&link.path).await.status, 200);
    let good = inspect().await;
    end(&gate, &link).await;
    let ended = inspect().await;
    assert_ne!(good, ended);
    assert!(ended.to_string().contains("revoked"), "{ended}");
    gate.place.clock.set(link.expires);
    let over = inspect().await;
    assert!(over.to_string().contains("expired"), "{over}");
    for text in [good, ended, over] {
        assert!(!text.to_string().contains(link.token()), "{text}");
    }
}

#[tokio::test]
async fn a_revocation_is_in_force_from_its_answer_on_whoever_reads_the_catalog_meanwhile() {
    let gate = Gateway::start().await;
    gate.place.put("a.txt", b"hello");
    let rooms = gate.rooms.clone();
    // What the tick does once a second, and what a lift does.
    let refreshing = tokio::spawn(async move {
        loop {
            rooms.revoker.refresh().await.unwrap();
        }
    });
    for n in 0..40 {
        let link = gate.mint(json!({ "key": "a.txt", "unique": true })).await;
        end(&gate, &link).await;
        for _ in 0..5 {
            assert_eq!(gate.get(&link.path).await.status, 410, "the revocation of link {n} was lost again");
        }
    }
    refreshing.abort();
}
