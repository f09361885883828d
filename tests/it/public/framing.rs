//! Where one request ends and the next begins: never in doubt, and where it could be, there is no next one. What could be read in two
//! ways is in the corpus of `smuggling`.

use crate::kit::gateway::{Gateway, HOST, META, Minted, Place, request};
use crate::kit::wire::Wire;

/// A gateway with a link to what does not lie in memory, so that a request that is taken for one asks the store.
async fn linked() -> (Gateway, Minted) {
    Place::new().cold_link("a.txt", b"hello").await
}

/// Sends `bytes` and then tells the status of every answer until the connection ends; that it ends is part of it.
async fn statuses_until_closed(gate: &Gateway, bytes: impl AsRef<[u8]>) -> Vec<u16> {
    let mut wire = gate.public().await;
    wire.send(bytes).await;
    let mut statuses = Vec::new();
    loop {
        match wire.try_answer(false).await {
            Ok(answer) => statuses.push(answer.status),
            Err(broken) => {
                assert!(broken.answer.is_none(), "{broken:?}");
                assert_ne!(broken.how, crate::kit::wire::End::Silent, "the connection stays open after {statuses:?}");
                return statuses;
            }
        }
    }
}

fn head(link: &Minted, lines: &str) -> String {
    format!("GET {} HTTP/1.1\r\nHost: {HOST}\r\nUser-Agent: {META}\r\n{lines}\r\n", link.path)
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_their_order() {
    let (gate, link) = linked().await;
    let other = gate.link("b.txt", b"other").await;
    let mut wire = gate.public().await;
    let all: String = [&link, &other, &link].iter().map(|link| request("GET", &link.path, &[])).collect();
    wire.send(all + &request("GET", "/m/bogus/x.jpg", &[]) + &request("HEAD", &other.path, &[])).await;
    for body in [b"hello", b"other", b"hello"] {
        assert_eq!(wire.answer().await.body, body);
    }
    assert_eq!(wire.answer().await.status, 403);
    assert_eq!(wire.answer_to_head().await.length(), Some(5));
}

#[tokio::test]
async fn a_request_in_many_small_pieces_is_one_request() {
    let (gate, link) = linked().await;
    let mut wire = gate.public().await;
    for piece in request("GET", &link.path, &[]).as_bytes().chunks(7) {
        wire.send(piece).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(wire.answer().await.body, b"hello");
}

#[tokio::test]
async fn a_body_of_no_bytes_is_no_body() {
    let (gate, link) = linked().await;
    let mut wire = gate.public().await;
    wire.send(head(&link, "Content-Length: 0\r\n") + &request("GET", &link.path, &[])).await;
    for _ in 0..2 {
        assert_eq!(wire.answer().await.body, b"hello");
    }
}

#[tokio::test]
async fn http_1_0_is_answered_and_closed_unless_it_asks_to_stay() {
    let (gate, link) = linked().await;
    let old = |lines: &str| head(&link, lines).replace("HTTP/1.1", "HTTP/1.0");
    assert_eq!(statuses_until_closed(&gate, old("")).await, [200]);
    let mut wire = gate.public().await;
    for _ in 0..2 {
        wire.send(old("Connection: keep-alive\r\n")).await;
        assert_eq!(wire.answer().await.body, b"hello");
    }
    assert_eq!(statuses_until_closed(&gate, head(&link, "Connection: close\r\n")).await, [200]);
}

#[tokio::test]
async fn bare_line_feeds_have_one_reading_and_never_two() {
    let (gate, link) = linked().await;
    // Lines that end in LF alone are lines (RFC 9112 section 2.2) ...
    let bare = request("GET", &link.path, &[]).replace("\r\n", "\n");
    let mut wire = gate.public().await;
    wire.send(bare.clone() + &bare).await;
    for _ in 0..2 {
        assert_eq!(wire.answer().await.body, b"hello");
    }
    // ... so a length behind one counts, and what it covers is no request.
    let inner = request("GET", &link.path, &[]);
    for lines in [
        format!("X: 1\nContent-Length: {}\r\n", inner.len()),
        format!("Content-Length: {}\nX: 1\r\n", inner.len()),
        "X: 1\nTransfer-Encoding: chunked\r\n".to_owned(),
    ] {
        let all = head(&link, &lines) + &inner + &inner;
        assert_eq!(statuses_until_closed(&gate, all).await, [400], "{lines:?}");
    }
    // A head that ends early by an empty line of LF alone leaves the rest for the next head, which is none.
    let early = format!("GET {} HTTP/1.1\r\nHost: {HOST}\r\nUser-Agent: {META}\n\nX: 1\r\n\r\n", link.path);
    assert_eq!(statuses_until_closed(&gate, early).await, [200, 400]);
}

#[tokio::test]
async fn heads_that_are_too_long_are_refused_and_closed() {
    let (gate, link) = linked().await;
    let asked = gate.origin_calls();
    let megabyte = format!("X: {}\r\n", "a".repeat(1 << 20));
    let lines = "X-Line: 1\r\n".repeat(200);
    let long_name = format!("{}: 1\r\n", "x".repeat(70_000));
    for (what, lines) in [("1 MB", &megabyte), ("200 lines", &lines), ("a long name", &long_name)] {
        let mut wire = gate.public().await;
        wire.send(head(&link, lines)).await;
        match wire.try_answer(false).await {
            Ok(answer) => assert!(matches!(answer.status, 400 | 431), "{what}: {answer:?}"),
            // Bytes that nobody read make the close a reset, which may overtake the answer.
            Err(broken) => assert_eq!((what, broken.how), ("1 MB", crate::kit::wire::End::Reset)),
        }
        assert!(wire.is_closed().await, "{what}");
    }
    let mut wire = gate.public().await;
    wire.send(head(&link, &lines)).await;
    assert_eq!(wire.answer().await.status, 431, "200 lines");
    let target = format!("GET /m/{}/x.jpg HTTP/1.1\r\nHost: {HOST}\r\n\r\n", "a".repeat(70_000));
    let mut wire = gate.public().await;
    wire.send(target).await;
    if let Ok(answer) = wire.try_answer(false).await {
        assert!(matches!(answer.status, 414 | 431), "{answer:?}");
    }
    assert_eq!(gate.origin_calls(), asked);
    assert_eq!(gate.get(&link.path).await.status, 200);
}

#[tokio::test]
async fn what_is_no_http_is_refused_and_nobody_else_notices() {
    let (gate, link) = linked().await;
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/3.0\r\n\r\n",
        b"GET  / HTTP/1.1\r\nHost: media.example.com\r\n\r\n",
        b"\0\0\0\0\0\0\0\0\r\n\r\n",
        b"PROXY TCP4 157.240.1.1 127.0.0.1 1 2\r\nGET / HTTP/1.1\r\n\r\n",
    ] {
        let mut wire = gate.public().await;
        wire.send(bytes).await;
        if let Ok(answer) = wire.try_answer(false).await {
            assert_eq!(answer.status, 400, "{bytes:?}");
        }
        assert!(wire.is_closed().await, "{bytes:?}");
    }
    assert_eq!(gate.get(&link.path).await.status, 200);
}

#[tokio::test]
async fn a_body_on_a_route_that_does_not_exist_is_never_read_as_a_request() {
    let (gate, link) = linked().await;
    let inner = request("GET", &link.path, &[]);
    for target in ["/elsewhere", "/"] {
        for method in ["GET", "POST"] {
            let length = format!("Content-Length: {}", inner.len());
            let mut wire: Wire = gate.public().await;
            wire.send(request(method, target, &[&length]) + &inner).await;
            assert_eq!(wire.answer().await.status, 404);
            wire.send(request("HEAD", "/robots.txt", &[])).await;
            // Either it is closed, or what comes next answers what was sent next.
            if let Ok(answer) = wire.try_answer(true).await {
                assert_eq!(answer.field("content-type"), Some("text/plain; charset=utf-8"), "{method} {target}");
                assert_eq!(answer.length(), Some(23));
            }
        }
    }
}
