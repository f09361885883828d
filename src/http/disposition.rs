//! The Content-Disposition field (RFC 6266): whether to show or to save, and under which name.
//!
//! `filename` holds a plain form of the name that every client reads alike; characters that some client would misread
//! become `_` there. Only a name that lost something by it is also given in full, as `filename*` (RFC 8187), which clients
//! prefer. So nothing in a name can end the quotes, start another parameter, or begin another line.

use ::http::HeaderValue;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::field::written;
use crate::value::FileName;

/// What a client is to do with the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// Show it where it was asked for.
    Inline,
    /// Save it.
    Attachment,
}

/// The Content-Disposition of a content with this name. It never fails: a [`FileName`] always has a safe form.
pub fn content_disposition(kind: Disposition, name: &FileName) -> HeaderValue {
    let kind = match kind {
        Disposition::Inline => "inline",
        Disposition::Attachment => "attachment",
    };
    let name = name.as_str();
    if name.chars().all(is_plain) {
        return written(format_args!("{kind}; filename=\"{name}\""));
    }
    let plain: String = name.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
    let full = utf8_percent_encode(name, NOT_ATTR_CHAR);
    written(format_args!("{kind}; filename=\"{plain}\"; filename*=UTF-8''{full}"))
}

/// Whether all clients read `c` alike within quotes. `"` and `\` would need escapes that some read literally, `%` makes some
/// decode (RFC 6266 appendix D), and `;` ends the value for those who ignore the quotes.
fn is_plain(c: char) -> bool {
    matches!(c, ' '..='~') && !matches!(c, '"' | '\\' | '%' | ';')
}

/// Everything but `attr-char` (RFC 8187 section 3.2.1).
const NOT_ATTR_CHAR: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn plain_names_are_quoted_and_others_are_given_twice() {
        for (name, parameters) in [
            ("winter.jpg", "filename=\"winter.jpg\""),
            ("my file (1).pdf", "filename=\"my file (1).pdf\""),
            ("it's.txt", "filename=\"it's.txt\""),
            ("gr\u{f6}\u{df}e.pdf", "filename=\"gr__e.pdf\"; filename*=UTF-8''gr%C3%B6%C3%9Fe.pdf"),
            ("a\"b.pdf", "filename=\"a_b.pdf\"; filename*=UTF-8''a%22b.pdf"),
            ("100%25.pdf", "filename=\"100_25.pdf\"; filename*=UTF-8''100%2525.pdf"),
            ("a; filename=x.exe", "filename=\"a_ filename=x.exe\"; filename*=UTF-8''a%3B%20filename%3Dx.exe"),
            ("\u{20ac}*'()", "filename=\"_*'()\"; filename*=UTF-8''%E2%82%AC%2A%27%28%29"),
            ("\u{1f600}", "filename=\"_\"; filename*=UTF-8''%F0%9F%98%80"),
        ] {
            let name = name.parse().unwrap();
            assert_eq!(content_disposition(Disposition::Inline, &name), format!("inline; {parameters}"));
            assert_eq!(content_disposition(Disposition::Attachment, &name), format!("attachment; {parameters}"));
        }
    }

    proptest! {
        #[test]
        fn every_file_name_has_a_disposition_with_two_quotes(text in "\\PC{1,60}") {
            if let Ok(name) = text.parse::<FileName>() {
                let field = content_disposition(Disposition::Inline, &name);
                let field = field.to_str().unwrap();
                prop_assert_eq!(field.matches('"').count(), 2);
                if let Some((_, full)) = field.split_once("filename*=UTF-8''") {
                    let full = percent_encoding::percent_decode_str(full).decode_utf8().unwrap();
                    prop_assert_eq!(full, text);
                }
            }
        }
    }
}
