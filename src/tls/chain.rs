//! The examination of a chain of certificates: what a strict client would say of it, with the cause and not just the refusal.
//!
//! Whether the chain is trusted is webpki's judgement. Everything around it says why not: it follows the names from the server's
//! certificate upwards, so that the missing one can be told by name. Trust is judged apart from time, so that an expired
//! certificate of a private authority has both faults.

use std::time::Duration;

use rustls::pki_types;
use rustls::pki_types::CertificateDer;
use webpki::{EndEntityCert, Error, KeyUsage};

use super::certificate::CertificateFacts;
use super::fault::ChainFault;
use super::roots::Roots;
use crate::value::UnixTime;

/// What there is to say of a chain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChainReport {
    /// What each certificate says, in the order of the chain; those that cannot be read are left out.
    pub certificates: Vec<CertificateFacts>,
    /// What is wrong, and what is worth saying.
    pub faults: Vec<ChainFault>,
    /// Where the server's own certificate stands.
    leaf: usize,
}

impl ChainReport {
    /// The server's own certificate; none in a chain without certificates.
    pub fn leaf(&self) -> Option<&CertificateFacts> {
        self.certificates.get(self.leaf)
    }

    /// Whether the server's certificate speaks for this host name or address.
    pub fn covers(&self, host: &str) -> bool {
        self.leaf().is_some_and(|leaf| leaf.covers(host))
    }

    /// Whether clients would take it: there are warnings at most.
    pub fn is_sound(&self) -> bool {
        self.faults.iter().all(ChainFault::is_warning)
    }
}

/// Examines a chain as a server sends it, its own certificate first.
pub fn examine(chain: &[CertificateDer<'_>], roots: &Roots, now: UnixTime) -> ChainReport {
    let read: Vec<_> = chain.iter().map(CertificateFacts::read).collect();
    let mut faults = Vec::new();
    for (at, _) in read.iter().enumerate().filter(|(_, facts)| facts.is_err()) {
        faults.push(ChainFault::Unreadable(at + 1));
    }
    let certificates: Vec<_> = read.into_iter().flatten().collect();
    if chain.is_empty() {
        faults.push(ChainFault::Empty);
    }
    if !faults.is_empty() {
        return ChainReport { certificates, faults, leaf: 0 };
    }
    let walk = Walk::new(&certificates);
    faults.extend(walk.trust(chain, roots, now));
    faults.extend(walk.order());
    faults.extend(walk.each(now));
    let leaf = walk.leaf;
    ChainReport { certificates, faults, leaf }
}

/// The way from the server's certificate to the last of its signers that is in the chain.
struct Walk<'a> {
    facts: &'a [CertificateFacts],
    leaf: usize,
    /// Positions in the chain, the server's own first.
    path: Vec<usize>,
}

impl<'a> Walk<'a> {
    fn new(facts: &'a [CertificateFacts]) -> Self {
        let leaf = facts.iter().position(|one| !one.is_authority).unwrap_or(0);
        let mut path = vec![leaf];
        while let Some(last) = path.last().and_then(|at| facts.get(*at)).filter(|last| !last.is_self_issued()) {
            let signer =
                |(at, one): &(usize, &CertificateFacts)| !path.contains(at) && one.raw_subject == last.raw_issuer;
            let Some((at, _)) = facts.iter().enumerate().find(signer) else { break };
            path.push(at);
        }
        Self { facts, leaf, path }
    }

