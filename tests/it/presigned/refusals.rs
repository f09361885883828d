//! Links that are not believed: one face for all of them, whoever asks; what is told only to whoever could sign; and no other method.

use super::{code, denied, refusal};
use crate::kit::gateway::{BROWSER, Gateway, request};
use crate::kit::presigner::{Presigner, Wish, gate, place};

/// A gateway with two stores and a client of only a part of one.
async fn scoped() -> (Gateway, Presigner) {
    let key = Presigner { prefixes: &["promo/"], ..Presigner::new("billing") };
    let mut place = place(&[&key], "");
    place.settings.push_str("[stores.private]\nkind = \"local\"\nroot = \"private\"\n");
    std::fs::create_dir(place.dir.path().join("private")).unwrap();
    std::fs::write(place.dir.path().join("private/a.txt"), b"private").unwrap();
    for there in ["promo/a.txt", "promo-secret/a.txt", "a.txt"] {
        place.put(there, b"hello");
    }
    (place.start().await, key)
}

fn flipped(link: &str) -> String {
    let last = if link.ends_with('0') { '1' } else { '0' };
    format!("{}{last}", &link[..link.len() - 1])
}

#[tokio::test]
async fn an_unknown_key_a_bad_signature_and_what_is_out_of_scope_have_one_face() {
    let (gate, key) = scoped().await;
    let now = gate.rooms.clock.now();
    let good = key.wish(now, "promo/a.txt");
    assert_eq!(gate.get(&good.signed(&key)).await.status, 200);
    let asked = gate.origin_calls();
    let stranger = Presigner::new("stranger");
    let misnamed = Presigner { secret: stranger.secret.clone(), ..key.clone() };
    let on = |path: &str| good.clone().on(&good.host, path).signed(&key);
    let at = |id: &str| Wish { credential: good.credential.replace(&key.id, id), ..good.clone() }.signed(&key);
    let causes = [
        ("an unknown key id", stranger.link(now, "promo/a.txt")),
        ("an unknown key id, with a good secret", at(&stranger.id)),
        ("a key id like ours in lower case", at(&key.id.to_lowercase())),
        ("the secret in the place of the id", at(&key.secret)),
        ("another secret", good.signed(&misnamed)),
        ("a bad signature", flipped(&good.signed(&key))),
        ("another object's signature", good.signed(&key).replace("/a.txt?", "/b.txt?")),
        ("another method's signature", Wish { method: "HEAD", ..good.clone() }.signed(&key)),
        ("a method that is not served", Wish { method: "PUT", ..good.clone() }.signed(&key)),
        ("outside of the prefixes", on("/media/a.txt")),
        ("beside the prefix", on("/media/promo-secret/a.txt")),
        ("the prefix without its slash", on("/media/promo")),
        ("the prefix in another case", on("/media/Promo/a.txt")),
        ("another store", on("/private/promo/a.txt")),
        ("a store that there is not", on("/nowhere/promo/a.txt")),
        ("a store whose name no store can have", on("/M/promo/a.txt")),
        ("an object that is not there, with a bad signature", flipped(&on("/media/promo/absent.txt"))),
        (
            "an expired one, with a bad signature",
            flipped(&good.clone().at(crate::kit::presigner::ago(9000)).signed(&key)),
        ),
    ];
    let face = gate.get(&causes[0].1).await;
    assert_eq!(code(&face), denied());
    for (cause, link) in &causes {
        for agent in [&[][..], &[&*format!("User-Agent: {BROWSER}")], &["Range: bytes=99-"], &["If-None-Match: *"]] {
            let answer = gate.ask("GET", link, agent).await;
            assert_eq!(answer.face(), face.face(), "{cause}");
        }
        let head = gate.ask("HEAD", link, &[]).await;
        // What was signed for HEAD is good for HEAD.
        if !cause.starts_with("another method") {
            assert_eq!((&head.status_line, head.block()), (&face.status_line, face.block()), "{cause}");
        }
    }
    assert!(gate.origin_calls() <= asked + 1, "but for the HEAD that was signed for HEAD");
    let text = String::from_utf8(face.body).unwrap();
    for told in ["promo", "a.txt", "media", &key.id, &stranger.id, "billing", "HPAK", "20"] {
        assert!(!text.contains(told), "{told}: {text}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_told_to_nobody_but_whom_it_is_for() {
    let (gate, key) = scoped().await;
    let absent = key.link(gate.rooms.clock.now(), "promo/absent.txt");
    let browser = format!("User-Agent: {BROWSER}");
    // Signature, scope, time, revocation and profile come first, and the store is not asked before.
    assert_eq!(code(&gate.get(&flipped(&absent)).await), denied());
    let refused = refusal(&gate.ask("GET", &absent, &[&browser]).await);
    assert_eq!((refused.0, &*refused.1), (403, "AccessDenied"));
    let there = refusal(&gate.ask("GET", &key.link(gate.rooms.clock.now(), "promo/a.txt"), &[&browser]).await);
    assert_eq!(refused, there, "the refusal does not tell what is there");
    assert_eq!(gate.origin_calls(), 0);
    let (status, code, message) = refusal(&gate.get(&absent).await);
    assert_eq!((status, &*code), (404, "NoSuchKey"));
    assert!(!message.contains("absent") && !message.contains("media"), "{message}");
    let head = gate.ask("HEAD", &absent, &[]).await;
    assert_eq!((head.status, head.field("content-type"), head.body.len()), (404, Some("application/xml"), 0));
}

#[tokio::test]
async fn other_methods_are_not_allowed_and_change_nothing() {
    let (gate, key) = gate().await;
    gate.place.put("a.txt", b"hello");
    let now = gate.rooms.clock.now();
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"] {
        for signed in ["GET", method] {
            let link = Wish { method: signed.to_owned().leak(), ..key.wish(now, "a.txt") }.signed(&key);
            let answer = gate.ask(method, &link, &["Content-Length: 0"]).await;
            assert_eq!(code(&answer), (405, "MethodNotAllowed".to_owned()), "{method}");
            let allow = answer.field("allow").unwrap_or_default().to_owned();
            let mut allowed: Vec<_> = allow.split(", ").collect();
            allowed.sort_unstable();
            assert_eq!(allowed, ["GET", "HEAD"], "{method}: {answer:?}");
        }
    }
    assert_eq!(gate.origin_calls(), 0);
    assert_eq!(std::fs::read(gate.place.dir.path().join("media/a.txt")).unwrap(), b"hello");
}

#[tokio::test]
async fn a_body_with_a_link_ends_the_connection_and_is_never_a_request() {
    let (gate, key) = gate().await;
    gate.place.put("a.txt", b"hello");
    let link = key.link(gate.rooms.clock.now(), "a.txt");
    let inner = request("GET", &link, &[]);
    for method in ["GET", "PUT", "POST"] {
        let mut wire = gate.public().await;
        wire.send(request(method, &link, &[&format!("Content-Length: {}", inner.len())]) + &inner + &inner).await;
        let answer = wire.answer().await;
        assert_eq!(answer.status, if method == "GET" { 400 } else { 405 }, "{answer:?}");
        assert!(wire.is_closed().await, "{method}");
    }
}

#[tokio::test]
async fn requests_that_are_signed_in_a_header_are_no_links() {
    let (gate, key) = gate().await;
    gate.place.put("a.txt", b"hello");
    let credential = format!("{}/20261121/eu-central-1/s3/aws4_request", key.id);
    let signature = "0".repeat(64);
    let header = format!(
        "Authorization: AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host;x-amz-date, Signature={signature}"
    );
    for path in ["/media/a.txt", "/media/a.txt?x-id=GetObject", "/media?list-type=2", "/media/?list-type=2", "/media/"]
    {
        for method in ["GET", "HEAD", "PUT", "DELETE"] {
            let answer = gate.ask(method, path, &[&header, "Content-Length: 0"]).await;
            assert!((400..500).contains(&answer.status), "{method} {path}: {answer:?}");
        }
    }
    // Nor does a header help a link, or take part in it.
    let link = key.link(gate.rooms.clock.now(), "a.txt");
    let both = gate.ask("GET", &link, &[&header]).await;
    assert_eq!(code(&both), denied(), "no fetcher of ours sends credentials");
    assert_eq!(gate.origin_calls(), 0);
    assert_eq!(
        gate.ask("GET", &link, &["X-Amz-Date: 20200101T000000Z", "X-Amz-Content-Sha256: abc"]).await.status,
        200
    );
}

#[tokio::test]
async fn where_presigned_links_are_off_none_works() {
    let key = Presigner::new("billing");
    let mut place = place(&[&key], "");
    place.settings = place.settings.replace("enabled = true", "enabled = false");
    let gate = place.start().await;
    gate.place.put("a.txt", b"hello");
    let answer = gate.get(&key.link(gate.rooms.clock.now(), "a.txt")).await;
    let elsewhere = gate.get("/media/a.txt").await;
    assert_eq!((answer.status, answer.face()), (404, elsewhere.face()));
    assert_eq!(gate.origin_calls(), 0);
}

#[tokio::test]
async fn a_query_on_one_of_our_own_links_is_still_no_presigned_link() {
    let (gate, key) = gate().await;
    let minted = gate.link("a.txt", b"hello").await;
    let link = key.link(gate.rooms.clock.now(), "a.txt");
    let query = link.split_once('?').unwrap().1;
    assert_eq!(gate.get(&format!("{}?{query}", minted.path)).await.body, b"hello");
    let bogus = gate.get(&format!("/m/bogus/a.txt?{query}")).await;
    assert_eq!(bogus.problem(), (403, "link-invalid".to_owned()));
    // No store can be called m, so a link that says it is one of ours never is one of S3's.
    let wish = key.wish(gate.rooms.clock.now(), "a.txt");
    let as_store = wish.on("media.example.com", "/m/a.txt").signed(&key);
    assert_eq!(gate.get(&as_store).await.problem(), (403, "link-invalid".to_owned()));
}

#[tokio::test]
async fn a_flood_of_bad_links_asks_no_store_and_is_logged_thinly() {
    let (gate, key) = gate().await;
    let (now, mut wire) = (gate.rooms.clock.now(), gate.public().await);
    for n in 0..300 {
        let link = flipped(&key.link(now, &format!("{n}.txt")));
        wire.send(request("GET", &link, &[])).await;
        assert_eq!(code(&wire.answer().await), denied());
    }
    let lines = gate.access_log();
    assert!(lines.len() <= 20, "{} lines", lines.len());
    for line in lines {
        let line = line.to_string();
        assert!(!line.contains("X-Amz") && !line.contains(&key.id), "{line}");
    }
    assert_eq!(gate.origin_calls(), 0);
}
