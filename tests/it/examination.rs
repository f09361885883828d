//! The room `doctor` against servers that say exactly what a test wrote, byte for byte: what it asks, what it makes of strange answers.

use std::time::Duration;

use hallpass::doctor::{Check, Finding, META_AGENT, Options, Report, Verdict, examine};
use hallpass::tls::Roots;
use hallpass::value::Clock;
use rustls::version::{TLS12, TLS13};

use crate::kit::pki::{Identity, Pki};
use crate::kit::scripted_tls::{Script, ScriptedTls};

/// A sound head for so many bytes, but for the lines that a test adds.
const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nETag: \"one\"\r\nCache-Control: max-age=900\r\n";
const PICTURE: &[u8] = include_bytes!("../../src/cli/demo_media/winter-sale.jpg");

struct Case {
    pki: Pki,
    server: ScriptedTls,
}

impl Case {
    async fn of(script: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let pki = Pki::new();
        let server = ScriptedTls::start(&pki.leaf(&["127.0.0.1"]).issue(), Box::new(script) as Script).await;
        Self { pki, server }
    }

    async fn report(&self) -> Report {
        self.report_with(true, Duration::from_secs(60)).await
    }

    async fn report_with(&self, allow_private: bool, timeout: Duration) -> Report {
        examined(&self.pki, &self.server, allow_private, timeout).await
    }
}

async fn examined(pki: &Pki, server: &ScriptedTls, allow_private: bool, timeout: Duration) -> Report {
    let mut roots = Roots::public();
    roots.add(&pki.root()).unwrap();
    let options = Options { header: None, allow_private, roots: &roots, timeout };
    let url = format!("https://{}/promo/picture.jpg", server.address);
    examine(&url, &options, Clock::system().now(), &|_| {}).await
}

fn of(report: &Report, check: Check) -> &Finding {
    report.findings.iter().find(|finding| finding.check == check).unwrap()
}

fn failures(report: &Report) -> Vec<Check> {
    report.findings.iter().filter(|one| one.verdict == Verdict::Failure).map(|one| one.check).collect()
}

/// The whole picture with a head that has these further lines.
fn picture(lines: &str) -> Vec<u8> {
    [format!("{HEAD}{lines}\r\n").as_bytes(), PICTURE].concat()
}

fn sized() -> Vec<u8> {
    picture(&format!("Content-Length: {}\r\n", PICTURE.len()))
}

#[tokio::test]
async fn it_asks_as_meta_does_and_as_others_do() {
    let case = Case::of(|_| sized()).await;
    let report = case.report().await;
    assert_eq!(failures(&report), [], "{report:#?}");
    let heads = case.server.heads();
    let first = heads.first().unwrap().to_ascii_lowercase();
    assert!(first.starts_with("get /promo/picture.jpg http/1.1\r\n"), "{first}");
    let host = format!("host: {}\r\n", case.server.address);
    assert!(first.contains(&format!("user-agent: {META_AGENT}\r\n")) && first.contains(&host), "{first}");
    for wanted in [
        "HEAD /promo/picture.jpg",
        "GET /robots.txt",
        "range: bytes=0-524288\r\n",
        "range: bytes=-65536\r\n",
        "if-none-match: \"one\"\r\n",
        "Mozilla/5.0",
        "WhatsApp/2",
        "facebookexternalua",
    ] {
        assert!(heads.iter().any(|head| head.contains(wanted)), "{wanted}: {heads:#?}");
    }
    assert!(heads.len() <= 12, "few requests: {}", heads.len());
    assert!(of(&report, Check::Protocol).evidence.contains("picks h2"), "{report:#?}");
    assert_eq!(report.address, Some(case.server.address));
}

#[tokio::test]
async fn nothing_private_is_connected_to_unless_allowed() {
    let case = Case::of(|_| sized()).await;
    let report = case.report_with(false, Duration::from_secs(60)).await;
    assert_eq!((failures(&report), report.address), (vec![Check::Address], None));
    assert_eq!(case.server.heads(), Vec::<String>::new());
}

#[tokio::test]
async fn answers_that_are_no_http_are_told() {
    for (bytes, said) in [
        (&b""[..], "closed"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "not HTTP/1.1"),
        (b"<html>HTTP/0.9</html>", "not HTTP/1.1"),
        (b"HTTP/1.1 999999 What\r\n\r\n", "not HTTP/1.1"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", "not HTTP/1.1"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: minus\r\n\r\nab", "not HTTP/1.1"),
        (b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "not HTTP/1.1"),
        (b"HTTP/2.0 200 OK\r\n\r\n", "not HTTP/1.1"),
        (b"HTTP/1.1 200 OK\r\nBad Line\r\n\r\n", "not HTTP/1.1"),
        (b"HTTP/1.1 200 O", "closed"),
    ] {
        let report = Case::of(move |_| bytes.to_vec()).await.report().await;
        assert_eq!(failures(&report), [Check::Get], "{}", String::from_utf8_lossy(bytes));
        assert!(of(&report, Check::Get).evidence.contains(said), "{report:#?}");
    }
}

#[tokio::test]
async fn bodies_that_do_not_end_as_declared_are_told() {
    let long = picture(&format!("Content-Length: {}\r\n", PICTURE.len() + 1));
    let report = Case::of(move |_| long.clone()).await.report().await;
    assert_eq!(failures(&report), [Check::Get], "{report:#?}");
    assert!(of(&report, Check::Get).evidence.contains("68,612 of 68,613 bytes"), "{report:#?}");
    let broken = picture("Transfer-Encoding: chunked\r\n");
    let report = Case::of(move |_| broken.clone()).await.report().await;
    assert!(failures(&report).contains(&Check::Get), "no chunk of a picture: {report:#?}");
    let report = Case::of(|_| picture("Connection: close\r\n")).await.report().await;
    assert_eq!(failures(&report), [Check::Length], "{report:#?}");
    assert_eq!(of(&report, Check::Chunked).verdict, Verdict::Ok);
}

