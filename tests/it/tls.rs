//! TLS as clients see it, and the certificates that tests make, as OpenSSL sees them.

use std::process::Command;

use crate::kit::pki::{self, Pki};

/// What `openssl` prints for these arguments, and whether it was content.
fn openssl(args: &[&str]) -> (bool, String) {
    let ran = Command::new("openssl").args(args).output().unwrap();
    let said = [ran.stdout, ran.stderr].concat();
    (ran.status.success(), String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn what_the_tests_certificates_are_is_what_openssl_sees() {
    let (dir, pki) = (tempfile::tempdir().unwrap(), Pki::new());
    let root = pki.write_root(dir.path());
    let root = root.to_str().unwrap();
    let verify = |name: &str, leaf: pki::Leaf<'_>| {
        let identity = leaf.issue();
        rustls::crypto::aws_lc_rs::sign::any_supported_type(&identity.key()).unwrap();
        let (chain, key) = identity.write(dir.path(), name);
        let (chain, key) = (chain.to_str().unwrap().to_owned(), key.to_str().unwrap().to_owned());
        let (ok, said) = openssl(&["verify", "-CAfile", root, "-untrusted", &chain, "-purpose", "sslserver", &chain]);
        let of_chain = openssl(&["x509", "-in", &chain, "-noout", "-pubkey"]);
        assert_eq!(of_chain, openssl(&["pkey", "-in", &key, "-pubout"]));
        let (_, text) = openssl(&["x509", "-in", &chain, "-noout", "-text"]);
        (ok, said, text)
    };
    let (ok, said, text) = verify("good", pki.leaf(&["media.example.com", "*.example.org"]));
    assert!(ok, "{said}");
    for part in [pki::AIA, pki::INTERMEDIATE, "DNS:media.example.com, DNS:*.example.org", "prime256v1"] {
        assert!(text.contains(part), "{part} is missing in\n{text}");
    }
    let (ok, said, text) = verify("rsa", pki.leaf(&["media.example.com"]).rsa().aia(None));
    assert!(ok && text.contains("2048 bit") && !text.contains(pki::AIA), "{said}\n{text}");
    for (name, leaf, fault) in [
        ("expired", pki.leaf(&["a.example"]).days(-90, -1), "certificate has expired"),
        ("early", pki.leaf(&["a.example"]).days(1, 90), "not yet valid"),
        ("alone", pki.leaf(&["a.example"]).without_intermediate(), "unable to get local issuer"),
        ("self", pki.leaf(&["a.example"]).self_signed(), "self-signed certificate"),
    ] {
        let (ok, said, _) = verify(name, leaf);
        assert!(!ok && said.contains(fault), "{name}: {said}");
    }
    assert!(!pki.root().is_empty() && pki.root() != pki.intermediate());
}
