//! What a request deserves: RFC 9110 section 13.2.2, step by step, in one pure function.
//!
//! The answer is an enum and says nothing of status codes or fields; those are written by whoever replies. The order of the
//! steps is the RFC's and no other: what the client believes to have comes before what it lacks, and ranges come last.

use ::http::header::{IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, RANGE};
use ::http::{HeaderMap, HeaderName, Method};

use super::entity_tag::{EntityTag, TagList};
use super::field::sole;
use super::http_date::HttpDate;
use super::range;
use crate::value::{ByteSpan, UnixTime};

/// What a request deserves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// 200 with all of the content.
    Whole,
    /// 206 with this span.
    Part(ByteSpan),
    /// 206 as `multipart/byteranges`: 2 to 8 spans in the order they were asked for, together no longer than the content.
    Parts(Vec<ByteSpan>),
    /// 304.
    NotModified,
    /// 412.
    PreconditionFailed,
    /// 416.
    RangeUnsatisfiable,
}

/// The metadata of the selected representation, all that a decision needs to know of it.
#[derive(Clone, Copy, Debug)]
pub struct Validators<'a> {
    /// The value of the `ETag` field.
    pub etag: &'a EntityTag,
    /// The value of the Last-Modified field.
    pub last_modified: UnixTime,
    /// How long the content is, in bytes.
    pub length: u64,
}

/// The two methods that read a representation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retrieval {
    /// The content is asked for.
    Get,
    /// Only the header section that a GET would have is asked for.
    Head,
}

impl Retrieval {
    /// The method that asks for it.
    pub const fn as_method(self) -> &'static Method {
        match self {
            Self::Get => &Method::GET,
            Self::Head => &Method::HEAD,
        }
    }

    /// The retrieval that `method` asks for; `None` for all other methods. Methods are case-sensitive.
    pub fn of(method: &Method) -> Option<Self> {
        match *method {
            Method::GET => Some(Self::Get),
            Method::HEAD => Some(Self::Head),
            _ => None,
        }
    }
}

/// What a request with these fields deserves of the representation that `current` describes.
///
/// Follows RFC 9110 section 13.2.2. Where the RFC leaves a choice:
/// - A list of entity tags with a fault in it matches nothing (sections 13.1.1 and 13.1.2).
/// - A date field that is no date, or comes more than once, is ignored (sections 13.1.3 and 13.1.4).
/// - If-Range with anything but one strong tag or one date is false (section 13.1.5). A date equal to Last-Modified
///   counts as a strong validator, since content under a fingerprint never changes.
/// - If-Range that is true, with ranges past the end: 416 (section 14.2), not the 200 that step 5 could be read to ask for.
/// - A Range that comes more than once, or has a fault in it, is ignored (section 14.2).
pub fn decide(method: Retrieval, headers: &HeaderMap, current: &Validators<'_>) -> Decision {
    if !is_as_expected(headers, current) {
        Decision::PreconditionFailed
    } else if !is_news(headers, current) {
        Decision::NotModified
    } else if method == Retrieval::Get {
        ranged(headers, current)
    } else {
        Decision::Whole
    }
}

/// Steps 1 and 2: If-Match, or in its absence If-Unmodified-Since.
fn is_as_expected(headers: &HeaderMap, current: &Validators<'_>) -> bool {
    match TagList::of(headers, &IF_MATCH) {
        Some(list) => list.strong_match(current.etag),
        None => date(headers, &IF_UNMODIFIED_SINCE).is_none_or(|since| current.last_modified <= since),
    }
}

/// Steps 3 and 4: If-None-Match, or in its absence If-Modified-Since.
fn is_news(headers: &HeaderMap, current: &Validators<'_>) -> bool {
    match TagList::of(headers, &IF_NONE_MATCH) {
        Some(list) => !list.weak_match(current.etag),
        None => date(headers, &IF_MODIFIED_SINCE).is_none_or(|since| current.last_modified > since),
    }
}

/// Step 5 and section 14.2: Range, unless If-Range forbids it.
fn ranged(headers: &HeaderMap, current: &Validators<'_>) -> Decision {
    match sole(headers, &RANGE) {
        Some(field) if may_be_partial(headers, current) => range::resolve(field, current.length),
        _ => Decision::Whole,
    }
}

