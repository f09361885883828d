//! Values that must never be printed, logged or compared in variable time.

use std::fmt;

/// A value that only [`Secret::expose`] can read.
///
/// It has no `Display`, no `Serialize` and no `==`; its `Debug` prints a placeholder. Everything that reaches a log, an error or a
/// metric label goes through one of those, so a secret inside this type cannot leak by accident.
#[derive(Clone)]
pub struct Secret<T>(T);

impl<T> Secret<T> {
    /// Wraps `value`.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself. Every call is a place to review.
    pub const fn expose(&self) -> &T {
        &self.0
    }
}

impl<T: AsRef<[u8]>> Secret<T> {
    /// Whether both hold the same bytes, in time that depends on their lengths alone.
    pub fn matches(&self, other: &Self) -> bool {
        aws_lc_rs::constant_time::verify_slices_are_equal(self.0.as_ref(), other.0.as_ref()).is_ok()
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_prints_as_a_placeholder() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "Secret(..)");
    }

    #[test]
    fn secrets_match_by_content() {
        assert!(Secret::new([1_u8, 2]).matches(&Secret::new([1, 2])));
        assert!(!Secret::new([1_u8, 2]).matches(&Secret::new([1, 3])));
        assert!(!Secret::new(vec![1_u8]).matches(&Secret::new(vec![1, 2])));
    }
}
