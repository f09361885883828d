//! A gateway that speaks TLS, with certificates of an authority that the clients are told to trust.

use std::net::SocketAddr;
use std::path::PathBuf;

use hallpass::fetcher::{Mode, Profile};

use super::gateway::{Gateway, HOST, Place};
use super::pki::Pki;

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
    /// Any host name leads to it. Its profile lets any fetcher in: clients of the field have names of their own.
    pub async fn start() -> Self {
        Self::start_in(Place { listen: ", hosts = [\"*\"]", ..Place::new() }).await
    }

    /// The same with what else this place has.
    pub async fn start_in(mut place: Place) -> Self {
        let profile = Profile { mode: Mode::Observe, ..Profile::meta() };
        place.profiles.insert(profile.name.clone(), profile);
        let pki = Pki::new();
        let root = pki.write_root(place.dir.path());
        let identity = pki.leaf(&[HOST, "localhost"]).issue();
        let leaf = identity.chain[0].to_vec();
        identity.write(place.dir.path(), "media");
        pki.leaf(&[HOST]).rsa().issue().write(place.dir.path(), "media-rsa");
        place.settings.push_str(TLS);
        let gate = Box::pin(place.start()).await;
        Self { address: gate.addresses.public, gate, root, pki, leaf }
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }
}

const TLS: &str = r#"
    [tls]
    roots = "root.pem"
    certificates = [{ chain = "media.pem", key = "media.key" }, { chain = "media-rsa.pem", key = "media-rsa.key" }]
"#;
