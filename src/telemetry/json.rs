//! Texts, numbers and addresses as JSON writes them (RFC 8259), by hand.
//!
//! Every request has a line in the access log, and every refusal a body. The formatting of the standard library answers many more
//! questions than they ask (width, sign, fill), and a serializer looks at texts letter by letter; this costs a fraction of it.

use std::io::Write;
use std::net::IpAddr;

/// Appends `text` as a JSON string.
pub fn push_json_text(json: &mut Vec<u8>, text: &str) {
    // Without an early exit many bytes are looked at at once.
    if text.bytes().fold(true, |plain, byte| plain & !matches!(byte, 0..b' ' | b'"' | b'\\')) {
        quoted(json, text);
    } else {
        // Memory takes every byte of it.
        let _ = serde_json::to_writer(json, text);
    }
}

/// Appends a text in which nothing needs an escape.
pub(super) fn quoted(json: &mut Vec<u8>, plain: &str) {
    json.push(b'"');
    json.extend_from_slice(plain.as_bytes());
    json.push(b'"');
}

/// Appends `number` in decimal.
pub(super) fn number(text: &mut Vec<u8>, number: u64) {
    let mut digits = [0; LONGEST_NUMBER];
    let mut rest = number;
    let mut length = 0;
    for digit in digits.iter_mut().rev() {
        *digit = digit_of(rest);
        (rest, length) = (rest / 10, length + 1);
        if rest == 0 {
            break;
        }
    }
    text.extend_from_slice(digits.get(LONGEST_NUMBER - length..).unwrap_or_default());
}

/// Appends the last three digits of `number`, zeros included.
pub(super) fn three_digits(text: &mut Vec<u8>, number: u64) {
    text.extend_from_slice(&[digit_of(number / 100), digit_of(number / 10), digit_of(number)]);
}

/// Appends `address` as `IpAddr` shows it.
pub(super) fn address(text: &mut Vec<u8>, address: IpAddr) {
    match address {
        IpAddr::V4(v4) => {
            let [first, others @ ..] = v4.octets();
            number(text, first.into());
            for octet in others {
                text.push(b'.');
                number(text, octet.into());
            }
        }
        // What to leave out of it is a long story. Memory takes every byte of it.
        IpAddr::V6(v6) => {
            let _ = write!(text, "{v6}");
        }
    }
}

/// The text of `address` as `IpAddr` shows it.
pub fn address_text(ip: IpAddr) -> String {
    let mut text = Vec::with_capacity(LONGEST_V4);
    address(&mut text, ip);
    String::from_utf8(text).unwrap_or_default()
}

/// The last digit of `number`.
const fn digit_of(number: u64) -> u8 {
    b'0' + (number % 10) as u8
}

/// The length of `u64::MAX`.
const LONGEST_NUMBER: usize = 20;
/// The length of `255.255.255.255`.
const LONGEST_V4: usize = 15;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut text = b"|".to_vec();
        write(&mut text);
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn numbers_at_their_edges_are_written() {
        for n in [0, 1, 9, 10, 99, 100, 999, 1000, u64::MAX - 1, u64::MAX] {
            assert_eq!(written(|text| number(text, n)), format!("|{n}"));
            assert_eq!(written(|text| three_digits(text, n)), format!("|{:03}", n % 1000));
        }
    }

    #[test]
    fn addresses_are_written_as_the_standard_library_shows_them() {
        for ip in ["0.0.0.0", "255.255.255.255", "10.9.100.1", "::", "::1", "2a03:2880::1", "::ffff:1.2.3.4"] {
            let ip: IpAddr = ip.parse().unwrap();
            assert_eq!(address_text(ip), ip.to_string());
        }
    }

    proptest! {
        #[test]
        fn any_text_is_written_as_the_serializer_writes_it(plain in "[a-z /\u{7f}-\u{ffff}]*", any in any::<String>()) {
            for one in [plain, any] {
                let written = written(|json| push_json_text(json, &one));
                prop_assert_eq!(written[1..].to_owned(), serde_json::to_string(&one).unwrap());
            }
        }

        #[test]
        fn any_number_and_address_is_written_as_the_standard_library_shows_it(n in any::<u64>(), ip in any::<IpAddr>()) {
            prop_assert_eq!(written(|text| number(text, n)), format!("|{n}"));
            prop_assert_eq!(address_text(ip), ip.to_string());
        }
    }
}
