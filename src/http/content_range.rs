//! The Content-Range field (RFC 9110 section 14.4): which part of the content a 206 carries, and how long it is, for a 416.

use std::fmt;

use ::http::HeaderValue;

use super::field::written;
use crate::value::ByteSpan;

/// The Content-Range of a 206 with `span` of a content of `length` bytes: `bytes 0-499/1234`.
pub fn content_range(span: ByteSpan, length: u64) -> HeaderValue {
    written(ContentRange { span, length })
}

/// The Content-Range of a 416 about a content of `length` bytes: `bytes */1234`.
pub fn content_range_unsatisfied(length: u64) -> HeaderValue {
    written(format_args!("bytes */{length}"))
}

/// A span and the length it is a part of, as the field writes them.
pub(super) struct ContentRange {
    pub(super) span: ByteSpan,
    /// Of the whole content, in bytes.
    pub(super) length: u64,
}

impl fmt::Display for ContentRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bytes {}-{}/{}", self.span.first(), self.span.last(), self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_written_with_its_last_byte_and_the_length() {
        assert_eq!(content_range(ByteSpan::within(0, 499, 1234).unwrap(), 1234), "bytes 0-499/1234");
        let last = ByteSpan::within(u64::MAX - 1, u64::MAX - 1, u64::MAX).unwrap();
        let text = "bytes 18446744073709551614-18446744073709551614/18446744073709551615";
        assert_eq!(content_range(last, u64::MAX), text);
        assert_eq!(content_range_unsatisfied(0), "bytes */0");
        assert_eq!(content_range_unsatisfied(u64::MAX), "bytes */18446744073709551615");
    }
}
