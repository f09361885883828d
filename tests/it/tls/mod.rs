//! TLS as clients see it, and the certificates that tests make, as OpenSSL sees them.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use hallpass::config::{Settings, load_tls};

use crate::kit::pki::{self, Pki};

mod acme;
mod checked;
mod reloaded;
mod served;

/// What a command prints, to both of its outputs, and whether it was content. It is given nothing to read.
fn run(command: &str, arguments: &[&str]) -> (bool, String) {
    let ran = Command::new(command).args(arguments).stdin(Stdio::null()).output().unwrap();
    let said = [ran.stdout, ran.stderr].concat();
    (ran.status.success(), String::from_utf8_lossy(&said).into_owned())
}

fn openssl(arguments: &[&str]) -> (bool, String) {
    run("openssl", arguments)
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

/// Settings in `dir` with these more.
fn settings(dir: &Path, more: &str) -> Settings {
    let whole = "public_origin = 'https://media.example.com'\nstores.media = { kind = 'local', root = 'm' }\n";
    Settings::from_toml(&format!("{whole}{more}"), &BTreeMap::new(), dir).unwrap()
}

#[test]
fn every_fault_of_certificate_files_is_told_at_its_setting() {
    let (dir, pki) = (tempfile::tempdir().unwrap(), Pki::new());
    let dir = dir.path();
    let mut good = pki.leaf(&["a.example"]).issue();
    good.write(dir, "good");
    pki.leaf(&["b.example"]).issue().write(dir, "other");
    good.write(dir, "open");
    fs::set_permissions(dir.join("open.key"), Permissions::from_mode(0o640)).unwrap();
    good.chain.reverse();
    good.write(dir, "turned");
    fs::write(dir.join("junk.pem"), "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    let both = "tls.certificates = [{ chain = 'good.pem', key = 'good.key' }, { chain = 'other.pem', key = 'other.key' }]\n\
                control.certificates = [{ chain = 'other.pem', key = 'other.key' }]";
    let loaded = load_tls(&settings(dir, both)).unwrap();
    assert_eq!((loaded.public.iter().count(), loaded.control.iter().count()), (2, 1));
    for (chain, key, place, said) in [
        ("none.pem", "good.key", "chain", "none.pem does not exist; make it, or name another file"),
        ("good.pem", "none.key", "key", "none.key does not exist; make it, or name another file"),
        ("good.pem", "open.key", "key", "can be used by others than its owner (mode 0640); run chmod 600"),
        ("good.pem", "other.key", "key", "other.key is not the key of the certificate"),
        ("turned.pem", "good.key", "key", "belongs to certificate 2 of the chain, not to the first"),
        ("good.key", "good.key", "chain", "good.key holds no certificate"),
        ("junk.pem", "good.key", "chain", "is called a certificate and is none"),
        (".", "good.key", "chain", "is a directory"),
    ] {
        let certificates = format!("[{{ chain = '{chain}', key = '{key}' }}]");
        for section in ["tls", "control"] {
            let faults = load_tls(&settings(dir, &format!("{section}.certificates = {certificates}"))).unwrap_err();
            let faults: Vec<_> = faults.iter().collect();
            assert_eq!(faults.len(), 1, "{faults:?}");
            assert_eq!(faults[0].place, format!("{section}.certificates[0].{place}"));
            assert!(faults[0].problem.contains(said), "{} has no {said:?}", faults[0]);
        }
    }
    for (more, place) in [("tls.roots = 'good.key'\n", "tls.roots"), ("tls.acme.roots = 'none'\n", "tls.acme.roots")] {
        let faults = load_tls(&settings(dir, &format!("{more}{both}"))).unwrap_err();
        assert_eq!(faults.iter().map(|fault| fault.place.as_str()).collect::<Vec<_>>(), [place]);
    }
}
