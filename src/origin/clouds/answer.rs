//! Whether an answer is what was asked for, and what of its head the library may see.

use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_TYPE, HeaderMap};
use http::header::{CONTENT_LENGTH, CONTENT_RANGE};
use http::{HeaderName, StatusCode};
use object_store::client::HttpResponse;

use super::Cloud;
use super::pin::Pin;
use crate::origin::OriginError;
use crate::origin::span::{misfit, range_of};
use crate::value::ByteSpan;

/// Checks version, range and length of the answer to a read against what was asked, before a byte of it is passed on.
pub(super) fn fits(status: StatusCode, head: &HeaderMap, pin: &Pin, span: ByteSpan) -> Result<(), OriginError> {
    pin.held(head)?;
    let range = head.get(CONTENT_RANGE).map(|range| range.to_str().unwrap_or("that is no text"));
    let length = head.get(CONTENT_LENGTH).map(|length| length.to_str().ok().and_then(|text| text.parse().ok()));
    match range {
        _ if status != StatusCode::PARTIAL_CONTENT => Err(misfit(&format!("status {}", status.as_u16()), span)),
        None => Err(misfit("no range", span)),
        Some(range) if range_of(range) != Some((span.first(), span.last())) => {
            Err(misfit(&format!("the range {range}"), span))
        }
        _ if length.is_some_and(|length| length != Some(span.len())) => Err(misfit("another length", span)),
        _ => Ok(()),
    }
}

/// The answer without what the library would stumble over: it refuses a head in which metadata of the object's owner are not
/// visible ASCII, and none of them matter to us.
pub(super) fn plain_head(cloud: Cloud, mut answered: HttpResponse) -> HttpResponse {
    let head = answered.headers_mut();
    let idle: Vec<HeaderName> =
        head.keys().filter(|name| name.as_str().starts_with(cloud.metadata())).cloned().collect();
    for name in idle.into_iter().chain([CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LANGUAGE]) {
        head.remove(name);
    }
    if head.get(CONTENT_TYPE).is_some_and(|kind| kind.to_str().is_err()) {
        head.remove(CONTENT_TYPE);
    }
    // What GCS stores, whatever it sends.
    if let Some(stored) = head.get("x-goog-stored-content-encoding").filter(|stored| *stored != "identity").cloned() {
        head.insert(CONTENT_ENCODING, stored);
    }
    answered
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use object_store::client::HttpResponseBody;

    use super::*;

    fn said(status: u16, range: Option<&str>, length: Option<&str>) -> Result<(), OriginError> {
        let mut head = HeaderMap::new();
        head.insert("x-goog-generation", HeaderValue::from_static("7"));
        for (name, value) in [(CONTENT_RANGE, range), (CONTENT_LENGTH, length)] {
            head.extend(value.map(|value| (name, value.parse().unwrap())));
        }
        let span = ByteSpan::within(3, 7, 100).unwrap();
        fits(StatusCode::from_u16(status).unwrap(), &head, &Pin::Generation("7".into()), span)
    }

    #[test]
    fn the_asked_range_fits() {
        assert_eq!(said(206, Some("bytes 3-7/100"), Some("5")), Ok(()));
        assert_eq!(said(206, Some("bytes 3-7/100"), None), Ok(()));
    }

    #[test]
    fn anything_else_does_not() {
        for (status, range, length) in [
            (200, None, Some("100")),
            (200, Some("bytes 3-7/100"), Some("5")),
            (206, None, Some("5")),
            (206, Some("bytes 0-4/100"), Some("5")),
            (206, Some("bytes 3-6/100"), Some("4")),
            (206, Some("bytes 3-7/7"), Some("5")),
            (206, Some("bytes +3-7/100"), Some("5")),
            (206, Some("bytes 3-18446744073709551615/100"), Some("5")),
            (206, Some("bytes 3-7/100"), Some("6")),
            (206, Some("bytes 3-7/100"), Some("-5")),
        ] {
            let said = said(status, range, length);
            assert!(matches!(said, Err(OriginError::Failed(_))), "{status} {range:?} {length:?} {said:?}");
        }
    }

    #[test]
    fn what_an_owner_wrote_about_an_object_does_not_hide_it() {
        let odd = HeaderValue::from_bytes(b"gr\xc3\xb6\xc3\x9fe").unwrap();
        let mut answered = HttpResponse::new(HttpResponseBody::from(Vec::new()));
        for name in ["x-goog-meta-a", "content-disposition", "cache-control", "content-language", "content-type"] {
            answered.headers_mut().insert(name, odd.clone());
        }
        answered.headers_mut().insert("x-goog-stored-content-encoding", HeaderValue::from_static("br"));
        let plain = plain_head(Cloud::Gcs, answered);
        assert_eq!(plain.headers().keys().collect::<Vec<_>>(), ["x-goog-stored-content-encoding", "content-encoding"]);
        assert_eq!(plain.headers()["content-encoding"], "br");
    }
}
