//! Whom we trust to sign certificates: the public roots that browsers carry, and those that an operator adds.

use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, TrustAnchor};
use webpki::anchor_from_trusted_cert;

use super::certificate::NotACertificate;
use super::pem::{BadPem, certificates_from_pem};

/// A set of trust anchors.
#[derive(Clone, Debug)]
pub struct Roots(Vec<TrustAnchor<'static>>);

impl Roots {
    /// The roots of Mozilla's programme, as they were when this program was built.
    pub fn public() -> Self {
        Self(webpki_roots::TLS_SERVER_ROOTS.to_vec())
    }

    /// Trusts this certificate too.
    pub fn add(&mut self, root: &CertificateDer<'_>) -> Result<(), NotACertificate> {
        let anchor = anchor_from_trusted_cert(root).map_err(|_| NotACertificate)?;
        self.0.push(anchor.to_owned());
        Ok(())
    }

    /// Trusts every certificate in a PEM text.
    pub fn add_pem(&mut self, pem: &[u8]) -> Result<(), BadPem> {
        let all = certificates_from_pem(pem)?;
        all.iter().try_for_each(|root| self.add(root)).map_err(|NotACertificate| BadPem::NotACertificate)
    }

    /// The same for a client of ours.
    pub fn store(&self) -> RootCertStore {
        RootCertStore { roots: self.0.clone() }
    }

    pub(super) fn anchors(&self) -> &[TrustAnchor<'static>] {
        &self.0
    }
}
