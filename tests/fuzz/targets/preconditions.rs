//! Any lines as conditional fields: each line begins with a letter that names its field.
//!
//! A decision must be one that the fields at hand can lead to, GET and HEAD must agree on the conditions, and a field that
//! another one overrules must not matter (RFC 9110 sections 13.1 and 13.2.2).

#![no_main]

use hallpass::http::{Decision, EntityTag, HttpDate, Retrieval, Validators, decide};
use hallpass::value::UnixTime;
use http::header::{
    HeaderMap, HeaderName, HeaderValue, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE,
    RANGE,
};
use libfuzzer_sys::fuzz_target;

/// 1994-11-06T08:49:37Z, the RFC's own example.
const MODIFIED: u64 = 784_111_777;

fuzz_target!(|input: &[u8]| {
    let headers: HeaderMap = input.split(|&b| b == b'\n').filter_map(field).collect();
    let (get, head) = (ask(Retrieval::Get, &headers), ask(Retrieval::Head, &headers));
    check_reason(&get, &headers);
    check_agreement(&get, &head);
    check_overruled(&get, headers.clone());
    headers.values().for_each(check_values);
});

fn field(line: &[u8]) -> Option<(HeaderName, HeaderValue)> {
    let (letter, value) = line.split_first()?;
    let name = match letter {
        b'm' => IF_MATCH,
        b'u' => IF_UNMODIFIED_SINCE,
        b'n' => IF_NONE_MATCH,
        b's' => IF_MODIFIED_SINCE,
        b'i' => IF_RANGE,
        b'r' => RANGE,
        _ => return None,
    };
    Some((name, HeaderValue::from_bytes(value).ok()?))
}

fn ask(method: Retrieval, headers: &HeaderMap) -> Decision {
    let etag = EntityTag::strong("a").expect("a tag");
    let last_modified = UnixTime::from_secs(MODIFIED).expect("a time");
    decide(method, headers, &Validators { etag: &etag, last_modified, length: 10 })
}

fn check_reason(get: &Decision, headers: &HeaderMap) {
    let one_of = |names: &[HeaderName]| names.iter().any(|name| headers.contains_key(name));
    assert!(match get {
        Decision::Whole => true,
        Decision::PreconditionFailed => one_of(&[IF_MATCH, IF_UNMODIFIED_SINCE]),
        Decision::NotModified => one_of(&[IF_NONE_MATCH, IF_MODIFIED_SINCE]),
        Decision::Part(_) | Decision::Parts(_) | Decision::RangeUnsatisfiable => one_of(&[RANGE]),
    });
}

fn check_agreement(get: &Decision, head: &Decision) {
    match get {
        Decision::PreconditionFailed | Decision::NotModified => assert_eq!(head, get),
        _ => assert_eq!(*head, Decision::Whole),
    }
}

fn check_overruled(get: &Decision, mut headers: HeaderMap) {
    for (ruling, overruled) in [(IF_MATCH, IF_UNMODIFIED_SINCE), (IF_NONE_MATCH, IF_MODIFIED_SINCE)] {
        if headers.contains_key(ruling) {
            headers.remove(overruled);
        }
    }
    assert_eq!(ask(Retrieval::Get, &headers), *get);
}

/// Whatever can be read can be written, and is then read alike.
fn check_values(value: &HeaderValue) {
    if let Ok(tag) = EntityTag::parse(value.as_bytes()) {
        assert_eq!(tag.to_header_value(), value);
        assert!(tag.weak_eq(&tag) && tag.strong_eq(&tag) != tag.is_weak());
    }
    if let Ok(date) = HttpDate::parse(value.as_bytes()) {
        assert_eq!(HttpDate::parse(date.to_header_value().as_bytes()), Ok(date));
    }
}
