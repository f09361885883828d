//! What one certificate says of itself (RFC 5280): whom it names, who signed it, until when it is good.
//!
//! Certificates may come from anywhere, so every text in here has its control characters escaped and is safe to print.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use aws_lc_rs::digest::{SHA256, digest};
use rustls::pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::public_key::PublicKey;
use x509_parser::time::ASN1Time;

use super::names;
use crate::value::{Sha256, UnixTime};

/// What one certificate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFacts {
    /// Whom it is for, such as `CN=media.example.com`. May be empty.
    pub subject: String,
    /// Who signed it, such as `C=US, O=Let's Encrypt, CN=E7`.
    pub issuer: String,
    /// The host names and addresses that it speaks for, as written.
    pub names: Vec<String>,
    /// From when it is valid.
    pub not_before: UnixTime,
    /// Until when it is valid, this second included.
    pub not_after: UnixTime,
    /// What kind of key it holds.
    pub key: KeyKind,
    /// SHA-256 of its DER, as `openssl x509 -fingerprint -sha256` prints it but for the colons and the case.
    pub fingerprint: Sha256,
    /// Where its issuer's certificate can be had (authority information access, section 4.2.2.1).
    pub issuer_at: Option<String>,
    /// Whether it may sign other certificates.
    pub is_authority: bool,
    /// The algorithm of its signature, where that is too weak to be believed.
    pub(super) weak_signature: Option<&'static str>,
    pub(super) raw_subject: Vec<u8>,
    pub(super) raw_issuer: Vec<u8>,
}

/// The kind of a public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// RSA with a modulus of so many bits.
    Rsa(usize),
    /// A curve, such as `P-256`.
    Ecdsa(&'static str),
    /// Ed25519.
    Ed25519,
    /// Something else, by its object identifier.
    Other(String),
}

/// The bytes are no certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is not an X.509 certificate")]
pub struct NotACertificate;

impl CertificateFacts {
    /// Reads a certificate in DER.
    pub fn read(der: &CertificateDer<'_>) -> Result<Self, NotACertificate> {
        let (rest, read) = x509_parser::parse_x509_certificate(der).map_err(|_| NotACertificate)?;
        if !rest.is_empty() {
            return Err(NotACertificate);
        }
        let fingerprint = digest(&SHA256, der).as_ref().try_into().map_err(|_| NotACertificate)?;
        Ok(Self {
            subject: plain(&read.subject().to_string()),
            issuer: plain(&read.issuer().to_string()),
            names: alternative_names(&read),
            not_before: time(read.validity().not_before),
            not_after: time(read.validity().not_after),
            key: KeyKind::of(&read),
            fingerprint: Sha256::from_bytes(fingerprint),
            issuer_at: issuer_at(&read),
            is_authority: read.is_ca(),
            weak_signature: weak_signature(&read),
            raw_subject: read.subject().as_raw().to_vec(),
            raw_issuer: read.issuer().as_raw().to_vec(),
        })
    }

    /// Whether it speaks for this host name or address.
    pub fn covers(&self, host: &str) -> bool {
        names::covers(self.names.iter().map(String::as_str), host)
    }

    /// The name that stands for it in logs and metrics: its first host name, else its subject.
    pub fn name(&self) -> &str {
        self.names.first().unwrap_or(&self.subject)
    }

    /// How many whole days it is still valid; negative where it has expired.
    pub fn days_left(&self, now: UnixTime) -> i64 {
        let (left, gone) = (now.until(self.not_after).as_secs(), self.not_after.until(now).as_secs());
        let days = |seconds: u64| i64::try_from(seconds / DAY).unwrap_or(i64::MAX);
        if gone > 0 { -1 - days(gone) } else { days(left) }
    }

    /// Whether so little of its time is left that its renewal seems to have been forgotten: less than 14 days, and less than a third of its life.
    pub fn expires_soon(&self, now: UnixTime) -> bool {
        let life = self.not_before.until(self.not_after).as_secs();
        now.until(self.not_after).as_secs() < (14 * DAY).min(life / 3)
    }

    /// Whether subject and issuer are one.
    pub(super) fn is_self_issued(&self) -> bool {
        self.raw_subject == self.raw_issuer
    }
}

