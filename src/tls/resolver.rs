//! Which certificate a handshake gets: the one of the files, or that of ACME, or the proof that ACME asks for.
//!
//! What it holds can be replaced at any time. A handshake takes what is in force when its hello comes, and connections that are open keep what they got.

use std::sync::Arc;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::certificate::CertificateFacts;
use super::certificates::Certificates;
use crate::value::Live;

/// What a listener serves from.
#[derive(Debug)]
pub struct Resolver {
    files: Live<Certificates>,
}

impl Resolver {
    /// Serves these certificates until they are replaced.
    pub const fn new(files: Live<Certificates>) -> Self {
        Self { files }
    }

    /// What the certificates in force say.
    pub fn facts(&self) -> Vec<CertificateFacts> {
        self.files.get().iter().map(|one| one.facts().clone()).collect()
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let files = self.files.get();
        let schemes = hello.signature_schemes();
        let named = hello.server_name().and_then(|host| files.named(host, schemes));
        named.or_else(|| files.fallback(schemes)).map(|one| Arc::clone(one.signing()))
    }
}
