//! curl and h2load: the same bytes over both protocols, and many streams at once.

use std::process::Command;

use crate::kit::content;
use crate::kit::gateway::{BIG, META, Minted};
use crate::kit::program::{find, run_well};
use crate::kit::secure::Secure;

#[tokio::test]
async fn curl_gets_the_same_bytes_over_http_1_1_and_http_2() {
    let secure = Secure::start().await;
    let bytes = content(1, BIG);
    let link = secure.gate.link("big.bin", &bytes).await;
    for (option, protocol, version) in [("--http1.1", "HTTP/1.1", "1.1"), ("--http2", "HTTP/2", "2")] {
        assert_eq!(curl(&secure, &link, &[option]).await, (version.to_owned(), bytes.clone()));
        let part = curl(&secure, &link, &[option, "--range", "300000-300999"]).await;
        assert_eq!(part, (version.to_owned(), bytes[300_000..301_000].to_vec()));
        let lines = secure.gate.access_log();
        let told: Vec<_> = lines.iter().rev().take(2).map(|line| (&line["http"], &line["status"])).collect();
        assert_eq!(told, [(&protocol.into(), &206.into()), (&protocol.into(), &200.into())]);
    }
    // What a client is offered first is HTTP/2.
    assert_eq!(curl(&secure, &link, &[]).await, ("2".to_owned(), bytes));
}

#[tokio::test]
async fn h2load_gets_an_answer_on_every_stream() {
    let secure = Secure::start().await;
    let link = secure.gate.link("small.bin", &content(2, 4096)).await;
    let mut h2load = Command::new(find("h2load", "nghttp2-client"));
    h2load.args(["--requests=800", "--clients=8", "--max-concurrent-streams=16"]);
    h2load.args([&format!("--connect-to=127.0.0.1:{}", secure.port()), &format!("--header=user-agent: {META}")]);
    h2load.arg(&link.url);
    let told = String::from_utf8(run_well(h2load).await).unwrap();
    for line in [
        "Application protocol: h2\n",
        "requests: 800 total, 800 started, 800 done, 800 succeeded, 0 failed, 0 errored, 0 timeout\n",
        "status codes: 800 2xx, 0 3xx, 0 4xx, 0 5xx\n",
    ] {
        assert!(told.contains(line), "{line:?} is missing in\n{told}");
    }
    let series = "hallpass_requests_total{outcome=\"served\"}";
    assert_eq!(secure.gate.counted(series).await, 800);
}

/// What curl says of the protocol, and the body; the certificate is verified.
async fn curl(secure: &Secure, link: &Minted, options: &[&str]) -> (String, Vec<u8>) {
    let body = secure.gate.place.dir.path().join("curl.out");
    let mut curl = Command::new(find("curl", "curl"));
    curl.args(["--silent", "--show-error", "--fail", "--max-time", "60", "--user-agent", META]).args(options);
    curl.args(["--connect-to", &format!("::127.0.0.1:{}", secure.port()), "--write-out", "%{http_version}"]);
    curl.arg("--cacert").arg(&secure.root).arg("--output").arg(&body).arg(&link.url);
    (String::from_utf8(run_well(curl).await).unwrap(), std::fs::read(body).unwrap())
}
