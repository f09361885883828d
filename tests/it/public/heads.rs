//! The head of every answer that carries an asset, or says that it has not changed: these lines, and no others.

use std::time::{Duration, SystemTime};

use data_encoding::{BASE64, HEXLOWER};
use hallpass::http::HttpDate;
use hallpass::value::{Clock, UnixTime};
use serde_json::json;

use crate::kit::content;
use crate::kit::gateway::{BIG, Gateway, Minted, Place, now, request};
use crate::kit::wire::Answer;

/// The lines that every 200 and 206 of an asset has, Date and those about the content aside.
fn always(link: &Minted, modified: UnixTime, cache_control: &str, cache_status: &str) -> Vec<String> {
    let digest = BASE64.encode(&HEXLOWER.decode(link.sha256.as_bytes()).unwrap());
    vec![
        "accept-ranges: bytes".to_owned(),
        format!("etag: \"b3-{}\"", &link.fingerprint[..32]),
        format!("last-modified: {}", HttpDate(modified)),
        "x-content-type-options: nosniff".to_owned(),
        "referrer-policy: no-referrer".to_owned(),
        "x-robots-tag: noindex, nofollow, noarchive".to_owned(),
        format!("repr-digest: sha-256=:{digest}:"),
        format!("cache-status: hallpass; {cache_status}"),
        format!("cache-control: {cache_control}"),
    ]
}

fn block(lines: &[String], more: &[&str]) -> Vec<String> {
    let mut all: Vec<_> = lines.iter().cloned().chain(more.iter().map(|&line| line.to_owned())).collect();
    all.sort();
    all
}

fn date(answer: &Answer) -> UnixTime {
    answer.field("date").unwrap().parse::<HttpDate>().unwrap().0
}

/// Sets a file's time of change to this long before (or, negative, after) the present.
fn modify(file: &std::path::Path, ago: i64) -> UnixTime {
    let span = Duration::from_secs(ago.unsigned_abs());
    let time = if ago < 0 { SystemTime::now() + span } else { SystemTime::now() - span };
    std::fs::File::options().write(true).open(file).unwrap().set_modified(time).unwrap();
    UnixTime::from_system(time)
}

/// A gateway with a held clock, and a link to a JPEG of an hour ago.
async fn jpeg() -> (Gateway, Minted, Vec<u8>, UnixTime, String) {
    let gate = Place::held().start().await;
    let bytes = include_bytes!("../../../src/cli/demo_media/winter-sale.jpg").to_vec();
    let modified = modify(&gate.place.put("promo/hero.jpg", &bytes), 3600);
    let link = gate.mint(json!({ "key": "promo/hero.jpg", "filename": "hero.jpg" })).await;
    let left = gate.place.clock.now().until(link.expires).as_secs();
    let cache_control = format!("public, max-age=31536000, s-maxage={left}, immutable");
    (gate, link, bytes, modified, cache_control)
}

#[tokio::test]
async fn a_200_has_these_lines_and_no_others() {
    let (mut gate, link, bytes, modified, cache_control) = jpeg().await;
    let length = format!("content-length: {}", bytes.len());
    let own = ["content-type: image/jpeg", "content-disposition: inline; filename=\"hero.jpg\"", &length];
    for cache_status in ["hit", "fwd=miss; stored"] {
        let before = now();
        let answer = gate.get(&link.path).await;
        assert_eq!(answer.status_line, "HTTP/1.1 200 OK");
        assert!(answer.body == bytes);
        assert!(answer.field("date").is_some() && (before..=now()).contains(&date(&answer)), "{answer:?}");
        assert_eq!(answer.block(), block(&always(&link, modified, &cache_control, cache_status), &own));
        gate = gate.cold().await;
    }
    assert_eq!(link.fingerprint, blake3::hash(&bytes).to_hex().as_str());
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &bytes);
    assert_eq!(link.sha256, HEXLOWER.encode(digest.as_ref()));
}

#[tokio::test]
async fn a_206_has_those_and_its_range() {
    let (mut gate, link, bytes, modified, cache_control) = jpeg().await;
    let range = format!("content-range: bytes 10-109/{}", bytes.len());
    let own = [
        "content-type: image/jpeg",
        "content-disposition: inline; filename=\"hero.jpg\"",
        "content-length: 100",
        &range,
    ];
    for cache_status in ["hit", "fwd=miss; stored"] {
        let answer = gate.ask("GET", &link.path, &["Range: bytes=10-109"]).await;
        assert_eq!(answer.status_line, "HTTP/1.1 206 Partial Content");
        assert!(answer.body == bytes[10..110]);
        assert_eq!(answer.block(), block(&always(&link, modified, &cache_control, cache_status), &own));
        gate = gate.cold().await;
    }
}

