//! A gateway that speaks TLS, as OpenSSL, curl and rustls see it.

use std::net::SocketAddr;

use rustls::HandshakeKind;
use serde_json::json;

use super::run;
use crate::kit::content;
use crate::kit::gateway::{Gateway, HOST, META, Place, request};
use crate::kit::pki::Pki;
use crate::kit::tls_client::TlsClient;
use crate::kit::wire::Wire;

/// A gateway with these certificates, the default first, each by the name of its files and as it was issued.
async fn start(certificates: &[(&str, crate::kit::pki::Identity)], more: &str) -> Gateway {
    let mut place = Place::new();
    let dir = place.dir.path().to_owned();
    let file = |(name, identity): &(&str, crate::kit::pki::Identity)| {
        identity.write(&dir, name);
        format!("{{ chain = '{name}.pem', key = '{name}.key' }}")
    };
    let files: Vec<_> = certificates.iter().map(file).collect();
    place.settings = format!("[tls]\ncertificates = [{}]\n{more}", files.join(", "));
    Box::pin(place.start()).await
}

/// What OpenSSL's client says of a handshake. The gateway runs meanwhile.
async fn s_client(address: SocketAddr, arguments: &[&str]) -> (bool, String) {
    let address = address.to_string();
    let arguments: Vec<_> =
        ["s_client", "-connect", &address].into_iter().chain(arguments.iter().copied()).map(str::to_owned).collect();
    let ran = move || run("openssl", &arguments.iter().map(String::as_str).collect::<Vec<_>>());
    tokio::task::spawn_blocking(ran).await.unwrap()
}

#[tokio::test]
async fn the_name_and_what_the_client_verifies_choose_the_certificate() {
    let pki = Pki::new();
    let gate = start(
        &[
            ("rsa", pki.leaf(&[HOST]).rsa().issue()),
            ("ecdsa", pki.leaf(&[HOST]).issue()),
            ("other", pki.leaf(&["other.example.org"]).issue()),
            ("wild", pki.leaf(&["*.example.net"]).rsa().issue()),
        ],
        "",
    )
    .await;
    let (ecdsa, rsa) = ("Peer signature type: ECDSA", "Peer signature type: RSA-PSS");
    for (arguments, subject, signature) in [
        (&["-servername", HOST][..], HOST, ecdsa),
        (&["-servername", "MEDIA.Example.com"], HOST, ecdsa),
        (&["-servername", HOST, "-sigalgs", "RSA-PSS+SHA256"], HOST, rsa),
        (&["-servername", HOST, "-sigalgs", "ECDSA+SHA256"], HOST, ecdsa),
        (&["-servername", HOST, "-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256"], HOST, rsa),
        (&["-servername", "other.example.org"], "other.example.org", ecdsa),
        (&["-servername", "any.example.net"], "*.example.net", rsa),
        (&["-servername", "unknown.example"], HOST, ecdsa),
        (&["-noservername"], HOST, ecdsa),
        (&["-noservername", "-sigalgs", "RSA-PSS+SHA256"], HOST, rsa),
    ] {
        let (ok, said) = s_client(gate.addresses.public, arguments).await;
        assert!(ok, "{arguments:?}: {said}");
        assert!(said.contains(&format!("subject=CN = {subject}")), "{arguments:?}: {said}");
        assert!(said.contains(signature), "{arguments:?}: {said}");
    }
    gate.stop().await;
}

#[tokio::test]
async fn both_versions_of_today_are_spoken_with_the_whole_chain_and_nothing_older() {
    let pki = Pki::new();
    let gate = start(&[("a", pki.leaf(&[HOST]).issue())], "").await;
    let root = pki.write_root(gate.place.dir.path());
    let root = root.to_str().unwrap();
    for (version, expected) in [
        ("-tls1_3", "New, TLSv1.3, Cipher is TLS_AES_128_GCM_SHA256"),
        ("-tls1_2", "New, TLSv1.2, Cipher is ECDHE-ECDSA-AES128-GCM-SHA256"),
    ] {
        let trusting = [version, "-servername", HOST, "-CAfile", root, "-verify_return_error"];
        let (ok, said) = s_client(gate.addresses.public, &trusting).await;
        assert!(ok && said.contains(expected) && said.contains("Verify return code: 0 (ok)"), "{said}");
    }
    let weak = ["-cipher", "ALL:@SECLEVEL=0", "-servername", HOST];
    for version in ["-tls1_1", "-tls1"] {
        let (ok, said) = s_client(gate.addresses.public, &[&[version][..], &weak].concat()).await;
        assert!(!ok && said.contains("New, (NONE)") && said.contains("SSL alert number"), "{version}: {said}");
    }
    // The proof for an authority is offered where ACME is set up, and nowhere else.
    let (ok, said) = s_client(gate.addresses.public, &["-alpn", "acme-tls/1", "-servername", HOST]).await;
    assert!(!ok && said.contains("alert no application protocol"), "{said}");
    for suite in ["AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA256", "DHE-RSA-AES128-GCM-SHA256"] {
        let (ok, said) = s_client(gate.addresses.public, &["-tls1_2", "-cipher", suite, "-servername", HOST]).await;
        assert!(!ok && said.contains("handshake failure"), "{suite}: {said}");
    }
    gate.stop().await;
}

