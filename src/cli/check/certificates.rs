//! The certificates: whether clients take their chains, whether they name every host that clients come to, and how long they last.
//!
//! That a key belongs to its certificate, and that nobody else can read it, is seen while the settings are loaded.

use super::{Finding, Verdict};
use crate::app::{Examined, TlsHost, examined, is_named, tls_hosts};
use crate::config::{Loaded, Settings};
use crate::tls::{AcmeSettings, CertificateFacts, ChainReport, examine, kept_by_acme};
use crate::value::UnixTime;

/// Everything that is to be said of TLS.
pub(super) fn look(loaded: &Loaded, now: UnixTime) -> Vec<Finding> {
    let acme = loaded.settings.tls.as_ref().and_then(|tls| tls.acme.as_ref());
    let mut findings = Vec::new();
    for Examined { place, report } in examined(loaded, now) {
        findings.extend(certificate(&place, &report, now));
    }
    findings.extend(acme.into_iter().flat_map(|acme| kept(acme, loaded, now)));
    findings.extend(plain(&loaded.settings));
    findings.extend(tls_hosts(&loaded.settings).into_iter().map(|host| names(host, loaded)));
    findings
}

/// A line for the certificate where clients take it, and one for each fault and warning.
fn certificate(place: &str, report: &ChainReport, now: UnixTime) -> Vec<Finding> {
    let sound = report.leaf().filter(|_| report.is_sound());
    let sound = sound.map(|leaf| Finding::new(place, Verdict::Ok, said(leaf, now)));
    let faults = report.faults.iter().map(|fault| {
        let verdict = if fault.is_warning() { Verdict::Warning } else { Verdict::Fault };
        Finding::new(place, verdict, format!("{fault}; {}", fault.fix()))
    });
    sound.into_iter().chain(faults).collect()
}

fn said(facts: &CertificateFacts, now: UnixTime) -> String {
    let names = facts.names.join(", ");
    format!("{names}; {}; {} days left; signed by {}", facts.key, facts.days_left(now), facts.issuer)
}

/// What ACME has brought so far.
fn kept(acme: &AcmeSettings, loaded: &Loaded, now: UnixTime) -> Vec<Finding> {
    match kept_by_acme(acme) {
        Ok(Some(chain)) => certificate("tls.acme", &examine(&chain, &loaded.tls.roots, now), now),
        Ok(None) => {
            let (domains, directory) = (acme.domains.join(", "), &acme.directory);
            let detail = format!("no certificate yet; the gateway asks {directory} for {domains} when it runs");
            vec![Finding::new("tls.acme", Verdict::Ok, detail)]
        }
        Err(problem) => vec![Finding::new("tls.acme", Verdict::Fault, problem)],
    }
}

/// What stands in for certificates where there are none.
fn plain(settings: &Settings) -> Option<Finding> {
    let Settings { tls: None, public_origin, listen, .. } = settings else { return None };
    let host = public_origin.host();
    let detail = if public_origin.is_https() {
        format!(
            "listen.public ({}) speaks plain HTTP, so something in front of it must speak TLS for {host}",
            listen.public
        )
    } else {
        "listen.public speaks plain HTTP, as public_origin says".to_owned()
    };
    Some(Finding::new("tls", Verdict::Ok, detail))
}

/// Whether whoever comes to this host gets a certificate for it.
fn names(host: TlsHost<'_>, loaded: &Loaded) -> Finding {
    let (name, role) = (host.name, host.role());
    if is_named(host, &loaded.settings, &loaded.tls.public) {
        return Finding::new("tls", Verdict::Ok, format!("there is a certificate for {name}, {role}"));
    }
    let names: Vec<_> = loaded.tls.public.iter().flat_map(|one| one.facts().names.clone()).collect();
    let names = if names.is_empty() { "no host at all".to_owned() } else { names.join(", ") };
    let fix = "name one that does in tls.certificates, or let [tls.acme] get it";
    let detail = format!("no certificate names {name}, {role}, but {names}; {fix}");
    Finding::new("tls", Verdict::Fault, detail)
}
