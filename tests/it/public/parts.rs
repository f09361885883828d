//! Ranges and preconditions on the wire (RFC 9110 sections 13 and 14).

use hallpass::http::HttpDate;
use hallpass::value::UnixTime;

use crate::kit::content;
use crate::kit::gateway::{BIG, Gateway, Minted, Place};

use crate::kit::wire::Answer;

async fn ten() -> (Gateway, Minted) {
    Place::held().cold_link("digits.txt", b"0123456789").await
}

async fn ranged(gate: &Gateway, link: &Minted, range: &str) -> Answer {
    gate.ask("GET", &link.path, &[&format!("Range: {range}")]).await
}

#[tokio::test]
async fn one_range_is_answered_with_its_bytes() {
    let (gate, link) = ten().await;
    for (range, bytes, told) in [
        ("bytes=0-0", "0", "bytes 0-0/10"),
        ("bytes=9-9", "9", "bytes 9-9/10"),
        ("bytes=0-9", "0123456789", "bytes 0-9/10"),
        ("bytes=2-5", "2345", "bytes 2-5/10"),
        ("bytes=7-", "789", "bytes 7-9/10"),
        ("bytes=-1", "9", "bytes 9-9/10"),
        ("bytes=-3", "789", "bytes 7-9/10"),
        ("bytes=-99", "0123456789", "bytes 0-9/10"),
        ("bytes=8-99999999999999999999999999", "89", "bytes 8-9/10"),
        ("BYTES=0-1", "01", "bytes 0-1/10"),
        ("bytes=0-1,", "01", "bytes 0-1/10"),
        ("bytes=0-1, 50-60", "01", "bytes 0-1/10"),
    ] {
        let answer = ranged(&gate, &link, range).await;
        assert_eq!(answer.status, 206, "{range}");
        assert_eq!(String::from_utf8(answer.body.clone()).unwrap(), bytes, "{range}");
        assert_eq!(answer.field("content-range"), Some(told), "{range}");
        assert_eq!(answer.length(), Some(bytes.len()), "{range}");
    }
}

#[tokio::test]
async fn what_is_no_range_is_ignored() {
    let (gate, link) = ten().await;
    let nine: Vec<_> = (0..9).map(|n| format!("{n}-{n}")).collect();
    let many = vec!["0-0"; 3000].join(",");
    for range in [
        "bytes=",
        "bytes=-",
        "bytes=5-4",
        "bytes=a-b",
        "bytes = 0 - 1",
        "items=0-1",
        "0-1",
        "bytes=0-1;2-3",
        "bytes=0x0-0x1",
        "bytes=+1-2",
        "bytes=1-2-3",
        "bytes=0-5,4-9",
        &format!("bytes={}", nine.join(",")),
        &format!("bytes={many}"),
    ] {
        let answer = ranged(&gate, &link, range).await;
        assert_eq!((answer.status, answer.body.as_slice()), (200, &b"0123456789"[..]), "{range:.40}");
        assert_eq!(answer.field("content-range"), None, "{range:.40}");
    }
    let twice = gate.ask("GET", &link.path, &["Range: bytes=0-1", "Range: bytes=2-3"]).await;
    assert_eq!(twice.status, 200);
}

#[tokio::test]
async fn ranges_that_do_not_exist_are_416_and_ask_no_store() {
    let (gate, link) = ten().await;
    let asked = gate.origin_calls();
    for range in ["bytes=10-", "bytes=10-10", "bytes=-0", "bytes=99999999999999999999-", "bytes=10-,11-,-0"] {
        let answer = ranged(&gate, &link, range).await;
        assert_eq!(answer.problem(), (416, "range-unsatisfiable".to_owned()), "{range}");
        assert_eq!(answer.field("content-range"), Some("bytes */10"), "{range}");
    }
    assert_eq!(gate.origin_calls(), asked);
}

#[tokio::test]
async fn several_ranges_are_one_multipart_body_byte_for_byte() {
    let (gate, link) = ten().await;
    let boundary = &link.fingerprint[..32];
    let answer = ranged(&gate, &link, "bytes=0-1, -2 ,4-4").await;
    assert_eq!(answer.status_line, "HTTP/1.1 206 Partial Content");
    let body = format!(
        "--{boundary}\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-1/10\r\n\r\n01\
         \r\n--{boundary}\r\nContent-Type: text/plain\r\nContent-Range: bytes 8-9/10\r\n\r\n89\
         \r\n--{boundary}\r\nContent-Type: text/plain\r\nContent-Range: bytes 4-4/10\r\n\r\n4\
         \r\n--{boundary}--\r\n"
    );
    assert_eq!(String::from_utf8(answer.body.clone()).unwrap(), body);
    assert_eq!(answer.length(), Some(body.len()));
    let kind = format!("multipart/byteranges; boundary={boundary}");
    assert_eq!(answer.field("content-type"), Some(kind.as_str()));
    assert_eq!(answer.field("content-range"), None);
}

