//! What is published is stored as it is, under a key that says what it is, and its link works.

use futures_util::future::join_all;
use hallpass::origin::Origin;
use hallpass::value::Fingerprint;
use serde_json::{Value, json};

use super::{files, gateway, head, publish, replace, sample, sent, stored};
use crate::kit::gateway::{Gateway, Minted};
use crate::kit::moto::Bucket;
use crate::kit::wire::{Answer, Wire};
use crate::kit::{fetch, key};

/// File, header, media type.
const MEDIA: [(&str, &str, &str); 4] = [
    ("winter-sale.jpg", "image", "image/jpeg"),
    ("receipt.png", "image", "image/png"),
    ("tour.mp4", "video", "video/mp4"),
    ("price-list.pdf", "document", "application/pdf"),
];

/// The key of `bytes` called `stem.ext` beneath `promos/`.
fn key_of(stem: &str, ext: &str, bytes: &[u8]) -> String {
    format!("promos/{stem}.{}.{ext}", Fingerprint::of(bytes).half())
}

async fn link_serves(gate: &Gateway, answer: &Answer, bytes: &[u8], media_type: &str) {
    let link = Minted::of(&answer.json());
    let got = gate.get(&link.path).await;
    assert_eq!((got.status, got.field("content-type")), (200, Some(media_type)), "{got:?}");
    assert!(got.body == bytes, "the link serves other bytes");
}

#[tokio::test]
async fn media_are_stored_under_their_fingerprint_and_their_links_serve_them() {
    let gate = gateway("").await;
    for (name, header, media_type) in MEDIA {
        let (bytes, (stem, ext)) = (sample(name), name.split_once('.').unwrap());
        let query = format!("store=media&prefix=promos/&filename={name}&header={header}&ref=c-42");
        let first = publish(&gate, &query, &[&format!("Content-Type: {media_type}")], &bytes).await;
        assert_eq!(first.status, 201, "{first:?}");
        let json = first.json();
        assert_eq!(json["key"], key_of(stem, ext, &bytes));
        assert_eq!((&json["content_type"], &json["size"]), (&json!(media_type), &json!(bytes.len())));
        assert_eq!(json["component"]["parameters"][0]["type"], header);
        assert_eq!(first.field("location"), Some(format!("/v1/links/{}", json["id"].as_str().unwrap()).as_str()));
        assert!(stored(&gate, json["key"].as_str().unwrap()) == bytes);
        link_serves(&gate, &first, &bytes, media_type).await;

        let again = publish(&gate, &query, &[], &bytes).await;
        assert_eq!((again.status, again.json()), (200, json.clone()), "the same again");

        let story =
            gate.admin("GET", &format!("/v1/links/{}", json["id"].as_str().unwrap()), &Value::Null).await.json();
        assert_eq!(
            (&story["grant"]["client"], &story["ref"], &story["mints"]),
            (&json!("press"), &json!("c-42"), &json!(2))
        );
        assert_eq!((&story["grant"]["key"], &story["grant"]["filename"]), (&json["key"], &json!(name)));
    }
    assert_eq!(files(&gate, "media").len(), MEDIA.len());
    assert_eq!(files(&gate, "spool"), Vec::<String>::new());
    assert_eq!(gate.counted("hallpass_publishes_total{outcome=\"created\"}").await, 4);
    assert_eq!(gate.counted("hallpass_publishes_total{outcome=\"existed\"}").await, 4);
}

#[tokio::test]
async fn a_bucket_holds_the_exact_type() {
    let (gate, bucket) = (gateway("").await, Bucket::create_versioned().await);
    replace(&gate, bucket.origin_under("outbound"));
    for (name, header, media_type) in MEDIA {
        let bytes = sample(name);
        // What the type is, the bytes tell.
        let query = format!("store=media&prefix=promos/&filename={name}&header={header}");
        let answer = publish(&gate, &query, &[], &bytes).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        let at = key(&format!("outbound/{}", answer.json()["key"].as_str().unwrap()));
        let meta = bucket.origin().head(&at).await.unwrap();
        assert_eq!(meta.media_type.as_deref(), Some(media_type));
        assert!(fetch(&bucket.origin(), &at).await.unwrap() == bytes);
        link_serves(&gate, &answer, &bytes, media_type).await;
        assert_eq!(publish(&gate, &query, &[], &bytes).await.status, 200);
        assert_eq!(bucket.origin().head(&at).await.unwrap(), meta, "not stored twice");
    }
}

