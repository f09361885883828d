//! The fetch itself, and how its answer begins.

use ::http::StatusCode;
use ::http::header::{CONTENT_LENGTH, CONTENT_TYPE, LOCATION};

use super::super::exchange::{Answer, Ending, NoAnswer};
use super::super::facts::Facts;
use super::super::limits::BODY;
use super::super::report::{Check, Finding, quoted};
use super::agents::blocks_meta;

/// Whether the answer points elsewhere. Meta follows no redirect, and neither does the doctor.
pub(super) fn redirect(facts: &Facts) -> Finding {
    let answer = match facts.answered() {
        Ok(answer) => answer,
        Err(why) => return Finding::unknown(Check::Redirect, why),
    };
    if !is_redirect(answer.status) {
        return Finding::ok(Check::Redirect, "none");
    }
    let goal = text(answer, &LOCATION).unwrap_or_else(|| "nowhere".to_owned());
    Finding::failure(
        Check::Redirect,
        format!(
            "{} to {goal}; Meta follows no redirect, takes this answer for the media, and reports \"Unsupported mime type {}\"",
            answer.said(),
            text(answer, &CONTENT_TYPE).unwrap_or_else(|| "text/html".to_owned())
        ),
        "put the last URL of the chain into the message, or answer here with the file itself (nginx: no `return 301` for this path; CDN: no redirect rule; S3: the REST endpoint of the bucket's region)",
    )
}

/// The status of the answer. Redirects and blocked agents are told elsewhere.
pub(super) fn status(facts: &Facts) -> Finding {
    let answer = match facts.answered() {
        Ok(answer) => answer,
        Err(why) => return Finding::unknown(Check::Status, why),
    };
    let said = answer.said();
    if answer.status == StatusCode::OK {
        Finding::ok(Check::Status, said)
    } else if is_redirect(answer.status) {
        Finding::unknown(Check::Status, format!("{said}: see redirect"))
    } else if blocks_meta(facts) {
        Finding::unknown(Check::Status, format!("{said}: see agents"))
    } else {
        Finding::failure(Check::Status, format!("{said}, where Meta needs 200 OK"), remedy(answer.status))
    }
}

fn remedy(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 | 403 => {
            "let whoever has the link fetch it without credentials: no login, no hotlink protection; a signed link must not have expired, and must arrive as it was signed (S3: the whole query); a server that lets in Meta's networks alone cannot be judged from here"
        }
        404 | 410 => {
            "put the file there, or correct the path: upper and lower case matter, and the bucket or server must be the one that the host name leads to"
        }
        429 => "raise the rate limit, or exempt links: one campaign is many fetches within seconds from one network",
        200..=299 => "answer a plain GET with 200 and the whole file",
        400..=499 => "see in the server's log why it takes a plain GET for wrong",
        _ => "see in the server's log why it fails; have the file ready before the message is sent",
    }
}

/// Whether a whole answer came.
pub(super) fn get(facts: &Facts) -> Finding {
    if let Err(why) = facts.shaken() {
        return Finding::unknown(Check::Get, why);
    }
    let answer = match &facts.get {
        None => return Finding::unknown(Check::Get, "not asked, since the time was up; allow more with --timeout"),
        Some(Err(_)) if blocks_meta(facts) => return Finding::unknown(Check::Get, "no answer: see agents"),
        Some(Err(why)) => return Finding::failure(Check::Get, why.to_string(), no_answer(why)),
        Some(Ok(answer)) => answer,
    };
    let came = came(answer);
    match &answer.body.ending {
        Ending::Whole | Ending::Enough => Finding::ok(Check::Get, format!("{:?}, {came}", answer.version)),
        Ending::Stalled => Finding::failure(
            Check::Get,
            format!("{came}, then nothing more"),
            "see why the server stops in the middle: a proxy that waits for its backend, a length that is too large",
        ),
        Ending::TooSlow if answer.body.took < BODY => Finding::failure(
            Check::Get,
            format!("{came}, and then the time was up"),
            "allow more time with --timeout, or serve the file faster",
        ),
        Ending::TooSlow => Finding::failure(
            Check::Get,
            format!("{came}, so slowly that Meta would have given up"),
            "serve the file from memory, a disk or a CDN that is quick; take rate limits off it",
        ),
        Ending::Broken(reason) => Finding::failure(
            Check::Get,
            format!("{came}, then it broke off: {reason}"),
            "see in the server's log why it ends the body early: a time limit, a backend that fails, a Content-Length that is not that of the file",
        ),
    }
}

fn no_answer(why: &NoAnswer) -> &'static str {
    match why {
        NoAnswer::Silent(_) => {
            "answer within a second or two: have the file ready before the message is sent, for Meta's time limit is short"
        }
        NoAnswer::Closed => {
            "see in the server's log why it closes; a firewall may drop what calls itself facebookexternalhit"
        }
        NoAnswer::Garbage(_) => {
            "let an HTTP/1.1 server answer; look for a proxy that mangles heads, two different lengths, or lines that end wrongly"
        }
        NoAnswer::NoSession(_) => "let the server take every connection: the first one was taken, this one was not",
    }
}

/// `68,612 of 70,000 bytes`
fn came(answer: &Answer) -> String {
    let length = grouped(answer.body.length);
    match answer.declared_length() {
        Some(declared) if declared != answer.body.length => format!("{length} of {} bytes", grouped(declared)),
        _ => format!("{length} bytes"),
    }
}