#[tokio::test]
async fn parts_across_the_chunks_of_a_store_come_whole() {
    let bytes = content(2, BIG);
    let (mut gate, link) = Place::new().cold_link("big.bin", &bytes).await;
    let chunk = 256 * 1024;
    for (first, last) in [(0, BIG - 1), (chunk - 1, chunk), (chunk, 2 * chunk - 1), (chunk + 1, 3 * chunk + 1)] {
        for cache_status in ["hallpass; fwd=miss; stored", "hallpass; hit"] {
            let answer = ranged(&gate, &link, &format!("bytes={first}-{last}")).await;
            assert_eq!((answer.status, answer.field("cache-status")), (206, Some(cache_status)));
            assert!(answer.body == bytes[first..=last], "{first}-{last}");
        }
        gate = gate.cold().await;
    }
    let answer = ranged(&gate, &link, &format!("bytes={}-{},-7", chunk - 2, chunk + 1)).await;
    assert_eq!(answer.length(), Some(answer.body.len()));
    let text = |slice: &[u8]| slice.to_vec();
    let holds = |part: Vec<u8>| answer.body.windows(part.len()).any(|window| window == part);
    assert!(holds(text(&bytes[chunk - 2..chunk + 2])) && holds(text(&bytes[BIG - 7..])));
}

#[tokio::test]
async fn if_range_lets_only_the_very_same_content_be_partial() {
    let (gate, link) = ten().await;
    let whole = gate.get(&link.path).await;
    let (tag, date) = (whole.field("etag").unwrap(), whole.field("last-modified").unwrap());
    let at = date.parse::<HttpDate>().unwrap().0.as_secs();
    let shifted = |by: i64| HttpDate(UnixTime::from_secs(at.saturating_add_signed(by)).unwrap()).to_string();
    for (validator, status) in [
        (tag.to_owned(), 206),
        (date.to_owned(), 206),
        (format!("W/{tag}"), 200),
        ("\"other\"".to_owned(), 200),
        (tag.trim_matches('"').to_owned(), 200),
        (format!("{tag}, {tag}"), 200),
        ("*".to_owned(), 200),
        ("garbage".to_owned(), 200),
        (String::new(), 200),
        (shifted(-1), 200),
        (shifted(1), 200),
    ] {
        let answer = gate.ask("GET", &link.path, &["Range: bytes=2-3", &format!("If-Range: {validator}")]).await;
        assert_eq!(answer.status, status, "{validator}");
    }
}

#[tokio::test]
async fn preconditions_are_judged_in_the_order_of_the_rfc() {
    let (gate, link) = ten().await;
    let whole = gate.ask("HEAD", &link.path, &[]).await;
    let tag = whole.field("etag").unwrap();
    let (is, is_not) = (format!("If-Match: {tag}"), "If-Match: \"other\"".to_owned());
    let (new, old) = (format!("If-None-Match: {tag}"), "If-None-Match: \"other\"".to_owned());
    let since = format!("If-Modified-Since: {}", whole.field("last-modified").unwrap());
    let long_ago = "Thu, 01 Jan 1998 00:00:00 GMT";
    let asked = gate.origin_calls();
    for (lines, status) in [
        (vec![is_not.as_str(), &new, "Range: bytes=0-1"], 412),
        (vec![&format!("If-Unmodified-Since: {long_ago}"), &new], 412),
        (vec![&is, &new, "Range: bytes=99-"], 304),
        (vec![&is, &format!("If-Unmodified-Since: {long_ago}"), &new], 304),
        (vec![&since], 304),
        (vec![&is, &old, "Range: bytes=99-"], 416),
    ] {
        for method in ["GET", "HEAD"] {
            let expected = if method == "HEAD" && status == 416 { 200 } else { status };
            let answer = gate.ask(method, &link.path, &lines).await;
            assert_eq!(answer.status, expected, "{method} {lines:?}");
            if method == "GET" && status == 412 {
                assert_eq!(answer.problem().1, "precondition-failed");
            }
        }
    }
    assert_eq!(gate.origin_calls() - asked, 1, "only the HEAD that answered 200 asked");
    for lines in [vec![is.as_str(), &old], vec![&old, &since], vec![&format!("If-Modified-Since: {long_ago}")]] {
        assert_eq!(gate.ask("GET", &link.path, &lines).await.status, 200, "{lines:?}");
    }
}

#[tokio::test]
async fn a_cold_range_costs_one_read_of_the_blocks_it_touches() {
    let (bytes, block) = (content(3, BIG), 256 * 1024_u64);
    let (gate, link, store) = Place::new().cold_scripted(&bytes).await;
    for (range, read) in [
        ("bytes=300000-300000", &[(block, block)][..]),
        ("bytes=300001-300002", &[]),
        ("bytes=262143-262144", &[(0, block)]),
        ("bytes=0-0,-1", &[(3 * block, 17)]),
        ("bytes=-18", &[(2 * block, block)]),
        ("bytes=0-", &[]),
    ] {
        store.forget_reads();
        assert_eq!(ranged(&gate, &link, range).await.status, 206, "{range}");
        store.until_quiet().await;
        let spans: Vec<_> = store.reads("a.bin").iter().map(|read| (read.span.first(), read.span.len())).collect();
        assert_eq!(spans, read, "{range}");
    }
}
