//! Which header of a template the content is meant for, where nobody said so.

use ::http::HeaderMap;
use ::http::header::CONTENT_TYPE;

use crate::media::{Facts, Format, HeaderKind};

/// The kind that the declared media type is of.
pub(super) fn declared(fields: &HeaderMap) -> HeaderKind {
    let declared = fields.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    of_type(declared).unwrap_or(HeaderKind::Document)
}

/// The kind that the declared media type is of, else the one that the bytes show.
pub(super) fn shown(fields: &HeaderMap, facts: &Facts) -> HeaderKind {
    let declared = fields.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let by_bytes = match facts.format {
        Format::Mp4 | Format::ThreeGp | Format::QuickTime => Some(HeaderKind::Video),
        format => format.types().first().and_then(|essence| of_type(essence)),
    };
    by_bytes.or_else(|| of_type(declared)).unwrap_or(HeaderKind::Document)
}

fn of_type(media_type: &str) -> Option<HeaderKind> {
    let is = |kind: &str| media_type.get(..kind.len()).is_some_and(|start| start.eq_ignore_ascii_case(kind));
    match () {
        () if is("image/") => Some(HeaderKind::Image),
        () if is("video/") => Some(HeaderKind::Video),
        () => None,
    }
}