    /// The certificates on the way.
    fn steps(&self) -> impl Iterator<Item = &'a CertificateFacts> {
        self.path.iter().filter_map(|at| self.facts.get(*at))
    }

    /// Why the chain is not trusted, if it is not, at a time at which all of it is valid.
    fn trust(&self, chain: &[CertificateDer<'_>], roots: &Roots, now: UnixTime) -> Option<ChainFault> {
        let (first, last) = (self.facts.get(self.leaf)?, self.steps().last()?);
        let error = match verify(chain, self.leaf, roots, self.valid_time(now)) {
            Ok(()) if last.is_self_issued() && self.path.len() > 1 => {
                return Some(ChainFault::RootIncluded(last.subject.clone()));
            }
            Ok(()) => return None,
            Err(error) => error,
        };
        if first.is_self_issued() {
            return Some(ChainFault::SelfSigned(named(first)));
        }
        if self.has_weakness() {
            // What is too weak has a fault of its own, and webpki's words for it say less.
            return None;
        }
        let (issuer, get_from) = (last.issuer.clone(), last.issuer_at.clone());
        Some(match error {
            // Not all of it was ever valid at once; each such certificate has a fault of its own.
            Error::CertExpired { .. } | Error::CertNotValidYet { .. } => return None,
            Error::UnknownIssuer if self.path.len() == 1 => {
                ChainFault::MissingIntermediate { subject: named(first), issuer, get_from }
            }
            Error::UnknownIssuer => ChainFault::UntrustedRoot { last: named(last), root: issuer, get_from },
            Error::InvalidSignatureForPublicKey => {
                refused("a signature in it is by another key than that of the certificate that has its signer's name")
            }
            Error::CaUsedAsEndEntity => refused("the server's certificate is that of an authority"),
            Error::RequiredEkuNotFoundContext(_) => refused("the certificate is not meant for servers"),
            other => ChainFault::Refused(other.to_string()),
        })
    }

    fn order(&self) -> Vec<ChainFault> {
        let in_order = self.leaf == 0 && self.path.is_sorted();
        let order = (!in_order).then(|| ChainFault::WrongOrder(self.steps().map(named).collect()));
        let unneeded = (0..self.facts.len()).filter(|at| !self.path.contains(at));
        let unneeded = unneeded.filter_map(|at| self.facts.get(at)).map(|one| ChainFault::Unneeded(named(one)));
        order.into_iter().chain(unneeded).collect()
    }

    /// The faults that a certificate has for itself.
    fn each(&self, now: UnixTime) -> Vec<ChainFault> {
        let mut faults = Vec::new();
        for (at, one) in self.steps().enumerate() {
            if now > one.not_after {
                faults.push(ChainFault::Expired(named(one), one.not_after));
            } else if now < one.not_before {
                faults.push(ChainFault::NotYetValid(named(one), one.not_before));
            } else if at == 0 && one.expires_soon(now) {
                faults.push(ChainFault::ExpiresSoon(one.days_left(now), one.not_after));
            }
            if one.key.is_weak() {
                faults.push(ChainFault::WeakKey(named(one), one.key.to_string()));
            }
            if let Some(with) = one.weak_signature.filter(|_| !one.is_self_issued()) {
                faults.push(ChainFault::WeakSignature(named(one), with));
            }
        }
        faults
    }

    fn has_weakness(&self) -> bool {
        self.steps().any(|one| one.key.is_weak() || (one.weak_signature.is_some() && !one.is_self_issued()))
    }

    /// The time next to `now` at which all of the way is valid.
    fn valid_time(&self, now: UnixTime) -> UnixTime {
        let begin = self.steps().map(|one| one.not_before).max().unwrap_or(now);
        let end = self.steps().map(|one| one.not_after).min().unwrap_or(now);
        now.max(begin).min(end)
    }
}

