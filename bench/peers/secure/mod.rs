//! The rows over TLS: what they are measured through, which is one door for each server that has one.
//!
//! All of them have the same certificate, ECDSA P-256 with an intermediate, made for this run, and clients offer TLS 1.3 with
//! `TLS_AES_128_GCM_SHA256` and X25519 alone, so that every server does the same work.

pub mod attacks;
mod channel;
mod fleet;
mod handshakes;
mod http1;
mod http2;
pub mod measure;
#[path = "../../../tests/it/kit/pki.rs"]
#[allow(dead_code, clippy::disallowed_methods, reason = "it has every fault that certificates have, and its own clock")]
mod pki;
mod raid;
mod records;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use self::pki::Pki;
use crate::servers::Peer;

/// A server's certificate and whom to trust for it, in files and for clients.
pub struct Papers {
    pub chain: PathBuf,
    pub key: PathBuf,
    pub root: PathBuf,
    roots: Arc<RootCertStore>,
}

/// How a client shakes hands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Client {
    /// Keeps its connection open.
    Keeps,
    KeepsHttp2,
    /// Never has a ticket to show.
    Full,
    /// Shows the last ticket that it got.
    Resumes,
}

impl Papers {
    pub fn make(under: &Path) -> Self {
        let pki = Pki::new();
        let (chain, key) = pki.leaf(&[NAME]).aia(None).issue().write(under, "bench");
        let mut roots = RootCertStore::empty();
        roots.add(pki.root()).unwrap();
        Self { chain, key, root: pki.write_root(under), roots: Arc::new(roots) }
    }

    /// A configuration, and with it a store of tickets, of its own.
    pub fn client(&self, client: Client) -> Arc<ClientConfig> {
        let provider = CryptoProvider {
            cipher_suites: vec![aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256],
            kx_groups: vec![aws_lc_rs::kx_group::X25519],
            ..aws_lc_rs::default_provider()
        };
        let builder = ClientConfig::builder_with_provider(Arc::new(provider));
        let builder = builder.with_protocol_versions(&[&rustls::version::TLS13]).unwrap();
        let mut config = builder.with_root_certificates(Arc::clone(&self.roots)).with_no_client_auth();
        config.alpn_protocols = vec![if client == Client::KeepsHttp2 { "h2".into() } else { "http/1.1".into() }];
        config.enable_secret_extraction = true;
        if client != Client::Resumes {
            config.resumption = Resumption::disabled();
        }
        Arc::new(config)
    }

    /// The same, of somebody who looks at no certificate.
    pub fn careless(&self, client: Client) -> Arc<ClientConfig> {
        let mut config = Arc::unwrap_or_clone(self.client(client));
        config.dangerous().set_certificate_verifier(Arc::new(Careless));
        Arc::new(config)
    }
}

#[derive(Debug)]
struct Careless;

impl ServerCertVerifier for Careless {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}

/// A server's listener for TLS.
pub struct Door<'a> {
    pub at: SocketAddr,
    pub links: &'a BTreeMap<String, String>,
    pub forged: Option<&'a String>,
    pub pids: Vec<u32>,
}

impl<'a> Door<'a> {
    /// Nothing where this server has none.
    pub fn of(peer: &'a Peer) -> Option<Self> {
        Some(Self { at: peer.secure?, links: &peer.links, forged: peer.forged.first(), pids: peer.pids() })
    }

    /// What it is called in requests.
    fn authority(&self) -> String {
        format!("{NAME}:{}", self.at.port())
    }
}

/// What the certificate is for.
pub const NAME: &str = "localhost";
