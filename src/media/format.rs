//! What content is by its bytes, and which media types may truthfully be said of it.
//!
//! A format that we know by a signature is *firm*: a claim of another type contradicts it. Text, archives and what we do not
//! know are *loose*: many types share those bytes (a `.csv` is text, an `.epub` is a ZIP archive), so a claim may say more than
//! the bytes do, as long as it does not name a type whose signature we would have seen.

use serde::{Deserialize, Serialize};

/// The format of content, as its bytes show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// No bytes at all.
    Empty,
    /// JPEG, baseline or progressive.
    Jpeg,
    /// PNG, animated ones included.
    Png,
    /// GIF 87a or 89a.
    Gif,
    /// WebP in its RIFF container.
    Webp,
    /// HEIF with HEVC, as phones take pictures.
    Heic,
    /// HEIF with another or an unnamed codec.
    Heif,
    /// AVIF.
    Avif,
    /// Windows bitmap.
    Bmp,
    /// TIFF.
    Tiff,
    /// Windows icon.
    Icon,
    /// Photoshop.
    Photoshop,
    /// SVG: active content.
    Svg,
    /// MPEG-4 part 14 with picture or sound.
    Mp4,
    /// MPEG-4 with an audio brand (`M4A`).
    M4a,
    /// 3GPP or 3GPP2.
    ThreeGp,
    /// `QuickTime`, with its own brand or the older one without.
    QuickTime,
    /// An ISO base media file of a brand we do not know.
    OtherBoxes,
    /// `WebM`.
    WebM,
    /// Matroska that is not `WebM`.
    Matroska,
    /// AVI.
    Avi,
    /// PDF.
    Pdf,
    /// Word, Office Open XML.
    Docx,
    /// Excel, Office Open XML.
    Xlsx,
    /// PowerPoint, Office Open XML.
    Pptx,
    /// An OLE compound file: Word, Excel and PowerPoint before 2007, which only the extension tells apart.
    Ole,
    /// Rich Text Format.
    Rtf,
    /// HTML: active content.
    Html,
    /// XML: active content.
    Xml,
    /// A script with an interpreter line, or PHP: active content.
    Script,
    /// Plain text.
    Text,
    /// A ZIP archive that is no Office file.
    Zip,
    /// GZIP.
    Gzip,
    /// 7-Zip.
    SevenZip,
    /// RAR.
    Rar,
    /// MPEG layer III.
    Mp3,
    /// AAC in ADTS frames.
    Aac,
    /// Ogg with another codec than Opus.
    Ogg,
    /// Ogg with Opus.
    Opus,
    /// AMR, narrow or wide band.
    Amr,
    /// WAVE.
    Wav,
    /// FLAC.
    Flac,
    /// A program for Windows, Linux or macOS.
    Program,
    /// None of these.
    Unknown,
}

