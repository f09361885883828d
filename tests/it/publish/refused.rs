//! What is refused, with which words, and that nothing of it is stored.

use super::{files, gateway, head, head_by, publish, sample, sent};
use crate::kit::content;
use crate::kit::gateway::Gateway;
use crate::kit::wire::{Answer, Wire};

fn nothing_is_left(gate: &Gateway) {
    assert_eq!(files(gate, "media"), Vec::<String>::new());
    assert_eq!(files(gate, "spool"), Vec::<String>::new());
}

fn first_finding(answer: &Answer) -> String {
    answer.json()["findings"][0]["code"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn an_asset_that_cannot_be_sent_is_not_stored() {
    let gate = gateway("").await;
    for (name, filename, header, declared, finding) in [
        ("page.jpg", "page.jpg", None, None, "active-content"),
        ("page.jpg", "page.jpg", Some("image"), Some("image/jpeg"), "type-contradiction"),
        ("picture.svg", "a.svg", None, None, "active-content"),
        ("winter-sale.jpg", "a.html", None, None, "active-content"),
        ("winter-sale.jpg", "a.jpg", None, Some("application/pdf"), "type-contradiction"),
        ("winter-sale.jpg", "a.jpg", None, Some("application/x-www-form-urlencoded"), "type-contradiction"),
        ("winter-sale.jpg", "a.jpg", None, Some("image/*"), "type-pattern"),
        ("cmyk.jpg", "a.jpg", Some("image"), None, ""),
        ("truncated.jpg", "a.jpg", Some("image"), None, ""),
        ("picture.gif", "a.gif", Some("image"), None, ""),
        ("hevc.mp4", "a.mp4", Some("video"), None, ""),
        ("price-list.pdf", "a.pdf", Some("video"), None, ""),
        ("empty.jpg", "a.jpg", Some("image"), None, ""),
    ] {
        let header = header.map(|header| format!("&header={header}")).unwrap_or_default();
        let query = format!("store=media&prefix=promos/&filename={filename}{header}");
        let declared: Vec<_> = declared.map(|said| format!("Content-Type: {said}")).into_iter().collect();
        let lines: Vec<_> = declared.iter().map(String::as_str).collect();
        let answer = publish(&gate, &query, &lines, &sample(name)).await;
        assert_eq!(answer.problem(), (422, "asset-refused".into()), "{name}: {answer:?}");
        let found = first_finding(&answer);
        assert!(!found.is_empty() && (finding.is_empty() || found == finding), "{name}: {found}");
    }
    // WhatsApp's limit for images is 5 MB.
    let heavy = [sample("winter-sale.jpg"), content(1, 5_000_000)].concat();
    let answer = publish(&gate, "store=media&prefix=promos/&header=image", &[], &heavy).await;
    assert_eq!(answer.problem(), (422, "asset-refused".into()));
    nothing_is_left(&gate);
    assert_eq!(gate.counted("hallpass_publishes_total{outcome=\"asset-refused\"}").await, 14);
}

#[tokio::test]
async fn who_may_not_publishes_nothing() {
    let gate = gateway("").await;
    let photo = sample("winter-sale.jpg");
    let length = format!("Content-Length: {}", photo.len());
    let (billing, admin) = (gate.place.key.expose().to_owned(), gate.place.admin.expose().to_owned());
    let press = gate.place.press.expose().to_owned();
    let promos = "store=media&prefix=promos/";
    for (key, query, expected) in [
        (&billing, promos, (403, "not-allowed")),
        (&"hpk_nobody".to_owned(), promos, (401, "unauthorized")),
        (&press, "store=media", (403, "not-allowed")),
        (&press, "store=media&prefix=promo/", (403, "not-allowed")),
        (&press, "store=media&prefix=promos-secret/", (403, "not-allowed")),
        (&press, "store=private&prefix=promos/", (403, "not-allowed")),
        (&press, "store=media&prefix=promos/../secret/", (400, "invalid-request")),
        (&press, "store=media&prefix=promos", (400, "invalid-request")),
        (&press, "store=media&prefix=promos/&filename=../a.jpg", (400, "invalid-request")),
        (&press, "store=media&prefix=promos/&key=a", (400, "invalid-request")),
        (&press, "prefix=promos/", (400, "invalid-request")),
        (&press, "store=media&prefix=promos/&ttl=1s", (422, "ttl-out-of-bounds")),
        (&press, "store=media&prefix=promos/&fetcher=nobody", (400, "no-such-fetcher")),
        (&admin, "store=private", (403, "not-allowed")),
    ] {
        let answer = sent(&gate, &head_by(key, query, &[&length]), &photo).await;
        assert_eq!(answer.problem(), (expected.0, expected.1.into()), "{query}");
    }
    for lines in [&["Content-Encoding: gzip"][..], &["Content-Encoding: identity"]] {
        let answer = publish(&gate, promos, lines, &photo).await;
        assert_eq!(answer.problem(), (415, "unsupported-media-type".into()));
    }
    nothing_is_left(&gate);
    assert_eq!(sent(&gate, &head_by(&admin, "store=media", &[&length]), &photo).await.status, 201);
}

#[tokio::test]
async fn a_store_that_takes_nothing_and_one_that_is_not_there_are_told() {
    let gate = gateway("").await;
    let photo = sample("winter-sale.jpg");
    let stores = gate.rooms.stores.keep();
    gate.rooms.stores.replace(stores.iter().map(|(name, store)| (name.clone(), store.clone())).collect());
    let answer = publish(&gate, "store=media&prefix=promos/", &[], &photo).await;
    assert_eq!(answer.problem(), (422, "store-read-only".into()));
    gate.rooms.stores.replace(std::iter::empty().collect());
    let answer = publish(&gate, "store=media&prefix=promos/", &[], &photo).await;
    assert_eq!(answer.problem(), (404, "no-such-store".into()));
    nothing_is_left(&gate);
}

#[tokio::test]
async fn too_many_bytes_are_refused_at_once_or_as_soon_as_they_came() {
    let gate = gateway("[mint]\nobject_max = '100KiB'\n").await;
    let query = "store=media&prefix=promos/";
    let mut wire = Wire::connect(gate.addresses.control).await;
    // Not one byte of it is sent.
    wire.send(head(&gate, query, &["Content-Length: 102401"])).await;
    let answer = wire.answer().await;
    assert_eq!(answer.problem(), (413, "body-too-large".into()));
    assert_eq!(answer.json()["limit"], 102_400);

    let mut wire = Wire::connect(gate.addresses.control).await;
    wire.send(head(&gate, query, &["Transfer-Encoding: chunked"])).await;
    // It never ends, and is answered all the same.
    for _ in 0..11 {
        wire.send([b"2800\r\n".as_slice(), &content(1, 0x2800), b"\r\n"].concat()).await;
    }
    assert_eq!(wire.answer().await.problem(), (413, "body-too-large".into()));
    nothing_is_left(&gate);

    let most = publish(&gate, query, &[], &content(1, 102_400)).await;
    assert_eq!(most.status, 201, "{most:?}");
}

#[tokio::test]
async fn a_key_that_would_be_too_long_is_refused() {
    let gate = gateway("").await;
    let folder = "x".repeat(255);
    let long = format!("store=media&prefix=promos/{folder}/{folder}/&filename={}.jpg", "y".repeat(236));
    let answer = publish(&gate, &long, &[], &sample("winter-sale.jpg")).await;
    assert_eq!(answer.problem(), (422, "key-unaddressable".into()), "longer than a file's name may be");
    assert!(files(&gate, "media").is_empty() && files(&gate, "spool").is_empty());
}