impl KeyKind {
    fn of(read: &X509Certificate<'_>) -> Self {
        let key = read.public_key();
        let curve = || key.algorithm.parameters.as_ref().and_then(|curve| curve.as_oid().ok());
        match key.algorithm.algorithm.to_id_string().as_str() {
            RSA => Self::Rsa(match key.parsed() {
                Ok(PublicKey::RSA(rsa)) => bits(rsa.modulus),
                _ => 0,
            }),
            ELLIPTIC => match curve().map(|curve| curve.to_id_string()).unwrap_or_default().as_str() {
                "1.2.840.10045.3.1.7" => Self::Ecdsa("P-256"),
                "1.3.132.0.34" => Self::Ecdsa("P-384"),
                "1.3.132.0.35" => Self::Ecdsa("P-521"),
                other => Self::Other(other.to_owned()),
            },
            "1.3.101.112" => Self::Ed25519,
            other => Self::Other(other.to_owned()),
        }
    }

    /// The kind in one word, as metrics carry it.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Rsa(_) => "rsa",
            Self::Ecdsa(_) => "ecdsa",
            Self::Ed25519 => "ed25519",
            Self::Other(_) => "other",
        }
    }

    /// Whether clients of today refuse it, or will: RSA below 2048 bits, and what is neither RSA nor a usual curve.
    pub const fn is_weak(&self) -> bool {
        matches!(self, Self::Rsa(..2048) | Self::Other(_))
    }
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rsa(bits) => write!(f, "RSA {bits}"),
            Self::Ecdsa(curve) => write!(f, "ECDSA {curve}"),
            Self::Ed25519 => write!(f, "Ed25519"),
            Self::Other(identifier) => write!(f, "a key of kind {identifier}"),
        }
    }
}

/// The length of a number, without the zeros before it.
fn bits(number: &[u8]) -> usize {
    let significant = number.iter().position(|byte| *byte != 0).and_then(|at| number.get(at..)).unwrap_or_default();
    let leading = significant.first().map_or(0, |first| first.leading_zeros() as usize);
    significant.len() * 8 - leading
}

fn time(time: ASN1Time) -> UnixTime {
    u64::try_from(time.timestamp()).map_or(UnixTime::EPOCH, |secs| UnixTime::from_secs(secs).unwrap_or(UnixTime::MAX))
}

fn alternative_names(read: &X509Certificate<'_>) -> Vec<String> {
    let names = read.subject_alternative_name().ok().flatten();
    let names = names.iter().flat_map(|names| &names.value.general_names);
    names
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(plain(name)),
            GeneralName::IPAddress(bytes) => address(bytes),
            _ => None,
        })
        .collect()
}

fn address(bytes: &[u8]) -> Option<String> {
    let v4 = <[u8; 4]>::try_from(bytes).map(|bytes| Ipv4Addr::from(bytes).to_string());
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(|bytes| Ipv6Addr::from(bytes).to_string())).ok()
}

fn issuer_at(read: &X509Certificate<'_>) -> Option<String> {
    read.iter_extensions().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::AuthorityInfoAccess(access) => access.iter().find_map(|entry| match &entry.access_location {
            GeneralName::URI(url) if entry.access_method.to_id_string() == CA_ISSUERS => Some(plain(url)),
            _ => None,
        }),
        _ => None,
    })
}

/// The signatures that collisions were found for.
fn weak_signature(read: &X509Certificate<'_>) -> Option<&'static str> {
    match read.signature_algorithm.algorithm.to_id_string().as_str() {
        "1.2.840.113549.1.1.2" => Some("MD2 with RSA"),
        "1.2.840.113549.1.1.4" => Some("MD5 with RSA"),
        "1.2.840.113549.1.1.5" => Some("SHA-1 with RSA"),
        "1.2.840.10045.4.1" => Some("SHA-1 with ECDSA"),
        "1.2.840.10040.4.3" => Some("SHA-1 with DSA"),
        _ => None,
    }
}

/// A text from a certificate, with nothing in it that a terminal would obey, and of bounded length.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    for c in text.chars().take(LONGEST_TEXT) {
        let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if c.is_control() || turns { plain.extend(c.escape_unicode()) } else { plain.push(c) }
    }
    plain
}

