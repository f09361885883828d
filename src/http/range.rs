//! From a Range field to the spans that it means (RFC 9110 sections 14.1 and 14.2).
//!
//! A field is read once, from left to right, and reading stops where the answer is known: at the first fault, at a ninth
//! range, or as soon as the ranges ask for more bytes than there are. All three end in the whole content, so what stands
//! behind that point cannot change the answer, and ten thousand ranges cost as little as nine. Only ranges past the end have all to be
//! read, since one that can be satisfied may follow; the head's size bounds them. Positions of any number of digits are compared
//! as decimal text; nothing overflows.

use std::cmp::Ordering;

use super::decision::Decision;
use super::field::{trim, trim_end};
use crate::value::ByteSpan;

/// What a GET with this Range field deserves of a content of `length` bytes.
///
/// [`Decision::Whole`] stands for every field that is to be ignored: another unit, no ranges at all, a fault in one of them
/// (section 14.2 leaves a server the choice between ignoring and refusing), too many of them, or more bytes than there are.
pub(super) fn resolve(field: &[u8], length: u64) -> Decision {
    byte_set(field).and_then(|set| select(set, length)).unwrap_or(Decision::Whole)
}

/// The `range-set` of a field in bytes; units are compared without regard to case (section 14.1).
fn byte_set(field: &[u8]) -> Option<&[u8]> {
    let (unit, set) = field.split_at_checked(UNIT.len())?;
    if unit.eq_ignore_ascii_case(UNIT) { set.strip_prefix(b"=") } else { None }
}

/// The spans of a set, or that it has none; `None` when the field is to be ignored.
fn select(set: &[u8], length: u64) -> Option<Decision> {
    let mut selection = Selection::new(length);
    let mut is_empty = true;
    for text in members(set) {
        is_empty = false;
        let range = Range::read(text)?;
        if range.is_satisfiable(length) {
            // No span of an empty content exists, but its last bytes may be asked for: they are the whole.
            selection.push(range.span(length)?)?;
        }
    }
    if is_empty { None } else { Some(selection.decision()) }
}

/// The members of a set. Empty ones are passed over (section 5.6.1.2). Whitespace belongs to a comma, so there is none
/// between `=` and the first member.
fn members(set: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut members = set.split(|&b| b == b',');
    let first = members.next().map(trim_end);
    first.into_iter().chain(members.map(trim)).filter(|text| !text.is_empty())
}

/// One member of a set of byte ranges.
#[derive(Clone, Copy)]
enum Range<'a> {
    /// `first-last` and `first-`.
    From { first: Decimal<'a>, last: Option<Decimal<'a>> },
    /// `-count`.
    Suffix(Decimal<'a>),
}

impl<'a> Range<'a> {
    /// Reads a valid `int-range` or `suffix-range`. One whose last position comes before its first is not valid.
    fn read(text: &'a [u8]) -> Option<Self> {
        let (first, last) = text.split_at_checked(text.iter().position(|&b| b == b'-')?)?;
        let last = last.strip_prefix(b"-")?;
        match (first, last) {
            ([], count) => Some(Self::Suffix(Decimal::read(count)?)),
            (first, []) => Some(Self::From { first: Decimal::read(first)?, last: None }),
            (first, last) => Self::between(Decimal::read(first)?, Decimal::read(last)?),
        }
    }

    fn between(first: Decimal<'a>, last: Decimal<'a>) -> Option<Self> {
        first.cmp(last).is_le().then_some(Self::From { first, last: Some(last) })
    }

    /// Section 14.1.2. A suffix of an empty content is satisfiable, although there is nothing to send.
    fn is_satisfiable(self, length: u64) -> bool {
        match self {
            Self::From { first, .. } => first.value() < length,
            Self::Suffix(count) => count.value() > 0,
        }
    }

    /// The bytes it means, cut where the content ends; `None` when there are none.
    fn span(self, length: u64) -> Option<ByteSpan> {
        let end = length.checked_sub(1)?;
        match self {
            Self::From { first, last } => {
                let last = last.map_or(end, |last| last.value().min(end));
                ByteSpan::within(first.value(), last, length)
            }
            Self::Suffix(count) => ByteSpan::within(length.saturating_sub(count.value()), end, length),
        }
    }
}

/// A number of any size, as its digits without leading zeros.
#[derive(Clone, Copy)]
struct Decimal<'a>(&'a [u8]);

impl<'a> Decimal<'a> {
    /// `1*DIGIT`.
    fn read(text: &'a [u8]) -> Option<Self> {
        if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let start = text.iter().position(|&b| b != b'0').unwrap_or(text.len());
        text.get(start..).map(Self)
    }

