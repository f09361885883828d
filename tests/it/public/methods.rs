//! Every method on every route: two of them read, none writes, and a store hears of none but those two.

use crate::kit::gateway::{Gateway, Place, request};

const KNOWN: [&str; 6] = ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"];
const UNKNOWN: [&str; 12] =
    ["PROPFIND", "MKCOL", "COPY", "MOVE", "LOCK", "PURGE", "BREW", "get", "Get", "GETT", "X-HTTP-METHOD", "SEARCH"];

#[tokio::test]
async fn other_methods_are_405_with_allow_and_unknown_ones_501_on_every_served_route() {
    let (gate, link) = Place::new().cold_link("a.txt", b"hello").await;
    let asked = gate.origin_calls();
    for path in [link.path.as_str(), "/m/bogus/a.jpg", "/m/", "/robots.txt"] {
        for method in KNOWN {
            let answer = gate.ask(method, path, &[]).await;
            assert_eq!(answer.problem(), (405, "method-not-allowed".to_owned()), "{method} {path}");
            assert_eq!(answer.field("allow"), Some("GET, HEAD"), "{method} {path}");
        }
        for method in UNKNOWN {
            let answer = gate.ask(method, path, &[]).await;
            assert_eq!(answer.problem(), (501, "not-implemented".to_owned()), "{method} {path}");
            assert_eq!(answer.field("allow"), None, "{method} {path}");
        }
    }
    assert_eq!(gate.origin_calls(), asked, "and no store was asked");
    assert_eq!(gate.get(&link.path).await.body, b"hello", "nothing was changed");
}

#[tokio::test]
async fn nothing_else_is_served_whatever_the_method() {
    let (gate, link) = Place::new().cold_link("a.txt", b"hello").await;
    let asked = gate.origin_calls();
    let upper = link.path.replacen("/m/", "/M/", 1);
    for path in [
        "/",
        "/m",
        "/media/a.txt",
        "/a.txt",
        "/index.html",
        "/favicon.ico",
        "/robots.txt/",
        "/ROBOTS.TXT",
        "/v1/links",
        "/v1/openapi.json",
        "/metrics",
        "/livez",
        "/readyz",
        "//m/x/y",
        "/./m/x/y",
        "/.well-known/security.txt",
        &upper,
    ] {
        for method in ["GET", "HEAD"].into_iter().chain(KNOWN).chain(UNKNOWN) {
            let answer = gate.ask(method, path, &[]).await;
            assert_eq!(answer.status, 404, "{method} {path}");
            if method != "HEAD" {
                assert_eq!(answer.problem().1, "not-found", "{method} {path}");
            }
        }
    }
    assert_eq!(gate.origin_calls(), asked);
}

#[tokio::test]
async fn trace_echoes_nothing() {
    let gate = Gateway::start().await;
    let link = gate.link("a.txt", b"hello").await;
    let answer = gate.ask("TRACE", &link.path, &["X-Secret: canary-5b1c"]).await;
    assert_eq!(answer.status, 405);
    assert!(!String::from_utf8_lossy(&answer.body).contains("canary-5b1c"));
}

#[tokio::test]
async fn options_for_the_whole_server_and_connect_lead_nowhere() {
    let gate = Gateway::start().await;
    for (line, statuses) in [
        ("OPTIONS * HTTP/1.1", &[404, 405][..]),
        ("CONNECT media.example.com:443 HTTP/1.1", &[400, 404, 405, 421]),
        ("CONNECT internal.example:22 HTTP/1.1", &[400, 404, 405, 421]),
    ] {
        let mut wire = gate.public().await;
        wire.send(format!("{line}\r\nHost: media.example.com\r\n\r\n")).await;
        let answer = wire.answer().await;
        assert!(statuses.contains(&answer.status), "{line}: {answer:?}");
    }
    assert_eq!(gate.origin_calls(), 0);
}

#[tokio::test]
async fn a_body_with_a_method_that_is_not_served_ends_the_connection_and_is_never_a_request() {
    let (gate, link) = Place::new().cold_link("a.txt", b"hello").await;
    let asked = gate.origin_calls();
    let inner = request("GET", &link.path, &[]);
    for method in ["POST", "PUT", "DELETE", "PATCH", "BREW"] {
        let mut wire = gate.public().await;
        let length = format!("Content-Length: {}", inner.len());
        wire.send(request(method, &link.path, &[&length]) + &inner + &inner).await;
        let answer = wire.answer().await;
        assert!(matches!(answer.status, 405 | 501), "{method}: {answer:?}");
        assert_eq!(answer.field("connection"), Some("close"));
        assert!(wire.is_closed().await, "{method}");
    }
    assert_eq!(gate.origin_calls(), asked);
}

#[tokio::test]
async fn the_control_api_and_the_ops_pages_are_not_on_the_public_listener_nor_links_on_theirs() {
    let gate = Place::new().start().await;
    let link = gate.link("a.txt", b"hello").await;
    for path in ["/v1/links", "/v1/revocations", "/v1/openapi.json", "/livez", "/readyz", "/metrics"] {
        let key = format!("Authorization: Bearer {}", gate.place.key.expose());
        for lines in [&[][..], &[key.as_str()]] {
            assert_eq!(gate.ask("GET", path, lines).await.problem(), (404, "not-found".to_owned()), "{path}");
        }
    }
    for address in [gate.addresses.control, gate.addresses.ops] {
        for path in [link.path.as_str(), "/robots.txt"] {
            let mut wire = crate::kit::wire::Wire::connect(address).await;
            wire.send(request("GET", path, &[])).await;
            assert_eq!(wire.answer().await.status, 404, "{path} on {address}");
        }
    }
    let mut wire = crate::kit::wire::Wire::connect(gate.addresses.ops).await;
    for (path, status) in [("/livez", 200), ("/readyz", 200), ("/metrics", 200), ("/v1/links", 404)] {
        wire.send(format!("GET {path} HTTP/1.1\r\nHost: ops\r\n\r\n")).await;
        assert_eq!(wire.answer().await.status, status, "{path}");
    }
}
