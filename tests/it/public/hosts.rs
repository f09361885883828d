//! Whom a request is for, and what of its target counts: the host decides whether we answer, and nothing else about the answer.

use crate::kit::gateway::{Gateway, META, ORIGIN, Place};
use crate::kit::wire::Answer;

/// Sends `GET {target}` with exactly these further lines.
async fn targeted(gate: &Gateway, target: &str, lines: &[&str]) -> Answer {
    let (start, agent) = (format!("GET {target} HTTP/1.1"), format!("User-Agent: {META}"));
    let all = [&[start.as_str(), &agent], lines, &["", ""]].concat();
    gate.raw(all.join("\r\n")).await
}

#[tokio::test]
async fn one_host_of_ours_is_needed_and_two_or_none_are_400() {
    let (gate, link) = Place::new().cold_link("a.txt", b"hello").await;
    let asked = gate.origin_calls();
    for lines in [
        &[][..],
        &["Host: media.example.com", "Host: media.example.com"],
        &["Host: media.example.com", "Host: evil.example"],
        &["Host: evil.example", "host: media.example.com"],
    ] {
        let answer = targeted(&gate, &link.path, lines).await;
        assert_eq!(answer.problem(), (400, "bad-request".to_owned()), "{lines:?}");
        assert_eq!(answer.field("connection"), Some("close"), "{lines:?}");
    }
    for host in [
        "evil.example",
        "127.0.0.1",
        "media.example.com.evil.example",
        "media.example.com.",
        "xmedia.example.com",
        "media.example.com:80",
        "media.example.com:4433",
        "user@media.example.com",
        "user:password@media.example.com",
        "media.example.com@evil.example",
        "media.example.com, evil.example",
        "media.example.com/",
        "",
        "\u{e9}.example",
    ] {
        let answer = targeted(&gate, &link.path, &[&format!("Host: {host}")]).await;
        assert_eq!(answer.problem(), (421, "misdirected".to_owned()), "{host}");
    }
    assert_eq!(gate.origin_calls(), asked);
    for host in ["media.example.com", "MEDIA.Example.COM", "media.example.com:443"] {
        let answer = targeted(&gate, &link.path, &[&format!("Host: {host}")]).await;
        assert_eq!((answer.status, answer.body.as_slice()), (200, &b"hello"[..]), "{host}");
    }
}

#[tokio::test]
async fn further_hosts_come_from_the_settings_and_change_no_link() {
    let gate = Place { listen: ", hosts = [\"origin.cdn.example:8443\"]", ..Place::new() }.start().await;
    let link = gate.link("a.txt", b"hello").await;
    assert!(link.url.starts_with(ORIGIN));
    assert_eq!(targeted(&gate, &link.path, &["Host: origin.cdn.example:8443"]).await.status, 200);
    assert_eq!(targeted(&gate, &link.path, &["Host: origin.cdn.example"]).await.status, 421);
    let gate = Place { listen: ", hosts = [\"*\"]", ..Place::new() }.start().await;
    let link = gate.link("a.txt", b"hello").await;
    assert_eq!(targeted(&gate, &link.path, &["Host: anything.example"]).await.status, 200);
    assert_eq!(targeted(&gate, &link.path, &["Host: user@anything.example"]).await.status, 421);
}

#[tokio::test]
async fn an_absolute_target_is_accepted_if_its_authority_is_ours() {
    let gate = Gateway::start().await;
    let link = gate.link("a.txt", b"hello").await;
    let host = "Host: media.example.com";
    for (scheme_and_authority, status) in [
        ("http://media.example.com", 200),
        ("https://media.example.com", 200),
        ("https://media.example.com:443", 200),
        ("http://MEDIA.EXAMPLE.COM", 200),
        ("http://evil.example", 421),
        ("http://media.example.com:81", 421),
        ("http://user@media.example.com", 421),
        ("http://user:password@media.example.com", 421),
    ] {
        let target = format!("{scheme_and_authority}{}", link.path);
        assert_eq!(targeted(&gate, &target, &[host]).await.status, status, "{scheme_and_authority}");
    }
    // RFC 9112 section 3.2.2: the target's authority is the one that counts.
    let target = format!("http://media.example.com{}", link.path);
    assert_eq!(targeted(&gate, &target, &["Host: evil.example"]).await.status, 200);
    assert_eq!(targeted(&gate, &target, &[]).await.problem().0, 400, "and Host is needed all the same");
    assert_eq!(targeted(&gate, &target, &[host, host]).await.problem().0, 400);
}

