//! 100,000 random Range fields against a naive reading of RFC 9110.
//!
//! The model below shares no idea with the code under test: it walks the grammar character by character, computes in `u128`,
//! and tells the bytes of a range one by one where the content is small. It is slow and plain on purpose. The requests are
//! the same on every run; the fuzz targets look for new ones.

#![cfg(test)]

use hallpass::http::{Decision, EntityTag, Retrieval, Validators, decide};
use hallpass::value::{ByteSpan, UnixTime};
use http::header::{HeaderMap, HeaderValue, IF_RANGE, RANGE};
use proptest::prelude::RngExt;
use proptest::test_runner::{RngAlgorithm, TestRng};

const CASES: usize = 100_000;
const MODIFIED: u64 = 784_111_777;

#[test]
fn a_hundred_thousand_random_ranges_are_decided_as_the_reference_model_has_it() {
    let mut rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut seen = [0_usize; 4];
    for _ in 0..CASES {
        let request = Request::random(&mut rng);
        let expected = request.expected();
        assert_eq!(request.decided(Retrieval::Get), expected, "{request:?}");
        assert_eq!(request.decided(Retrieval::Head), Answer::Whole, "{request:?}");
        seen[expected.kind()] += 1;
    }
    // A generator that never reaches an answer would prove nothing about it.
    assert!(seen.iter().all(|&count| count > CASES / 20), "whole, part, parts, unsatisfiable: {seen:?}");
}

/// What a request with a Range field is answered; the spans as first and last byte.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Whole,
    Part((u128, u128)),
    Parts(Vec<(u128, u128)>),
    Unsatisfiable,
}

impl Answer {
    const fn kind(&self) -> usize {
        match self {
            Self::Whole => 0,
            Self::Part(_) => 1,
            Self::Parts(_) => 2,
            Self::Unsatisfiable => 3,
        }
    }
}

#[derive(Debug)]
struct Request {
    range: String,
    /// Each value with whether it is true.
    if_range: Option<(&'static str, bool)>,
    length: u64,
}

impl Request {
    fn random(rng: &mut TestRng) -> Self {
        let length = random_length(rng);
        let mut range = random_field(rng, length);
        while rng.random_range(0..8) == 0 {
            range = mutated(rng, &range);
        }
        // A field value is never empty of meaning for the model: whitespace around it is not part of it.
        if rng.random_range(0..50) == 0 {
            range = format!(" {range}\t");
        }
        let if_range = (rng.random_range(0..10) == 0).then(|| pick(rng, &VALIDATORS));
        Self { range, if_range, length }
    }

    fn decided(&self, method: Retrieval) -> Answer {
        let mut headers = HeaderMap::new();
        headers.insert(RANGE, HeaderValue::from_bytes(self.range.as_bytes()).unwrap());
        if let Some((validator, _)) = self.if_range {
            headers.insert(IF_RANGE, HeaderValue::from_static(validator));
        }
        let etag = EntityTag::strong("a").unwrap();
        let last_modified = UnixTime::from_secs(MODIFIED).unwrap();
        let pair = |span: ByteSpan| (u128::from(span.first()), u128::from(span.last()));
        match decide(method, &headers, &Validators { etag: &etag, last_modified, length: self.length }) {
            Decision::Whole => Answer::Whole,
            Decision::Part(span) => Answer::Part(pair(span)),
            Decision::Parts(spans) => Answer::Parts(spans.into_iter().map(pair).collect()),
            Decision::RangeUnsatisfiable => Answer::Unsatisfiable,
            Decision::NotModified | Decision::PreconditionFailed => panic!("no such condition was asked: {self:?}"),
        }
    }

    fn expected(&self) -> Answer {
        if self.if_range.is_some_and(|(_, is_true)| !is_true) {
            return Answer::Whole;
        }
        model(&self.range, u128::from(self.length))
    }
}

/// If-Range values, and whether they are true of the tag `"a"` and `MODIFIED`.
const VALIDATORS: [(&str, bool); 10] = [
    ("\"a\"", true),
    (" \"a\" ", true),
    ("Sun, 06 Nov 1994 08:49:37 GMT", true),
    ("Sun Nov  6 08:49:37 1994", true),
    ("W/\"a\"", false),
    ("\"b\"", false),
    ("\"a", false),
    ("*", false),
    ("Sun, 06 Nov 1994 08:49:38 GMT", false),
    ("Sun, 06 Nov 1994 08:49:36 GMT", false),
];

// The model.

fn model(field: &str, length: u128) -> Answer {
    let Some(ranges) = read_field(field.trim_matches([' ', '\t'])) else { return Answer::Whole };
    let mut satisfiable = Vec::new();
    for range in ranges {
        match range {
            Wanted::Last(count) if length == 0 && count > 0 => return Answer::Whole,
            _ => satisfiable.extend(span(range, length)),
        }
    }
    let total: u128 = satisfiable.iter().map(|(first, last)| last - first + 1).sum();
    match satisfiable.as_slice() {
        [] => Answer::Unsatisfiable,
        [only] => Answer::Part(*only),
        more if more.len() > 8 || total > length => Answer::Whole,
        _ => Answer::Parts(satisfiable),
    }
}

#[derive(Clone, Copy)]
enum Wanted {
    Between(u128, u128),
    Last(u128),
}

/// `None` when the field is to be ignored.
fn read_field(field: &str) -> Option<Vec<Wanted>> {
    let lower = field.to_lowercase();
    let members = read_list(lower.strip_prefix("bytes=")?)?;
    let ranges: Option<Vec<Wanted>> = members.iter().map(|member| read_range(member)).collect();
    ranges.filter(|ranges| !ranges.is_empty())
}

/// `[ element ] *( OWS "," OWS [ element ] )`, as section 5.6.1.2 has a recipient read a list.
fn read_list(text: &str) -> Option<Vec<String>> {
    let mut members = vec![String::new()];
    let mut gap = false;
    for c in text.chars() {
        let is_first = members.len() == 1;
        let member = members.last_mut()?;
        match c {
            ',' => members.push(String::new()),
            ' ' | '\t' => {}
            _ if gap && (!member.is_empty() || is_first) => return None,
            _ => member.push(c),
        }
        gap = matches!(c, ' ' | '\t');
    }
    members.retain(|member| !member.is_empty());
    Some(members)
}

fn read_range(text: &str) -> Option<Wanted> {
    let ends: Vec<&str> = text.split('-').collect();
    let [first, last] = ends[..] else { return None };
    match (first, last) {
        ("", count) => Some(Wanted::Last(read_number(count)?)),
        (first, "") => Some(Wanted::Between(read_number(first)?, u128::MAX)),
        (first, last) => {
            let wanted = Wanted::Between(read_number(first)?, read_number(last)?);
            // Mutation may glue digits into numbers past 128 bits, so the order is that of the padded texts.
            (format!("{first:0>200}") <= format!("{last:0>200}")).then_some(wanted)
        }
    }
}

/// Numbers past 128 bits count as the largest of them: no content is that long.
fn read_number(text: &str) -> Option<u128> {
    let digits = !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u128::MAX))
}

