//! Whether `robots.txt` lets Meta's fetcher in.
//!
//! Meta honours it in places, so what it forbids by name counts as a failure, and what it forbids to all as a warning.

use super::super::facts::Facts;
use super::super::report::{Check, Finding, quoted};
use super::super::robots::{Permission, TOKEN, permission};
use super::exchange::is_redirect;

/// What `robots.txt` of the host says of the path (RFC 9309).
pub(super) fn robots(facts: &Facts) -> Finding {
    let check = Check::Robots;
    let answer = match facts.answered().and_then(|_| facts.further(&facts.robots)) {
        Ok(answer) => answer,
        Err(why) => return Finding::unknown(check, why),
    };
    let allow =
        "let it say `User-agent: facebookexternalhit` and `Allow: /` for the paths of the media, as a group of its own";
    let status = answer.status;
    match status.as_u16() {
        200..=299 => match permission(&answer.body.front, TOKEN, facts.target.path.as_str()) {
            Permission::Allowed => Finding::ok(check, "allowed"),
            Permission::ForbiddenByName(rule) => {
                Finding::failure(check, format!("forbidden to {TOKEN} by `{}`", quoted(&rule)), allow)
            }
            Permission::ForbiddenToAll(rule) => Finding::warning(
                check,
                format!("forbidden to all crawlers by `{}`, which Meta honours in places", quoted(&rule)),
                allow,
            ),
        },
        400..=499 => Finding::ok(check, format!("{}: there is none, so everything is allowed", answer.said())),
        500..=599 => Finding::warning(
            check,
            format!("{}: crawlers must take everything as forbidden while that is so", answer.said()),
            "answer /robots.txt with a file that allows, or with 404",
        ),
        _ if is_redirect(status) => {
            Finding::unknown(check, format!("{}: redirects are not followed here", answer.said()))
        }
        _ => Finding::unknown(check, answer.said()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::exchange::NoAnswer;
    use super::super::super::report::Verdict;
    use super::super::sample::{answer, sound};
    use super::*;

    #[test]
    fn status_and_rules_decide() {
        for (code, body, verdict) in [
            (200, "User-agent: *\nAllow: /\n", Verdict::Ok),
            (200, "User-agent: *\nDisallow: /\n", Verdict::Warning),
            (200, "User-agent: facebookexternalhit\nDisallow: /\n", Verdict::Failure),
            (200, "<html>", Verdict::Ok),
            (404, "User-agent: *\nDisallow: /\n", Verdict::Ok),
            (403, "", Verdict::Ok),
            (500, "", Verdict::Warning),
            (301, "", Verdict::Unknown),
        ] {
            let mut facts = sound();
            facts.robots = Some(Ok(answer(code, body.as_bytes())));
            assert_eq!(robots(&facts).verdict, verdict, "{code} {body}");
        }
        let mut facts = sound();
        facts.robots = Some(Err(NoAnswer::Closed));
        assert_eq!(robots(&facts).verdict, Verdict::Unknown);
    }
}
