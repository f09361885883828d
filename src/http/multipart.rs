//! The frame of a `multipart/byteranges` answer (RFC 9110 section 14.6): everything but the bytes themselves.
//!
//! All heads are made at once, there are eight at most, so the length is known before the first byte leaves and no answer
//! is ever chunked. The caller brings the boundary; one made from the content's fingerprint cannot occur in that content by accident.

use std::fmt::Write;

use ::http::HeaderValue;
use bytes::Bytes;

use super::content_range::ContentRange;
use super::field::written;
use crate::value::{ByteSpan, MediaType};

/// The frame around the parts of one answer.
///
/// The body is, for each part, its head and then the bytes of its span; and [`Multipart::closing`] after the last.
#[derive(Clone, Debug)]
pub struct Multipart {
    content_type: HeaderValue,
    parts: Vec<Part>,
    closing: Bytes,
}

/// One part of the body.
#[derive(Clone, Debug)]
pub struct Part {
    /// What stands before the bytes: the boundary, the part's Content-Type and Content-Range, and an empty line.
    pub head: Bytes,
    /// Which bytes follow the head.
    pub span: ByteSpan,
}

/// The text cannot be a boundary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a boundary is 1 to {max} characters of A-Z, a-z, 0-9, '-', '_' and '.'", max = Multipart::MAX_BOUNDARY)]
pub struct BadBoundary;

impl Multipart {
    /// The longest boundary, in characters (RFC 2046 section 5.1.1).
    pub const MAX_BOUNDARY: usize = 70;

    /// The frame around `spans` of a content of `length` bytes. `media_type` is that of the content.
    pub fn new(spans: &[ByteSpan], length: u64, media_type: &MediaType, boundary: &str) -> Result<Self, BadBoundary> {
        if !is_boundary(boundary) {
            return Err(BadBoundary);
        }
        let mut lead = "";
        let mut parts = Vec::with_capacity(spans.len());
        for &span in spans {
            let head = head(lead, boundary, media_type, &ContentRange { span, length });
            parts.push(Part { head, span });
            lead = "\r\n";
        }
        let content_type = written(format_args!("multipart/byteranges; boundary={boundary}"));
        Ok(Self { content_type, parts, closing: format!("{lead}--{boundary}--\r\n").into() })
    }

    /// The Content-Type of the answer.
    pub fn content_type(&self) -> HeaderValue {
        self.content_type.clone()
    }

    /// The Content-Length of the answer: all heads, all spans and the closing, in bytes.
    ///
    /// It stops at `u64::MAX`, which only a content within a few hundred bytes of that could reach.
    pub fn content_length(&self) -> u64 {
        let ends = count(&self.closing);
        self.parts.iter().fold(ends, |sum, part| sum.saturating_add(count(&part.head)).saturating_add(part.span.len()))
    }

    /// The parts in their order.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// What stands after the bytes of the last part.
    pub fn closing(&self) -> Bytes {
        self.closing.clone()
    }
}

fn head(lead: &str, boundary: &str, media_type: &MediaType, range: &ContentRange) -> Bytes {
    let mut text = format!("{lead}--{boundary}\r\n");
    // Writing to a String cannot fail.
    let _ = write!(text, "Content-Type: {media_type}\r\nContent-Range: {range}\r\n\r\n");
    text.into()
}

fn count(bytes: &Bytes) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

/// Whether `text` is both a boundary (RFC 2046 section 5.1.1) and a token (RFC 9110 section 5.6.2), so it needs no quotes.
fn is_boundary(text: &str) -> bool {
    let fits = (1..=Multipart::MAX_BOUNDARY).contains(&text.len());
    fits && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(frame: &Multipart, content: &[u8]) -> Vec<u8> {
        let mut body = Vec::new();
        for part in frame.parts() {
            body.extend_from_slice(&part.head);
            let (first, end) = (part.span.first().try_into().unwrap(), part.span.end().try_into().unwrap());
            body.extend_from_slice(&content[first..end]);
        }
        body.extend_from_slice(&frame.closing());
        body
    }

    #[test]
    fn the_frame_is_what_the_rfc_shows_and_its_length_is_exact() {
        let content = b"0123456789";
        let spans = [ByteSpan::within(0, 1, 10).unwrap(), ByteSpan::within(9, 9, 10).unwrap()];
        let media_type = "text/plain; charset=utf-8".parse().unwrap();
        let frame = Multipart::new(&spans, 10, &media_type, "b3-8f2a").unwrap();
        assert_eq!(frame.content_type(), "multipart/byteranges; boundary=b3-8f2a");
        let expected = "--b3-8f2a\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Range: bytes 0-1/10\r\n\r\n01\
            \r\n--b3-8f2a\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Range: bytes 9-9/10\r\n\r\n9\
            \r\n--b3-8f2a--\r\n";
        let body = body(&frame, content);
        assert_eq!(String::from_utf8(body).unwrap(), expected);
        assert_eq!(frame.content_length(), u64::try_from(expected.len()).unwrap());
    }

    #[test]
    fn the_largest_numbers_do_not_overflow() {
        let spans = [ByteSpan::whole(u64::MAX).unwrap(); 2];
        let frame = Multipart::new(&spans, u64::MAX, &"image/jpeg".parse().unwrap(), "b").unwrap();
        assert_eq!(frame.content_length(), u64::MAX);
    }

    #[test]
    fn a_boundary_that_would_need_quotes_is_refused() {
        let media_type = "image/jpeg".parse().unwrap();
        for boundary in ["", "a b", "a\r\nb", "a\"", "a:b", "a/b", "\u{e9}", &"a".repeat(71)] {
            assert_eq!(Multipart::new(&[], 1, &media_type, boundary).unwrap_err(), BadBoundary, "{boundary:?}");
        }
        assert!(Multipart::new(&[], 1, &media_type, &"a".repeat(70)).is_ok());
    }
}