#[tokio::test]
async fn names_and_types_come_from_what_is_known() {
    let gate = gateway("").await;
    let (photo, text) = (sample("winter-sale.jpg"), b"name,price\nhat,12\n".as_slice());
    for (query, declared, bytes, stem, ext, media_type) in [
        ("", None, photo.as_slice(), "image", "jpg", "image/jpeg"),
        ("&filename=winter", None, &photo, "winter", "jpg", "image/jpeg"),
        ("&filename=gr%C3%BC%C3%9Fe%20%2B%25.jpg", None, &photo, "grüße +%", "jpg", "image/jpeg"),
        ("&filename=prices.csv", None, text, "prices", "csv", "text/csv"),
        ("", Some("text/csv; charset=utf-8"), text, "document", "csv", "text/csv; charset=utf-8"),
        ("", None, text, "document", "txt", "text/plain"),
    ] {
        let declared: Vec<_> = declared.map(|media_type| format!("Content-Type: {media_type}")).into_iter().collect();
        let lines: Vec<_> = declared.iter().map(String::as_str).collect();
        let answer = publish(&gate, &format!("store=media&prefix=promos/{query}"), &lines, bytes).await;
        assert_eq!(answer.status, 201, "{query}: {answer:?}");
        assert_eq!(answer.json()["key"], key_of(stem, ext, bytes), "{query}");
        assert_eq!(answer.json()["content_type"], media_type, "{query}");
        link_serves(&gate, &answer, bytes, media_type).await;
    }
}

#[tokio::test]
async fn a_unique_link_is_unlike_every_other_to_the_same_object() {
    let gate = gateway("").await;
    let query = "store=media&prefix=promos/&unique=true&cache=no-store&ttl=16m";
    let photo = sample("winter-sale.jpg");
    let (one, two) = (publish(&gate, query, &[], &photo).await, publish(&gate, query, &[], &photo).await);
    assert_eq!((one.status, two.status), (201, 200));
    assert_ne!(one.json()["url"], two.json()["url"]);
    assert_eq!(one.json()["key"], two.json()["key"]);
}

#[tokio::test]
async fn a_body_in_chunks_and_one_that_waits_for_leave_are_taken() {
    let gate = gateway("").await;
    let photo = sample("winter-sale.jpg");
    let chunked =
        photo.chunks(1000).flat_map(|chunk| [format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat());
    let chunked: Vec<u8> = chunked.chain(*b"0\r\n\r\n").collect();
    let answer =
        sent(&gate, &head(&gate, "store=media&prefix=promos/", &["Transfer-Encoding: chunked"]), &chunked).await;
    assert_eq!(answer.status, 201, "{answer:?}");

    let mut wire = Wire::connect(gate.addresses.control).await;
    let length = format!("Content-Length: {}", photo.len());
    wire.send(head(&gate, "store=media&prefix=promos/", &[&length, "Expect: 100-continue"])).await;
    assert_eq!(wire.head().await.unwrap().status, 100);
    wire.send(&photo).await;
    assert_eq!(wire.answer().await.status, 200);

    let mut wire = Wire::connect(gate.addresses.control).await;
    wire.send(head(&gate, "store=media&prefix=private/", &[&length, "Expect: 100-continue"])).await;
    assert_eq!(wire.answer().await.problem(), (403, "not-allowed".into()), "refused without asking for the body");
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_who_publish_the_same_get_one_object_and_equal_answers() {
    let (gate, bucket) = (gateway("").await, Bucket::create_versioned().await);
    for store in ["directory", "bucket"] {
        if store == "bucket" {
            replace(&gate, bucket.origin());
        }
        let film = sample("tour.mp4");
        let query = "store=media&prefix=promos/&filename=tour.mp4&header=video";
        let answers = join_all((0..10).map(|_| publish(&gate, query, &[], &film))).await;
        let mut statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [vec![200; 9], vec![201]].concat(), "{store}");
        assert!(answers.iter().all(|answer| answer.json() == answers[0].json()), "{store}");
        link_serves(&gate, &answers[0], &film, "video/mp4").await;
    }
    assert_eq!(files(&gate, "media").len(), 1);
    let versions = bucket.client.list_object_versions().bucket(&bucket.name).send().await.unwrap();
    assert_eq!(versions.versions().len(), 1, "stored once");
}
