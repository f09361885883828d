//! `hallpass check` names each fault of certificates before the first start, and changes nothing.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::kit::gateway::HOST;
use crate::kit::pki::{AIA, Identity, Pki};

/// Runs the check over these further settings; gives its exit code and what it printed.
fn check(dir: &Path, more: &str) -> (Option<i32>, String) {
    let text = format!(
        "public_origin = 'https://{HOST}'
        listen = {{ public = '127.0.0.1:0', control = '127.0.0.1:0', ops = '127.0.0.1:0' }}
        stores.media = {{ kind = 'local', root = '.' }}
        {more}"
    );
    fs::write(dir.join("hallpass.toml"), text).unwrap();
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hallpass"));
        command.args(arguments).args(["--config", "hallpass.toml"]).current_dir(dir).env_clear().stdin(Stdio::null());
        command.output().unwrap()
    };
    if !dir.join("keys.toml").exists() {
        assert!(run(&["keys", "generate"]).status.success());
    }
    let ran = run(&["check"]);
    (ran.status.code(), String::from_utf8([ran.stdout, ran.stderr].concat()).unwrap())
}

#[test]
fn each_fault_of_a_certificate_is_named_with_its_fix() {
    let (home, pki) = (tempfile::tempdir().unwrap(), Pki::new());
    let dir = home.path();
    pki.write_root(dir);
    let leaf = || pki.leaf(&[HOST]);
    let mut turned = leaf().issue();
    turned.chain = vec![turned.chain[0].clone(), pki.root(), pki.intermediate()];
    let trusting = "roots = 'root.pem'";
    for (identity, more, code, said) in [
        (
            leaf().issue(),
            trusting,
            0,
            vec![
                "ECDSA P-256; 89 days left; signed by CN=Hallpass Test Intermediate",
                "there is a certificate for media.example.com",
            ],
        ),
        (leaf().rsa().issue(), trusting, 0, vec!["RSA 2048; 89 days left"]),
        (
            leaf().issue(),
            "",
            1,
            vec!["FAULT    the chain ends in CN=Hallpass Test Intermediate, signed by CN=Hallpass Test Root"],
        ),
        (
            leaf().without_intermediate().issue(),
            trusting,
            1,
            vec![
                "the intermediate certificate CN=Hallpass Test Intermediate, which signed CN=media.example.com, is missing",
                AIA,
            ],
        ),
        (leaf().self_signed().issue(), trusting, 1, vec!["is signed by itself", "Let's Encrypt"]),
        (leaf().days(-90, -3).issue(), trusting, 1, vec!["CN=media.example.com expired at", "renew"]),
        (leaf().days(2, 90).issue(), trusting, 1, vec!["is not valid before"]),
        (leaf().days(-60, 10).issue(), trusting, 0, vec!["warning", "expires in 9 days", "ECDSA P-256; 9 days left"]),
        (turned, trusting, 1, vec!["are not in order", "CN=media.example.com; then CN=Hallpass Test Intermediate"]),
        (
            pki.leaf(&["other.example"]).issue(),
            trusting,
            1,
            vec!["no certificate names media.example.com, the host of public_origin, but other.example"],
        ),
        (pki.leaf(&["*.example.com"]).issue(), trusting, 0, vec!["there is a certificate for media.example.com"]),
    ] {
        identity.write(dir, "a");
        let settings = format!("[tls]\ncertificates = [{{ chain = 'a.pem', key = 'a.key' }}]\n{more}");
        let (found, printed) = check(dir, &settings);
        assert_eq!(found, Some(code), "{printed}");
        assert_eq!(printed.contains("FAULT"), code == 1, "{printed}");
        for part in said {
            assert!(printed.contains(part), "{part} is missing in\n{printed}");
        }
    }
    assert!(!dir.join("hallpass.db").exists(), "the check made a catalog");
}

