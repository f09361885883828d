//! Can the server be reached: the URL, its name, its addresses, connections.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use super::super::facts::Facts;
use super::super::reach::{Attempt, Place};
use super::super::report::{Check, Fault, Finding, Verdict, quoted};
use super::super::target::{HTTPS, Host};

/// The URL as it would stand in the message.
pub(super) fn url(facts: &Facts) -> Finding {
    let target = &facts.target;
    let mut faults = Vec::new();
    if target.had_user {
        faults.push(Fault::new(
            Verdict::Failure,
            "the URL carries user information (name@ or name:password@), which Meta's fetcher cannot use",
            "take it out; who has the link must be able to fetch, so give out signed links instead",
        ));
    }
    // At home every port is as good as another: Meta will be given another URL.
    if target.port != HTTPS && !facts.allow_private {
        faults.push(Fault::new(
            Verdict::Warning,
            format!("the URL names port {}; Meta is only known to fetch from 443", target.port),
            "serve it on port 443",
        ));
    }
    let written = target.path.as_str();
    if written.contains("&amp;") {
        faults.push(Fault::new(
            Verdict::Warning,
            "the query holds `&amp;`, which is `&` as HTML writes it",
            "write `&`, and look which tier escaped it on the way into the message",
        ));
    }
    if let Some(strange) = written.chars().find(|c| "\"<>\\^`{|}".contains(*c)) {
        faults.push(Fault::new(
            Verdict::Warning,
            format!("the URL holds `{strange}`, which tiers on the way may change"),
            "percent-encode it, or fill in the placeholder if it is one",
        ));
    }
    Finding::joined(Check::Url, faults, || quoted(&target.url()))
}

/// What the name leads to.
pub(super) fn dns(facts: &Facts) -> Finding {
    let name = match &facts.target.host {
        Host::Address(_) => return Finding::ok(Check::Dns, "the URL names an address, so nothing was looked up"),
        Host::Name(name) => name,
    };
    if let Err(reason) = &facts.looked_up {
        let evidence = format!("{name} leads nowhere: {reason}");
        let fix = "give the name an A record (and an AAAA record) in the public DNS; if it has one, look at its name servers, or at this machine's resolver";
        return Finding::failure(Check::Dns, evidence, fix);
    }
    let listed = |kind: &str, is_kind: fn(&SocketAddr) -> bool| {
        let addresses = facts.places.iter().map(|place| place.address).filter(is_kind);
        let listed: Vec<_> = addresses.map(|address| address.ip().to_string()).collect();
        if listed.is_empty() { format!("no {kind}") } else { format!("{kind} {}", listed.join(", ")) }
    };
    Finding::ok(Check::Dns, format!("{}; {}", listed("A", SocketAddr::is_ipv4), listed("AAAA", SocketAddr::is_ipv6)))
}

/// Whether every address is public. Meta may pick any of them, so one that is not is a failure.
pub(super) fn address(facts: &Facts) -> Finding {
    if facts.places.is_empty() {
        return Finding::unknown(Check::Address, "not asked, since the name leads nowhere");
    }
    let said = |place: &Place| place.unfit.map(|kind| format!("{} is {kind}", place.address.ip()));
    let unfit: Vec<_> = facts.places.iter().filter_map(said).collect();
    match (unfit.is_empty(), facts.allow_private) {
        (true, _) => Finding::ok(Check::Address, "public"),
        (false, true) => Finding::warning(
            Check::Address,
            format!("{}: Meta cannot reach it, and it was asked because of --allow-private", unfit.join(", ")),
            "look again at the public address before a message is sent",
        ),
        (false, false) => Finding::failure(
            Check::Address,
            format!("{}: Meta cannot reach it, and it was not asked", unfit.join(", ")),
            "let the public DNS name public addresses only; to try a server of your own network, add --allow-private",
        ),
    }
}

/// Whether connections can be made.
pub(super) fn connect(facts: &Facts) -> Finding {
    let tried: Vec<_> = facts.places.iter().filter(|place| place.attempt != Attempt::NotTried).collect();
    let failed: Vec<_> = tried.iter().filter_map(|place| told(place)).collect();
    match facts.chosen() {
        None if tried.is_empty() => {
            Finding::unknown(Check::Connect, "not asked, since there is no address that may be asked")
        }
        None if tried.iter().all(|place| place.attempt == Attempt::NoRoute) => Finding::unknown(
            Check::Connect,
            "there are addresses of IPv6 alone, and this machine has no way to IPv6; ask again from one that has",
        ),
        None => Finding::failure(
            Check::Connect,
            failed.join(", "),
            "let the server listen there, and its firewall or security group let TCP in from everywhere; Meta's networks change often",
        ),
        // IPv6 has a check of its own.
        Some(_) if tried.iter().any(|place| place.address.is_ipv4() && told(place).is_some()) => Finding::warning(
            Check::Connect,
            failed.join(", "),
            "take addresses that do not answer out of the DNS, or mend them: Meta may pick any",
        ),
        Some(chosen) => Finding::ok(Check::Connect, format!("{} in {}", chosen.address, taken(chosen))),
    }
}

