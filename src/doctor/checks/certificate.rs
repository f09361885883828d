//! What the server's certificates are worth: one examination, told by three checks.

use super::super::facts::Facts;
use super::super::report::{Check, Fault, Finding, Verdict};
use super::super::target::Host;
use crate::tls::{ChainFault, ChainReport};

/// Whether the chain leads to a root that the world trusts.
pub(super) fn chain(facts: &Facts) -> Finding {
    let report = match examined(facts) {
        Ok(report) => report,
        Err(why) => return Finding::unknown(Check::Chain, why),
    };
    let faults = told(report, |fault| !fault.is_about_time());
    Finding::joined(Check::Chain, faults, || {
        let names: Vec<_> = report.certificates.iter().map(|one| one.subject.clone()).collect();
        let issuer = report.certificates.last().map(|one| one.issuer.clone()).unwrap_or_default();
        format!("{}, signed by {issuer}", names.join(", signed by "))
    })
}

/// Whether the certificate speaks for the name in the URL.
pub(super) fn names(facts: &Facts) -> Finding {
    let host = match &facts.target.host {
        Host::Name(name) => name.trim_end_matches('.').to_owned(),
        Host::Address(address) => address.to_string(),
    };
    let (report, leaf) = match examined(facts).map(|report| (report, report.leaf())) {
        Ok((report, Some(leaf))) => (report, leaf),
        Ok((_, None)) => {
            return Finding::unknown(Check::Names, "not asked, since there is no certificate that can be read");
        }
        Err(why) => return Finding::unknown(Check::Names, why),
    };
    let (shown, more) = (leaf.names.iter().take(SHOWN), leaf.names.len().saturating_sub(SHOWN));
    let mut listed = shown.map(String::as_str).collect::<Vec<_>>().join(", ");
    if more > 0 {
        listed = format!("{listed} and {more} more");
    }
    if report.covers(&host) {
        return Finding::ok(Check::Names, format!("{host} is one of {listed}"));
    }
    let evidence = if listed.is_empty() {
        format!("the certificate has no subject alternative names, so it does not speak for {host}")
    } else {
        format!("the certificate speaks for {listed}, not for {host}")
    };
    let fix = format!(
        "get a certificate whose subject alternative names hold {host}, and let the server show it for that name (nginx: the `server` block with this `server_name`)"
    );
    Finding::failure(Check::Names, evidence, fix)
}

/// Whether all certificates are valid now, and for a while.
pub(super) fn expiry(facts: &Facts) -> Finding {
    let report = match examined(facts) {
        Ok(report) => report,
        Err(why) => return Finding::unknown(Check::Expiry, why),
    };
    let Some(leaf) = report.leaf() else {
        return Finding::unknown(Check::Expiry, "not asked, since there is no certificate that can be read");
    };
    let faults = told(report, ChainFault::is_about_time);
    Finding::joined(Check::Expiry, faults, || format!("valid from {} until {}", leaf.not_before, leaf.not_after))
}

fn examined(facts: &Facts) -> Result<&ChainReport, String> {
    facts.shaken()?;
    facts.chain.as_ref().ok_or_else(|| "not asked, since there is no TLS connection".to_owned())
}

fn told(report: &ChainReport, is_meant: impl Fn(&ChainFault) -> bool) -> Vec<Fault> {
    let verdict = |fault: &ChainFault| if fault.is_warning() { Verdict::Warning } else { Verdict::Failure };
    let meant = report.faults.iter().filter(|fault| is_meant(fault));
    meant.map(|fault| Fault::new(verdict(fault), fault.to_string(), fault.fix())).collect()
}

/// How many names of a certificate are shown.
const SHOWN: usize = 6;
