//! A gateway that speaks TLS, with certificates of an authority that the clients are told to trust.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use hallpass::fetcher::{Mode, Profile};

use crate::kit::gateway::{Gateway, HOST, Place};
use crate::kit::pki::Pki;
use crate::kit::program::find;

/// A running gateway with TLS on its public listener.
pub struct Secure {
    pub gate: Gateway,
    pub address: SocketAddr,
    /// The authority's certificate.
    pub root: PathBuf,
    pub pki: Pki,
    /// The certificate that most clients get, as DER.
    pub leaf: Vec<u8>,
}

impl Secure {
    /// Any host name leads to it, and its profile lets any fetcher in: clients of the field have names of their own.
    pub async fn start() -> Self {
        let mut place = Place { listen: ", hosts = [\"*\"]", ..Place::new() };
        let profile = Profile { mode: Mode::Observe, ..Profile::meta() };
        place.profiles.insert(profile.name.clone(), profile);
        let pki = Pki::new();
        let root = pki.write_root(place.dir.path());
        let identity = pki.leaf(&[HOST, "localhost"]).issue();
        let leaf = identity.chain[0].to_vec();
        identity.write(place.dir.path(), "media");
        pki.leaf(&[HOST]).rsa().issue().write(place.dir.path(), "media-rsa");
        place.settings = TLS.to_owned();
        let gate = Box::pin(place.start()).await;
        Self { address: gate.addresses.public, gate, root, pki, leaf }
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }
}

/// Runs a client to its end, or ends it when it takes too long.
pub async fn run(command: Command) -> Output {
    let told = format!("{command:?}");
    let mut bounded = Command::new(find("timeout", "coreutils"));
    bounded.args(["--kill-after=5", "90"]).arg(command.get_program()).args(command.get_args()).stdin(Stdio::null());
    // The thread that serves it is this one.
    let ended = tokio::task::spawn_blocking(move || bounded.output()).await;
    ended.unwrap().unwrap_or_else(|error| panic!("{error}: {told}"))
}

/// The same, which must succeed; what it printed.
pub async fn run_well(command: Command) -> Vec<u8> {
    let told = format!("{command:?}");
    let output = run(command).await;
    assert!(output.status.success(), "{}: {told}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    output.stdout
}

const TLS: &str = r#"
    [tls]
    roots = "root.pem"
    certificates = [{ chain = "media.pem", key = "media.key" }, { chain = "media-rsa.pem", key = "media-rsa.key" }]
"#;