const DAY: u64 = 86_400;
/// In characters; host names have at most 253.
const LONGEST_TEXT: usize = 300;
const RSA: &str = "1.2.840.113549.1.1.1";
const ELLIPTIC: &str = "1.2.840.10045.2.1";
const CA_ISSUERS: &str = "1.3.6.1.5.5.7.48.2";

#[cfg(test)]
mod tests {
    use super::super::pki::{AIA, INTERMEDIATE, Pki};
    use super::*;

    fn facts(leaf: super::super::pki::Leaf<'_>) -> CertificateFacts {
        CertificateFacts::read(&leaf.issue().chain[0]).unwrap()
    }

    #[test]
    fn a_certificate_says_what_it_was_made_with() {
        let pki = Pki::at(1_800_000_000);
        let read = facts(pki.leaf(&["media.example.com", "*.example.org", "192.0.2.1", "2001:db8::1"]).days(-1, 30));
        assert_eq!(read.subject, "CN=media.example.com");
        assert_eq!(read.issuer, format!("CN={INTERMEDIATE}"));
        assert_eq!(read.names, ["media.example.com", "*.example.org", "192.0.2.1", "2001:db8::1"]);
        assert_eq!(read.not_before.as_secs(), 1_800_000_000 - 86_400);
        assert_eq!(read.not_after.as_secs(), 1_800_000_000 + 30 * 86_400);
        assert_eq!((read.key.to_string().as_str(), read.key.word()), ("ECDSA P-256", "ecdsa"));
        assert_eq!(read.issuer_at.as_deref(), Some(AIA));
        assert!(!read.is_authority && !read.is_self_issued() && read.weak_signature.is_none());
        assert!(read.covers("A.example.org") && read.covers("[2001:db8::1]") && !read.covers("example.org"));
        let rsa = facts(pki.leaf(&["a.example"]).rsa());
        assert_eq!((rsa.key.clone(), rsa.key.is_weak()), (KeyKind::Rsa(2048), false));
        assert!(KeyKind::Rsa(2047).is_weak() && KeyKind::Other("1.2".to_owned()).is_weak());
    }

    #[test]
    fn days_are_counted_whole_and_go_below_zero() {
        let pki = Pki::at(1_800_000_000);
        let (read, now) = (facts(pki.leaf(&["a.example"]).days(-60, 30)), UnixTime::from_secs(1_800_000_000).unwrap());
        let at = |seconds: i64| UnixTime::from_secs(now.as_secs().saturating_add_signed(seconds)).unwrap();
        for (later, days, soon) in [
            (0, 30, false),
            (1, 29, false),
            (16 * 86_400, 14, false),
            (16 * 86_400 + 1, 13, true),
            (30 * 86_400, 0, true),
            (30 * 86_400 + 1, -1, true),
            (31 * 86_400 + 1, -2, true),
        ] {
            assert_eq!((read.days_left(at(later)), read.expires_soon(at(later))), (days, soon), "{later}");
        }
        let short = facts(pki.leaf(&["a.example"]).days(0, 6));
        assert!(!short.expires_soon(now) && short.expires_soon(at(4 * 86_400 + 1)));
    }

    #[test]
    fn what_is_no_certificate_is_refused_and_hostile_text_is_escaped() {
        let der = Pki::new().leaf(&["a.example"]).issue().chain.swap_remove(0);
        let longer = [der.as_ref(), &[0]].concat();
        for bad in [&b""[..], b"\x30\x00", &der[..der.len() - 1], &longer] {
            assert_eq!(CertificateFacts::read(&CertificateDer::from(bad)), Err(NotACertificate));
        }
        assert_eq!(plain("a\u{1b}[31m\nb\u{202e}"), "a\\u{1b}[31m\\u{a}b\\u{202e}");
        assert_eq!(plain(&"x".repeat(5000)).len(), LONGEST_TEXT);
        assert_eq!((bits(&[0, 0x80, 0]), bits(&[0x01]), bits(&[])), (16, 1, 0));
    }
}
