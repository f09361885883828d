//! The checks: each a small function from the facts to one finding, which asks nothing and waits for nothing.
//!
//! A fault is told once, by the check at which it lies; checks that cannot be judged because of it are unknown. A failure means that Meta's fetch
//! would fail or deliver what is not meant; what may bite is a warning.

mod agents;
mod certificate;
mod content;
mod exchange;
mod framing;
mod keeping;
mod parts;
mod reach;
mod robots;
mod session;
mod speed;

#[cfg(test)]
mod sample;

use super::facts::Facts;
use super::report::{Check, Finding};
use super::target::BadTarget;

/// One finding for each check.
pub(super) fn all(facts: &Facts) -> Vec<Finding> {
    ALL.iter().map(|(_, judge)| judge(facts)).collect()
}

/// The findings of a text that cannot be fetched at all.
pub(super) fn none(bad: &BadTarget) -> Vec<Finding> {
    let others =
        ALL.iter().skip(1).map(|(check, _)| Finding::unknown(*check, "not asked, since the URL cannot be fetched"));
    std::iter::once(Finding::failure(Check::Url, bad.to_string(), bad.fix())).chain(others).collect()
}

/// What judges one thing.
type Judge = fn(&Facts) -> Finding;

/// All checks, in the order in which a fetch would meet them.
const ALL: [(Check, Judge); 30] = [
    (Check::Url, reach::url),
    (Check::Dns, reach::dns),
    (Check::Address, reach::address),
    (Check::Connect, reach::connect),
    (Check::Ipv6, reach::ipv6),
    (Check::Tls, session::tls),
    (Check::TlsWithoutSni, session::without_sni),
    (Check::Chain, certificate::chain),
    (Check::Names, certificate::names),
    (Check::Expiry, certificate::expiry),
    (Check::Protocol, session::protocol),
    (Check::Redirect, exchange::redirect),
    (Check::Status, exchange::status),
    (Check::Get, exchange::get),
    (Check::Head, exchange::head),
    (Check::Range, parts::range),
    (Check::SuffixRange, parts::suffix_range),
    (Check::Conditional, parts::conditional),
    (Check::MediaType, content::media_type),
    (Check::Size, content::size),
    (Check::Playable, content::playable),
    (Check::Length, framing::length),
    (Check::Chunked, framing::chunked),
    (Check::ContentCoding, framing::content_coding),
    (Check::CacheToday, keeping::today),
    (Check::Cache2022, keeping::of_2022),
    (Check::Robots, robots::robots),
    (Check::Agents, agents::agents),
    (Check::FirstByte, speed::first_byte),
    (Check::Throughput, speed::throughput),
];

#[cfg(test)]
mod tests {
    use super::super::report::{Report, Verdict};
    use super::super::target::Target;
    use super::*;

    #[test]
    fn a_sound_server_has_nothing_to_mend() {
        let facts = sample::sound();
        let findings = all(&facts);
        for (finding, (check, _)) in findings.iter().zip(ALL) {
            assert_eq!(finding.check, check);
            assert_eq!((finding.verdict, &finding.fix), (Verdict::Ok, &None), "{finding:?}");
            assert!(!finding.evidence.is_empty(), "{check}");
        }
    }

    #[test]
    fn where_nothing_could_be_asked_nothing_is_said_to_be_well() {
        let target = Target::read("https://nowhere.example/x.jpg").unwrap();
        let mut facts = Facts::about(target, None, false);
        facts.looked_up = Err("no such name".to_owned());
        let findings = all(&facts);
        for finding in &findings {
            let expected = match finding.check {
                Check::Url => Verdict::Ok,
                Check::Dns => Verdict::Failure,
                _ => Verdict::Unknown,
            };
            assert_eq!(finding.verdict, expected, "{finding:?}");
        }
        assert!(Report::of(String::new(), None, findings).would_fail());
    }

    #[test]
    fn what_is_no_url_is_one_failure() {
        let findings = none(&Target::read("http://a.example/x").unwrap_err());
        assert_eq!(findings.len(), ALL.len());
        assert_eq!(findings.iter().filter(|one| one.verdict == Verdict::Failure).count(), 1);
        assert!(findings[0].fix.as_ref().unwrap().contains("https://"));
    }
}