#[tokio::test]
async fn a_304_has_validators_and_nothing_of_the_content() {
    let (gate, link, _, modified, cache_control) = jpeg().await;
    let gate = gate.cold().await;
    let asked = gate.origin_calls();
    let etag = format!("\"b3-{}\"", &link.fingerprint[..32]);
    for (method, condition) in [
        ("GET", format!("If-None-Match: {etag}")),
        ("HEAD", format!("If-None-Match: W/{etag}")),
        ("GET", "If-None-Match: *".to_owned()),
        ("GET", format!("If-Modified-Since: {}", HttpDate(modified))),
    ] {
        let answer = gate.ask(method, &link.path, &[&condition]).await;
        assert_eq!(answer.status_line, "HTTP/1.1 304 Not Modified", "{condition}");
        let lines = [
            format!("etag: {etag}"),
            format!("last-modified: {}", HttpDate(modified)),
            format!("cache-control: {cache_control}"),
            "cache-status: hallpass; hit".to_owned(),
        ];
        assert_eq!(answer.block(), block(&lines, &[]), "{condition}");
        assert!(answer.field("date").is_some() && answer.body.is_empty());
    }
    assert_eq!(gate.origin_calls(), asked, "a 304 reads nothing");
}

#[tokio::test]
async fn nothing_follows_a_304_on_its_connection_but_the_next_answer() {
    let (gate, link, bytes, ..) = jpeg().await;
    let mut wire = gate.public().await;
    let unchanged = request("GET", &link.path, &["If-None-Match: *"]);
    wire.send(unchanged + &request("HEAD", &link.path, &[]) + &request("GET", &link.path, &[])).await;
    assert_eq!(wire.answer().await.status, 304);
    assert_eq!(wire.answer_to_head().await.status, 200);
    assert_eq!(wire.answer().await.body, bytes);
}

#[tokio::test]
async fn head_is_the_head_of_that_get_and_ignores_ranges() {
    let (gate, link, ..) = jpeg().await;
    let get = gate.get(&link.path).await;
    let tag = format!("If-Range: {}", get.field("etag").unwrap());
    for lines in
        [&[][..], &["Range: bytes=0-9"], &["Range: bytes=99999999-"], &["Range: bytes=0-9", &tag], &["Range: nonsense"]]
    {
        let head = gate.ask("HEAD", &link.path, lines).await;
        assert_eq!((&head.status_line, head.block()), (&get.status_line, get.block()), "{lines:?}");
        assert_eq!(head.fields.iter().map(|(name, _)| name).collect::<Vec<_>>(), names(&get), "also in order");
    }
}

fn names(answer: &Answer) -> Vec<&String> {
    answer.fields.iter().map(|(name, _)| name).collect()
}

#[tokio::test]
async fn cache_control_counts_down_to_the_expiry_by_each_policy() {
    let gate = Place::held().start().await;
    gate.place.put("a.txt", b"hello");
    for (policy, expected) in [
        ("immutable", "public, max-age=31536000, s-maxage={left}, immutable"),
        ("private", "private, max-age={left}"),
        ("no-store", "no-store"),
    ] {
        let link = gate.mint(json!({ "key": "a.txt", "cache": policy })).await;
        let start = gate.place.clock.now();
        for passed in [0, 1, 60, start.until(link.expires).as_secs() - 1] {
            gate.place.clock.set(start.plus(Duration::from_secs(passed)));
            let left = gate.place.clock.now().until(link.expires).as_secs();
            let expected = expected.replace("{left}", &left.to_string());
            let answer = gate.get(&link.path).await;
            assert_eq!(answer.field("cache-control"), Some(expected.as_str()), "{policy} after {passed} s");
            let unchanged = gate.ask("GET", &link.path, &["If-None-Match: *"]).await;
            assert_eq!(unchanged.field("cache-control"), Some(expected.as_str()), "{policy} after {passed} s");
        }
        gate.place.clock.set(start);
    }
}

#[tokio::test]
async fn last_modified_is_never_later_than_date() {
    let gate = Gateway::start().await;
    let file = gate.place.put("future.txt", b"from the future");
    modify(&file, -7200);
    let link = gate.mint(json!({ "key": "future.txt" })).await;
    let answer = gate.get(&link.path).await;
    let modified = answer.field("last-modified").unwrap().parse::<HttpDate>().unwrap().0;
    assert!(modified <= date(&answer), "{answer:?}");
    assert!(modified.until(date(&answer)) < Duration::from_secs(5), "it is the present instead: {answer:?}");
}

