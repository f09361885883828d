//! A gateway that speaks TLS, with certificates of an authority that the clients are told to trust.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

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
        let (chain, key) = identity.write(place.dir.path(), "media");
        let (rsa_chain, rsa_key) = pki.leaf(&[HOST]).rsa().issue().write(place.dir.path(), "media-rsa");
        let gate = place.start().await;
        let address = extra_listener(&gate, [(chain, key), (rsa_chain, rsa_key)]);
        Self { gate, address, root, pki, leaf }
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

// ---- interim
fn extra_listener(gate: &Gateway, files: [(PathBuf, PathBuf); 2]) -> SocketAddr {
    use hallpass::server::{ConnectionLimits, Drain, Listener, PeerInfo, serve};
    use hallpass::tls::{
        Certificate, Certificates, Offer, Resolver, certificates_from_pem, key_from_pem, server_config,
    };
    use hallpass::value::Live;
    use hyper::service::service_fn;
    let pair = |(chain, key): (PathBuf, PathBuf)| {
        Certificate::pair(
            certificates_from_pem(&std::fs::read(chain).unwrap()).unwrap(),
            &key_from_pem(&std::fs::read(key).unwrap()).unwrap(),
        )
        .unwrap()
    };
    let certificates: Certificates = files.into_iter().map(pair).collect();
    let config = server_config(Arc::new(Resolver::new(Live::new(certificates))), Offer::Both).unwrap();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let edge = gate.rooms.edge.clone();
    let front = move |info: PeerInfo| {
        let edge = edge.clone();
        service_fn(move |request| {
            let (edge, info) = (edge.clone(), info.clone());
            async move { Ok::<_, std::convert::Infallible>(edge.handle(request, info.peer, &info.cut).await) }
        })
    };
    let listener = Listener::from_std("public", socket).unwrap().with_tls(Some(config));
    tokio::spawn(serve(
        listener,
        ConnectionLimits::default(),
        gate.rooms.trusted_proxies.clone(),
        front,
        Arc::clone(&gate.rooms.metrics),
        Drain::new(),
    ));
    address
}
