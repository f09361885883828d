//! A run of bytes that is known to exist.

/// A non-empty run of bytes within a content of known length.
///
/// It can only be made against a length, so it is never empty and never reaches past the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ByteSpan {
    start: u64,
    /// One past the last byte.
    end: u64,
}

impl ByteSpan {
    /// The bytes `first..=last` of a content of `length` bytes; `None` unless `first <= last < length`.
    pub const fn within(first: u64, last: u64, length: u64) -> Option<Self> {
        if first <= last && last < length { Some(Self { start: first, end: last + 1 }) } else { None }
    }

    /// All bytes of a content of `length` bytes; `None` when it is empty.
    pub const fn whole(length: u64) -> Option<Self> {
        if length == 0 { None } else { Some(Self { start: 0, end: length }) }
    }

    /// The offset of the first byte.
    pub const fn first(self) -> u64 {
        self.start
    }

    /// The offset of the last byte.
    pub const fn last(self) -> u64 {
        self.end - 1
    }

    /// The offset one past the last byte.
    pub const fn end(self) -> u64 {
        self.end
    }

    /// How many bytes it is, at least one.
    #[expect(clippy::len_without_is_empty, reason = "a span is never empty")]
    pub const fn len(self) -> u64 {
        self.end - self.start
    }

    /// What remains after the first `done` bytes; `None` when nothing does.
    #[must_use]
    pub const fn skip(self, done: u64) -> Option<Self> {
        if done < self.len() { Some(Self { start: self.start + done, end: self.end }) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_never_empty_and_never_past_the_end() {
        let span = ByteSpan::within(2, 4, 5).unwrap();
        assert_eq!((span.first(), span.last(), span.end(), span.len()), (2, 4, 5, 3));
        for (first, last, length) in [(0, 0, 0), (1, 0, 5), (0, 5, 5), (u64::MAX, u64::MAX, u64::MAX)] {
            assert_eq!(ByteSpan::within(first, last, length), None);
        }
        assert_eq!(ByteSpan::whole(0), None);
    }

    #[test]
    fn skipping_leaves_the_rest() {
        let span = ByteSpan::whole(5).unwrap();
        assert_eq!(span.skip(2), ByteSpan::within(2, 4, 5));
        assert_eq!(span.skip(5), None);
    }
}
