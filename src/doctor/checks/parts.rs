//! Ranges and conditions: what a server does with requests for less than the whole (RFC 9110, sections 13 and 14).
//!
//! Meta tells servers to expect `bytes=0-524288`. To ignore a range is allowed; to answer it with other bytes than were asked for is not, for then
//! the fetcher puts a wrong file together.

use ::http::StatusCode;
use ::http::header::{CONTENT_RANGE, ETAG, LAST_MODIFIED};

use super::super::exchange::{Answer, FRONT, TAIL};
use super::super::facts::{Asked, Facts};
use super::super::report::{Check, Finding};
use super::exchange::{grouped, shown};

/// The range that Meta tells servers to expect.
pub(super) fn range(facts: &Facts) -> Finding {
    let (content, part) = match answers(facts, &facts.range) {
        Ok(found) => found,
        Err(why) => return Finding::unknown(Check::Range, why),
    };
    let Some(length) = content.content_length() else {
        return Finding::unknown(Check::Range, "not judged, since the length of the whole is not known");
    };
    let asked = Span { first: 0, last: (FRONT as u64 - 1).min(length.saturating_sub(1)), of: length };
    let fault = match compare(part, &asked, &content.body.front) {
        Part::Right(span) => return Finding::ok(Check::Range, format!("206 with {span}, and the right bytes")),
        Part::Ignored => return ignored(Check::Range, "bytes=0-524288"),
        Part::Refused => format!("{} to `bytes=0-524288`, which Meta tells servers to expect", part.said()),
        Part::Wrong(fault) => fault,
    };
    Finding::failure(Check::Range, fault, MEND)
}

/// The last bytes. Meta is not known to ask for them, so a server that refuses is only warned of; one that sends others corrupts files.
pub(super) fn suffix_range(facts: &Facts) -> Finding {
    let (content, part) = match answers(facts, &facts.suffix) {
        Ok(found) => found,
        Err(why) => return Finding::unknown(Check::SuffixRange, why),
    };
    let Some(length) = content.content_length().filter(|_| content.is_whole()) else {
        return Finding::unknown(Check::SuffixRange, "not judged, since the whole was not read");
    };
    let asked = Span { first: length.saturating_sub(TAIL as u64), last: length.saturating_sub(1), of: length };
    match compare(part, &asked, &content.body.tail) {
        Part::Right(span) => Finding::ok(Check::SuffixRange, format!("206 with {span}, and the right bytes")),
        Part::Ignored => ignored(Check::SuffixRange, "bytes=-65536"),
        Part::Refused => Finding::warning(Check::SuffixRange, format!("{} to `bytes=-65536`", part.said()), MEND),
        Part::Wrong(fault) => Finding::failure(Check::SuffixRange, fault, MEND),
    }
}

/// Whether the server knows its own validators again.
pub(super) fn conditional(facts: &Facts) -> Finding {
    let check = Check::Conditional;
    let fetched = match facts.fetched() {
        Ok(fetched) => fetched,
        Err(why) => return Finding::unknown(check, why),
    };
    let has = [&ETAG, &LAST_MODIFIED].map(|name| fetched.fields.contains_key(name));
    if has == [false, false] {
        return Finding::warning(
            check,
            "the answer has neither ETag nor Last-Modified, so nobody can ask whether it changed",
            "send an ETag or Last-Modified (nginx: `etag on;` for files; applications: a hash of the content)",
        );
    }
    let asked = [("If-None-Match", has[0], &facts.by_tag), ("If-Modified-Since", has[1], &facts.by_date)];
    let mut known = Vec::new();
    for (name, _, question) in asked.into_iter().filter(|(_, has, _)| *has) {
        match facts.further(question) {
            Ok(answer) if answer.status == StatusCode::NOT_MODIFIED => known.push(name),
            Ok(answer) => {
                return Finding::warning(
                    check,
                    format!("{} to {name} with the server's own validator, not 304", answer.said()),
                    "let every tier keep validators and compare them: servers behind one balancer must make the same ETag, and compression must not change it",
                );
            }
            Err(why) => return Finding::unknown(check, why),
        }
    }
    Finding::ok(check, format!("304 to {}", known.join(" and to ")))
}

/// The answer with the content, and the one with a part of the same content.
fn answers<'a>(facts: &'a Facts, part: &'a Asked) -> Result<(&'a Answer, &'a Answer), String> {
    let content = facts.content()?;
    let part = facts.further(part)?;
    let changed = matches!((content.field(&ETAG), part.field(&ETAG)), (Some(one), Some(other)) if one != other);
    if changed && facts.plain.is_none() {
        return Err(format!(
            "not judged, since the content changed meanwhile: ETag {}, then {}",
            shown(content, &ETAG),
            shown(part, &ETAG)
        ));
    }
    Ok((content, part))
}

fn ignored(check: Check, asked: &str) -> Finding {
    Finding::warning(
        check,
        format!("200 with the whole to `{asked}`, which is allowed and costs more than was asked for"),
        "answer ranges with 206 (nginx: `slice` or a cache that keeps the whole; applications: a file server that knows ranges; CDN: enable range requests)",
    )
}

/// How a part compares with what was asked for.
enum Part {
    Right(Span),
    /// 200: the whole.
    Ignored,
    /// Neither 200 nor 206.
    Refused,
    Wrong(String),
}

/// Bytes `first` to `last`, both included, of so many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    first: u64,
    last: u64,
    of: u64,
}

