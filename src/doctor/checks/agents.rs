//! Whether the answer depends on who asks.
//!
//! That a browser is refused harms nobody: links for Meta alone do so on purpose. What matters is whether Meta's agents get the file, and whether
//! they get what others get.

use ::http::StatusCode;
use ::http::header::{CONTENT_LENGTH, CONTENT_TYPE};

use super::super::exchange::Answer;
use super::super::facts::{Asked, Facts};
use super::super::report::{Check, Finding};
use super::exchange::shown;

/// Whether Meta is kept out while a browser is let in.
pub(super) fn blocks_meta(facts: &Facts) -> bool {
    let meta_is_refused = match &facts.get {
        Some(Ok(answer)) => answer.status.is_client_error() || answer.status.is_server_error(),
        Some(Err(_)) => true,
        None => false,
    };
    meta_is_refused && is_ok(&facts.browser)
}

/// Whether the answer depends on the agent in a way that harms.
pub(super) fn agents(facts: &Facts) -> Finding {
    if let Err(why) = facts.shaken() {
        return Finding::unknown(Check::Agents, why);
    }
    let said = format!(
        "facebookexternalhit gets {}, facebookexternalua {}, WhatsApp {}, a browser {}",
        outcome(&facts.get),
        outcome(&facts.webhook),
        outcome(&facts.chat),
        outcome(&facts.browser)
    );
    match (&facts.get, &facts.browser) {
        (None, _) => Finding::unknown(Check::Agents, "not asked, since the time was up; allow more with --timeout"),
        _ if blocks_meta(facts) => Finding::failure(Check::Agents, said, LET_IN),
        (Some(Ok(meta)), Some(Ok(browser))) if meta.status == StatusCode::OK => {
            with_answers(facts, meta, browser, said)
        }
        (Some(Ok(_)), _) => Finding::ok(Check::Agents, said),
        // Nobody gets an answer: that is told by the fetch.
        (Some(Err(_)), _) => Finding::unknown(Check::Agents, said),
    }
}

fn with_answers(facts: &Facts, meta: &Answer, browser: &Answer, said: String) -> Finding {
    let refuses_other_agent = facts.webhook.is_some() && !is_ok(&facts.webhook);
    let differs = [CONTENT_TYPE, CONTENT_LENGTH]
        .into_iter()
        .find(|name| browser.status == StatusCode::OK && !alike(meta, browser, name));
    match differs {
        _ if refuses_other_agent => Finding::warning(Check::Agents, said, LET_IN),
        Some(name) => Finding::warning(
            Check::Agents,
            format!(
                "{name} is {} for facebookexternalhit, {} for a browser",
                shown(meta, &name),
                shown(browser, &name)
            ),
            "answer every agent with the same file: Meta's media fetch may call itself otherwise one day",
        ),
        None => Finding::ok(Check::Agents, said),
    }
}

/// Whether two answers carry the same value. A missing length says nothing.
fn alike(one: &Answer, other: &Answer, name: &::http::HeaderName) -> bool {
    let values = (one.field(name), other.field(name));
    values.0 == values.1 || (*name == CONTENT_LENGTH && (values.0.is_none() || values.1.is_none()))
}

fn is_ok(asked: &Asked) -> bool {
    matches!(asked, Some(Ok(answer)) if answer.status == StatusCode::OK)
}

fn outcome(asked: &Asked) -> String {
    match asked {
        Some(Ok(answer)) => answer.status.as_u16().to_string(),
        Some(Err(_)) => "no answer".to_owned(),
        None => "was not asked".to_owned(),
    }
}

const LET_IN: &str = "let agents that begin with `facebookexternalhit` or `facebookexternalua` through: an exception in the bot rules of the firewall or CDN \
    (Cloudflare: a WAF rule that skips Bot Fight Mode for these paths; AWS WAF: an allow rule before the bot control; nginx: the `map $http_user_agent` that blocks)";

#[cfg(test)]
mod tests {
    use super::super::super::exchange::NoAnswer;
    use super::super::super::report::Verdict;
    use super::super::exchange::{get, status};
    use super::super::sample::{answer, sound, with};
    use super::*;

    #[test]
    fn who_is_let_in_decides() {
        use Verdict::{Failure, Ok as Fine, Warning};
        for (meta, other, browser, expected) in [
            (200, 200, 200, Fine),
            (200, 200, 403, Fine),
            (403, 403, 200, Failure),
            (429, 200, 200, Failure),
            (503, 200, 200, Failure),
            (200, 403, 200, Warning),
            (404, 404, 404, Fine),
            (302, 302, 200, Fine),
        ] {
            let mut facts = sound();
            let body = sound().get.unwrap().unwrap();
            let of = |code| Some(Ok(Answer { status: StatusCode::from_u16(code).unwrap(), ..body.clone() }));
            (facts.get, facts.webhook, facts.browser) = (of(meta), of(other), of(browser));
            assert_eq!(agents(&facts).verdict, expected, "{meta} {other} {browser}");
            assert_eq!(blocks_meta(&facts), expected == Failure);
            if expected == Failure {
                assert_eq!(status(&facts).verdict, Verdict::Unknown, "it is told once");
            }
        }
    }

    #[test]
    fn a_connection_that_is_dropped_for_meta_alone_is_a_block() {
        let mut facts = sound();
        facts.get = Some(Err(NoAnswer::Closed));
        assert_eq!((agents(&facts).verdict, get(&facts).verdict), (Verdict::Failure, Verdict::Unknown));
        facts.browser = Some(Err(NoAnswer::Closed));
        assert_eq!((agents(&facts).verdict, get(&facts).verdict), (Verdict::Unknown, Verdict::Failure));
    }

    #[test]
    fn another_file_for_browsers_is_a_warning() {
        let mut facts = sound();
        facts.browser = Some(Ok(with(with(answer(200, b""), "content-type", "text/html"), "content-length", "9")));
        let finding = agents(&facts);
        assert_eq!(finding.verdict, Verdict::Warning);
        assert!(finding.evidence.contains("text/html"), "{finding:?}");
    }
}
