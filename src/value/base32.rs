//! Lower-case base32 (RFC 4648 section 6, no padding): one spelling for every value.
//!
//! Its alphabet `a-z2-7` survives URLs, file systems, chats and case-folding middle tiers unharmed. The decoder refuses upper
//! case, padding and spare bits, so two different texts never decode alike.

use std::sync::LazyLock;

use data_encoding::{Encoding, Specification};

/// The encoding itself.
#[expect(clippy::expect_used, reason = "the specification is a constant; the tests below build it")]
pub static BASE32: LazyLock<Encoding> = LazyLock::new(|| {
    let mut spec = Specification::new();
    spec.symbols.push_str("abcdefghijklmnopqrstuvwxyz234567");
    spec.encoding().expect("32 distinct symbols make an encoding")
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_rfc_4648_in_lower_case_without_padding() {
        for (plain, text) in [("", ""), ("f", "my"), ("fo", "mzxq"), ("foo", "mzxw6"), ("foobar", "mzxw6ytboi")] {
            assert_eq!(BASE32.encode(plain.as_bytes()), text);
            assert_eq!(BASE32.decode(text.as_bytes()).unwrap(), plain.as_bytes());
        }
    }

    #[test]
    fn every_other_spelling_is_refused() {
        for text in ["MY", "my======", "mz", "m", "my ", "m1", "mzxw6ytboi\n"] {
            assert!(BASE32.decode(text.as_bytes()).is_err(), "{text:?}");
        }
    }
}