    /// The number, or `u64::MAX` for larger ones: no content is that long, so no answer depends on the difference.
    fn value(self) -> u64 {
        let digit = |b: u8| u64::from(b.wrapping_sub(b'0'));
        self.0.iter().fold(0, |n: u64, &b| n.saturating_mul(10).saturating_add(digit(b)))
    }

    fn cmp(self, other: Self) -> Ordering {
        self.0.len().cmp(&other.0.len()).then_with(|| self.0.cmp(other.0))
    }
}

/// The spans found so far, in the order they were asked for. It takes no heap before there are two.
struct Selection {
    length: u64,
    total: u64,
    first: Option<ByteSpan>,
    more: Vec<ByteSpan>,
}

impl Selection {
    const fn new(length: u64) -> Self {
        Self { length, total: 0, first: None, more: Vec::new() }
    }

    /// Takes one more span; `None` when that makes too many of them, or more bytes than the content has.
    fn push(&mut self, span: ByteSpan) -> Option<()> {
        self.total = self.total.checked_add(span.len()).filter(|&total| total <= self.length)?;
        match (self.first, self.more.len()) {
            (None, _) => self.first = Some(span),
            (Some(first), 0) => self.more = vec![first, span],
            (_, count) if count < MAX_PARTS => self.more.push(span),
            _ => return None,
        }
        Some(())
    }

    fn decision(self) -> Decision {
        match self.first {
            None => Decision::RangeUnsatisfiable,
            Some(span) if self.more.is_empty() => Decision::Part(span),
            Some(_) => Decision::Parts(self.more),
        }
    }
}

/// The one range unit that is understood here.
const UNIT: &[u8] = b"bytes";