fn span(range: Wanted, length: u128) -> Option<(u128, u128)> {
    if length > 1000 {
        return span_by_arithmetic(range, length);
    }
    let wanted = |byte: &u128| match range {
        Wanted::Between(first, last) => first <= *byte && *byte <= last,
        Wanted::Last(count) => length - byte <= count,
    };
    let bytes: Vec<u128> = (0..length).filter(wanted).collect();
    Some((*bytes.first()?, *bytes.last()?))
}

fn span_by_arithmetic(range: Wanted, length: u128) -> Option<(u128, u128)> {
    let (first, last) = match range {
        Wanted::Between(first, last) => (first, last.min(length - 1)),
        Wanted::Last(count) => (length - count.min(length), length - 1),
    };
    (first <= last).then_some((first, last))
}

// The generator.

fn random_length(rng: &mut TestRng) -> u64 {
    match rng.random_range(0..12) {
        0 => 0,
        1 => u64::MAX - rng.random_range(0..3),
        2 => 1 << rng.random_range(10..63),
        _ => rng.random_range(0..=40),
    }
}

fn random_field(rng: &mut TestRng, length: u64) -> String {
    if rng.random_range(0..20) == 0 {
        return garbage(rng);
    }
    let unit = pick(rng, &["bytes", "bytes", "bytes", "bytes", "bytes", "bytes", "bytes", "Bytes", "BYTES", "items"]);
    let count = match rng.random_range(0..20) {
        0..8 => 1,
        8..16 => rng.random_range(2..5),
        16..19 => rng.random_range(5..12),
        _ => 0,
    };
    let narrow = count > 1 && rng.random_range(0..4) > 0;
    let mut text = format!("{unit}=");
    for n in 0..count {
        if n > 0 {
            text.push_str(pick(rng, &[",", ",", ",", ", ", " ,", "\t, ", ",,", ", ,", ",\t,"]));
        }
        text.push_str(&random_range(rng, length, narrow));
    }
    text
}

fn random_range(rng: &mut TestRng, length: u64, narrow: bool) -> String {
    let first = random_number(rng, length);
    match rng.random_range(0..10) {
        0..2 if !narrow => format!("{first}-"),
        2..4 if !narrow => format!("-{first}"),
        4 => format!("{first}-{}", random_number(rng, length)),
        5 => format!("-{}", rng.random_range(0..3)),
        _ => {
            let most = if narrow { 3 } else { 50 };
            let last = first.parse::<u128>().unwrap() + rng.random_range(0..most);
            format!("{first}-{last}")
        }
    }
}

fn random_number(rng: &mut TestRng, length: u64) -> String {
    let (length, most) = (u128::from(length), u128::from(u64::MAX));
    let number = match rng.random_range(0..24) {
        0..16 => rng.random_range(0..=length),
        16..19 => rng.random_range(0..50),
        19 => length.saturating_sub(rng.random_range(0..3)),
        20 => length + rng.random_range(0..3),
        21 => most - 1 + rng.random_range(0..4),
        22 => most * rng.random_range(1..100),
        _ => most * most - rng.random_range(0..5),
    };
    let zeros = if rng.random_range(0..20) == 0 { rng.random_range(1..30) } else { 0 };
    format!("{}{number}", "0".repeat(zeros))
}

const ALPHABET: &[u8] = b"0123456789-,= \tbytes;x+.*\"/";

fn garbage(rng: &mut TestRng) -> String {
    let start = pick(rng, &["", "bytes", "bytes=", "bytes=", "bytes="]);
    let tail: String = (0..rng.random_range(0..12)).map(|_| char::from(pick(rng, ALPHABET))).collect();
    format!("{start}{tail}")
}

/// One character removed, put in, replaced, or swapped with its neighbour.
fn mutated(rng: &mut TestRng, text: &str) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    let at = rng.random_range(0..=chars.len());
    let c = char::from(pick(rng, ALPHABET));
    match rng.random_range(0..4) {
        0 if at < chars.len() => drop(chars.remove(at)),
        1 if at < chars.len() => chars[at] = c,
        2 if at + 1 < chars.len() => chars.swap(at, at + 1),
        _ => chars.insert(at, c),
    }
    chars.into_iter().collect()
}

fn pick<T: Copy>(rng: &mut TestRng, from: &[T]) -> T {
    from[rng.random_range(0..from.len())]
}
