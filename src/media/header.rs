//! The three kinds of media that the header of a template can carry, and how large each may be.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::value::MediaType;

/// The kind of header that an asset is meant for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HeaderKind {
    /// A picture.
    Image,
    /// A film.
    Video,
    /// A file with a name.
    Document,
}

/// The text names no kind of header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a header is one of image, video, document")]
pub struct BadHeaderKind;

impl HeaderKind {
    /// The name, as template components spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Video => "video",
            Self::Document => "document",
        }
    }

    /// The header that content of this type fits, where none was asked for.
    pub fn fitting(media_type: &MediaType) -> Self {
        match media_type.essence() {
            "image/jpeg" | "image/png" => Self::Image,
            "video/mp4" | "video/3gpp" => Self::Video,
            _ => Self::Document,
        }
    }

    /// The most bytes that Meta accepts (Cloud API, "Supported media types"; limits taken as decimal).
    pub fn limit_bytes(self) -> u64 {
        match self {
            Self::Image => 5_000_000,
            Self::Video => 16_000_000,
            Self::Document => 100_000_000,
        }
    }
}

impl FromStr for HeaderKind {
    type Err = BadHeaderKind;

    fn from_str(text: &str) -> Result<Self, BadHeaderKind> {
        [Self::Image, Self::Video, Self::Document].into_iter().find(|kind| kind.as_str() == text).ok_or(BadHeaderKind)
    }
}

impl fmt::Display for HeaderKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_spelled_one_way() {
        for (name, kind) in
            [("image", HeaderKind::Image), ("video", HeaderKind::Video), ("document", HeaderKind::Document)]
        {
            assert_eq!(name.parse(), Ok(kind));
            assert_eq!(serde_json::to_string(&kind).unwrap(), format!("\"{name}\""));
        }
        for name in ["", "Image", "audio", "image "] {
            assert_eq!(name.parse::<HeaderKind>(), Err(BadHeaderKind));
        }
    }
}
