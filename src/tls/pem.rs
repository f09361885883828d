//! Certificates and keys from PEM (RFC 7468), and whether the two belong together.
//!
//! No error repeats what stood in the file: it may have been a key.

use std::sync::Arc;

use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};

use super::certificate::{CertificateFacts, NotACertificate};

/// A text is not the PEM that it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPem {
    /// No certificate in it.
    #[error("holds no certificate; it begins with -----BEGIN CERTIFICATE-----")]
    NoCertificate,
    /// No key in it.
    #[error("holds no private key; it begins with -----BEGIN PRIVATE KEY-----")]
    NoKey,
    /// A key that asks for a passphrase.
    #[error("is locked with a passphrase, which nobody can type in here; write it without one by `openssl pkey`")]
    Locked,
    /// A section without its end, or not in base64.
    #[error("is damaged: a section of it has no end, or is not in base64; copy it anew")]
    Damaged,
    /// A section that is called a certificate, and is none.
    #[error("has something in it that is called a certificate and is none; copy it anew")]
    NotACertificate,
}

/// A chain and a key cannot be served together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPair {
    /// The key is of no kind that TLS uses here.
    #[error(
        "is not a key that TLS can use; make one with `openssl ecparam -name prime256v1 -genkey`, or RSA with 2048 bits"
    )]
    Key,
    /// The key is that of no certificate in the chain.
    #[error("is not the key of the certificate; name the key that the certificate was asked for with")]
    Mismatch,
    /// The key is that of another certificate than the first.
    #[error("belongs to certificate {0} of the chain, not to the first; put the server's own certificate first")]
    NotFirst(usize),
}

/// A certificate with its chain and its key, ready to be served.
#[derive(Clone, Debug)]
pub struct Certificate {
    facts: CertificateFacts,
    signing: Arc<CertifiedKey>,
}

impl Certificate {
    /// Joins a chain, the server's own certificate first, and its key.
    pub fn pair(chain: Vec<CertificateDer<'static>>, key: &PrivateKeyDer<'_>) -> Result<Self, BadPair> {
        let key = any_supported_type(key).map_err(|_| BadPair::Key)?;
        let fits = |der: &CertificateDer<'static>| {
            let alone = CertifiedKey::new(vec![der.clone()], Arc::clone(&key));
            matches!(alone.keys_match(), Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)))
        };
        match chain.iter().position(fits) {
            Some(0) => {}
            Some(at) => return Err(BadPair::NotFirst(at + 1)),
            None => return Err(BadPair::Mismatch),
        }
        let facts = chain.first().map(CertificateFacts::read).and_then(Result::ok).ok_or(BadPair::Mismatch)?;
        Ok(Self { facts, signing: Arc::new(CertifiedKey::new(chain, key)) })
    }

    /// What the server's own certificate says.
    pub const fn facts(&self) -> &CertificateFacts {
        &self.facts
    }

    /// The chain, the server's own certificate first.
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.signing.cert
    }

    pub(super) const fn signing(&self) -> &Arc<CertifiedKey> {
        &self.signing
    }
}

/// The certificates in a PEM text, at least one, in their order. Sections of other kinds are passed over.
pub fn certificates_from_pem(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, BadPem> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let all = all.map_err(|error| bad(&error, BadPem::NoCertificate))?;
    match all.iter().try_for_each(|der| CertificateFacts::read(der).map(|_| ())) {
        Ok(()) if all.is_empty() => Err(BadPem::NoCertificate),
        Ok(()) => Ok(all),
        Err(NotACertificate) => Err(BadPem::NotACertificate),
    }
}

/// The first private key in a PEM text: PKCS #8, PKCS #1 or SEC 1.
pub fn key_from_pem(pem: &[u8]) -> Result<PrivateKeyDer<'static>, BadPem> {
    let holds = |words: &[u8]| pem.windows(words.len()).any(|window| window == words);
    if holds(b"ENCRYPTED PRIVATE KEY-----") || holds(b"Proc-Type: 4,ENCRYPTED") {
        return Err(BadPem::Locked);
    }
    PrivateKeyDer::from_pem_slice(pem).map_err(|error| bad(&error, BadPem::NoKey))
}

fn bad(error: &PemError, nothing: BadPem) -> BadPem {
    if matches!(error, PemError::NoItemsFound) { nothing } else { BadPem::Damaged }
}

#[cfg(test)]
mod tests {
    use super::super::pki::Pki;
    use super::*;

    #[test]
    fn chains_and_keys_are_read_and_belong_together() {
        let pki = Pki::new();
        for leaf in [pki.leaf(&["a.example"]), pki.leaf(&["a.example"]).rsa()] {
            let identity = leaf.issue();
            let text = format!("a comment\n{}\r\n{}", identity.key_pem(), identity.chain_pem());
            let chain = certificates_from_pem(text.as_bytes()).unwrap();
            assert_eq!(chain, identity.chain);
            let read = Certificate::pair(chain, &key_from_pem(text.as_bytes()).unwrap()).unwrap();
            assert_eq!(read.facts().names, ["a.example"]);
            assert_eq!(read.chain(), identity.chain);
        }
    }

    #[test]
    fn each_way_in_which_they_do_not_belong_together_is_told() {
        let pki = Pki::new();
        let (one, other) = (pki.leaf(&["a.example"]).issue(), pki.leaf(&["b.example"]).issue());
        let pair = |chain: &[CertificateDer<'static>], key: &PrivateKeyDer<'_>| {
            Certificate::pair(chain.to_vec(), key).map(|_| ())
        };
        assert_eq!(pair(&one.chain, &other.key()), Err(BadPair::Mismatch));
        assert_eq!(pair(&pki.leaf(&["a.example"]).rsa().issue().chain, &one.key()), Err(BadPair::Mismatch));
        assert_eq!(pair(&[], &one.key()), Err(BadPair::Mismatch));
        let turned: Vec<_> = one.chain.iter().rev().cloned().collect();
        assert_eq!(pair(&turned, &one.key()), Err(BadPair::NotFirst(2)));
        let junk = PrivateKeyDer::from(rustls::pki_types::PrivatePkcs8KeyDer::from(b"junk".to_vec()));
        assert_eq!(pair(&one.chain, &junk), Err(BadPair::Key));
    }

    #[test]
    fn each_way_in_which_a_text_is_no_pem_is_told() {
        let identity = Pki::new().leaf(&["a.example"]).issue();
        let (chain, key) = (identity.chain_pem(), identity.key_pem());
        let cut = &chain[..chain.len() - 40];
        for (text, expected) in [
            ("", BadPem::NoCertificate),
            (key.as_str(), BadPem::NoCertificate),
            (cut, BadPem::Damaged),
            ("-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n", BadPem::Damaged),
            ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", BadPem::NotACertificate),
        ] {
            assert_eq!(certificates_from_pem(text.as_bytes()), Err(expected), "{text}");
        }
        for (text, expected) in [
            ("", BadPem::NoKey),
            (chain.as_str(), BadPem::NoKey),
            (&key[..key.len() - 40], BadPem::Damaged),
            (&key.replace("PRIVATE", "ENCRYPTED PRIVATE"), BadPem::Locked),
            ("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n", BadPem::Locked),
        ] {
            assert_eq!(key_from_pem(text.as_bytes()).map(|_| ()), Err(expected), "{text}");
        }
    }
}