#[tokio::test]
async fn a_second_handshake_is_resumed_and_early_data_is_not_offered() {
    let pki = Pki::new();
    let gate = start(&[("a", pki.leaf(&[HOST]).issue())], "[limits]\nhead_timeout = '1s'\nidle_timeout = '1s'").await;
    let link = gate.link("a.bin", &content(1, 1000)).await;
    let client = TlsClient::new(pki.root(), &["http/1.1"]);
    let mut kinds = Vec::new();
    for _ in 0..2 {
        let (mut wire, _, kind) = client.wire(gate.addresses.public, HOST).await;
        wire.send(request("GET", &link.path, &[])).await;
        assert_eq!(wire.answer().await.body, content(1, 1000));
        kinds.push(kind);
    }
    assert_eq!(kinds, [HandshakeKind::Full, HandshakeKind::Resumed]);
    let session = gate.place.dir.path().join("session");
    let session = session.to_str().unwrap();
    for version in ["-tls1_3", "-tls1_2"] {
        let first = [version, "-servername", HOST, "-sess_out", session, "-ign_eof"];
        // It stays until the server closes, which is when the head did not come in time.
        let (_, said) = s_client(gate.addresses.public, &first).await;
        assert!(version == "-tls1_2" || said.contains("Max Early Data: 0"), "{said}");
        let (_, said) = s_client(gate.addresses.public, &[version, "-servername", HOST, "-sess_in", session]).await;
        assert!(said.contains("Reused, TLSv1."), "{said}");
    }
    gate.stop().await;
}

#[tokio::test]
async fn curl_fetches_a_link_over_http2_and_over_http1() {
    let pki = Pki::new();
    let gate = start(&[("a", pki.leaf(&[HOST]).issue())], "").await;
    let bytes = content(2, 3 * 256 * 1024 + 17);
    let link = gate.link("a.bin", &bytes).await;
    let root = pki.write_root(gate.place.dir.path());
    for (option, version) in [("--http2", "2"), ("--http1.1", "1.1")] {
        let file = gate.place.dir.path().join("fetched");
        let to = format!("{HOST}:443:{}", gate.addresses.public);
        let arguments = [
            "-sS",
            option,
            "--cacert",
            root.to_str().unwrap(),
            "--connect-to",
            &to,
            "-A",
            META,
            "-o",
            file.to_str().unwrap(),
            "-w",
            "%{http_version} %{http_code}",
            &link.url,
        ];
        let arguments: Vec<_> = arguments.map(str::to_owned).into();
        let ran = move || run("curl", &arguments.iter().map(String::as_str).collect::<Vec<_>>());
        let (ok, said) = tokio::task::spawn_blocking(ran).await.unwrap();
        assert!(ok && said == format!("{version} 200"), "{said}");
        assert_eq!(std::fs::read(&file).unwrap(), bytes);
    }
    gate.stop().await;
}

#[tokio::test]
async fn the_control_listener_speaks_tls_too_and_http1_alone() {
    let (pki, mut place) = (Pki::new(), Place::new());
    pki.leaf(&["control.internal"]).issue().write(place.dir.path(), "c");
    place.control = "control.certificates = [{ chain = 'c.pem', key = 'c.key' }]";
    let gate = place.start().await;
    let client = TlsClient::new(pki.root(), &["h2", "http/1.1"]);
    let stream = client.connect(gate.addresses.control, "control.internal").await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    let (mut wire, ..) = client.wire(gate.addresses.control, "control.internal").await;
    let (key, body) = (gate.place.key.expose(), json!({ "store": "media", "key": "a.bin" }).to_string());
    gate.place.put("a.bin", b"bytes");
    wire.send(format!(
        "POST /v1/links HTTP/1.1\r\nHost: control.internal\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ))
    .await;
    assert_eq!(wire.answer().await.status, 201);
    let mut plain = Wire::connect(gate.addresses.control).await;
    plain.send("GET /v1/stores HTTP/1.1\r\nHost: control.internal\r\n\r\n").await;
    assert!(plain.try_answer(false).await.is_err(), "it answered in the clear");
    gate.stop().await;
}

#[tokio::test]
async fn the_days_that_certificates_have_left_are_a_metric() {
    let pki = Pki::new();
    let gate = start(
        &[
            ("a", pki.leaf(&[HOST]).days(-1, 40).issue()),
            ("r", pki.leaf(&[HOST]).rsa().days(-1, 50).issue()),
            ("old", pki.leaf(&["old.example"]).days(-90, -3).issue()),
        ],
        "",
    )
    .await;
    let metrics = gate.metrics().await;
    for (name, key, days) in [(HOST, "ecdsa", 39), (HOST, "rsa", 49), ("old.example", "ecdsa", -4)] {
        let line = format!("hallpass_certificate_days{{listener=\"public\",name=\"{name}\",key=\"{key}\"}} {days}");
        assert!(metrics.lines().any(|found| found == line), "{line} is missing in\n{metrics}");
    }
    gate.stop().await;
}