/// Whether the addresses of IPv6, which Meta uses much, answer as well.
pub(super) fn ipv6(facts: &Facts) -> Finding {
    if facts.places.is_empty() {
        return Finding::unknown(Check::Ipv6, "not asked, since the name leads nowhere");
    }
    let all: Vec<_> = facts.places.iter().filter(|place| place.address.is_ipv6()).collect();
    let tried: Vec<_> = all.iter().filter(|place| place.attempt != Attempt::NotTried).collect();
    let failed: Vec<_> = tried.iter().filter_map(|place| told(place)).collect();
    if all.is_empty() {
        Finding::ok(Check::Ipv6, "no AAAA, so Meta comes over IPv4")
    } else if tried.is_empty() {
        Finding::unknown(Check::Ipv6, "not asked, since no address of IPv6 may be asked")
    } else if tried.iter().any(|place| place.attempt == Attempt::NoRoute) {
        Finding::unknown(
            Check::Ipv6,
            "there is an AAAA, but this machine has no way to IPv6; ask again from one that has",
        )
    } else if failed.is_empty() {
        Finding::ok(
            Check::Ipv6,
            format!(
                "{} answers",
                tried.iter().map(|place| place.address.ip().to_string()).collect::<Vec<_>>().join(", ")
            ),
        )
    } else if facts.chosen().is_none() {
        // Nothing answers at all: that is told by the check of connections.
        Finding::unknown(Check::Ipv6, failed.join(", "))
    } else {
        Finding::warning(
            Check::Ipv6,
            format!("{}, while other addresses answer", failed.join(", ")),
            "let the server listen on IPv6 too (nginx: `listen [::]:443 ssl`), open the firewall for it, or remove the AAAA record: Meta uses IPv6 much",
        )
    }
}

/// How connecting failed.
fn told(place: &Place) -> Option<String> {
    match &place.attempt {
        Attempt::Failed(reason) => Some(format!("{}: {reason}", place.address)),
        Attempt::NoRoute => Some(format!("{}: no way from here", place.address)),
        Attempt::NotTried | Attempt::Connected(_) => None,
    }
}

fn taken(place: &Place) -> String {
    match place.attempt {
        Attempt::Connected(duration) => milliseconds(duration),
        _ => String::new(),
    }
}

/// `12 ms`; `1.3 s`.
pub(super) fn milliseconds(duration: Duration) -> String {
    let mut text = String::new();
    let _ = match duration.as_millis() {
        millis @ 0..1000 => write!(text, "{millis} ms"),
        _ => write!(text, "{:.1} s", duration.as_secs_f64()),
    };
    text
}

#[cfg(test)]
mod tests {
    use super::super::sample::{place, sound_at};
    use super::*;

    fn judged(judge: fn(&Facts) -> Finding, change: impl FnOnce(&mut Facts)) -> Finding {
        let mut facts = sound_at("https://media.example.com/picture.jpg");
        change(&mut facts);
        judge(&facts)
    }

    #[test]
    fn urls_that_look_wrong_are_told() {
        for (text, private, verdict, said) in [
            ("https://a.example/x.jpg?a=b&c=d", false, Verdict::Ok, "https://a.example/x.jpg?a=b&c=d"),
            ("https://me:secret@a.example/x.jpg", false, Verdict::Failure, "user information"),
            ("https://a.example:8443/x.jpg", false, Verdict::Warning, "8443"),
            ("https://a.example:8443/x.jpg", true, Verdict::Ok, "8443"),
            ("https://a.example/x.jpg?a=b&amp;c=d", false, Verdict::Warning, "&amp;"),
            ("https://a.example/{{1}}.jpg", false, Verdict::Warning, "`{`"),
        ] {
            let mut facts = sound_at(text);
            facts.allow_private = private;
            let finding = url(&facts);
            assert_eq!(finding.verdict, verdict, "{finding:?}");
            assert!(finding.evidence.contains(said) && !finding.evidence.contains("secret"), "{finding:?}");
        }
    }

    #[test]
    fn names_and_addresses_are_told_apart() {
        assert_eq!(judged(dns, |_| {}).evidence, "A 192.0.2.1; AAAA 2a03:2880::1");
        assert_eq!(judged(dns, |facts| facts.places.truncate(1)).evidence, "A 192.0.2.1; no AAAA");
        let lost = judged(dns, |facts| facts.looked_up = Err("no such name".to_owned()));
        assert_eq!(lost.verdict, Verdict::Failure);
        assert_eq!(dns(&sound_at("https://192.0.2.1/")).verdict, Verdict::Ok);
    }

    #[test]
    fn one_private_address_is_a_failure_unless_allowed() {
        let hide = |facts: &mut Facts| facts.places[1].unfit = Some("loopback");
        let refused = judged(address, hide);
        assert_eq!(refused.verdict, Verdict::Failure);
        assert!(refused.evidence.contains("2a03:2880::1 is loopback"));
        let allowed = judged(address, |facts| {
            hide(facts);
            facts.allow_private = true;
        });
        assert_eq!(allowed.verdict, Verdict::Warning);
    }

    #[test]
    fn connections_are_judged_by_family() {
        let lost = || Attempt::Failed("refused".to_owned());
        let quick = || Attempt::Connected(Duration::from_millis(3));
        for (v4, v6, of_connect, of_ipv6) in [
            (quick(), quick(), Verdict::Ok, Verdict::Ok),
            (quick(), lost(), Verdict::Ok, Verdict::Warning),
            (lost(), quick(), Verdict::Warning, Verdict::Ok),
            (lost(), lost(), Verdict::Failure, Verdict::Unknown),
            (quick(), Attempt::NoRoute, Verdict::Ok, Verdict::Unknown),
            (lost(), Attempt::NoRoute, Verdict::Failure, Verdict::Unknown),
            (Attempt::NotTried, Attempt::NoRoute, Verdict::Unknown, Verdict::Unknown),
            (Attempt::NotTried, Attempt::NotTried, Verdict::Unknown, Verdict::Unknown),
        ] {
            let change = |facts: &mut Facts| {
                facts.places = vec![place("192.0.2.1:443", v4.clone()), place("[2a03:2880::1]:443", v6.clone())];
            };
            assert_eq!(judged(connect, change).verdict, of_connect, "{v4:?} {v6:?}");
            assert_eq!(judged(ipv6, change).verdict, of_ipv6, "{v4:?} {v6:?}");
        }
    }
}
