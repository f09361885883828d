//! What content is (`image/jpeg`), and what a person would call the file.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// A media type as `Content-Type` carries it (RFC 9110 section 8.3.1), such as `text/plain; charset=utf-8`.
///
/// Type and subtype are lower case; parameters are kept as they were written.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MediaType(Arc<str>);

/// The text is not a media type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a media type is written type/subtype, such as image/jpeg, in at most {} characters", MediaType::MAX_BYTES)]
pub struct BadMediaType;

impl MediaType {
    /// The longest media type, in bytes. The longest registered one has 90.
    pub const MAX_BYTES: usize = 127;

    /// The whole text, parameters included.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `type/subtype`, without parameters.
    pub fn essence(&self) -> &str {
        self.0.split(';').next().unwrap_or_default().trim_end_matches(' ')
    }
}

impl FromStr for MediaType {
    type Err = BadMediaType;

    fn from_str(text: &str) -> Result<Self, BadMediaType> {
        let (essence, parameters) = match text.find(';') {
            Some(at) => text.split_at(at),
            None => (text, ""),
        };
        // Spaces alone: every other white space has no place in a field.
        let (kind, subtype) = essence.trim_end_matches(' ').split_once('/').ok_or(BadMediaType)?;
        let visible = parameters.bytes().all(|b| (0x20..0x7f).contains(&b));
        if text.len() > Self::MAX_BYTES || !is_token(kind) || !is_token(subtype) || !visible || text.ends_with(' ') {
            return Err(BadMediaType);
        }
        Ok(Self(format!("{}{parameters}", essence.to_ascii_lowercase()).into()))
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

impl serde::Serialize for MediaType {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// A `token` of RFC 9110 section 5.6.2.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

/// What a person calls the file: one path segment that is safe to show and to save under.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileName(Arc<str>);

/// Why a text cannot be a file name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadFileName {
    /// No characters, or only dots.
    #[error("a file name needs at least one character other than '.'")]
    Empty,
    /// Longer than file systems take.
    #[error("a file name has at most {max} bytes, this one has {0}", max = FileName::MAX_BYTES)]
    TooLong(usize),
    /// A control character, a path separator, or a character that turns the direction of text and so hides the extension.
    #[error("a file name cannot contain U+{:04X}", *.0 as u32)]
    Forbidden(char),
}

impl FileName {
    /// The longest file name, in bytes of UTF-8: what common file systems take (255), less room for a counter.
    pub const MAX_BYTES: usize = 240;

    /// What a file is called that has no name.
    pub fn nameless() -> Self {
        Self("file".into())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part before the last dot; the whole name where there is no extension.
    pub fn stem(&self) -> &str {
        self.split().0
    }

    /// The part after the last dot, if it is 1 to 10 ASCII letters or digits.
    pub fn extension(&self) -> Option<&str> {
        self.split().1
    }

    fn split(&self) -> (&str, Option<&str>) {
        match self.0.rsplit_once('.') {
            Some((stem, ext))
                if !stem.is_empty()
                    && (1..=10).contains(&ext.len())
                    && ext.bytes().all(|b| b.is_ascii_alphanumeric()) =>
            {
                (stem, Some(ext))
            }
            _ => (&self.0, None),
        }
    }
}

impl FromStr for FileName {
    type Err = BadFileName;

    fn from_str(text: &str) -> Result<Self, BadFileName> {
        if text.chars().all(|c| c == '.') {
            return Err(BadFileName::Empty);
        }
        if text.len() > Self::MAX_BYTES {
            return Err(BadFileName::TooLong(text.len()));
        }
        match text.chars().find(|&c| c.is_control() || matches!(c, '/' | '\\') || turns_direction(c)) {
            Some(c) => Err(BadFileName::Forbidden(c)),
            None => Ok(Self(text.into())),
        }
    }
}

/// The bidirectional controls of Unicode (UAX #9), which can make `gpj.exe` look like `exe.jpg`, and line separators.
fn turns_direction(c: char) -> bool {
    matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types_are_read_and_lowered() {
        for (text, whole, essence) in [
            ("image/jpeg", "image/jpeg", "image/jpeg"),
            ("Image/JPEG", "image/jpeg", "image/jpeg"),
            ("text/plain; charset=UTF-8", "text/plain; charset=UTF-8", "text/plain"),
        ] {
            let read: MediaType = text.parse().unwrap();
            assert_eq!((read.as_str(), read.essence()), (whole, essence));
        }
    }

    #[test]
    fn what_is_no_media_type_is_refused() {
        for text in
            ["", "jpeg", "image/", "/jpeg", "image/jp eg", "image/jpeg\r\nX: y", "image/jpeg; a=\u{e9}", "text/a/b"]
                .into_iter()
                .chain(["image/jpeg\n", "image/jpeg\t; q=1", "image/jpeg\u{a0}", "image/jpeg "])
        {
            assert_eq!(text.parse::<MediaType>(), Err(BadMediaType), "{text:?}");
        }
        assert_eq!(format!("a/{}", "b".repeat(126)).parse::<MediaType>(), Err(BadMediaType));
    }

    #[test]
    fn file_names_split_at_a_plausible_extension() {
        for (name, stem, ext) in [
            ("winter.jpg", "winter", Some("jpg")),
            ("a.tar.gz", "a.tar", Some("gz")),
            (".hidden", ".hidden", None),
            ("no ext", "no ext", None),
            ("v1.2 final", "v1.2 final", None),
            ("größe \"x\".PDF", "größe \"x\"", Some("PDF")),
        ] {
            let read: FileName = name.parse().unwrap();
            assert_eq!((read.stem(), read.extension()), (stem, ext), "{name}");
        }
    }

    #[test]
    fn hostile_file_names_are_refused_by_reason() {
        assert_eq!("".parse::<FileName>(), Err(BadFileName::Empty));
        assert_eq!("..".parse::<FileName>(), Err(BadFileName::Empty));
        assert_eq!("x".repeat(10_000).parse::<FileName>(), Err(BadFileName::TooLong(10_000)));
        for (name, c) in
            [("a\r\nb", '\r'), ("a/b", '/'), ("a\\b", '\\'), ("a\u{202e}gpj.exe", '\u{202e}'), ("a\0", '\0')]
        {
            assert_eq!(name.parse::<FileName>(), Err(BadFileName::Forbidden(c)));
        }
    }
}