#[tokio::test]
async fn lines_that_claim_another_method_path_or_host_are_ignored() {
    let gate = Place::held().start().await;
    let (link, other) = (gate.link("a.txt", b"hello").await, gate.link("b.txt", b"other").await);
    let plain = gate.get(&link.path).await;
    for line in [
        "X-HTTP-Method-Override: DELETE".to_owned(),
        "X-HTTP-Method: PUT".to_owned(),
        "X-Method-Override: POST".to_owned(),
        format!("X-Original-URL: {}", other.path),
        format!("X-Rewrite-URL: {}", other.path),
        "X-Forwarded-Host: evil.example".to_owned(),
        "X-Forwarded-Proto: http".to_owned(),
        "X-Forwarded-Prefix: /admin".to_owned(),
        "X-Host: evil.example".to_owned(),
        "Forwarded: for=157.240.1.1;host=evil.example".to_owned(),
        "Cache-Control: no-cache".to_owned(),
        "Pragma: no-cache".to_owned(),
        "Expect: something".to_owned(),
        "Upgrade: h2c".to_owned(),
        "X-Amz-Date: 20261121T000000Z".to_owned(),
    ] {
        assert_eq!(gate.ask("GET", &link.path, &[&line]).await.face(), plain.face(), "{line}");
    }
    let hidden = gate.ask("GET", "/elsewhere", &[&format!("X-Original-URL: {}", link.path)]).await;
    assert_eq!(hidden.status, 404);
    let hidden = gate.ask("POST", &link.path, &["X-HTTP-Method-Override: GET"]).await;
    assert_eq!(hidden.status, 405);
}

#[tokio::test]
async fn a_query_changes_nothing() {
    let (gate, link) = Place::held().cold_link("a.txt", b"hello").await;
    let first = gate.get(&format!("{}?first=1", link.path)).await;
    assert_eq!((first.status, first.body.as_slice()), (200, &b"hello"[..]));
    let asked = gate.origin_calls();
    assert_eq!(asked, 1);
    let plain = gate.get(&link.path).await;
    for query in
        ["?", "?fbclid=IwAR0", "?a=b&c=d", "?/../../etc/passwd", "?X-Amz-Signature=0", "??", "?%00", "?a=/m/x/y"]
    {
        let answer = gate.get(&format!("{}{query}", link.path)).await;
        assert_eq!(answer.face(), plain.face(), "{query}");
    }
    assert_eq!(gate.origin_calls(), asked, "what lies in memory is found whatever the query");
    let bogus = gate.get("/m/bogus/a.txt").await;
    assert_eq!(gate.get("/m/bogus/a.txt?x=1").await.face(), bogus.face());
    assert_eq!(gate.get(&format!("/robots.txt?to={}", link.path)).await.face(), gate.get("/robots.txt").await.face());
    assert_eq!(gate.get(&format!("/?{}", link.path)).await.status, 404);
}

#[tokio::test]
async fn other_spellings_of_a_path_are_refused_and_ask_no_store() {
    let (gate, link) = Place::new().cold_link("a.txt", b"hello").await;
    let (token, name) = (link.token(), link.name());
    let asked = gate.origin_calls();
    let face = gate.get("/m/bogus/a.txt").await.face();
    for path in [
        format!("/m/{token}/{}", name.replace('.', "%2e")),
        format!("/m/{token}%2f{name}"),
        format!("/m/{token}/{name}%00"),
        format!("/m/{token}/{name}%00.jpg"),
        format!("/m/%{:02x}{}/{name}", token.as_bytes()[0], &token[1..]),
        format!("/m/./{token}/{name}"),
        format!("/m/x/../{token}/{name}"),
        format!("/m/../m/{token}/{name}"),
        format!("/m/{token}/./{name}"),
        format!("/m/{token}/../{token}/{name}"),
        format!("/m//{token}/{name}"),
        format!("/m/{token}//{name}"),
        format!("/m/{token}/{name}/"),
        format!("/m/{token}/{name};jsessionid=1"),
        format!("/m/{token};x/{name}"),
        format!("/m/{token}/{name}\\"),
        format!("/m/{token}\\{name}"),
        format!("/m/{token}/..\\{name}"),
        format!("/m/{token}/{name}%c0%af"),
        "/m/%c0%ae%c0%ae/%c0%af".to_owned(),
        "/m/../../../../etc/passwd".to_owned(),
        "/m/..%2f..%2f..%2fetc%2fpasswd/a.txt".to_owned(),
        "/m/%2e%2e/robots.txt".to_owned(),
        format!("/m/{token}/{name}~"),
        format!("/m/{token}/{name}+"),
        format!("/m/{token}/{name},"),
    ] {
        let answer = gate.get(&path).await;
        // What is no target at all is the parser's to refuse, before any route.
        if answer.status == 400 {
            assert!(answer.body.is_empty(), "{path}: {answer:?}");
        } else {
            assert_eq!(answer.face(), face, "{path}");
        }
    }
    for bytes in [&b"\0"[..], b"\xc0\xaf", b"\xff", b"\x7f", b"\x01", b"\t", b"\xe2\x80\xae"] {
        let target = [link.path.as_bytes(), bytes].concat();
        let request = [
            b"GET ",
            target.as_slice(),
            b" HTTP/1.1\r\nHost: media.example.com\r\nUser-Agent: ",
            META.as_bytes(),
            b"\r\n\r\n",
        ];
        let answer = gate.raw(request.concat()).await;
        assert!(matches!(answer.status, 400 | 403), "{bytes:?}: {answer:?}");
    }
    assert_eq!(gate.origin_calls(), asked);
}
