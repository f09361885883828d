//! How an answer says which bytes it holds.

use super::OriginError;
use super::error::plain;
use crate::value::ByteSpan;

/// First and last offset of a `Content-Range` (RFC 9110 section 14.4); `None` when it does not name a range of bytes that
/// lies within the length it states.
pub(super) fn range_of(header: &str) -> Option<(u64, u64)> {
    let (range, total) = header.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last) = (number(first)?, number(last)?);
    let within = total == "*" || number(total).is_some_and(|total| last < total);
    (within && first <= last).then_some((first, last))
}

/// Digits only: `parse` alone would take a sign.
fn number(digits: &str) -> Option<u64> {
    digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}

/// The error of an answer that does not fit what was asked.
pub(super) fn misfit(got: &str, span: ByteSpan) -> OriginError {
    OriginError::Failed(format!("asked for bytes {}-{}, it answers with {}", span.first(), span.last(), plain(got)))
}
