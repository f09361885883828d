//! What a link may say about its answer: type, disposition and caching as S3 has them, but never more than the bytes and the link allow.

use std::time::Duration;

use super::{code, refusal};
use crate::kit::gateway::{Gateway, Place};
use crate::kit::presigner::{Presigner, Wish, gate, place};
use crate::kit::wire::Answer;

const JPEG: &[u8] = include_bytes!("../../../src/cli/demo_media/winter-sale.jpg");
const PDF: &[u8] = include_bytes!("../../../src/cli/demo_media/price-list.pdf");
const TYPE: &str = "response-content-type";
const DISPOSITION: &str = "response-content-disposition";
const CACHE: &str = "response-cache-control";

/// What the answer to a link with this override is.
async fn overridden(gate: &Gateway, key: &Presigner, object: &str, name: &str, value: &str) -> Answer {
    gate.get(&key.wish(gate.rooms.clock.now(), object).with(name, value).signed(key)).await
}

fn invalid_argument() -> (u16, String) {
    (400, "InvalidArgument".to_owned())
}

#[tokio::test]
async fn without_overrides_the_type_is_the_contents_and_the_name_is_the_keys() {
    let (gate, key) = gate().await;
    gate.place.put("promo/winter sale.jpg", JPEG);
    gate.place.put("plain", JPEG);
    gate.place.put("größe \"x\".pdf", PDF);
    for (object, media_type, disposition) in [
        ("promo/winter sale.jpg", "image/jpeg", "inline; filename=\"winter sale.jpg\""),
        ("plain", "image/jpeg", "inline; filename=\"plain\""),
    ] {
        let answer = gate.get(&key.link(gate.rooms.clock.now(), object)).await;
        assert_eq!((answer.status, answer.body == JPEG), (200, true), "{answer:?}");
        assert_eq!(answer.field("content-type"), Some(media_type), "{object}");
        assert_eq!(answer.field("content-disposition"), Some(disposition), "{object}");
        assert_eq!(answer.field("cache-control"), Some("private, max-age=3600"), "{object}");
    }
    let answer = gate.get(&key.link(gate.rooms.clock.now(), "größe \"x\".pdf")).await;
    assert_eq!(answer.field("content-type"), Some("application/pdf"));
    let disposition = answer.field("content-disposition").unwrap();
    assert!(
        disposition.starts_with("inline; filename=") && disposition.contains("filename*=UTF-8''gr"),
        "{disposition}"
    );
    assert!(disposition.is_ascii() && !disposition.contains("\"x\""), "{disposition}");
}

