//! What the doctor says: findings in a fixed order, each with a verdict, what was seen, and what to do.
//!
//! The names of checks are promised to programs that read the JSON. Much of the evidence quotes a stranger's server, so every quotation goes
//! through [`quoted`]: no control character of theirs reaches a terminal, and no answer of theirs floods it.

use std::fmt;
use std::net::SocketAddr;

use serde::Serialize;

/// Everything that was found about one URL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The URL as it was asked, without user information.
    pub url: String,
    /// The worst of the findings; never [`Verdict::Unknown`].
    pub verdict: Verdict,
    /// The address that was asked; absent where none could be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<SocketAddr>,
    /// One finding for each check, in the order of [`Check`].
    pub findings: Vec<Finding>,
}

/// How one check ended, or all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It could not be asked.
    Unknown,
    /// As it should be.
    Ok,
    /// It may bite.
    Warning,
    /// Meta's fetch would fail, or deliver what is not meant.
    Failure,
}

/// One check and its outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Which check.
    pub check: Check,
    /// How it ended.
    pub verdict: Verdict,
    /// What was seen.
    pub evidence: String,
    /// What to do; absent where nothing is to be mended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

/// The checks, in the order in which a fetch would meet them. Their names in kebab-case are promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names are the names of the checks; each check says what it asks")]
pub enum Check {
    Url,
    Dns,
    Address,
    Connect,
    Ipv6,
    Tls,
    TlsWithoutSni,
    Chain,
    Names,
    Expiry,
    Protocol,
    Redirect,
    Status,
    Get,
    Head,
    Range,
    SuffixRange,
    Conditional,
    MediaType,
    Size,
    Playable,
    Length,
    Chunked,
    ContentCoding,
    #[serde(rename = "cache-today")]
    CacheToday,
    #[serde(rename = "cache-2022")]
    Cache2022,
    Robots,
    Agents,
    FirstByte,
    Throughput,
}

impl Report {
    /// The report of these findings. Where no content came at all, the fetch failed, even if nobody could say why.
    pub(super) fn of(url: String, address: Option<SocketAddr>, findings: Vec<Finding>) -> Self {
        let worst = findings.iter().map(|finding| finding.verdict).max().unwrap_or(Verdict::Unknown);
        let fetched = findings.iter().any(|one| one.check == Check::Get && one.verdict != Verdict::Unknown);
        let verdict = if fetched { worst } else { Verdict::Failure };
        Self { url, verdict, address, findings }
    }

    /// Whether Meta's fetch would fail.
    pub fn would_fail(&self) -> bool {
        self.verdict == Verdict::Failure
    }
}

impl Finding {
    /// Nothing is to be mended.
    pub(super) fn ok(check: Check, evidence: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Ok, evidence: evidence.into(), fix: None }
    }

    /// It could not be asked, because of `evidence`.
    pub(super) fn unknown(check: Check, evidence: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Unknown, evidence: evidence.into(), fix: None }
    }

    /// It may bite.
    pub(super) fn warning(check: Check, evidence: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Warning, evidence: evidence.into(), fix: Some(fix.into()) }
    }

    /// Meta's fetch would fail.
    pub(super) fn failure(check: Check, evidence: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Failure, evidence: evidence.into(), fix: Some(fix.into()) }
    }

    /// One finding of several faults of one check, the worst of which gives the verdict; `sound` is said where there is none.
    pub(super) fn joined(check: Check, faults: Vec<Fault>, sound: impl FnOnce() -> String) -> Self {
        let verdict = faults.iter().map(|fault| fault.verdict).max().unwrap_or(Verdict::Ok);
        if faults.is_empty() {
            return Self::ok(check, sound());
        }
        let (seen, fixes): (Vec<_>, Vec<_>) = faults.into_iter().map(|fault| (fault.evidence, fault.fix)).unzip();
        Self { check, verdict, evidence: seen.join("; "), fix: Some(fixes.join("; ")) }
    }
}

/// One of several things that are wrong with what one check asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) verdict: Verdict,
    pub(super) evidence: String,
    pub(super) fix: String,
}

impl Fault {
    pub(super) fn new(verdict: Verdict, evidence: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { verdict, evidence: evidence.into(), fix: fix.into() }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// A stranger's text, fit for a terminal: one line of visible characters, not longer than [`QUOTED_MAX`] of them.
pub(super) fn quoted(text: &str) -> String {
    let hides = |c: char| matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    let visible = text.chars().map(|c| if c.is_control() || hides(c) { '\u{fffd}' } else { c });
    let mut shown: String = visible.take(QUOTED_MAX + 1).collect();
    if let Some((cut, _)) = shown.char_indices().nth(QUOTED_MAX) {
        shown.truncate(cut);
        shown.push_str("...");
    }
    shown
}

/// The most characters of one quotation.
const QUOTED_MAX: usize = 120;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_checks_are_kebab_case() {
        for (check, name) in [
            (Check::Url, "url"),
            (Check::Ipv6, "ipv6"),
            (Check::TlsWithoutSni, "tls-without-sni"),
            (Check::SuffixRange, "suffix-range"),
            (Check::CacheToday, "cache-today"),
            (Check::Cache2022, "cache-2022"),
            (Check::FirstByte, "first-byte"),
        ] {
            assert_eq!(check.to_string(), name);
        }
    }

    #[test]
    fn the_worst_finding_is_the_verdict() {
        let get = Finding::ok(Check::Get, "came");
        let of = |findings: Vec<Finding>| Report::of(String::new(), None, findings).verdict;
        assert_eq!(of(vec![get.clone(), Finding::unknown(Check::Robots, "")]), Verdict::Ok);
        assert_eq!(of(vec![Finding::warning(Check::Head, "", ""), get.clone()]), Verdict::Warning);
        assert_eq!(of(vec![get, Finding::failure(Check::Chain, "", "")]), Verdict::Failure);
        assert_eq!(of(vec![Finding::unknown(Check::Get, "")]), Verdict::Failure, "nothing came");
        assert_eq!(of(vec![]), Verdict::Failure);
    }

    #[test]
    fn a_finding_without_a_fix_has_no_such_member() {
        let json = serde_json::to_value(Finding::ok(Check::Cache2022, "fresh")).unwrap();
        assert_eq!(json, serde_json::json!({ "check": "cache-2022", "verdict": "ok", "evidence": "fresh" }));
    }

    #[test]
    fn quotations_cannot_play_with_the_terminal() {
        assert_eq!(quoted("\x1b[31mred\r\nx\u{202e}y"), "\u{fffd}[31mred\u{fffd}\u{fffd}x\u{fffd}y");
        assert_eq!(quoted(&"x".repeat(9999)), format!("{}...", "x".repeat(QUOTED_MAX)));
        assert_eq!(quoted("größe"), "größe");
    }
}
