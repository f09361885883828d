//! The certificates that a listener serves, and which of them a client gets.
//!
//! A certificate that names the host exactly goes before one that does so by a wildcard; among equals goes what the client can verify, and
//! then ECDSA before RSA, whose signatures cost ten times as much. Who names no host, or an unknown one, gets what a client that asks
//! for the first name of the first certificate would get.

use rustls::SignatureScheme;

use super::certificate::{CertificateFacts, KeyKind};
use super::names;
use super::pem::Certificate;

/// The certificates of a listener, the default first.
#[derive(Clone, Debug, Default)]
pub struct Certificates(Vec<Certificate>);

impl Certificates {
    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Certificate> {
        self.0.iter()
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The one for a client that asks for `host` and verifies these kinds of signatures; none where no certificate has that name. Where it
    /// can verify none that has the name, it gets one all the same, and the handshake will tell it so.
    pub(super) fn named(&self, host: &str, schemes: &[SignatureScheme]) -> Option<&Certificate> {
        let exactly = |facts: &CertificateFacts| facts.names.iter().any(|name| name.eq_ignore_ascii_case(host));
        let at_all = |facts: &CertificateFacts| facts.names.iter().any(|name| names::stands_for(name, host));
        self.best(schemes, exactly).or_else(|| self.best(schemes, at_all))
    }

    /// The one for a client that names no host, or one that we do not know.
    pub(super) fn fallback(&self, schemes: &[SignatureScheme]) -> Option<&Certificate> {
        let first = self.0.first()?;
        let name = first.facts().names.first();
        let twin = |facts: &CertificateFacts| facts.names.iter().any(|other| Some(other) == name);
        self.best(schemes, twin).or(Some(first))
    }

    /// The best of those that suit; none only where none suits.
    fn best(&self, schemes: &[SignatureScheme], suits: impl Fn(&CertificateFacts) -> bool) -> Option<&Certificate> {
        let suiting = self.0.iter().filter(|one| suits(one.facts()));
        // The first of the smallest: false goes before true.
        suiting.min_by_key(|one| (!can_sign(one, schemes), matches!(one.facts().key, KeyKind::Rsa(_))))
    }
}

impl FromIterator<Certificate> for Certificates {
    fn from_iter<I: IntoIterator<Item = Certificate>>(all: I) -> Self {
        Self(all.into_iter().collect())
    }
}

fn can_sign(one: &Certificate, schemes: &[SignatureScheme]) -> bool {
    one.signing().key.choose_scheme(schemes).is_some()
}

#[cfg(test)]
mod tests {
    use rustls::SignatureScheme as Scheme;

    use super::super::pki::{Leaf, Pki};
    use super::*;

    const ECDSA: &[Scheme] = &[Scheme::ECDSA_NISTP256_SHA256];
    const RSA: &[Scheme] = &[Scheme::RSA_PSS_SHA256, Scheme::RSA_PKCS1_SHA256];
    const BOTH: &[Scheme] = &[Scheme::RSA_PSS_SHA256, Scheme::ECDSA_NISTP256_SHA256];

    fn set<'a>(leaves: impl IntoIterator<Item = Leaf<'a>>) -> Certificates {
        let pair = |leaf: Leaf<'_>| {
            let identity = leaf.issue();
            Certificate::pair(identity.chain.clone(), &identity.key()).unwrap()
        };
        leaves.into_iter().map(pair).collect()
    }

    /// Which one, by its place.
    fn at(set: &Certificates, one: Option<&Certificate>) -> Option<usize> {
        one.map(|one| set.iter().position(|other| other.facts() == one.facts()).unwrap())
    }

    #[test]
    fn the_name_decides_then_what_the_client_verifies_then_the_cost() {
        let pki = Pki::new();
        let set = set([
            pki.leaf(&["*.example.com"]),
            pki.leaf(&["media.example.com", "cdn.example.com"]).rsa(),
            pki.leaf(&["media.example.com"]),
            pki.leaf(&["Other.Example.ORG"]).rsa(),
        ]);
        for (host, schemes, expected) in [
            ("media.example.com", BOTH, Some(2)),
            ("media.example.com", ECDSA, Some(2)),
            ("media.example.com", RSA, Some(1)),
            ("MEDIA.example.COM", RSA, Some(1)),
            ("cdn.example.com", BOTH, Some(1)),
            ("cdn.example.com", ECDSA, Some(1)),
            ("new.example.com", BOTH, Some(0)),
            ("other.example.org", BOTH, Some(3)),
            ("example.com", BOTH, None),
            ("a.new.example.com", BOTH, None),
            ("*.example.com", BOTH, Some(0)),
        ] {
            assert_eq!(at(&set, set.named(host, schemes)), expected, "{host}");
        }
    }

    #[test]
    fn the_default_is_the_first_or_its_twin_that_the_client_verifies() {
        let pki = Pki::new();
        let twins = set([pki.leaf(&["a.example"]).rsa(), pki.leaf(&["b.example"]), pki.leaf(&["a.example"])]);
        for (schemes, expected) in [(BOTH, 2), (ECDSA, 2), (RSA, 0), (&[][..], 2)] {
            assert_eq!(at(&twins, twins.fallback(schemes)), Some(expected));
        }
        let wild = set([pki.leaf(&["*.example"]).rsa(), pki.leaf(&["b.example"])]);
        assert_eq!(at(&wild, wild.fallback(BOTH)), Some(0));
        let nameless = set([pki.leaf(&[]), pki.leaf(&["b.example"])]);
        assert_eq!(at(&nameless, nameless.fallback(BOTH)), Some(0));
        assert!(Certificates::default().fallback(BOTH).is_none() && Certificates::default().is_empty());
    }
}