/// Whether If-Range is absent or true (section 13.1.5).
fn may_be_partial(headers: &HeaderMap, current: &Validators<'_>) -> bool {
    match sole(headers, &IF_RANGE) {
        Some(field) => is_unchanged(field, current),
        None => !headers.contains_key(IF_RANGE),
    }
}

fn is_unchanged(validator: &[u8], current: &Validators<'_>) -> bool {
    let same_date = || HttpDate::parse(validator) == Ok(HttpDate(current.last_modified));
    current.etag.strong_eq_text(validator).unwrap_or_else(same_date)
}

fn date(headers: &HeaderMap, name: &HeaderName) -> Option<UnixTime> {
    HttpDate::parse(sole(headers, name)?).ok().map(|date| date.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::http::HeaderValue;

    const MODIFIED: u64 = 784_111_777;
    const SAME: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
    const AFTER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

    /// The decision about ten bytes with the tag `"a"`, modified at `SAME`.
    fn ask(method: Retrieval, fields: &[(HeaderName, &str)]) -> Decision {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        let etag = EntityTag::strong("a").unwrap();
        let last_modified = UnixTime::from_secs(MODIFIED).unwrap();
        decide(method, &headers, &Validators { etag: &etag, last_modified, length: 10 })
    }

    fn get(fields: &[(HeaderName, &str)]) -> Decision {
        ask(Retrieval::Get, fields)
    }

    fn part(first: u64, last: u64) -> Decision {
        Decision::Part(ByteSpan::within(first, last, 10).unwrap())
    }

    #[test]
    fn only_get_and_head_retrieve() {
        assert_eq!(Retrieval::of(&Method::GET), Some(Retrieval::Get));
        assert_eq!(Retrieval::of(&Method::HEAD), Some(Retrieval::Head));
        for method in ["POST", "get", "OPTIONS", "DELETE", "PROPFIND"] {
            assert_eq!(Retrieval::of(&method.parse().unwrap()), None, "{method}");
        }
    }

    #[test]
    fn a_request_without_conditions_gets_the_whole() {
        for method in [Retrieval::Get, Retrieval::Head] {
            assert_eq!(ask(method, &[]), Decision::Whole);
        }
    }

    #[test]
    fn each_condition_alone_is_judged_by_its_own_rule() {
        use Decision::{NotModified, PreconditionFailed, Whole};
        for (name, value, expected) in [
            (IF_MATCH, "\"a\"", Whole),
            (IF_MATCH, "*", Whole),
            (IF_MATCH, "\"b\", \"a\"", Whole),
            (IF_MATCH, "W/\"a\"", PreconditionFailed),
            (IF_MATCH, "\"b\"", PreconditionFailed),
            (IF_MATCH, "a", PreconditionFailed),
            (IF_MATCH, "", PreconditionFailed),
            (IF_UNMODIFIED_SINCE, SAME, Whole),
            (IF_UNMODIFIED_SINCE, AFTER, Whole),
            (IF_UNMODIFIED_SINCE, BEFORE, PreconditionFailed),
            (IF_UNMODIFIED_SINCE, "yesterday", Whole),
            (IF_NONE_MATCH, "\"a\"", NotModified),
            (IF_NONE_MATCH, "W/\"a\"", NotModified),
            (IF_NONE_MATCH, "*", NotModified),
            (IF_NONE_MATCH, "\"b\"", Whole),
            (IF_NONE_MATCH, "\"a\", b", Whole),
            (IF_NONE_MATCH, "", Whole),
            (IF_MODIFIED_SINCE, SAME, NotModified),
            (IF_MODIFIED_SINCE, "Sunday, 06-Nov-94 08:49:37 GMT", NotModified),
            (IF_MODIFIED_SINCE, AFTER, NotModified),
            (IF_MODIFIED_SINCE, BEFORE, Whole),
            (IF_MODIFIED_SINCE, "0", Whole),
            (IF_RANGE, "\"b\"", Whole),
        ] {
            for method in [Retrieval::Get, Retrieval::Head] {
                assert_eq!(ask(method, &[(name.clone(), value)]), expected, "{name}: {value}");
            }
        }
    }

    #[test]
    fn a_date_that_comes_twice_is_ignored() {
        assert_eq!(get(&[(IF_MODIFIED_SINCE, SAME), (IF_MODIFIED_SINCE, SAME)]), Decision::Whole);
        assert_eq!(get(&[(IF_UNMODIFIED_SINCE, BEFORE), (IF_UNMODIFIED_SINCE, BEFORE)]), Decision::Whole);
    }

    /// A condition as it may stand in a request: its value, and whether it is true (`None`: it has no say).
    type Case = (Option<&'static str>, Option<bool>);

    #[test]
    fn the_steps_are_taken_in_the_order_of_the_rfc() {
        let matches: [Case; 4] =
            [(None, None), (Some("\"a\""), Some(true)), (Some("\"b\""), Some(false)), (Some("?"), Some(false))];
        let none_matches: [Case; 4] =
            [(None, None), (Some("\"a\""), Some(false)), (Some("\"b\""), Some(true)), (Some("?"), Some(true))];
        let unmodified: [Case; 4] =
            [(None, None), (Some(SAME), Some(true)), (Some(BEFORE), Some(false)), (Some("?"), None)];
        let modified: [Case; 4] =
            [(None, None), (Some(SAME), Some(false)), (Some(BEFORE), Some(true)), (Some("?"), None)];
        for a in matches {
            for b in unmodified {
                for c in none_matches {
                    for d in modified {
                        check_order(&[
                            (IF_MATCH, a),
                            (IF_UNMODIFIED_SINCE, b),
                            (IF_NONE_MATCH, c),
                            (IF_MODIFIED_SINCE, d),
                        ]);
                    }
                }
            }
        }
    }

    fn check_order(cases: &[(HeaderName, Case); 4]) {
        let [if_match, unmodified, none_match, modified] = [0, 1, 2, 3].map(|n| cases[n].1.1);
        let ranged = |whole_or_part: &Decision| match () {
            () if if_match.or(unmodified) == Some(false) => Decision::PreconditionFailed,
            () if none_match.or(modified) == Some(false) => Decision::NotModified,
            () => whole_or_part.clone(),
        };
        let mut fields: Vec<_> = cases.iter().filter_map(|(name, case)| Some((name.clone(), case.0?))).collect();
        fields.push((RANGE, "bytes=2-3"));
        assert_eq!(ask(Retrieval::Get, &fields), ranged(&part(2, 3)), "GET {fields:?}");
        assert_eq!(ask(Retrieval::Head, &fields), ranged(&Decision::Whole), "HEAD {fields:?}");
        fields.push((IF_RANGE, "\"b\""));
        assert_eq!(ask(Retrieval::Get, &fields), ranged(&Decision::Whole), "GET {fields:?}");
    }

    #[test]
    fn if_range_lets_a_range_through_only_for_the_very_same_content() {
        for (validator, expected) in [
            ("\"a\"", part(2, 3)),
            (SAME, part(2, 3)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", part(2, 3)),
            ("W/\"a\"", Decision::Whole),
            ("\"b\"", Decision::Whole),
            ("\"a\", \"a\"", Decision::Whole),
            ("*", Decision::Whole),
            ("a", Decision::Whole),
            ("", Decision::Whole),
            (BEFORE, Decision::Whole),
            (AFTER, Decision::Whole),
        ] {
            assert_eq!(get(&[(RANGE, "bytes=2-3"), (IF_RANGE, validator)]), expected, "{validator}");
        }
        let twice = [(RANGE, "bytes=2-3"), (IF_RANGE, "\"a\""), (IF_RANGE, "\"a\"")];
        assert_eq!(get(&twice), Decision::Whole);
    }

    #[test]
    fn ranges_past_the_end_are_unsatisfiable_for_get_only_and_unless_if_range_is_false() {
        let past = (RANGE, "bytes=10-");
        assert_eq!(get(std::slice::from_ref(&past)), Decision::RangeUnsatisfiable);
        assert_eq!(get(&[past.clone(), (IF_RANGE, "\"a\"")]), Decision::RangeUnsatisfiable);
        assert_eq!(get(&[past.clone(), (IF_RANGE, "\"b\"")]), Decision::Whole);
        assert_eq!(ask(Retrieval::Head, &[past]), Decision::Whole);
    }

    #[test]
    fn two_range_fields_are_ignored() {
        assert_eq!(get(&[(RANGE, "bytes=2-3"), (RANGE, "bytes=2-3")]), Decision::Whole);
        assert_eq!(get(&[(RANGE, " bytes=2-3\t")]), part(2, 3));
    }
}