#[tokio::test]
async fn coded_content_is_asked_for_again_as_it_is() {
    let case = Case::of(|head| {
        if head.contains("identity") {
            sized()
        } else {
            [HEAD.as_bytes(), b"Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\n\x1f\x8b\x08"].concat()
        }
    });
    let report = case.await.report().await;
    assert_eq!(failures(&report), [], "{report:#?}");
    assert_eq!(of(&report, Check::ContentCoding).verdict, Verdict::Warning);
    for check in [Check::MediaType, Check::Playable] {
        assert_eq!(of(&report, check).verdict, Verdict::Ok, "{report:#?}");
    }
}

#[tokio::test]
async fn what_is_coded_in_any_case_is_not_judged() {
    let coded = [HEAD.as_bytes(), b"Content-Encoding: br\r\nContent-Length: 3\r\n\r\nabc"].concat();
    let report = Case::of(move |_| coded.clone()).await.report().await;
    assert!(failures(&report).contains(&Check::ContentCoding), "{report:#?}");
}

#[tokio::test]
async fn a_head_full_of_escapes_reaches_no_terminal() {
    for hostile in [
        &b"HTTP/1.1 302 Found\r\nLocation: /\xe2\x80\xaegpj.exe\xc2\x9b2J\xff\r\nContent-Length: 0\r\n\r\n"[..],
        b"HTTP/1.1 302 \x1b]0;x\x07\r\nLocation: /\x1b[2J\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Type: image/\xe2\x80\xaejpeg\r\nContent-Encoding: \xc2\x9b\r\nContent-Length: 2\r\n\r\n\xff\xd8",
    ] {
        let report = Case::of(|_| hostile.to_vec()).await.report().await;
        assert!(report.would_fail(), "{report:#?}");
        for finding in &report.findings {
            let said = [Some(&finding.evidence), finding.fix.as_ref()].into_iter().flatten();
            let is_harmless = |text: &String| !text.contains(|c: char| c.is_control() || c == '\u{202e}');
            assert!(said.into_iter().all(is_harmless), "{finding:?}");
        }
    }
}

#[tokio::test]
async fn robots_of_the_same_host_are_read() {
    let rules = "User-agent: facebookexternalhit\nDisallow: /promo/\n";
    let case = Case::of(move |head| {
        let file = || format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{rules}", rules.len());
        if head.contains("/robots.txt") { file().into() } else { sized() }
    });
    let report = case.await.report().await;
    assert_eq!(failures(&report), [Check::Robots], "{report:#?}");
    assert!(of(&report, Check::Robots).evidence.contains("/promo/"), "{report:#?}");
}

#[tokio::test]
async fn a_connection_that_closes_on_meta_alone_is_a_block() {
    let case = Case::of(|head| if head.contains("facebookexternalhit") { Vec::new() } else { sized() });
    let report = case.await.report().await;
    assert_eq!(failures(&report), [Check::Agents], "{report:#?}");
}

#[tokio::test]
async fn a_server_of_tls_1_2_without_alpn_is_no_fault() {
    let pki = Pki::new();
    let identity = pki.leaf(&["127.0.0.1"]).rsa().issue();
    let script: Script = Box::new(|_| sized());
    let server = ScriptedTls::start_with(&identity, script, &[&TLS12], &[]).await;
    let report = Case { pki, server }.report().await;
    assert_eq!(failures(&report), [], "{report:#?}");
    assert!(of(&report, Check::Tls).evidence.contains("TLS 1.2"), "{report:#?}");
}

#[tokio::test]
async fn a_server_without_its_certificates_key_is_found() {
    let pki = Pki::new();
    for versions in [&[&TLS12][..], &[&TLS13]] {
        let (shown, held) = (pki.leaf(&["127.0.0.1"]).issue(), pki.leaf(&["127.0.0.1"]).issue());
        let identity = Identity { key: held.key, ..shown };
        let server = ScriptedTls::start_with(&identity, Box::new(|_| sized()), versions, &[]).await;
        let report = examined(&pki, &server, true, Duration::from_secs(60)).await;
        assert_eq!(failures(&report), [Check::Tls], "{report:#?}");
    }
}

#[tokio::test]
async fn a_server_of_http_2_alone_is_told_by_its_protocol() {
    let pki = Pki::new();
    let identity = pki.leaf(&["127.0.0.1"]).issue();
    let server = ScriptedTls::start_with(&identity, Box::new(|_| sized()), &[&TLS13], &[b"h2"]).await;
    let report = examined(&pki, &server, true, Duration::from_secs(60)).await;
    assert_eq!(failures(&report), [Check::Protocol], "{report:#?}");
}

#[tokio::test]
async fn the_time_in_all_ends_it_and_says_so() {
    let case = Case::of(|head| {
        if head.starts_with("HEAD") {
            std::thread::sleep(Duration::from_millis(3200));
        }
        sized()
    });
    let case = case.await;
    let report = case.report_with(true, Duration::from_secs(3)).await;
    let unasked = of(&report, Check::Robots);
    assert_eq!(unasked.verdict, Verdict::Unknown, "{report:#?}");
    assert!(unasked.evidence.contains("--timeout"), "{report:#?}");
}