#[tokio::test]
async fn a_type_is_believed_where_the_bytes_do_not_contradict_it() {
    let (gate, key) = gate().await;
    for (name, bytes) in
        [("a.jpg", JPEG), ("a.pdf", PDF), ("a.bin", JPEG), ("a.txt", b"hello"), ("a.csv", b"a,b\n1,2\n")]
    {
        gate.place.put(name, bytes);
    }
    for (object, asked, told) in [
        ("a.jpg", "image/jpeg", Some("image/jpeg")),
        ("a.bin", "image/jpeg", Some("image/jpeg")),
        ("a.pdf", "application/pdf", Some("application/pdf")),
        ("a.txt", "text/csv", Some("text/csv")),
        ("a.csv", "text/plain", Some("text/plain")),
        ("a.jpg", "image/png", None),
        ("a.jpg", "application/pdf", None),
        ("a.jpg", "video/mp4", None),
        ("a.pdf", "image/jpeg", None),
        ("a.jpg", "image/*", None),
        ("a.jpg", "*/*", None),
        ("a.jpg", "jpeg", None),
        ("a.jpg", "", None),
        ("a.jpg", "image/jpeg\r\nSet-Cookie: a=b", None),
        ("a.jpg", "image/jpeg\n", None),
        ("a.jpg", "größe/x", None),
        ("a.jpg", &format!("image/{}", "x".repeat(2000)), None),
    ] {
        // Once cold, once hot.
        for _ in 0..2 {
            let answer = overridden(&gate, &key, object, TYPE, asked).await;
            let Some(told) = told else {
                assert_ne!(answer.status, 200, "{object} as {asked:?}: {answer:?}");
                assert_eq!(code(&answer), invalid_argument(), "{object} as {asked:?}: {answer:?}");
                assert!(!refusal(&answer).2.contains("Set-Cookie"));
                continue;
            };
            assert_eq!(answer.status, 200, "{object} as {asked:?}: {answer:?}");
            let media_type = answer.field("content-type").unwrap();
            assert_eq!(media_type.split(';').next(), Some(told), "{object} as {asked:?}");
            assert_eq!(answer.field("x-content-type-options"), Some("nosniff"));
        }
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_type_is_told_without_repeating_it() {
    let (gate, key) = gate().await;
    gate.place.put("a.jpg", JPEG);
    for asked in [
        "image/png; x=canary",
        "image/png; x=\"</Message><Code>canary\"",
        "application/x-canary",
        "text/html; x=canary&amp;",
        "image/*; canary",
        "canary",
    ] {
        let answer = overridden(&gate, &key, "a.jpg", TYPE, asked).await;
        let (status, _, message) = refusal(&answer);
        assert!(matches!(status, 400 | 403), "{asked}: {answer:?}");
        assert!(!message.contains("canary") && !message.contains("image/png"), "{asked}: {message}");
    }
}

/// Nothing that a browser would run leaves as something that it would: to be shown, under a type that it runs.
fn is_harmless(answer: &Answer) -> bool {
    let attached = answer.field("content-disposition").is_some_and(|value| value.starts_with("attachment"));
    let is_plain = answer.field("content-type") == Some("text/plain");
    match answer.status {
        200 => (attached || is_plain) && answer.field("x-content-type-options") == Some("nosniff"),
        400 | 403 => code(answer).1 != "AuthorizationQueryParametersError",
        _ => false,
    }
}

const PAGE: &[u8] = b"<!doctype html><html><script>alert(1)</script></html>";
const DRAWING: &[u8] = b"<svg xmlns=\"http://www.w3.org/2000/svg\"><script>alert(1)</script></svg>";
const ACTIVE: [(&str, &[u8]); 8] = [
    ("page.html", PAGE),
    ("page.txt", PAGE),
    ("page", PAGE),
    ("page.jpg", PAGE),
    ("drawing.svg", DRAWING),
    ("drawing.png", DRAWING),
    (
        "page.xml",
        b"<?xml version=\"1.0\"?><a xmlns:x=\"http://www.w3.org/1999/xhtml\"><x:script>alert(1)</x:script></a>",
    ),
    ("script.js", b"alert(1)"),
];

#[tokio::test]
async fn active_content_is_refused_or_an_attachment_whatever_a_link_says() {
    let key = Presigner::new("billing");
    for allowed in [false, true] {
        let place = place(&[&key], "");
        for (name, bytes) in ACTIVE {
            place.put(name, bytes);
        }
        place.put("a.txt", b"hello");
        let gate = if allowed { allowing(place).await } else { place.start().await };
        let now = gate.rooms.clock.now();
        for (name, _) in ACTIVE {
            let store = if allowed { "open" } else { "media" };
            let plain = key.wish(now, name).on("media.example.com", &format!("/{store}/{name}"));
            let wishes = [
                plain.clone(),
                plain.clone().with(DISPOSITION, "inline"),
                plain.clone().with(DISPOSITION, "inline; filename=\"a.html\"").with(TYPE, "text/html"),
                plain.clone().with(TYPE, "text/html"),
                plain.clone().with(TYPE, "image/svg+xml"),
                plain.clone().with(TYPE, "text/plain"),
            ];
            for wish in wishes {
                for _ in 0..2 {
                    let answer = gate.get(&wish.signed(&key)).await;
                    assert!(is_harmless(&answer), "{name}, allowed {allowed}: {wish:?}: {answer:?}");
                    assert!(allowed || answer.status != 200, "{name}: {wish:?}: {answer:?}");
                    let head = gate.ask("HEAD", &wish.signed(&key), &[]).await;
                    let get = Wish { method: "GET", ..wish.clone() };
                    assert_eq!(
                        head.status,
                        gate.get(&get.signed(&key)).await.status,
                        "{name}: HEAD says what GET would"
                    );
                    let part = gate.ask("GET", &wish.signed(&key), &["Range: bytes=0-3"]).await;
                    assert_eq!(
                        part.status == 206,
                        answer.status == 200,
                        "{name}: a part is judged as the whole: {part:?}"
                    );
                }
            }
        }
        for active in
            ["text/html", "image/svg+xml", "application/xhtml+xml", "text/javascript", "TEXT/HTML; charset=utf-8"]
        {
            let store = if allowed { "open" } else { "media" };
            let wish = key.wish(now, "").on("media.example.com", &format!("/{store}/a.txt")).with(TYPE, active);
            let answer = gate.get(&wish.signed(&key)).await;
            assert!(is_harmless(&answer), "{active}, allowed {allowed}: {answer:?}");
        }
        assert_eq!(gate.get(&key.link(now, "a.txt")).await.status, 200);
    }
}

/// The settings of the store `media` are the kit's; a second one over the same folder allows more.
async fn allowing(mut place: Place) -> Gateway {
    place.settings = place.settings.replace("stores = [\"media\"]", "stores = [\"media\", \"open\"]");
    place.settings.push_str("[stores.open]\nkind = \"local\"\nroot = \"media\"\nallow_active_content = true\n");
    place.start().await
}

#[tokio::test]
async fn a_disposition_is_kept_as_it_was_written_or_refused() {
    let (gate, key) = gate().await;
    gate.place.put("a.jpg", JPEG);
    for good in [
        "inline",
        "attachment",
        "attachment; filename=\"winter sale.jpg\"",
        "attachment; filename=winter.jpg",
        "inline; filename=\"a;b.jpg\"; filename*=UTF-8''gr%C3%B6%C3%9Fe.jpg",
    ] {
        let answer = overridden(&gate, &key, "a.jpg", DISPOSITION, good).await;
        assert_eq!((answer.status, answer.field("content-disposition")), (200, Some(good)), "{answer:?}");
    }
    for bad in [
        "",
        "form-data; name=\"a\"",
        "evil",
        "attachment\r\nSet-Cookie: a=b",
        "attachment\n",
        "attachment; filename=\"größe.jpg\"",
        "attachment; filename=\"a\u{202e}gpj.exe\"",
        "attachment; filename=\"a\0b\"",
        "attachment; filename=\"a\u{7f}b\"",
        &format!("attachment; filename=\"{}\"", "x".repeat(5000)),
    ] {
        let answer = overridden(&gate, &key, "a.jpg", DISPOSITION, bad).await;
        assert_eq!(code(&answer), invalid_argument(), "{bad:?}");
        assert!(answer.field("set-cookie").is_none() && !refusal(&answer).2.contains("evil"), "{answer:?}");
    }
}

/// The ages that a Cache-Control names, in seconds.
fn ages(cache_control: &str) -> Vec<u64> {
    let directives = cache_control.split(',').map(str::trim);
    directives.filter_map(|one| one.split_once('=')).map(|(_, age)| age.parse().unwrap()).collect()
}

#[tokio::test]
async fn caching_never_outlives_the_link_as_time_passes_and_as_it_was_asked_for() {
    let (gate, key) = gate().await;
    gate.place.put("a.jpg", JPEG);
    let begun = gate.rooms.clock.now();
    let asked = [
        None,
        Some("public, max-age=31536000, immutable"),
        Some("public, s-maxage=31536000, max-age=5"),
        Some("max-age=9999999999"),
        Some("max-age=4000"),
        Some("public"),
        Some("private"),
        Some("must-revalidate"),
        Some("public, immutable"),
        Some("Max-Age=31536000"),
        Some("no-transform, proxy-revalidate"),
    ];
    for passed in [0, 1, 600, 3599] {
        gate.place.clock.set(begun.plus(Duration::from_secs(passed)));
        let left = 3600 - passed;
        for asked in asked {
            let wish = key.wish(begun, "a.jpg");
            let wish = if let Some(value) = asked { wish.with(CACHE, value) } else { wish };
            let link = wish.signed(&key);
            let etag = gate.get(&link).await.field("etag").unwrap().to_owned();
            for lines in [&[][..], &["Range: bytes=0-9"], &[&*format!("If-None-Match: {etag}")]] {
                let answer = gate.ask("GET", &link, lines).await;
                assert!(matches!(answer.status, 200 | 206 | 304), "{asked:?}: {answer:?}");
                let told = answer.field("cache-control").unwrap();
                let ages = ages(told);
                assert!(!ages.is_empty() && ages.iter().all(|&age| age <= left), "{left} s left, {asked:?}: {told}");
                // Whichever cache looks: without an age of its own, a shared one takes max-age.
                assert!(told.to_ascii_lowercase().contains("max-age="), "{told}");
            }
        }
        let short = overridden_at(&gate, &key, begun, "private, max-age=1").await;
        assert_eq!(short.field("cache-control"), Some("private, max-age=1"), "what is shorter stays as it is");
    }
    for never in ["no-store", "no-cache", "no-store, private", "no-cache, no-store, must-revalidate"] {
        let answer = overridden_at(&gate, &key, begun, never).await;
        let told = answer.field("cache-control").unwrap();
        assert!(never.split(", ").all(|one| told.contains(one)), "{never}: {told}");
        assert!(ages(told).iter().all(|&age| age <= 1), "{told}");
    }
    for bad in [
        "",
        "forever",
        "max-age",
        "max-age=",
        "max-age=-1",
        "max-age=1.5",
        "max-age=x",
        "max-age=18446744073709551615",
        "public;max-age=1",
        "max-age=\"60\"",
        "stale-while-revalidate=9999",
        "stale-if-error=9999",
        "public, evil",
        "public\r\nSet-Cookie: a=b",
        "private=\"set-cookie\"",
        ",",
        "public,,private",
    ] {
        let answer = overridden_at(&gate, &key, begun, bad).await;
        assert_eq!(code(&answer), invalid_argument(), "{bad:?}: {answer:?}");
    }
}

async fn overridden_at(gate: &Gateway, key: &Presigner, at: hallpass::value::UnixTime, value: &str) -> Answer {
    gate.get(&key.wish(at, "a.jpg").with(CACHE, value).signed(key)).await
}

#[tokio::test]
async fn overrides_of_one_link_leave_no_trace_in_the_answers_of_another() {
    let (gate, key) = gate().await;
    gate.place.put("a.bin", JPEG);
    let wish = key.wish(gate.rooms.clock.now(), "a.bin");
    let plain = gate.get(&wish.signed(&key)).await.face();
    let other =
        wish.clone().with(TYPE, "image/jpeg").with(DISPOSITION, "attachment").with(CACHE, "no-store").signed(&key);
    for _ in 0..2 {
        let answer = gate.get(&other).await;
        assert_eq!(answer.field("content-disposition"), Some("attachment"));
        assert_eq!(answer.field("cache-control").map(|told| told.contains("no-store")), Some(true));
        let again = gate.get(&wish.signed(&key)).await;
        let stable = |lines: &[String]| -> Vec<String> {
            lines.iter().filter(|line| !line.starts_with("cache-status")).cloned().collect()
        };
        assert_eq!((stable(&again.block()), &again.body), (stable(&plain.1), &plain.2));
    }
}