impl Format {
    /// The media types that name this format, the one we serve first. Empty for what the bytes alone do not tell.
    pub fn types(self) -> &'static [&'static str] {
        TYPES.iter().find(|row| row.0 == self).map_or(&[], |row| row.2)
    }

    /// What a person calls the format.
    pub fn name(self) -> &'static str {
        TYPES.iter().find(|row| row.0 == self).map_or("an unknown format", |row| row.1)
    }

    /// Whether a browser would run what is in it.
    pub fn is_active(self) -> bool {
        matches!(self, Self::Html | Self::Svg | Self::Xml | Self::Script)
    }

    #[cfg(test)]
    pub(super) const ALL: [Self; TYPES.len()] = {
        let mut all = [Self::Unknown; TYPES.len()];
        let mut at = 0;
        while at < TYPES.len() {
            all[at] = TYPES[at].0;
            at += 1;
        }
        all
    };

    /// Whether content of this format may truthfully be called `essence` (`type/subtype` in lower case).
    pub fn agrees(self, essence: &str) -> bool {
        if self == Self::Empty || self.types().contains(&essence) {
            return true;
        }
        let has_a_signature = TYPES.iter().any(|row| row.0.is_known_by_signature() && row.2.contains(&essence));
        self.is_loose_about(essence) && !has_a_signature
    }

    /// Whether many types share such bytes, so that the extension may say more than they do.
    pub fn is_loose(self) -> bool {
        matches!(self, Self::Empty | Self::Unknown | Self::Text | Self::Zip | Self::Ole | Self::OtherBoxes | Self::Gzip)
            || self.is_active()
    }

    fn is_loose_about(self, essence: &str) -> bool {
        let (kind, _) = essence.split_once('/').unwrap_or((essence, ""));
        match self {
            Self::Empty | Self::Unknown | Self::OtherBoxes => true,
            Self::Text | Self::Html | Self::Script => matches!(kind, "text" | "application" | "message"),
            Self::Xml | Self::Svg => matches!(kind, "text" | "application") || essence.ends_with("+xml"),
            Self::Zip | Self::Ole | Self::Gzip | Self::Program => kind == "application",
            _ => false,
        }
    }

    /// Whether a file that is called so must begin in a way that we would have seen. Markup has no such beginning.
    fn is_known_by_signature(self) -> bool {
        !matches!(self, Self::Html | Self::Xml | Self::Svg | Self::Script | Self::Text | Self::Program)
    }
}

