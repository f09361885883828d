//! The certificates, keys and authorities from the files that `[tls]` and `control.certificates` name.
//!
//! A key that group or world can read is a fault, as is one that does not belong to its certificate. Whether clients trust a chain is no
//! question here: a gateway with a certificate that expired tonight must still start.

use std::path::{Path, PathBuf};

use super::fault::{Fault, Faults};
use super::files::{absent, read_bytes, read_private};
use super::reading::Reading;
use super::settings::Settings;
use super::tls::{CertificateFiles, TlsSettings};
use crate::tls::{Certificate, Certificates, Roots, certificates_from_pem, key_from_pem};

/// What the files of `[tls]` and `control.certificates` hold.
#[derive(Clone, Debug)]
pub struct LoadedTls {
    /// What the public listener serves; none where it speaks plain HTTP, or has ACME alone.
    pub public: Certificates,
    /// What the control listener serves; none where it speaks plain HTTP.
    pub control: Certificates,
    /// Whom chains are examined against.
    pub roots: Roots,
    /// Whom the ACME directory is trusted by.
    pub acme_roots: Roots,
}

impl Default for LoadedTls {
    /// No certificates, and the public authorities.
    fn default() -> Self {
        let none = Certificates::default;
        Self { public: none(), control: none(), roots: Roots::public(), acme_roots: Roots::public() }
    }
}

/// Loads what the settings name, for whoever has settings that came from no file. It blocks shortly.
pub fn load_tls(settings: &Settings) -> Result<LoadedTls, Faults> {
    let mut faults = Vec::new();
    let loaded = load(settings.tls.as_ref(), &settings.control_certificates, &mut faults);
    Faults::none_or(faults, Some(loaded))
}

/// Loads every file; what cannot be has its fault at the setting that names it.
pub(super) fn load(tls: Option<&TlsSettings>, control: &[CertificateFiles], faults: &mut Vec<Fault>) -> LoadedTls {
    let public = tls.map_or(&[][..], |tls| &tls.certificates);
    LoadedTls {
        public: each("tls.certificates", public, faults),
        control: each("control.certificates", control, faults),
        roots: roots("tls.roots", tls.and_then(|tls| tls.roots.as_deref()), faults),
        acme_roots: roots("tls.acme.roots", tls.and_then(|tls| tls.acme_roots.as_deref()), faults),
    }
}

/// Every file that [`load`] reads.
pub(super) fn files(tls: Option<&TlsSettings>, control: &[CertificateFiles]) -> Vec<PathBuf> {
    let certificates = tls.map_or(&[][..], |tls| &tls.certificates).iter().chain(control);
    let mut files: Vec<_> = certificates.flat_map(|files| [files.chain.clone(), files.key.clone()]).collect();
    files.extend(tls.into_iter().flat_map(|tls| [&tls.roots, &tls.acme_roots]).flatten().cloned());
    files
}

fn each(place: &str, certificates: &[CertificateFiles], faults: &mut Vec<Fault>) -> Certificates {
    let loaded = certificates.iter().enumerate().filter_map(|(at, files)| {
        let mut fault = |part: &str, problem: String| faults.push(Fault::new(format!("{place}[{at}].{part}"), problem));
        let chain = named(&files.chain, read_bytes(&files.chain), certificates_from_pem);
        let pem = read_private(&files.key, || absent(&files.key)).map(String::into_bytes);
        let key = named(&files.key, pem, key_from_pem);
        let chain = chain.map_err(|problem| fault("chain", problem)).ok();
        let key = key.map_err(|problem| fault("key", problem)).ok();
        let pair = Certificate::pair(chain?, &key?);
        pair.map_err(|problem| fault("key", format!("{} {problem}", files.key.display()))).ok()
    });
    loaded.collect()
}

fn roots(place: &str, file: Option<&Path>, faults: &mut Vec<Fault>) -> Roots {
    let mut roots = Roots::public();
    let Some(file) = file else { return roots };
    let added = named(file, read_bytes(file), |pem| roots.add_pem(pem));
    if let Err(problem) = added {
        faults.push(Fault::new(place, problem));
    }
    roots
}

/// What `how` makes of the bytes in `file`; the file is named in what is wrong with them.
fn named<T, E: std::fmt::Display>(
    file: &Path,
    bytes: Reading<Vec<u8>>,
    how: impl FnOnce(&[u8]) -> Result<T, E>,
) -> Reading<T> {
    how(&bytes?).map_err(|problem| format!("{} {problem}", file.display()))
}