/// `expected` holds the bytes that were asked for, or as many of them as were kept.
fn compare(part: &Answer, asked: &Span, expected: &[u8]) -> Part {
    match part.status {
        StatusCode::OK => return Part::Ignored,
        StatusCode::PARTIAL_CONTENT => {}
        _ => return Part::Refused,
    }
    let Some(span) = part.field(&CONTENT_RANGE).and_then(Span::read) else {
        return Part::Wrong(format!(
            "206 with Content-Range {}, which says not which bytes these are",
            shown(part, &CONTENT_RANGE)
        ));
    };
    let bytes = part.body.front.as_slice();
    let got = bytes.len() as u64;
    if span != *asked {
        return Part::Wrong(format!("206 with Content-Range {span}, where {asked} was asked for"));
    }
    if got != span.last - span.first + 1 {
        return Part::Wrong(format!("206 with Content-Range {span}, and {} bytes", grouped(got)));
    }
    let compared = bytes.len().min(expected.len());
    if bytes.get(..compared) == expected.get(..compared) {
        Part::Right(span)
    } else {
        Part::Wrong(format!("206 with Content-Range {span}, but other bytes than the whole has there"))
    }
}

impl Span {
    /// Reads a `Content-Range` such as `bytes 0-499/1234` (RFC 9110 section 14.4).
    fn read(text: &str) -> Option<Self> {
        let (unit, rest) = text.trim().split_once(' ')?;
        let (span, of) = rest.trim().split_once('/')?;
        let (first, last) = span.split_once('-')?;
        let span = Self { first: first.parse().ok()?, last: last.parse().ok()?, of: of.parse().ok()? };
        (unit.eq_ignore_ascii_case("bytes") && span.first <= span.last && span.last < span.of).then_some(span)
    }
}

impl std::fmt::Display for Span {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "bytes {}-{}/{}", self.first, self.last, self.of)
    }
}

const MEND: &str = "answer a range with exactly its bytes and their Content-Range, or ignore ranges and answer 200; look for a tier that cuts or caches parts wrongly";

#[cfg(test)]
mod tests {
    use super::super::super::report::Verdict;
    use super::super::sample::{answer, sound, with};
    use super::*;

    /// The sample's content has 1,000 bytes.
    fn part(range: &str, bytes: &[u8]) -> Answer {
        with(answer(206, bytes), "content-range", range)
    }

    #[test]
    fn parts_are_compared_with_the_whole() {
        use Verdict::{Failure, Ok as Fine, Warning};
        let whole = super::super::sample::content();
        let mut other = whole.clone();
        other[500] ^= 1;
        for (part, verdict, said) in [
            (part("bytes 0-999/1000", &whole), Fine, "right bytes"),
            (part("Bytes 0-999/1000", &whole), Fine, "right bytes"),
            (part("bytes 0-999/1000", &other), Failure, "other bytes"),
            (part("bytes 0-999/1000", &whole[..999]), Failure, "and 999 bytes"),
            (part("bytes 1-999/1000", &whole[1..]), Failure, "1-999"),
            (part("bytes 0-998/1000", &whole[..999]), Failure, "0-998"),
            (part("bytes 0-999/1001", &whole), Failure, "/1001"),
            (part("bytes 0-999/*", &whole), Failure, "says not"),
            (part("0-999/1000", &whole), Failure, "says not"),
            (part("bytes 9-1/1000", &whole), Failure, "says not"),
            (part("bytes 0-18446744073709551616/1000", &whole), Failure, "says not"),
            (answer(206, &whole), Failure, "missing"),
            (answer(200, &whole), Warning, "allowed"),
            (answer(416, b""), Failure, "416"),
            (answer(500, b""), Failure, "500"),
        ] {
            let mut facts = sound();
            facts.range = Some(Ok(part));
            let finding = range(&facts);
            assert_eq!(finding.verdict, verdict, "{finding:?}");
            assert!(finding.evidence.contains(said), "{finding:?}");
        }
    }

    #[test]
    fn the_end_is_compared_and_need_not_be_served() {
        let whole = super::super::sample::content();
        let turned: Vec<u8> = whole.iter().rev().copied().collect();
        for (part, verdict) in [
            (part("bytes 0-999/1000", &whole), Verdict::Ok),
            (part("bytes 0-999/1000", &turned), Verdict::Failure),
            (answer(200, &whole), Verdict::Warning),
            (answer(416, b""), Verdict::Warning),
        ] {
            let mut facts = sound();
            facts.suffix = Some(Ok(part));
            assert_eq!(suffix_range(&facts).verdict, verdict);
        }
    }

    #[test]
    fn content_that_changed_meanwhile_is_not_compared() {
        let mut facts = sound();
        facts.range = Some(Ok(with(part("bytes 0-9/10", b"0123456789"), "etag", "\"another\"")));
        assert_eq!(range(&facts).verdict, Verdict::Unknown);
    }

    #[test]
    fn validators_must_be_known_again() {
        let mut facts = sound();
        assert_eq!(conditional(&facts).evidence, "304 to If-None-Match and to If-Modified-Since");
        facts.by_date = Some(Ok(answer(200, b"")));
        assert!(conditional(&facts).evidence.contains("If-Modified-Since"));
        facts.by_tag = Some(Ok(answer(412, b"")));
        assert!(conditional(&facts).evidence.contains("412"));
        assert_eq!(conditional(&facts).verdict, Verdict::Warning);
        let get = facts.get.as_mut().unwrap().as_mut().unwrap();
        get.fields.remove(ETAG);
        get.fields.remove(LAST_MODIFIED);
        assert!(conditional(&facts).evidence.contains("neither"));
    }
}