#[test]
fn hosts_of_presigned_urls_need_certificates_as_that_of_links_does() {
    let (home, pki) = (tempfile::tempdir().unwrap(), Pki::new());
    let dir = home.path();
    pki.write_root(dir);
    fs::write(dir.join("secret"), "hps_k7x2mq4vnzb6yt3whjc5rdaflpg2soeiuxk7q4m3vzn6ybt5whja").unwrap();
    fs::set_permissions(dir.join("secret"), fs::Permissions::from_mode(0o600)).unwrap();
    let missing = "no certificate names promo.example.net, a host of presigned.virtual_hosts, but media.example.com";
    let there = "there is a certificate for promo.example.net, a host of presigned.virtual_hosts";
    for (names, enabled, code, said) in [
        (&[HOST][..], true, 1, Some(missing)),
        (&[HOST, "promo.example.net"], true, 0, Some(there)),
        (&[HOST, "*.example.net"], true, 0, Some(there)),
        // What is not served needs none.
        (&[HOST], false, 0, None),
    ] {
        pki.leaf(names).issue().write(dir, "a");
        let settings = format!(
            "[tls]\ncertificates = [{{ chain = 'a.pem', key = 'a.key' }}]\nroots = 'root.pem'
            [presigned]\nenabled = {enabled}\nvirtual_hosts = {{ 'promo.example.net:8443' = 'media' }}
            [[presigned.clients]]\nname = 'a'\naccess_key_id = 'HPAKABCDEFGHIJKLMN22'
            secret_access_key_file = 'secret'\nstores = ['media']"
        );
        let (found, printed) = check(dir, &settings);
        assert_eq!(found, Some(code), "{names:?} {enabled}: {printed}");
        assert!(
            printed.contains("there is a certificate for media.example.com, the host of public_origin"),
            "{printed}"
        );
        match said {
            Some(part) => assert!(printed.contains(part), "{part} is missing in\n{printed}"),
            None => assert!(!printed.contains("promo.example.net"), "{printed}"),
        }
    }
    // ACME brings the names that it was told, and no other.
    for (domains, code) in [("['media.example.com']", 1), ("['media.example.com', 'promo.example.net']", 0)] {
        let settings = format!(
            "[tls.acme]\ndomains = {domains}
            [presigned]\nenabled = true\nvirtual_hosts = {{ 'promo.example.net' = 'media' }}
            [[presigned.clients]]\nname = 'a'\naccess_key_id = 'HPAKABCDEFGHIJKLMN22'
            secret_access_key_file = 'secret'\nstores = ['media']"
        );
        let (found, printed) = check(dir, &settings);
        assert_eq!(found, Some(code), "{domains}: {printed}");
    }
}

#[test]
fn a_start_goes_on_with_what_clients_will_refuse_and_says_so() {
    let (home, pki) = (tempfile::tempdir().unwrap(), Pki::new());
    let dir = home.path();
    pki.write_root(dir);
    pki.leaf(&["other.example"]).days(-90, -2).issue().write(dir, "a");
    pki.leaf(&["soon.example"]).days(-60, 10).issue().write(dir, "b");
    let files = ["a", "b"].map(|name| format!("{{ chain = '{name}.pem', key = '{name}.key' }}")).join(", ");
    let (code, _) = check(dir, &format!("[tls]\ncertificates = [{files}]\nroots = 'root.pem'"));
    assert_eq!(code, Some(1));
    let mut command = Command::new(env!("CARGO_BIN_EXE_hallpass"));
    command.args(["serve", "--config", "hallpass.toml"]).current_dir(dir).env_clear();
    let mut serving = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    for line in BufReader::new(serving.stderr.take().unwrap()).lines() {
        said.push_str(&line.unwrap());
        said.push('\n');
        if said.contains(" serving") {
            break;
        }
    }
    serving.kill().unwrap();
    serving.wait().unwrap();
    for part in [
        " serving",
        "clients will refuse this certificate: CN=other.example expired at",
        "the certificate expires in 9 days",
        "no certificate names media.example.com, the host of public_origin",
    ] {
        assert!(said.contains(part), "{part} is missing in\n{said}");
    }
}

#[test]
fn keys_of_others_acme_and_the_control_listener_are_checked_too() {
    let (home, pki) = (tempfile::tempdir().unwrap(), Pki::new());
    let dir = home.path();
    let write = |name: &str, identity: Identity| identity.write(dir, name);
    write("a", pki.leaf(&[HOST]).issue());
    write("b", pki.leaf(&[HOST]).issue());
    let (code, printed) = check(dir, "[tls]\ncertificates = [{ chain = 'a.pem', key = 'b.key' }]");
    assert_eq!(code, Some(64), "{printed}");
    assert!(printed.contains("tls.certificates[0].key: ") && printed.contains("is not the key"), "{printed}");
    let (code, printed) = check(dir, "");
    assert!(code == Some(0) && printed.contains("something in front of it must speak TLS"), "{printed}");
    let (code, printed) = check(dir, "[tls.acme]");
    assert!(code == Some(0) && printed.contains("no certificate yet"), "{printed}");
    assert!(!dir.join("acme").exists(), "the check made the folder");
    fs::create_dir(dir.join("acme")).unwrap();
    let (code, printed) = check(dir, "[tls.acme]");
    assert!(code == Some(1) && printed.contains("run chmod 700"), "{printed}");
    // Our own systems may trust an authority of our own, but nobody trusts one that has expired.
    write("c", pki.leaf(&["control.internal"]).days(-90, -1).issue());
    for (name, expected) in [("a", 0), ("c", 1)] {
        let control = format!("[control]\ncertificates = [{{ chain = '{name}.pem', key = '{name}.key' }}]");
        let (code, printed) = check(dir, &control);
        assert_eq!(code, Some(expected), "{printed}");
        assert!(printed.contains("control.certificates[0]"), "{printed}");
    }
}
