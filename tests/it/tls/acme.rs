//! Certificates that come by themselves, from a real authority for tests: Debian's `pebble`.
//!
//! The gateway starts before the authority, so its first order fails and is tried again; after a restart, with the authority gone, it
//! serves what lies in its folder.

use std::fs;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio::time::sleep;

use super::run;
use crate::kit::content;
use crate::kit::gateway::{HOST, Place, request};
use crate::kit::pki::Pki;
use crate::kit::tls_client::TlsClient;

/// A process that ends with the test.
struct Process(Child);

impl Process {
    fn start(command: &mut Command) -> Self {
        Self(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// An authority at `api` that proves names at the port of `public`, and a name server that says every name is this machine.
fn authority(dir: &Path, pki: &Pki, api: SocketAddr, manage: SocketAddr, public: SocketAddr) -> [Process; 2] {
    let (chain, key) = pki.leaf(&["localhost", "127.0.0.1"]).issue().write(dir, "pebble");
    let settings = serde_json::json!({ "pebble": {
        "listenAddress": api.to_string(), "managementListenAddress": manage.to_string(),
        "certificate": chain, "privateKey": key, "httpPort": 1, "tlsPort": public.port(),
    } });
    let file = dir.join("pebble.json");
    fs::write(&file, settings.to_string()).unwrap();
    // The name server listens on UDP and TCP.
    let names = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let server = Process::start(Command::new("pebble-challtestsrv").args([
        "-dns01",
        &names,
        "-http01",
        "",
        "-https01",
        "",
        "-tlsalpn01",
        "",
        "-defaultIPv6",
        "",
        "-management",
        &free().to_string(),
    ]));
    let mut pebble = Command::new("pebble");
    pebble.arg("-config").arg(&file).args(["-dnsserver", &names, "-strict"]);
    pebble.env("PEBBLE_VA_NOSLEEP", "1").env("PEBBLE_WFE_NONCEREJECT", "0");
    [server, Process::start(&mut pebble)]
}

/// The authority's root, which is another at each start.
async fn root(manage: SocketAddr) -> CertificateDer<'static> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let url = format!("https://{manage}/roots/0");
        let (ok, pem) = tokio::task::spawn_blocking(move || run("curl", &["-skf", &url])).await.unwrap();
        if ok {
            return CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
        }
        assert!(Instant::now() < deadline, "the authority does not start: {pem}");
        sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_certificate_comes_is_served_and_outlives_a_restart_without_the_authority() {
    let (pki, mut place) = (Pki::new(), Place::new());
    let dir = place.dir.path().to_owned();
    let [api, manage] = [free(), free()];
    pki.leaf(&["other.example.org"]).issue().write(&dir, "other");
    pki.write_root(&dir);
    place.settings = format!(
        "[tls]\ncertificates = [{{ chain = 'other.pem', key = 'other.key' }}]\n[tls.acme]\ndirectory = 'https://localhost:{}/dir'\n\
         contact = ['ops@example.com']\nroots = 'root.pem'",
        api.port()
    );
    let gate = Box::pin(place.start()).await;
    let public = gate.addresses.public;
    let failed = "hallpass_acme_events_total{event=\"failed\"}";
    let deadline = Instant::now() + PATIENCE;
    while gate.counted(failed).await == 0 {
        assert!(Instant::now() < deadline, "no order was tried");
        sleep(Duration::from_millis(50)).await;
    }
    let processes = authority(&dir, &pki, api, manage, public);
    let trusting = TlsClient::new(root(manage).await, &["h2", "http/1.1"]);
    while trusting.connect(public, HOST).await.is_err() {
        assert!(Instant::now() < deadline, "no certificate came:\n{}", gate.metrics().await);
        sleep(Duration::from_millis(100)).await;
    }
    let link = gate.link("a.bin", &content(3, 1000)).await;
    let trusting = TlsClient::new(root(manage).await, &["http/1.1"]);
    let (mut wire, certificate, _) = trusting.wire(public, HOST).await;
    wire.send(request("GET", &link.path, &[])).await;
    assert_eq!(wire.answer().await.body, content(3, 1000));
    // The files go on being served for their names, and stay the default.
    TlsClient::new(pki.root(), &["http/1.1"]).connect(public, "other.example.org").await.unwrap();
    while gate.counted("hallpass_acme_events_total{event=\"stored\"}").await < 2 {
        assert!(Instant::now() < deadline, "it is not on disk:\n{}", gate.metrics().await);
        sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(gate.counted("hallpass_acme_events_total{event=\"issued\"}").await, 1);
    let days = format!("hallpass_certificate_days{{listener=\"public\",name=\"{HOST}\",key=\"ecdsa\"}}");
    assert!(gate.counted(&days).await > 1);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir.join("acme")), 0o700);
    let kept: Vec<_> = fs::read_dir(dir.join("acme")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(kept.len() == 2 && kept.iter().all(|file| mode(file) == 0o600), "{kept:?}");

    let trusting = TlsClient::new(root(manage).await, &["http/1.1"]);
    drop(processes);
    let gate = Box::pin(gate.cold()).await;
    while gate.counted("hallpass_acme_events_total{event=\"loaded\"}").await == 0 {
        assert!(Instant::now() < deadline, "it did not come from the disk:\n{}", gate.metrics().await);
        sleep(Duration::from_millis(50)).await;
    }
    let (_, again, _) = trusting.wire(gate.addresses.public, HOST).await;
    assert_eq!(again, certificate);
    assert_eq!(gate.counted(failed).await + gate.counted("hallpass_acme_events_total{event=\"issued\"}").await, 0);
    gate.stop().await;
}

/// How long all of it may take on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(120);
