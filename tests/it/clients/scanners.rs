//! sslscan and OpenSSL: what is offered to whoever asks, and which chain they see.

use std::collections::BTreeMap;
use std::process::Command;

use crate::kit::gateway::HOST;
use crate::kit::pki::INTERMEDIATE;
use crate::kit::program::{find, run, run_well};
use crate::kit::secure::Secure;

#[tokio::test]
async fn sslscan_finds_no_weak_protocol_or_cipher() {
    let secure = Secure::start().await;
    let mut sslscan = Command::new(find("sslscan", "sslscan"));
    // It waits for seconds after each group that it tries.
    sslscan
        .args(["--xml=-", "--no-colour", "--no-groups", &format!("--sni-name={HOST}")])
        .arg(secure.address.to_string());
    let page = String::from_utf8(run_well(sslscan).await).unwrap();
    let enabled: Vec<_> = tags(&page, "protocol").into_iter().filter(|tag| tag["enabled"] == "1").collect();
    let versions: Vec<_> = enabled.iter().map(|tag| format!("{}{}", tag["type"], tag["version"])).collect();
    assert_eq!(versions, ["tls1.2", "tls1.3"]);
    assert_eq!(tags(&page, "protocol").len(), 6, "all were tried:\n{page}");
    for (tag, attribute) in [("renegotiation", "supported"), ("heartbleed", "vulnerable")] {
        let found = tags(&page, tag);
        assert!(!found.is_empty() && found.iter().all(|one| one[attribute] == "0"), "{tag}:\n{page}");
    }
    // It says nothing of compression where its own library has none.
    assert!(tags(&page, "compression").iter().all(|one| one["supported"] == "0"), "{page}");
    let ciphers = tags(&page, "cipher");
    for cipher in &ciphers {
        let name = cipher["cipher"];
        let is_new = name.starts_with("TLS_AES_") || name.starts_with("TLS_CHACHA20_");
        assert!(is_new || name.starts_with("ECDHE-"), "{name} has forward secrecy");
        assert!(["GCM", "CHACHA20"].iter().any(|mode| name.contains(mode)), "{name} is authenticated");
        assert!(cipher["bits"].parse::<u32>().unwrap() >= 128, "{name}");
        assert!(["strong", "acceptable"].contains(&cipher["strength"]), "{name} is {}", cipher["strength"]);
    }
    assert!(ciphers.len() >= 6, "they were read:\n{page}");
    let preferred: Vec<_> =
        ciphers.iter().filter(|one| one["status"] == "preferred").map(|one| one["cipher"]).collect();
    assert_eq!(preferred, ["TLS_AES_128_GCM_SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256"]);
}

#[tokio::test]
async fn openssl_sees_the_whole_chain_with_and_without_a_name() {
    let secure = Secure::start().await;
    for name in [&["-servername", HOST][..], &["-noservername"], &["-servername", "unknown.example"]] {
        let told = s_client(&secure, name).await;
        assert_eq!(told.matches("-----BEGIN CERTIFICATE-----").count(), 2, "leaf and intermediate: {told}");
        assert!(told.contains(&format!("i:CN = {INTERMEDIATE}")), "{told}");
        for line in ["Verify return code: 0 (ok)", "Verified peername: media.example.com", "ALPN protocol: h2"] {
            assert!(told.contains(line), "{name:?}: {line} is missing in\n{told}");
        }
    }
}

#[tokio::test]
async fn openssl_gets_the_certificate_that_it_can_verify() {
    let secure = Secure::start().await;
    for (options, lines) in [
        (&["-tls1_3"][..], ["TLSv1.3", "Peer signature type: ECDSA"]),
        (&["-tls1_2"], ["TLSv1.2", "Peer signature type: ECDSA"]),
        (&["-tls1_3", "-sigalgs", "rsa_pss_rsae_sha256"], ["TLSv1.3", "Peer signature type: RSA-PSS"]),
        (
            &["-tls1_2", "-cipher", "ECDHE-RSA-AES256-GCM-SHA384"],
            ["ECDHE-RSA-AES256-GCM-SHA384", "Verify return code: 0 (ok)"],
        ),
    ] {
        let told = s_client(&secure, options).await;
        assert!(lines.iter().all(|line| told.contains(line)), "{options:?}: {told}");
    }
    for refused in [
        &["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"][..],
        &["-tls1_2", "-cipher", "AES128-GCM-SHA256"],
        &["-tls1_2", "-cipher", "ECDHE-RSA-AES128-SHA"],
    ] {
        let output = run(s_client_command(&secure, refused)).await;
        assert!(!output.status.success(), "{refused:?}: {}", String::from_utf8_lossy(&output.stdout));
    }
}

async fn s_client(secure: &Secure, options: &[&str]) -> String {
    String::from_utf8_lossy(&run_well(s_client_command(secure, options)).await).into_owned()
}

/// It verifies the chain and the name, and hangs up after the handshake.
fn s_client_command(secure: &Secure, options: &[&str]) -> Command {
    let mut openssl = Command::new(find("openssl", "openssl"));
    openssl.args(["s_client", "-connect", &secure.address.to_string(), "-showcerts", "-alpn", "h2,http/1.1"]);
    openssl.args(["-verify_return_error", "-verify_hostname", HOST, "-CAfile"]).arg(&secure.root).args(options);
    openssl.stdin(std::process::Stdio::null());
    openssl
}

/// The attributes of every tag of this name.
fn tags<'a>(page: &'a str, name: &str) -> Vec<BTreeMap<&'a str, &'a str>> {
    let begin = format!("<{name} ");
    let inside = page.split(begin.as_str()).skip(1).filter_map(|rest| rest.split('>').next());
    inside
        .map(|inside| {
            inside.split("\" ").filter_map(|pair| pair.trim_matches(['/', '"', ' ']).split_once("=\"")).collect()
        })
        .collect()
}
