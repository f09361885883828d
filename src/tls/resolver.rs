//! Which certificate a handshake gets: the one of the files, or that of ACME, or the proof that ACME asks for.
//!
//! What it holds can be replaced at any time. A handshake takes what is in force when its hello comes, and connections that are open keep
//! what they got.

use std::sync::Arc;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_acme::is_tls_alpn_challenge;

use super::acme::AcmeCertificates;
use super::certificate::CertificateFacts;
use super::certificates::Certificates;
use crate::value::Live;

/// What a listener serves from.
#[derive(Debug)]
pub struct Resolver {
    files: Live<Certificates>,
    acme: Option<AcmeCertificates>,
}

impl Resolver {
    /// Serves these certificates until they are replaced, and what ACME brings for its names.
    pub const fn new(files: Live<Certificates>, acme: Option<AcmeCertificates>) -> Self {
        Self { files, acme }
    }

    /// What the certificates in force say.
    pub fn facts(&self) -> Vec<CertificateFacts> {
        let files = self.files.get();
        let acme = self.acme.as_ref().and_then(AcmeCertificates::facts);
        files.iter().map(|one| one.facts().clone()).chain(acme).collect()
    }

    /// The certificates from files that are in force.
    pub fn files(&self) -> Arc<Certificates> {
        self.files.keep()
    }

    /// Puts other certificates from files in force. None is no set of certificates, unless ACME brings some.
    pub fn replace(&self, files: Certificates) {
        if !files.is_empty() || self.acme.is_some() {
            self.files.replace(files);
        }
    }

    /// Whether certificates come by ACME too.
    pub const fn has_acme(&self) -> bool {
        self.acme.is_some()
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let acme = self.acme.as_ref();
        if let Some(acme) = acme.filter(|_| is_tls_alpn_challenge(&hello)) {
            return acme.resolve(hello);
        }
        let files = self.files.get();
        let (host, schemes) = (hello.server_name(), hello.signature_schemes());
        // Files go first: who names one wants it. Of two certificates that nobody asked for, the files' is the default.
        if let Some(named) = host.and_then(|host| files.named(host, schemes)) {
            return Some(Arc::clone(named.signing()));
        }
        let fallback = files.fallback(schemes).map(|one| Arc::clone(one.signing()));
        match acme.filter(|acme| fallback.is_none() || host.is_some_and(|host| acme.covers(host))) {
            Some(acme) => acme.resolve(hello).or(fallback),
            None => fallback,
        }
    }
}
