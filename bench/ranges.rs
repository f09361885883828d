//! What a request's conditions and ranges cost to decide.
//!
//! The public listener takes heads of at most 16 KiB, so the hostile fields come in two sizes: the largest that can arrive there, and
//! ten thousand ranges, which cannot, and show how the cost grows.

use std::hint::black_box;

use criterion::Criterion;
use hallpass::http::{Decision, EntityTag, Retrieval, Validators, decide};
use hallpass::value::{ByteSpan, UnixTime};
use http::header::{IF_NONE_MATCH, RANGE};
use http::{HeaderMap, HeaderName, HeaderValue};

const LENGTH: u64 = 68_612;
const TAG: &str = "b3-0123456789abcdef0123456789abcdef";

pub fn bench(criterion: &mut Criterion) {
    let etag = EntityTag::strong(TAG).unwrap();
    let last_modified = UnixTime::from_secs(1_795_000_000).unwrap();
    let current = Validators { etag: &etag, last_modified, length: LENGTH };
    let mut group = criterion.benchmark_group("decide");
    for (name, headers, expected) in friendly().into_iter().chain(hostile()) {
        assert_eq!(decide(Retrieval::Get, &headers, &current), expected, "{name}");
        group.bench_function(name, |b| b.iter(|| decide(Retrieval::Get, black_box(&headers), &current)));
    }
}

type Case = (&'static str, HeaderMap, Decision);

fn friendly() -> Vec<Case> {
    let eight: Vec<_> = (0..8).map(|n| format!("{}-{}", n * 1000, n * 1000 + 99)).collect();
    let spans = (0..8).map(|n| ByteSpan::within(n * 1000, n * 1000 + 99, LENGTH).unwrap()).collect();
    let part = ByteSpan::within(0, 1023, LENGTH).unwrap();
    vec![
        ("good, no fields", HeaderMap::new(), Decision::Whole),
        ("good, one range", field(RANGE, "bytes=0-1023"), Decision::Part(part)),
        ("good, 8 ranges", field(RANGE, &format!("bytes={}", eight.join(", "))), Decision::Parts(spans)),
        ("good, If-None-Match", field(IF_NONE_MATCH, &format!("\"{TAG}\"")), Decision::NotModified),
    ]
}

fn hostile() -> Vec<Case> {
    let many = |member: &str, times| field(RANGE, &format!("bytes={}", member.repeat(times)));
    let tags = |times| field(IF_NONE_MATCH, &"\"a\",".repeat(times));
    vec![
        ("hostile, 10,000 ranges", many("0-0,", 10_000), Decision::Whole),
        ("hostile, 10,000 ranges past the end", many("99999-,", 10_000), Decision::RangeUnsatisfiable),
        ("hostile, 16,000 bytes of ranges past the end", many("99999-,", 16_000 / 7), Decision::RangeUnsatisfiable),
        ("hostile, 16,000 bytes of commas", many(",", 16_000), Decision::Whole),
        ("hostile, 16,000 digits", many("9", 16_000), Decision::Whole),
        ("hostile, 16,000 bytes of other tags", tags(4_000), Decision::Whole),
    ]
}

fn field(name: HeaderName, value: &str) -> HeaderMap {
    HeaderMap::from_iter([(name, HeaderValue::from_str(value).unwrap())])
}
