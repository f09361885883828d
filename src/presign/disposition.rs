//! `response-content-disposition`: whether a client shows or saves the content, and under which name.

use std::str::FromStr;

use crate::http::Disposition;

/// A `Content-Disposition` that a signer wants (RFC 6266), kept as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DispositionOverride {
    text: String,
    kind: Disposition,
}

/// The text is no `Content-Disposition` that we send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a content disposition is inline or attachment, with parameters behind ';', in at most 1024 visible ASCII characters"
)]
pub struct BadDisposition;

impl DispositionOverride {
    /// The whole value, as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the content is to be shown or saved.
    pub const fn kind(&self) -> Disposition {
        self.kind
    }

    /// The same as an attachment, with its parameters: for content that no browser may show.
    pub fn as_attachment(&self) -> String {
        let parameters = self.text.find(';').and_then(|at| self.text.get(at..)).unwrap_or_default();
        format!("attachment{parameters}")
    }
}

impl FromStr for DispositionOverride {
    type Err = BadDisposition;

    fn from_str(text: &str) -> Result<Self, BadDisposition> {
        if text.len() > LONGEST || !text.bytes().all(|b| (0x20..0x7f).contains(&b)) {
            return Err(BadDisposition);
        }
        let kind = text.split(';').next().unwrap_or_default().trim_end_matches(' ');
        let kind = match () {
            () if kind.eq_ignore_ascii_case("inline") => Disposition::Inline,
            () if kind.eq_ignore_ascii_case("attachment") => Disposition::Attachment,
            () => return Err(BadDisposition),
        };
        Ok(Self { text: text.to_owned(), kind })
    }
}

/// A name of 240 bytes takes 720 characters in its extended form, and stands there in a plain one too.
const LONGEST: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_s3_takes_is_kept_as_it_was_written() {
        for (text, kind, attachment) in [
            ("inline", Disposition::Inline, "attachment"),
            ("Attachment", Disposition::Attachment, "attachment"),
            ("inline; filename=\"a b.jpg\"", Disposition::Inline, "attachment; filename=\"a b.jpg\""),
            ("attachment ;filename=winter sale.pdf", Disposition::Attachment, "attachment;filename=winter sale.pdf"),
            ("inline; filename*=UTF-8''%E2%82%AC", Disposition::Inline, "attachment; filename*=UTF-8''%E2%82%AC"),
        ] {
            let read: DispositionOverride = text.parse().unwrap();
            assert_eq!((read.as_str(), read.kind(), &*read.as_attachment()), (text, kind, attachment));
        }
    }

    #[test]
    fn what_no_field_may_carry_is_refused() {
        let long = format!("inline; filename=\"{}\"", "a".repeat(1024));
        for text in [
            "",
            " inline",
            "inlined",
            "form-data; name=a",
            "; filename=a",
            "inline\r\nX: y",
            "inline; filename=\u{e9}",
            "inline\0",
            "inline,attachment",
            &long,
        ] {
            assert_eq!(text.parse::<DispositionOverride>(), Err(BadDisposition), "{text:?}");
        }
    }
}