#[tokio::test]
async fn names_with_quotes_and_other_scripts_stay_within_their_parameter() {
    let gate = Gateway::start().await;
    gate.place.put("a.pdf", include_bytes!("../../../src/cli/demo_media/price-list.pdf"));
    for (name, expected) in [
        ("price list.pdf", "inline; filename=\"price list.pdf\""),
        ("a\"b; x=\".pdf", "inline; filename=\"a_b_ x=_.pdf\"; filename*=UTF-8''a%22b%3B%20x%3D%22.pdf"),
        ("größe.pdf", "inline; filename=\"gr__e.pdf\"; filename*=UTF-8''gr%C3%B6%C3%9Fe.pdf"),
        ("日本.pdf", "inline; filename=\"__.pdf\"; filename*=UTF-8''%E6%97%A5%E6%9C%AC.pdf"),
    ] {
        let link = gate.mint(json!({ "key": "a.pdf", "filename": name })).await;
        assert_eq!(gate.get(&link.path).await.field("content-disposition"), Some(expected));
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'/');
        assert!(link.path.bytes().all(plain), "{}", link.path);
    }
    for name in ["a\r\nSet-Cookie: x=1.pdf", "a\u{202e}fdp.exe", "a/b.pdf", &"x".repeat(10_000)] {
        let refused = gate.try_mint(json!({ "key": "a.pdf", "filename": name })).await;
        assert_eq!(refused.problem().0, 400, "{name:?}");
    }
}

#[tokio::test]
async fn active_content_goes_out_only_where_it_is_allowed_and_then_in_a_sandbox() {
    let page = b"<!doctype html><script>alert(1)</script>";
    let gate = Gateway::start().await;
    gate.place.put("page.html", page);
    assert_eq!(gate.try_mint(json!({ "key": "page.html" })).await.problem().1, "asset-refused");
    let place = Place { settings: "allow_active_content = true".to_owned(), ..Place::new() };
    let gate = place.start().await;
    let link = gate.link("page.html", page).await;
    let answer = gate.get(&link.path).await;
    assert_eq!(answer.field("content-security-policy"), Some("default-src 'none'; sandbox"));
    assert_eq!(answer.field("content-disposition"), Some("attachment; filename=\"document.html\""));
    assert_eq!(answer.body, page);
}

#[tokio::test]
async fn an_empty_object_is_served_whole_and_has_no_ranges() {
    let gate = Gateway::start().await;
    let link = gate.link("empty.txt", b"").await;
    for (lines, status) in [
        (&[][..], 200),
        (&["Range: bytes=-5"], 200),
        (&["Range: bytes=0-0"], 416),
        (&["Range: bytes=0-"], 416),
        (&["Range: bytes=-0"], 416),
        (&["Range: bytes=5-4"], 200),
    ] {
        let answer = gate.ask("GET", &link.path, lines).await;
        assert_eq!(answer.status, status, "{lines:?}");
        if status == 200 {
            assert_eq!((answer.length(), answer.body.len()), (Some(0), 0));
        } else {
            assert_eq!(answer.field("content-range"), Some("bytes */0"));
            assert_eq!(answer.problem().1, "range-unsatisfiable");
        }
    }
    assert_eq!(gate.ask("HEAD", &link.path, &[]).await.length(), Some(0));
}

#[tokio::test]
async fn no_answer_is_chunked_coded_redirected_or_sets_a_cookie() {
    let gate = Gateway::start().await;
    let link = gate.link("big.txt", &content(1, BIG)).await;
    let lines = ["Accept-Encoding: gzip, br", "TE: trailers, chunked", "Accept: text/html"];
    for path in [link.path.as_str(), "/m/abc/def.jpg", "/", "/robots.txt", "/elsewhere"] {
        for method in ["GET", "HEAD", "PUT"] {
            let answer = gate.ask(method, path, &lines).await;
            assert!(answer.length().is_some(), "{answer:?}");
            for name in ["transfer-encoding", "content-encoding", "set-cookie", "location", "server", "vary"] {
                assert_eq!(answer.field(name), None, "{method} {path}");
            }
            assert!(!(300..400).contains(&answer.status));
            assert!(!answer.field("content-type").unwrap().contains("html"), "{method} {path}");
        }
    }
}

#[tokio::test]
async fn robots_txt_allows_everything() {
    let gate = Gateway::start().await;
    let answer = gate.get("/robots.txt").await;
    assert_eq!((answer.status, answer.body.as_slice()), (200, &b"User-agent: *\nAllow: /\n"[..]));
    assert_eq!(answer.field("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(gate.ask("HEAD", "/robots.txt", &[]).await.block(), answer.block());
    assert_eq!(gate.origin_calls(), 0);
}

#[tokio::test]
async fn a_held_clock_decides_what_is_left_and_never_what_date_says() {
    let held = now().minus(Duration::from_secs(7200));
    let gate = Place { clock: Clock::held_at(held), ..Place::new() }.start().await;
    let link = gate.link("a.txt", b"hello").await;
    let answer = gate.get(&link.path).await;
    let left = held.until(link.expires).as_secs();
    assert_eq!(answer.field("cache-control").unwrap(), format!("public, max-age=31536000, s-maxage={left}, immutable"));
    assert!(date(&answer) >= now().minus(Duration::from_secs(5)));
}
