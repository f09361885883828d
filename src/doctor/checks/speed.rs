//! How quick the server is. Meta's time limit is short and undocumented, so slowness is a warning, and no answer at all a failure of the fetch.

use std::time::Duration;

use super::super::facts::Facts;
use super::super::report::{Check, Finding};
use super::exchange::grouped;
use super::reach::milliseconds;

/// How long the head took.
pub(super) fn first_byte(facts: &Facts) -> Finding {
    let answer = match facts.answered() {
        Ok(answer) => answer,
        Err(why) => return Finding::unknown(Check::FirstByte, why),
    };
    let waited = milliseconds(answer.waited);
    if answer.waited <= PROMPT {
        return Finding::ok(Check::FirstByte, format!("{waited} after the request"));
    }
    Finding::warning(
        Check::FirstByte,
        format!("{waited} after the request; Meta's time limit is short"),
        "have the file ready before the message is sent: files that are made on request often fail at first and come on the third try",
    )
}

/// How long the body took.
pub(super) fn throughput(facts: &Facts) -> Finding {
    let body = match facts.fetched() {
        Ok(answer) => &answer.body,
        Err(why) => return Finding::unknown(Check::Throughput, why),
    };
    let told = format!("{} bytes in {}", grouped(body.length), milliseconds(body.took));
    if body.took <= SOON {
        return Finding::ok(Check::Throughput, told);
    }
    Finding::warning(
        Check::Throughput,
        format!("{told}; Meta's time limit is short"),
        "serve it from a CDN or a quicker link, without a rate limit, or make the file smaller",
    )
}

/// How long a head may take.
const PROMPT: Duration = Duration::from_secs(2);
/// How long a body may take.
const SOON: Duration = Duration::from_secs(8);

#[cfg(test)]
mod tests {
    use super::super::super::report::Verdict;
    use super::super::sample::sound;
    use super::*;

    #[test]
    fn slowness_is_a_warning() {
        for (waited, took, of_head, of_body) in [
            (PROMPT, SOON, Verdict::Ok, Verdict::Ok),
            (PROMPT + Duration::from_millis(1), SOON + Duration::from_millis(1), Verdict::Warning, Verdict::Warning),
        ] {
            let mut facts = sound();
            let answer = facts.get.as_mut().unwrap().as_mut().unwrap();
            (answer.waited, answer.body.took) = (waited, took);
            assert_eq!((first_byte(&facts).verdict, throughput(&facts).verdict), (of_head, of_body));
        }
    }
}
