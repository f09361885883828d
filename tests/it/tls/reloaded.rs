//! New certificates while connections are open, and bad ones that change nothing.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use hallpass::app::{Gateway, Reloader, Rooms, Watch};
use hallpass::config::load;
use hallpass::link::Keyring;
use hallpass::telemetry::Sink;
use hallpass::value::Clock;

use crate::kit::gateway::{HOST, request};
use crate::kit::pki::{Identity, Pki};
use crate::kit::tls_client::TlsClient;

const SETTINGS: &str = "public_origin = 'https://media.example.com'
    listen = { public = '127.0.0.1:0', control = '127.0.0.1:0', ops = '127.0.0.1:0' }
    stores.media = { kind = 'local', root = '.' }
    log.access = 'off'
    [tls]
    certificates = [{ chain = 'a.pem', key = 'a.key' }]
    roots = 'root.pem'
";

fn write_keyring(dir: &Path) {
    let keyring = Keyring::generate(Clock::system().now()).unwrap();
    let opened = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(dir.join("keys.toml"));
    std::io::Write::write_all(&mut opened.unwrap(), keyring.to_toml().expose().as_bytes()).unwrap();
}

#[tokio::test]
async fn a_reload_swaps_certificates_and_a_bad_one_leaves_the_old_in_force() {
    let (home, pki) = (tempfile::tempdir().unwrap(), Pki::new());
    let dir = home.path();
    write_keyring(dir);
    let (old, new) = (pki.leaf(&[HOST]).issue(), pki.leaf(&[HOST]).issue());
    old.write(dir, "a");
    pki.write_root(dir);
    let settings = dir.join("hallpass.toml");
    fs::write(&settings, SETTINGS).unwrap();
    let loaded = load(&settings).unwrap();
    let watch = Watch::over(&loaded.files);
    let rooms = Rooms::open(&loaded, Clock::system(), Sink::Off).await.unwrap();
    let sockets = [0; 3].map(|port| TcpListener::bind(("127.0.0.1", port)).unwrap());
    let gateway = Gateway::start(&rooms, sockets, &loaded.settings).unwrap();
    let mut reloader = Reloader::new(&settings, &loaded, watch, rooms);
    let public = gateway.addresses().public;
    // Each look is a client of its own, which resumes nothing.
    let served = async || TlsClient::new(pki.root(), &["http/1.1"]).wire(public, HOST).await;
    let is = |identity: &Identity| identity.chain[0].clone();

    let (mut open, certificate, _) = served().await;
    assert_eq!(certificate, is(&old));
    assert!(!reloader.has_changed());
    // As certbot does it: the chain comes first, and for a moment the key is another's.
    fs::write(dir.join("a.pem"), new.chain_pem()).unwrap();
    assert!(reloader.has_changed(), "the chain is not watched");
    let refused = reloader.reload().await.unwrap_err().to_string();
    assert!(refused.contains("tls.certificates[0].key") && refused.contains("is not the key"), "{refused}");
    assert_eq!(served().await.1, is(&old));
    new.write(dir, "a");
    assert!(reloader.has_changed(), "the key is not watched");
    assert!(reloader.reload().await.unwrap().is_empty());
    assert_eq!(served().await.1, is(&new));
    for bad in ["", "junk", &new.chain_pem()[..200]] {
        fs::write(dir.join("a.pem"), bad).unwrap();
        reloader.reload().await.unwrap_err();
        assert_eq!(served().await.1, is(&new));
    }
    // What clients would refuse does not take the place of what they take.
    for (bad, why) in [
        (pki.leaf(&[HOST]).without_intermediate(), "the intermediate certificate"),
        (pki.leaf(&[HOST]).days(-90, -2), "expired"),
        (pki.leaf(&["other.example.com"]), "none names media.example.com"),
    ] {
        bad.issue().write(dir, "a");
        let refused = reloader.reload().await.unwrap_err().to_string();
        assert!(refused.contains(why), "{refused}");
        assert_eq!(served().await.1, is(&new));
    }
    new.write(dir, "a");
    // TLS itself goes neither on nor off.
    fs::write(&settings, SETTINGS.split("[tls]").next().unwrap()).unwrap();
    assert_eq!(reloader.reload().await.unwrap(), ["tls"]);
    assert_eq!(served().await.1, is(&new));
    fs::write(&settings, format!("{SETTINGS}[control]\ncertificates = [{{ chain = 'a.pem', key = 'a.key' }}]"))
        .unwrap();
    assert_eq!(reloader.reload().await.unwrap(), ["control.certificates"]);
    // The connection of the beginning is still there.
    open.send(request("GET", "/", &[])).await;
    assert_eq!(open.answer().await.status, 404);
    gateway.stop(Duration::from_millis(100)).await;
}

#[tokio::test]
async fn a_reload_that_would_lose_a_host_of_presigned_urls_is_refused() {
    let (home, pki) = (tempfile::tempdir().unwrap(), Pki::new());
    let dir = home.path();
    write_keyring(dir);
    pki.write_root(dir);
    let both = pki.leaf(&[HOST, "promo.example.net"]).issue();
    both.write(dir, "a");
    let secret = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(dir.join("secret"));
    std::io::Write::write_all(&mut secret.unwrap(), b"hps_k7x2mq4vnzb6yt3whjc5rdaflpg2soeiuxk7q4m3vzn6ybt5whja")
        .unwrap();
    let settings = dir.join("hallpass.toml");
    let hosts = |hosts: &str| {
        format!(
            "{SETTINGS}[presigned]\nenabled = true\nvirtual_hosts = {{ {hosts} }}\n[[presigned.clients]]\nname = 'a'
            access_key_id = 'HPAKABCDEFGHIJKLMN22'\nsecret_access_key_file = 'secret'\nstores = ['media']"
        )
    };
    fs::write(&settings, hosts("'promo.example.net' = 'media'")).unwrap();
    let loaded = load(&settings).unwrap();
    let watch = Watch::over(&loaded.files);
    let rooms = Rooms::open(&loaded, Clock::system(), Sink::Off).await.unwrap();
    let mut reloader = Reloader::new(&settings, &loaded, watch, rooms);

    pki.leaf(&[HOST]).issue().write(dir, "a");
    let refused = reloader.reload().await.unwrap_err().to_string();
    let why = "tls.certificates: none names promo.example.net, a host of presigned.virtual_hosts; add one that does";
    assert!(refused.starts_with(why), "{refused}");
    // A host that had no certificate before either loses nothing.
    both.write(dir, "a");
    fs::write(&settings, hosts("'promo.example.net' = 'media', 'new.example.net' = 'media'")).unwrap();
    reloader.reload().await.unwrap();
    // One that is gone from the settings needs none.
    pki.leaf(&[HOST]).issue().write(dir, "a");
    fs::write(&settings, hosts("")).unwrap();
    reloader.reload().await.unwrap();
}