/// The most parts of one answer. Players and fetchers ask for one; beyond a handful, the part heads and the scattered reads
/// cost more than the whole.
const MAX_PARTS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn part(first: u64, last: u64, length: u64) -> Decision {
        Decision::Part(ByteSpan::within(first, last, length).unwrap())
    }

    fn parts(spans: &[(u64, u64)], length: u64) -> Decision {
        Decision::Parts(spans.iter().map(|&(first, last)| ByteSpan::within(first, last, length).unwrap()).collect())
    }

    #[test]
    fn one_range_is_cut_where_the_content_ends() {
        for (field, first, last) in [
            ("bytes=0-0", 0, 0),
            ("bytes=0-9", 0, 9),
            ("bytes=0-", 0, 9),
            ("bytes=9-", 9, 9),
            ("bytes=2-5", 2, 5),
            ("bytes=2-10", 2, 9),
            ("bytes=2-99999999999999999999999999", 2, 9),
            ("bytes=0-524288", 0, 9),
            ("bytes=-1", 9, 9),
            ("bytes=-10", 0, 9),
            ("bytes=-11", 0, 9),
            ("bytes=-18446744073709551616", 0, 9),
            ("bytes=000000000000000000000000002-05", 2, 5),
            ("BYTES=1-2", 1, 2),
            ("bYtEs=1-2", 1, 2),
        ] {
            assert_eq!(resolve(field.as_bytes(), 10), part(first, last, 10), "{field}");
        }
        assert_eq!(resolve(b"bytes=18446744073709551614-", u64::MAX), part(u64::MAX - 1, u64::MAX - 1, u64::MAX));
        assert_eq!(resolve(b"bytes=-18446744073709551615", u64::MAX), part(0, u64::MAX - 1, u64::MAX));
    }

    #[test]
    fn ranges_past_the_end_are_unsatisfiable() {
        for field in [
            "bytes=10-",
            "bytes=10-10",
            "bytes=10-99999999999999999999999999",
            "bytes=18446744073709551615-",
            "bytes=18446744073709551616-",
            "bytes=99999999999999999999999999-",
            "bytes=99999999999999999999999998-99999999999999999999999999",
            "bytes=-0",
            "bytes=-000",
            "bytes=10-,-0, 11-12",
        ] {
            assert_eq!(resolve(field.as_bytes(), 10), Decision::RangeUnsatisfiable, "{field}");
        }
        assert_eq!(resolve(b"bytes=18446744073709551615-", u64::MAX), Decision::RangeUnsatisfiable);
    }

    #[test]
    fn what_is_no_valid_byte_range_is_ignored() {
        for field in [
            "",
            "bytes",
            "bytes=",
            "bytes=,",
            "bytes= , ,",
            "bytes=-",
            "bytes=--1",
            "bytes=5",
            "bytes=5-4",
            "bytes=a-b",
            "bytes=0-1-2",
            "bytes=+0-1",
            "bytes=0x0-1",
            "bytes=0 -1",
            "bytes=0- 1",
            "bytes = 0-1",
            "bytes =0-1",
            "bytes= 0-1",
            "bytes=\t0-1",
            "bytes==0-1",
            "byte=0-1",
            "bytess=0-1",
            "items=0-1",
            "none",
            "bytes:0-1",
            "bytes=0-1;",
            "bytes=0-1 2-3",
            "bytes=0-1;2-3",
            "bytes=0-1,x",
            "bytes=x,0-1",
            "bytes=20-,5-4",
            "bytes=\u{661}-2",
            "bytes=0-1\u{a0}",
            "bytes 0-1/10",
            "0-1",
            "=0-1",
            "bytes=99999999999999999999999999-99999999999999999999999998",
            "bytes=18446744073709551616-18446744073709551615",
            "bytes=100-99",
        ] {
            assert_eq!(resolve(field.as_bytes(), 10), Decision::Whole, "{field:?}");
        }
    }

    #[test]
    fn several_ranges_keep_their_order_and_the_unsatisfiable_ones_drop_out() {
        assert_eq!(resolve(b"bytes=0-0, 2-3", 10), parts(&[(0, 0), (2, 3)], 10));
        assert_eq!(resolve(b"bytes=-1,0-0 \t,\t 4-4", 10), parts(&[(9, 9), (0, 0), (4, 4)], 10));
        assert_eq!(resolve(b"bytes=,, 0-0 ,,2-3,", 10), parts(&[(0, 0), (2, 3)], 10));
        assert_eq!(resolve(b"bytes=0-3,2-5", 10), parts(&[(0, 3), (2, 5)], 10));
        assert_eq!(resolve(b"bytes=20-30,0-0,-0", 10), part(0, 0, 10));
        assert_eq!(resolve(b"bytes=20-,0-99", 10), part(0, 9, 10));
    }

    #[test]
    fn eight_ranges_that_fit_are_parts_and_whatever_goes_beyond_is_the_whole() {
        let eight = "bytes=0-0,1-1,2-2,3-3,4-4,5-5,6-6,7-7";
        let spans: Vec<_> = (0..8).map(|n| (n, n)).collect();
        assert_eq!(resolve(eight.as_bytes(), 10), parts(&spans, 10));
        assert_eq!(resolve(format!("{eight},99-").as_bytes(), 10), parts(&spans, 10));
        assert_eq!(resolve(format!("{eight},8-8").as_bytes(), 10), Decision::Whole);
        assert_eq!(resolve(b"bytes=0-4,5-9", 10), parts(&[(0, 4), (5, 9)], 10));
        assert_eq!(resolve(b"bytes=0-4,4-9", 10), Decision::Whole);
        assert_eq!(resolve(b"bytes=0-,0-", u64::MAX), Decision::Whole);
    }

    #[test]
    fn ten_thousand_ranges_are_the_whole_whether_or_not_their_end_is_sound() {
        let many = format!("bytes={}", "0-0,".repeat(10_000));
        assert_eq!(resolve(many.as_bytes(), u64::MAX), Decision::Whole);
        assert_eq!(resolve(format!("{many}x").as_bytes(), u64::MAX), Decision::Whole);
        let past = format!("bytes={}", "9-,".repeat(10_000));
        assert_eq!(resolve(past.as_bytes(), 5), Decision::RangeUnsatisfiable);
        assert_eq!(resolve(format!("{past}0-1").as_bytes(), 5), part(0, 1, 5));
        let commas = format!("bytes={}0-1", ",".repeat(10_000));
        assert_eq!(resolve(commas.as_bytes(), 5), part(0, 1, 5));
        let digits = format!("bytes=0-{}", "9".repeat(10_000));
        assert_eq!(resolve(digits.as_bytes(), 5), part(0, 4, 5));
    }

    #[test]
    fn of_an_empty_content_the_last_bytes_are_the_whole_and_all_others_do_not_exist() {
        for field in ["bytes=-5", "bytes=-1", "bytes=0-0,-5", "bytes=-5,0-0", "bytes=-5,5-4", "bytes=-0,-1"] {
            assert_eq!(resolve(field.as_bytes(), 0), Decision::Whole, "{field}");
        }
        for field in ["bytes=0-", "bytes=0-0", "bytes=1-", "bytes=-0", "bytes=0-,-0"] {
            assert_eq!(resolve(field.as_bytes(), 0), Decision::RangeUnsatisfiable, "{field}");
        }
    }
}