/// Whether HEAD says what GET says. Delivery does not need it, other tools do.
pub(super) fn head(facts: &Facts) -> Finding {
    let answers = facts.fetched().and_then(|get| facts.further(&facts.head).map(|head| (get, head)));
    let (get, head) = match answers {
        Ok(answers) => answers,
        Err(why) => return Finding::unknown(Check::Head, why),
    };
    if head.status != StatusCode::OK {
        return Finding::warning(
            Check::Head,
            format!("{} to HEAD, 200 OK to GET", head.said()),
            "allow HEAD wherever GET is allowed; S3 links that are signed for GET refuse it, so look at them with GET",
        );
    }
    let differ = [CONTENT_TYPE, CONTENT_LENGTH]
        .into_iter()
        .find(|name| head.field(name).is_some() && head.field(name) != get.field(name));
    match differ {
        None => Finding::ok(Check::Head, "as GET"),
        Some(name) => Finding::warning(
            Check::Head,
            format!("{name} is {} for HEAD, {} for GET", shown(head, &name), shown(get, &name)),
            "answer HEAD with the fields of GET",
        ),
    }
}

/// A field's value for people.
pub(super) fn shown(answer: &Answer, name: &::http::HeaderName) -> String {
    text(answer, name).map_or("missing".to_owned(), |value| format!("`{value}`"))
}

/// A field's value, fit to be quoted, whatever its bytes are.
fn text(answer: &Answer, name: &::http::HeaderName) -> Option<String> {
    Some(quoted(&String::from_utf8_lossy(answer.fields.get(name)?.as_bytes())))
}

/// Whether a status sends the client elsewhere.
pub(super) fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 300..=303 | 305..=308)
}

/// `5000000` as `5,000,000`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let first = digits.len() % 3;
    let comma = |at: usize| at > 0 && at % 3 == first;
    digits.chars().enumerate().flat_map(|(at, digit)| comma(at).then_some(',').into_iter().chain([digit])).collect()
}

#[cfg(test)]
mod tests {
    use super::super::super::handshake::NoSession;
    use super::super::super::report::Verdict;
    use super::super::sample::{answer, sound, with};
    use super::*;

    #[test]
    fn redirects_are_told_and_not_as_a_bad_status() {
        let mut facts = sound();
        facts.get = Some(Ok(with(answer(302, b""), "location", "https://cdn.example/y.jpg")));
        let finding = redirect(&facts);
        assert_eq!(
            (finding.verdict, status(&facts).verdict, get(&facts).verdict),
            (Verdict::Failure, Verdict::Unknown, Verdict::Ok)
        );
        facts.get = Some(Ok(with(answer(301, b""), "location", "https://cdn.example/x.jpg")));
        let finding = redirect(&facts);
        assert!(
            finding.evidence.contains("cdn.example/x.jpg") && finding.evidence.contains("Unsupported mime type"),
            "{finding:?}"
        );
        assert_eq!(redirect(&sound()).verdict, Verdict::Ok);
    }

    #[test]
    fn every_other_status_is_a_failure_with_a_remedy() {
        for code in [204, 206, 304, 400, 401, 403, 404, 410, 418, 429, 500, 503] {
            let mut facts = sound();
            (facts.get, facts.browser) = (Some(Ok(answer(code, b""))), Some(Ok(answer(code, b""))));
            let finding = status(&facts);
            assert_eq!(finding.verdict, Verdict::Failure, "{code}");
            assert!(finding.evidence.starts_with(&code.to_string()));
        }
    }

    #[test]
    fn a_body_that_does_not_come_whole_is_a_failure() {
        for (ending, verdict) in [
            (Ending::Whole, Verdict::Ok),
            (Ending::Enough, Verdict::Ok),
            (Ending::Stalled, Verdict::Failure),
            (Ending::TooSlow, Verdict::Failure),
            (Ending::Broken("reset".to_owned()), Verdict::Failure),
        ] {
            let mut facts = sound();
            facts.get.as_mut().unwrap().as_mut().unwrap().body.ending = ending.clone();
            assert_eq!(get(&facts).verdict, verdict, "{ending:?}");
        }
    }

    #[test]
    fn no_answer_is_a_failure() {
        for why in [
            NoAnswer::Silent(std::time::Duration::from_secs(9)),
            NoAnswer::Closed,
            NoAnswer::Garbage("x".to_owned()),
            NoAnswer::NoSession(NoSession::Silent),
        ] {
            let mut facts = sound();
            (facts.get, facts.browser) = (Some(Err(why.clone())), Some(Err(why)));
            assert_eq!((get(&facts).verdict, status(&facts).verdict), (Verdict::Failure, Verdict::Unknown));
        }
    }

    #[test]
    fn head_is_compared_with_get() {
        let mut facts = sound();
        facts.head = Some(Ok(answer(405, b"")));
        assert_eq!(head(&facts).verdict, Verdict::Warning);
        let other = with(answer(200, b""), "content-length", "7");
        facts.head = Some(Ok(other));
        let finding = head(&facts);
        assert_eq!(finding.verdict, Verdict::Warning);
        assert!(finding.evidence.contains("`7`"), "{finding:?}");
        facts.head = Some(Ok(answer(200, b"")));
        assert_eq!(head(&facts).verdict, Verdict::Ok, "HEAD may leave fields out");
    }

    #[test]
    fn numbers_are_grouped() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (5_000_001, "5,000,001")] {
            assert_eq!(grouped(number), text);
        }
    }
}
