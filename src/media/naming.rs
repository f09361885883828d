//! Names that follow from a media type: the stem and the extension of a link, and the type that an extension promises.
//!
//! `mime_guess` knows a thousand extensions but prefers none, so the usual ones are chosen here.

use crate::value::MediaType;

/// What a file of this type is called where nobody named it: `image`, `video`, `audio`, `document` or `file`.
pub fn stem_for(media_type: &MediaType) -> &'static str {
    match media_type.essence().split_once('/') {
        Some(("image", _)) => "image",
        Some(("video", _)) => "video",
        Some(("audio", _)) => "audio",
        Some(("text", _)) => "document",
        _ if is_document(media_type.essence()) => "document",
        _ => "file",
    }
}

/// The usual extension of files of this type, without a dot.
pub fn extension_for(media_type: &MediaType) -> Option<&'static str> {
    let essence = media_type.essence();
    let preferred = EXTENSIONS.iter().find(|row| row.0 == essence).map(|row| row.1);
    let known = || mime_guess::get_mime_extensions_str(essence)?.first().copied();
    preferred.or_else(|| known().filter(|_| !essence.contains('*') && essence != "application/octet-stream"))
}

/// The type that files with this extension (without a dot) have, as `type/subtype`; nothing where it promises none.
pub fn promised_by(extension: &str) -> Option<&'static str> {
    let guessed = mime_guess::from_ext(extension).first_raw();
    let ours = || EXTENSIONS.iter().find(|row| row.1.eq_ignore_ascii_case(extension)).map(|row| row.0);
    guessed.or_else(ours).map(canonical).filter(|essence| *essence != "application/octet-stream")
}

/// The registered name of a type that has several.
pub(super) fn canonical(essence: &str) -> &str {
    ALIASES.iter().find(|row| row.0 == essence).map_or(essence, |row| row.1)
}

fn is_document(essence: &str) -> bool {
    essence == "application/pdf"
        || essence == "application/rtf"
        || essence == "application/msword"
        || OFFICE.iter().any(|start| essence.starts_with(start))
}

const OFFICE: [&str; 4] = [
    "application/vnd.openxmlformats-officedocument.",
    "application/vnd.oasis.opendocument.",
    "application/vnd.ms-excel",
    "application/vnd.ms-powerpoint",
];

/// Names in use that are not the registered ones.
const ALIASES: &[(&str, &str)] = &[
    ("image/jpg", "image/jpeg"),
    ("image/pjpeg", "image/jpeg"),
    ("image/x-png", "image/png"),
    ("video/x-m4v", "video/mp4"),
    ("video/3gp", "video/3gpp"),
    ("audio/mp3", "audio/mpeg"),
    ("audio/x-m4a", "audio/mp4"),
    ("audio/m4a", "audio/mp4"),
    ("audio/x-wav", "audio/wav"),
    ("application/x-pdf", "application/pdf"),
    ("application/x-zip-compressed", "application/zip"),
];

/// The extension that is preferred where a type has several.
const EXTENSIONS: &[(&str, &str)] = &[
    ("image/jpeg", "jpg"),
    ("image/png", "png"),
    ("image/gif", "gif"),
    ("image/webp", "webp"),
    ("image/heic", "heic"),
    ("image/svg+xml", "svg"),
    ("image/tiff", "tiff"),
    ("video/mp4", "mp4"),
    ("video/3gpp", "3gp"),
    ("video/quicktime", "mov"),
    ("video/webm", "webm"),
    ("audio/mpeg", "mp3"),
    ("audio/mp4", "m4a"),
    ("audio/3gpp", "3gp"),
    ("audio/aac", "aac"),
    ("audio/ogg", "ogg"),
    ("audio/amr", "amr"),
    ("audio/wav", "wav"),
    ("application/pdf", "pdf"),
    ("application/msword", "doc"),
    ("application/vnd.ms-excel", "xls"),
    ("application/vnd.ms-powerpoint", "ppt"),
    ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", "docx"),
    ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx"),
    ("application/vnd.openxmlformats-officedocument.presentationml.presentation", "pptx"),
    ("application/zip", "zip"),
    ("application/gzip", "gz"),
    ("application/json", "json"),
    ("application/xml", "xml"),
    ("text/plain", "txt"),
    ("text/csv", "csv"),
    ("text/html", "html"),
    ("text/xml", "xml"),
    ("text/calendar", "ics"),
    ("text/markdown", "md"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_have_names_and_extensions() {
        for (media_type, stem, extension) in [
            ("image/jpeg", "image", Some("jpg")),
            ("image/jpeg; q=1", "image", Some("jpg")),
            ("video/3gpp", "video", Some("3gp")),
            ("audio/ogg; codecs=opus", "audio", Some("ogg")),
            ("application/pdf", "document", Some("pdf")),
            ("text/plain; charset=utf-8", "document", Some("txt")),
            ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "document", Some("xlsx")),
            ("application/zip", "file", Some("zip")),
            ("application/octet-stream", "file", None),
            ("application/x-no-such", "file", None),
            ("image/*", "image", None),
            ("*/*", "file", None),
        ] {
            let media_type: MediaType = media_type.parse().unwrap();
            assert_eq!((stem_for(&media_type), extension_for(&media_type)), (stem, extension), "{media_type}");
        }
    }

    #[test]
    fn preferred_extensions_promise_their_own_type() {
        for (essence, extension) in EXTENSIONS {
            if !matches!(*essence, "audio/3gpp" | "application/xml") {
                assert_eq!(promised_by(extension), Some(*essence), "{extension}");
            }
        }
        assert_eq!(promised_by("JPG"), Some("image/jpeg"));
        assert_eq!(promised_by(""), None);
        assert_eq!(promised_by("bin"), None);
    }
}
