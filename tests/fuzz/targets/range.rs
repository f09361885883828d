//! Any bytes as a Range field: eight bytes of length, then the field.
//!
//! Besides not panicking, an answer must keep what [`Decision`] promises, and be the answer to itself: the spans written out
//! as a Range field of their own get the same decision. The multipart frame must be as long as it says.

#![no_main]

use hallpass::http::{
    Decision, EntityTag, Multipart, Retrieval, Validators, content_range, content_range_unsatisfied, decide,
};
use hallpass::value::{ByteSpan, MediaType, UnixTime};
use http::header::{HeaderMap, HeaderValue, RANGE};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((length, field)) = input.split_first_chunk::<8>() else { return };
    let Ok(field) = HeaderValue::from_bytes(field) else { return };
    let length = u64::from_le_bytes(*length);
    let decision = ask(Retrieval::Get, field.clone(), length);
    assert_eq!(ask(Retrieval::Head, field, length), Decision::Whole);
    check(&decision, length);
});

fn ask(method: Retrieval, field: HeaderValue, length: u64) -> Decision {
    let headers = HeaderMap::from_iter([(RANGE, field)]);
    let etag = EntityTag::strong("b3-0").expect("a tag");
    decide(method, &headers, &Validators { etag: &etag, last_modified: UnixTime::EPOCH, length })
}

fn check(decision: &Decision, length: u64) {
    match decision {
        Decision::Whole => {}
        Decision::Part(span) => check_spans(&[*span], decision, length),
        Decision::Parts(spans) => {
            assert!((2..=8).contains(&spans.len()));
            check_spans(spans, decision, length);
            check_frame(spans, length);
        }
        Decision::RangeUnsatisfiable => assert!(!content_range_unsatisfied(length).is_empty()),
        Decision::NotModified | Decision::PreconditionFailed => unreachable!("no condition was asked"),
    }
}

fn check_spans(spans: &[ByteSpan], decision: &Decision, length: u64) {
    let total: u128 = spans.iter().map(|span| u128::from(span.len())).sum();
    assert!(total <= u128::from(length));
    assert!(spans.iter().all(|span| span.first() <= span.last() && span.last() < length));
    assert!(spans.iter().all(|&span| content_range(span, length).to_str().is_ok()));
    let field: Vec<_> = spans.iter().map(|span| format!("{}-{}", span.first(), span.last())).collect();
    let field = HeaderValue::try_from(format!("bytes={}", field.join(","))).expect("a field");
    assert_eq!(ask(Retrieval::Get, field, length), *decision);
}

fn check_frame(spans: &[ByteSpan], length: u64) {
    let media_type: MediaType = "video/mp4".parse().expect("a media type");
    let frame = Multipart::new(spans, length, &media_type, "b3-0").expect("a boundary");
    let heads: usize = frame.parts().iter().map(|part| part.head.len()).sum();
    let bytes: u128 = spans.iter().map(|span| u128::from(span.len())).sum();
    let exact = bytes + (heads + frame.closing().len()) as u128;
    assert_eq!(u128::from(frame.content_length()), exact.min(u128::from(u64::MAX)));
}