fn verify(chain: &[CertificateDer<'_>], leaf: usize, roots: &Roots, at: UnixTime) -> Result<(), Error> {
    let others: Vec<_> = chain.iter().enumerate().filter(|(at, _)| *at != leaf).map(|(_, der)| der.clone()).collect();
    let server = EndEntityCert::try_from(chain.get(leaf).ok_or(Error::BadDer)?)?;
    let at = pki_types::UnixTime::since_unix_epoch(Duration::from_secs(at.as_secs()));
    let usage = KeyUsage::server_auth();
    server.verify_for_usage(webpki::ALL_VERIFICATION_ALGS, roots.anchors(), &others, at, usage, None, None).map(|_| ())
}

fn refused(why: &str) -> ChainFault {
    ChainFault::Refused(why.to_owned())
}

/// Its subject, or where that is empty its first name.
fn named(one: &CertificateFacts) -> String {
    if one.subject.is_empty() { one.name().to_owned() } else { one.subject.clone() }
}

#[cfg(test)]
mod tests {
    use super::super::pki::{AIA, INTERMEDIATE, Identity, Pki, ROOT};
    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn roots(pki: &Pki) -> Roots {
        let mut roots = Roots::public();
        roots.add(&pki.root()).unwrap();
        roots
    }

    fn faults(chain: &[CertificateDer<'_>], roots: &Roots) -> Vec<ChainFault> {
        examine(chain, roots, UnixTime::from_secs(NOW).unwrap()).faults
    }

    fn at(days: i64) -> UnixTime {
        UnixTime::from_secs(NOW.saturating_add_signed(days * 86_400)).unwrap()
    }

    #[test]
    fn a_good_chain_has_no_faults_and_says_whom_it_covers() {
        let pki = Pki::at(NOW);
        for leaf in [pki.leaf(&["media.example.com"]), pki.leaf(&["media.example.com"]).rsa()] {
            let report = examine(&leaf.issue().chain, &roots(&pki), at(0));
            assert_eq!(report.faults, []);
            assert!(report.is_sound() && report.covers("MEDIA.example.com") && !report.covers("example.com"));
            assert_eq!(report.leaf().unwrap().subject, "CN=media.example.com");
            assert_eq!(report.certificates.len(), 2);
        }
    }

    #[test]
    fn each_fault_is_told_with_its_cause() {
        let pki = Pki::at(NOW);
        let (own, leaf) = (roots(&pki), || pki.leaf(&["a.example"]));
        let (name, middle, root) = ("CN=a.example".to_owned(), format!("CN={INTERMEDIATE}"), format!("CN={ROOT}"));
        let missing = |get_from: Option<&str>| ChainFault::MissingIntermediate {
            subject: name.clone(),
            issuer: middle.clone(),
            get_from: get_from.map(str::to_owned),
        };
        for (identity, expected) in [
            (leaf().without_intermediate(), vec![missing(Some(AIA))]),
            (leaf().without_intermediate().aia(None), vec![missing(None)]),
            (leaf().self_signed(), vec![ChainFault::SelfSigned(name.clone())]),
            (leaf().days(-90, -2), vec![ChainFault::Expired(name.clone(), at(-2))]),
            (leaf().days(2, 90), vec![ChainFault::NotYetValid(name.clone(), at(2))]),
            (leaf().days(-60, 13), vec![ChainFault::ExpiresSoon(13, at(13))]),
            (leaf().days(-60, 0), vec![ChainFault::ExpiresSoon(0, at(0))]),
            (
                leaf().days(-90, -2).without_intermediate(),
                vec![missing(Some(AIA)), ChainFault::Expired(name.clone(), at(-2))],
            ),
            (
                leaf().days(-90, -2).self_signed(),
                vec![ChainFault::SelfSigned(name.clone()), ChainFault::Expired(name.clone(), at(-2))],
            ),
        ] {
            assert_eq!(faults(&identity.issue().chain, &own), expected);
        }
        let untrusted = ChainFault::UntrustedRoot { last: middle.clone(), root: root.clone(), get_from: None };
        assert_eq!(faults(&leaf().issue().chain, &Roots::public()), [untrusted]);
        let mut whole = leaf().issue().chain;
        whole.push(pki.root());
        assert_eq!(faults(&whole, &own), [ChainFault::RootIncluded(root.clone())]);
        let untrusted = ChainFault::UntrustedRoot { last: root.clone(), root, get_from: None };
        assert_eq!(faults(&whole, &Roots::public()), [untrusted]);
    }

    #[test]
    fn order_and_company_are_judged_apart_from_trust() {
        let pki = Pki::at(NOW);
        let (own, Identity { chain, .. }) = (roots(&pki), pki.leaf(&["a.example"]).issue());
        let (server, middle) = (chain[0].clone(), chain[1].clone());
        let other = Pki::at(NOW).leaf(&["b.example"]).issue().chain.swap_remove(0);
        let order = ChainFault::WrongOrder(vec!["CN=a.example".to_owned(), format!("CN={INTERMEDIATE}")]);
        let unneeded = ChainFault::Unneeded("CN=b.example".to_owned());
        let found = |chain: &[&CertificateDer<'static>]| {
            faults(&chain.iter().map(|der| (*der).clone()).collect::<Vec<_>>(), &own)
        };
        assert_eq!(found(&[&middle, &server]), [order]);
        for chain in [[&server, &other, &middle], [&server, &middle, &other]] {
            assert_eq!(found(&chain), std::slice::from_ref(&unneeded));
        }
        assert_eq!(found(&[]), [ChainFault::Empty]);
        assert_eq!(found(&[&server, &CertificateDer::from(&b"junk"[..]).into_owned()]), [ChainFault::Unreadable(2)]);
    }

    #[test]
    fn a_namesake_that_did_not_sign_is_not_taken_for_the_signer() {
        let (pki, twin) = (Pki::at(NOW), Pki::at(NOW));
        let mut chain = pki.leaf(&["a.example"]).issue().chain;
        chain[1] = twin.intermediate();
        let refused = faults(&chain, &roots(&pki));
        assert!(matches!(&refused[..], [ChainFault::Refused(why)] if why.contains("another key")), "{refused:?}");
        assert_eq!(faults(&pki.leaf(&["a.example"]).issue().chain, &roots(&twin)), refused);
    }

    #[test]
    fn an_authority_is_no_server() {
        let pki = Pki::at(NOW);
        let refused = faults(&[pki.intermediate()], &roots(&pki));
        assert!(matches!(&refused[..], [ChainFault::Refused(why)] if why.contains("authority")), "{refused:?}");
        assert_eq!(faults(&[pki.root()], &Roots::public()), [ChainFault::SelfSigned(format!("CN={ROOT}"))]);
    }

    #[test]
    fn short_keys_and_broken_digests_are_told() {
        use rustls::pki_types::pem::PemObject;
        let weak = CertificateDer::from_pem_slice(include_bytes!("test_data/weak.pem")).unwrap();
        let name = "CN=old.example".to_owned();
        let found = faults(std::slice::from_ref(&weak), &Roots::public());
        assert!(found.contains(&ChainFault::WeakKey(name.clone(), "RSA 1024".to_owned())), "{found:?}");
        assert!(found.contains(&ChainFault::SelfSigned(name)), "{found:?}");
        assert_eq!(CertificateFacts::read(&weak).unwrap().weak_signature, Some("SHA-1 with RSA"));
    }

    #[test]
    fn every_fault_says_what_it_is_and_what_to_do() {
        let text = |text: &str| text.to_owned();
        let missing = |url: Option<&str>| ChainFault::MissingIntermediate {
            subject: text("CN=a"),
            issuer: text("CN=E7"),
            get_from: url.map(text),
        };
        for (fault, said, fix) in [
            (
                missing(Some("http://e7.i.lencr.org/")),
                "CN=E7, which signed CN=a, is missing",
                "append CN=E7 to the chain; it can be had at http://e7.i.lencr.org/",
            ),
            (missing(None), "is missing", "append CN=E7"),
            (ChainFault::WrongOrder(vec![text("CN=a"), text("CN=b")]), "not in order", "CN=a; then CN=b"),
            (ChainFault::Expired(text("CN=a"), UnixTime::EPOCH), "expired at 1970-01-01T00:00:00Z", "renew"),
            (ChainFault::WeakKey(text("CN=a"), text("RSA 1024")), "CN=a has RSA 1024", "2048"),
            (ChainFault::WeakSignature(text("CN=a"), "SHA-1 with RSA"), "SHA-1", "SHA-256"),
        ] {
            assert!(fault.to_string().contains(said), "{fault}");
            assert!(fault.fix().contains(fix), "{}", fault.fix());
            assert!(!fault.is_warning());
        }
        assert!(ChainFault::ExpiresSoon(3, UnixTime::EPOCH).is_warning());
    }
}
