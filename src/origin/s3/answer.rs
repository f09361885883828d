//! Whether the answer to a ranged, pinned read is what was asked for.
//!
//! A store that ignores `Range` sends the whole object with a 200, one that ignores the pin sends another version, and one
//! that lies about a length makes every later count wrong. Each is found before the first byte is passed on.

use aws_sdk_s3::operation::get_object::GetObjectOutput;

use super::Pin;
use crate::origin::OriginError;
use crate::origin::span::{misfit, range_of};
use crate::value::ByteSpan;

/// Checks version, range and length of an answer against what was asked.
pub(super) fn fits(answered: &GetObjectOutput, pin: Pin<'_>, span: ByteSpan) -> Result<(), OriginError> {
    pin.held(answered.version_id(), answered.e_tag())?;
    let length = answered.content_length().map(|length| u64::try_from(length).unwrap_or(u64::MAX));
    match answered.content_range() {
        Some(range) if range_of(range) != Some((span.first(), span.last())) => {
            Err(misfit(&format!("the range {range}"), span))
        }
        // The whole object, which is right only if that is what the span is.
        None if span.first() != 0 || length != Some(span.len()) => Err(misfit("no range", span)),
        _ if length.is_some_and(|length| length != span.len()) => Err(misfit("another length", span)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(range: Option<&str>, length: Option<i64>, span: (u64, u64)) -> Result<(), OriginError> {
        let answered = GetObjectOutput::builder()
            .e_tag("\"a\"")
            .set_content_range(range.map(Into::into))
            .set_content_length(length)
            .build();
        fits(&answered, Pin::EntityTag("\"a\""), ByteSpan::within(span.0, span.1, 100).unwrap())
    }

    #[test]
    fn the_asked_range_fits() {
        assert_eq!(said(Some("bytes 3-7/100"), Some(5), (3, 7)), Ok(()));
        assert_eq!(said(Some("bytes 3-7/*"), None, (3, 7)), Ok(()));
        assert_eq!(said(None, Some(100), (0, 99)), Ok(()), "a 200 that is the span");
    }

    #[test]
    fn anything_else_does_not() {
        for (range, length) in [
            (None, Some(100)),
            (None, Some(5)),
            (None, None),
            (Some("bytes 3-7/100"), Some(6)),
            (Some("bytes 3-7/100"), Some(-5)),
            (Some("bytes 0-4/100"), Some(5)),
            (Some("bytes 3-6/100"), Some(4)),
            (Some("bytes 3-7/7"), Some(5)),
            (Some("bytes */100"), Some(5)),
            (Some("bytes +3-7/100"), Some(5)),
            (Some("bytes 3-7"), Some(5)),
            (Some("items 3-7/100"), Some(5)),
            (Some("bytes 3-99999999999999999999/100"), Some(5)),
            (Some(""), Some(5)),
        ] {
            assert!(matches!(said(range, length, (3, 7)), Err(OriginError::Failed(_))), "{range:?} {length:?}");
        }
        assert!(said(None, Some(101), (0, 99)).is_err(), "a 200 of a longer object");
    }
}