/// Every format with its name and its media types, the one we serve first (IANA registry; the rest are in common use).
const TYPES: &[(Format, &str, &[&str])] = &[
    (Format::Empty, "empty", &[]),
    (Format::Jpeg, "a JPEG picture", &["image/jpeg"]),
    (Format::Png, "a PNG picture", &["image/png", "image/apng", "image/vnd.mozilla.apng"]),
    (Format::Gif, "a GIF picture", &["image/gif"]),
    (Format::Webp, "a WebP picture", &["image/webp"]),
    (Format::Heic, "a HEIC picture", &["image/heic", "image/heif", "image/heic-sequence", "image/heif-sequence"]),
    (Format::Heif, "a HEIF picture", &["image/heif", "image/heif-sequence"]),
    (Format::Avif, "an AVIF picture", &["image/avif", "image/avif-sequence"]),
    (Format::Bmp, "a BMP picture", &["image/bmp", "image/x-ms-bmp"]),
    (Format::Tiff, "a TIFF picture", &["image/tiff", "image/x-tiff"]),
    (Format::Icon, "an icon", &["image/vnd.microsoft.icon", "image/x-icon"]),
    (Format::Photoshop, "a Photoshop picture", &["image/vnd.adobe.photoshop", "application/x-photoshop"]),
    (Format::Svg, "an SVG picture", &["image/svg+xml"]),
    // Phones wrote brand 3gp4 into files they called .mp4, and encoders write isom into .3gp: the boxes are the same.
    (Format::Mp4, "an MP4 file", &["video/mp4", "audio/mp4", "application/mp4", "video/3gpp", "audio/3gpp"]),
    (Format::M4a, "an MP4 sound file", &["audio/mp4", "video/mp4", "application/mp4"]),
    (
        Format::ThreeGp,
        "a 3GP file",
        &["video/3gpp", "audio/3gpp", "video/3gpp2", "audio/3gpp2", "video/mp4", "audio/mp4"],
    ),
    (Format::QuickTime, "a QuickTime file", &["video/quicktime"]),
    (Format::OtherBoxes, "an MP4-like file of an unknown brand", &[]),
    (Format::WebM, "a WebM file", &["video/webm", "audio/webm"]),
    (
        Format::Matroska,
        "a Matroska file",
        &["video/x-matroska", "audio/x-matroska", "video/matroska", "audio/matroska"],
    ),
    (Format::Avi, "an AVI file", &["video/x-msvideo", "video/avi", "video/vnd.avi"]),
    (Format::Pdf, "a PDF document", &["application/pdf"]),
    (
        Format::Docx,
        "a Word document",
        &[
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            "application/vnd.openxmlformats-officedocument.wordprocessingml.template",
            "application/vnd.ms-word.document.macroenabled.12",
        ],
    ),
    (
        Format::Xlsx,
        "an Excel table",
        &[
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            "application/vnd.openxmlformats-officedocument.spreadsheetml.template",
            "application/vnd.ms-excel.sheet.macroenabled.12",
        ],
    ),
    (
        Format::Pptx,
        "a PowerPoint presentation",
        &[
            "application/vnd.openxmlformats-officedocument.presentationml.presentation",
            "application/vnd.openxmlformats-officedocument.presentationml.slideshow",
            "application/vnd.openxmlformats-officedocument.presentationml.template",
            "application/vnd.ms-powerpoint.presentation.macroenabled.12",
        ],
    ),
    (
        Format::Ole,
        "an old Office document",
        &[
            "application/x-ole-storage",
            "application/msword",
            "application/vnd.ms-excel",
            "application/vnd.ms-powerpoint",
            "application/vnd.ms-outlook",
        ],
    ),
    (Format::Rtf, "a Rich Text document", &["application/rtf", "text/rtf"]),
    (Format::Html, "an HTML page", &["text/html", "application/xhtml+xml"]),
    (Format::Xml, "an XML document", &["application/xml", "text/xml"]),
    (Format::Script, "a script", &["text/plain"]),
    (Format::Text, "plain text", &["text/plain"]),
    (Format::Zip, "a ZIP archive", &["application/zip", "application/x-zip-compressed"]),
    (Format::Gzip, "a GZIP archive", &["application/gzip", "application/x-gzip"]),
    (Format::SevenZip, "a 7-Zip archive", &["application/x-7z-compressed"]),
    (Format::Rar, "a RAR archive", &["application/vnd.rar", "application/x-rar-compressed"]),
    (Format::Mp3, "an MP3 sound file", &["audio/mpeg", "audio/mpeg3"]),
    (Format::Aac, "an AAC sound file", &["audio/aac", "audio/x-aac"]),
    (Format::Ogg, "an Ogg file", &["audio/ogg", "video/ogg", "application/ogg"]),
    (Format::Opus, "an Opus sound file", &["audio/ogg", "audio/opus", "application/ogg"]),
    (Format::Amr, "an AMR sound file", &["audio/amr", "audio/amr-wb"]),
    (Format::Wav, "a WAVE sound file", &["audio/wav", "audio/vnd.wave", "audio/wave"]),
    (Format::Flac, "a FLAC sound file", &["audio/flac", "audio/x-flac"]),
    (Format::Program, "a program", &["application/vnd.microsoft.portable-executable", "application/x-executable"]),
    (Format::Unknown, "an unknown format", &[]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_agree_with_their_types_and_no_others() {
        for (format, essence, agrees) in [
            (Format::Jpeg, "image/jpeg", true),
            (Format::Jpeg, "image/png", false),
            (Format::Jpeg, "application/x-anything", false),
            (Format::Text, "text/csv", true),
            (Format::Text, "application/json", true),
            (Format::Text, "application/pdf", false),
            (Format::Text, "image/jpeg", false),
            (Format::Text, "image/x-anything", false),
            (Format::Html, "image/jpeg", false),
            (Format::Html, "text/plain", true),
            (Format::Zip, "application/epub+zip", true),
            (Format::Zip, "application/pdf", false),
            (Format::Zip, "application/vnd.openxmlformats-officedocument.wordprocessingml.document", false),
            (Format::Ole, "application/msword", true),
            (Format::Unknown, "image/jpeg", false),
            (Format::Unknown, "font/woff2", true),
            (Format::Mp4, "video/3gpp", true),
            (Format::QuickTime, "video/mp4", false),
        ] {
            assert_eq!(format.agrees(essence), agrees, "{format:?} {essence}");
        }
    }
}
