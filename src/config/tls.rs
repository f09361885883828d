//! `[tls]`, `[tls.acme]` and `control.certificates`: which certificates are served, as paths. What the files hold is read in `certificates`.

use std::path::PathBuf;

use toml::Value;

use super::reading::{Reading, text};
use super::section::Section;
use crate::link::PublicOrigin;
use crate::tls::AcmeSettings;

/// How the public listener speaks TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsSettings {
    /// The certificates, the default first.
    pub certificates: Vec<CertificateFiles>,
    /// Authorities that are trusted besides the public ones when chains are examined.
    pub roots: Option<PathBuf>,
    /// Where certificates come from by themselves.
    pub acme: Option<AcmeSettings>,
    /// Whom to trust when the ACME directory is asked, besides the public authorities.
    pub acme_roots: Option<PathBuf>,
}

/// The two files of a certificate, both PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The server's own certificate, and after it its intermediates.
    pub chain: PathBuf,
    /// Its private key, which only the owner may read.
    pub key: PathBuf,
}

/// Reads `[tls]`; `None` where it is not written. `origin` is what links begin with.
pub(super) fn read(root: &mut Section<'_>, origin: Option<&PublicOrigin>) -> Option<TlsSettings> {
    let is_written = root.has("tls");
    let before = root.faults_so_far();
    let mut section = root.section("tls");
    let certificates = certificates(&mut section);
    let roots = section.path("roots");
    let has_acme = section.has("acme");
    let (acme, acme_roots) = acme(section.section("acme"), origin.filter(|_| has_acme));
    section.end();
    if !is_written {
        return None;
    }
    if certificates.is_empty() && !has_acme && root.faults_so_far() == before {
        root.fault(
            "tls",
            "names no certificate; write certificates = [{ chain = \"...\", key = \"...\" }], or [tls.acme]",
        );
    }
    Some(TlsSettings { certificates, roots, acme: acme.filter(|_| has_acme), acme_roots })
}

/// Reads the list `certificates` of `[tls]` or `[control]`.
pub(super) fn certificates(section: &mut Section<'_>) -> Vec<CertificateFiles> {
    section.each("certificates", |mut section| {
        let chain = section.need_path("chain", "write the PEM file of the certificate and its intermediates");
        let key = section.need_path("key", "write the PEM file of the private key");
        section.end();
        Some(CertificateFiles { chain: chain?, key: key? })
    })
}

fn acme(mut section: Section<'_>, origin: Option<&PublicOrigin>) -> (Option<AcmeSettings>, Option<PathBuf>) {
    let before = section.faults_so_far();
    let written = section.list("domains", domain);
    if written.as_ref().is_some_and(Vec::is_empty) && section.faults_so_far() == before {
        section.fault("domains", "is empty; remove it for the host of public_origin, or name what is to be certified");
    }
    let own = origin.filter(|_| written.is_none()).map(PublicOrigin::host);
    if own.is_some_and(|host| !is_domain(host)) {
        section
            .fault("domains", "is missing, and the host of public_origin is no name that ACME certifies; write them");
    }
    let contact = section.list("contact", contact).unwrap_or_default();
    let directory = section.read("directory", directory).unwrap_or_else(|| LETS_ENCRYPT.to_owned());
    let folder = section.path("folder").unwrap_or_else(|| section.base_dir().join("acme"));
    let roots = section.path("roots");
    section.end();
    let names = |list: Vec<(String, String)>| list.into_iter().map(|(_, name)| name).collect();
    let domains = written.map(names).or_else(|| Some(vec![own?.to_owned()]));
    let settings = domains.map(|domains| AcmeSettings { domains, contact: names(contact), directory, folder });
    (settings, roots)
}

/// A host name with a dot or `localhost`, and not an address: what TLS-ALPN-01 can prove (RFC 8737). It proves no wildcard.
fn domain(value: &Value) -> Reading<String> {
    let name = text(value)?;
    if is_domain(name) {
        Ok(name.to_owned())
    } else {
        Err("is a lower-case host name, such as \"media.example.com\"; ACME proves neither wildcards nor addresses here".to_owned())
    }
}

fn is_domain(name: &str) -> bool {
    let label = |label: &str| {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        !label.is_empty() && label.len() <= 63 && label.bytes().all(plain)
    };
    name.len() <= 253 && name.split('.').all(label) && name.parse::<std::net::IpAddr>().is_err()
}

/// An address for letters, as an account has it (RFC 8555, section 7.3).
fn contact(value: &Value) -> Reading<String> {
    let written = text(value)?;
    let address = written.strip_prefix("mailto:").unwrap_or(written);
    if address.split_once('@').is_some_and(|(who, at)| !who.is_empty() && !at.is_empty())
        && !address.contains([' ', ',', '?'])
    {
        Ok(format!("mailto:{address}"))
    } else {
        Err("is an e-mail address, such as \"ops@example.com\"".to_owned())
    }
}

fn directory(value: &Value) -> Reading<String> {
    let url = text(value)?;
    let read = url.parse::<http::Uri>().ok();
    let fits = read.is_some_and(|uri| {
        uri.scheme_str() == Some("https") && uri.authority().is_some_and(|authority| !authority.as_str().contains('@'))
    });
    if fits {
        Ok(url.to_owned())
    } else {
        Err(format!("is the https:// address of an ACME directory, such as {LETS_ENCRYPT:?}"))
    }
}

const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";
