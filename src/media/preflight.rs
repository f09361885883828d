//! Whether a template header would take an asset, said before the message is sent.
//!
//! The limits are Meta's (Cloud API, "Supported media types", April 2026; sizes taken as decimal). What Meta refuses is refused; what
//! Meta takes but some phones show badly is a warning. Every finding names what was measured, the limit, and what to do.
//! Without a header nothing is asked: then only the media type matters.

use serde::Serialize;

use super::facts::{Colour, Detail, Facts, Moov, Movie, PictureHeader, Track};
use super::format::Format;
use super::header::HeaderKind;
use super::naming::promised_by;
use crate::value::MediaType;

/// What the checks found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Preflight {
    /// Why no link may be minted; empty if one may.
    pub refusals: Vec<Finding>,
    /// What may look bad on some phones.
    pub warnings: Vec<Finding>,
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// A stable name for programs.
    pub code: &'static str,
    /// What is wrong and what to do, for people.
    pub message: String,
}

impl Preflight {
    fn refuse(&mut self, code: &'static str, message: impl Into<String>) {
        self.refusals.push(Finding { code, message: message.into() });
    }

    fn warn(&mut self, code: &'static str, message: impl Into<String>) {
        self.warnings.push(Finding { code, message: message.into() });
    }
}

/// Checks content with these facts against the rules for a header.
///
/// `media_type` is the one that will be served; `extension` that of the name under which a document is shown, without a dot.
pub fn preflight(
    facts: &Facts,
    header: Option<HeaderKind>,
    media_type: &MediaType,
    extension: Option<&str>,
) -> Preflight {
    let mut found = Preflight::default();
    let Some(header) = header else { return found };
    if facts.length == 0 {
        found.refuse("empty", "the file is empty (0 bytes); upload it again");
        return found;
    }
    if facts.format == Format::Html {
        let message = format!("the content is an HTML page, not {}; often it is a saved error page", article(header));
        found.refuse("html-in-disguise", message);
        return found;
    }
    check_size(&mut found, facts.length, header);
    match header {
        HeaderKind::Image => check_image(&mut found, facts, media_type),
        HeaderKind::Video => check_video(&mut found, facts, media_type),
        HeaderKind::Document => check_document(&mut found, facts, media_type, extension),
    }
    found
}

fn check_size(found: &mut Preflight, length: u64, header: HeaderKind) {
    let (code, advice) = match header {
        HeaderKind::Image => ("image-too-large", "scale it down or compress it more"),
        HeaderKind::Video => ("video-too-large", "shorten it or encode it at a lower bit rate"),
        HeaderKind::Document => ("document-too-large", "split it or compress its pictures"),
    };
    let limit = header.limit_bytes();
    if length > limit {
        let (length, limit) = (grouped(length), grouped(limit));
        found.refuse(
            code,
            format!("the file has {length} bytes, {} may have at most {limit}; {advice}", article(header)),
        );
    }
}

fn check_image(found: &mut Preflight, facts: &Facts, media_type: &MediaType) {
    let Detail::Picture(picture) = &facts.detail else {
        let name = facts.format.name();
        return found.refuse("image-type", format!("the file is {name}; an image must be JPEG or PNG: convert it"));
    };
    if !matches!(media_type.essence(), "image/jpeg" | "image/png") {
        found.refuse(
            "image-type",
            format!("an image must be served as image/jpeg or image/png, not as {media_type}; leave the type out"),
        );
    }
    if !picture.complete {
        found.refuse("image-truncated", "the picture ends before its end marker: it was cut off; upload it again");
    }
    match &picture.header {
        Some(header) => check_pixels(found, header),
        None => found.refuse(
            "image-unreadable",
            "the picture's header cannot be read: it is damaged or of a rare kind; save it anew as JPEG or PNG",
        ),
    }
}

fn check_pixels(found: &mut Preflight, header: &PictureHeader) {
    if header.bits > 8 {
        let bits = header.bits;
        found.refuse(
            "image-bit-depth",
            format!("the picture has {bits} bits per channel, at most 8 are accepted; save it with 8"),
        );
    }
    match header.colour {
        Colour::Rgb | Colour::Rgba => {}
        Colour::Cmyk => found.refuse("image-cmyk", "the picture is in CMYK, which is for print; save it in RGB"),
        Colour::Grey | Colour::GreyAlpha => {
            found.warn(
                "image-greyscale",
                "the picture is in shades of grey, and only RGB and RGBA are documented to work; save it in RGB",
            );
        }
        Colour::Palette => {
            found.warn(
                "image-palette",
                "the picture has a colour palette, and only RGB and RGBA are documented to work; save it in RGB",
            );
        }
    }
}

fn check_video(found: &mut Preflight, facts: &Facts, media_type: &MediaType) {
    let movie = match &facts.detail {
        Detail::Movie(movie) if matches!(facts.format, Format::Mp4 | Format::ThreeGp) => movie,
        _ => {
            let name = facts.format.name();
            return found.refuse("video-type", format!("the file is {name}; a video must be MP4 or 3GP: convert it"));
        }
    };
    if !matches!(media_type.essence(), "video/mp4" | "video/3gpp") {
        found.refuse(
            "video-type",
            format!("a video must be served as video/mp4 or video/3gpp, not as {media_type}; it may hold sound only"),
        );
    }
    if !movie.whole {
        found.refuse(
            "video-truncated",
            "the file's boxes do not add up to its length: it was cut off or damaged; upload it again",
        );
    }
    match movie.moov {
        Moov::Read => check_movie(found, movie),
        Moov::Absent if !movie.whole => {}
        Moov::Absent => found.refuse("video-unreadable", "the file has no index (moov); encode it again"),
        Moov::TooLarge => {
            found.refuse("video-unreadable", "the file's index (moov) is larger than 8 MiB; encode it again");
        }
        Moov::Broken => found.refuse("video-unreadable", "the file's index (moov) is damaged; encode it again"),
    }
}

fn check_movie(found: &mut Preflight, movie: &Movie) {
    if !movie.moov_first {
        found.refuse(
            "video-moov-last",
            "the index (moov) stands behind the frames (mdat), so it cannot play while it loads; \
             rewrite it with `ffmpeg -c copy -movflags +faststart`",
        );
    }
    if movie.fragmented {
        found.refuse(
            "video-fragmented",
            "the file is fragmented, as for streaming; rewrite it as one piece with `ffmpeg -c copy -movflags +faststart`",
        );
    }
    if movie.video().next().is_none() {
        found.refuse("video-no-picture", "the file has no picture track; a video needs one in H.264");
    }
    for track in movie.video() {
        check_picture_track(found, track);
    }
    let sounds = movie.audio().count();
    if sounds > 1 {
        found.refuse(
            "video-audio-tracks",
            format!("the file has {sounds} audio tracks, at most 1 is accepted; keep one"),
        );
    }
    for track in movie.audio().filter(|track| !is_aac(track)) {
        let codec = &track.codec;
        found.refuse(
            "video-audio-codec",
            format!("the sound is coded as `{codec}`{}, only AAC is accepted; encode it as AAC", object_type(track)),
        );
    }
}

fn check_picture_track(found: &mut Preflight, track: &Track) {
    let codec = &track.codec;
    match (codec.as_str(), track.profile) {
        ("avc1" | "avc3", Some(BASELINE | MAIN)) => {}
        ("avc1" | "avc3", Some(profile)) => {
            let name = profile_name(profile);
            found.warn(
                "video-high-profile",
                format!("the picture is H.264 {name}, which some phones do not play; encode it as Main or Baseline"),
            );
        }
        ("avc1" | "avc3", None) => {
            found.refuse("video-codec", "the H.264 configuration (avcC) cannot be read; encode it again");
        }
        _ => found.refuse(
            "video-codec",
            format!("the picture is coded as `{codec}`, only H.264 is accepted; encode it as H.264"),
        ),
    }
    if track.reordered {
        found.warn(
            "video-b-frames",
            "the picture has B-frames, which some phones do not play; encode it without (`-bf 0`)",
        );
    }
}

/// AAC of MPEG-4, or one of the three of MPEG-2 (ISO/IEC 14496-1 table 5).
fn is_aac(track: &Track) -> bool {
    track.codec == "mp4a" && matches!(track.profile, Some(0x40 | 0x66..=0x68))
}

fn object_type(track: &Track) -> String {
    track.profile.map_or(String::new(), |kind| format!(" of object type {kind:#04x}"))
}

fn profile_name(profile: u8) -> String {
    match profile {
        88 => "Extended".into(),
        100 => "High".into(),
        110 => "High 10".into(),
        122 => "High 4:2:2".into(),
        244 => "High 4:4:4".into(),
        other => format!("profile {other}"),
    }
}

fn check_document(found: &mut Preflight, facts: &Facts, media_type: &MediaType, extension: Option<&str>) {
    let (name, essence) = (facts.format.name(), media_type.essence());
    let accepted = match facts.format {
        Format::Pdf | Format::Docx | Format::Xlsx | Format::Pptx => facts.essence() == Some(essence),
        Format::Ole => OLE_TYPES.contains(&essence),
        Format::Text => essence.starts_with("text/"),
        _ => false,
    };
    if !accepted {
        let message = format!(
            "the file is {name}, to be served as {media_type}; a document must be PDF, Word, Excel, PowerPoint or plain text"
        );
        return found.refuse("document-type", message);
    }
    if facts.format == Format::Text && essence != "text/plain" {
        found.warn(
            "document-text-type",
            format!("of the text types only text/plain is documented to work, not {essence}; declare text/plain"),
        );
    }
    if facts.detail == (Detail::Pdf { ended: false }) {
        found.warn(
            "document-truncated",
            "the PDF has no end marker (%%EOF) in its last 1,024 bytes: it may have been cut off",
        );
    }
    if facts.length > LARGE_DOCUMENT {
        let length = grouped(facts.length);
        found.warn(
            "document-large",
            format!("the file has {length} bytes; above {} many people will not load it", grouped(LARGE_DOCUMENT)),
        );
    }
    if let Some(extension) = extension {
        check_extension(found, facts.format, essence, extension);
    }
}

fn check_extension(found: &mut Preflight, format: Format, essence: &str, extension: &str) {
    let name = format.name();
    match promised_by(extension) {
        Some(promised) if promised == essence => {}
        Some(promised) if format == Format::Text && promised.starts_with("text/") => {}
        Some(_) => found.refuse(
            "document-extension",
            format!(
                "the file is {name}, but its name ends in .{extension}, which decides how it is shown; correct the name"
            ),
        ),
        None => found.warn(
            "document-extension",
            format!("the file is {name}; phones may not know what to open .{extension} with"),
        ),
    }
}

fn article(header: HeaderKind) -> &'static str {
    match header {
        HeaderKind::Image => "an image",
        HeaderKind::Video => "a video",
        HeaderKind::Document => "a document",
    }
}

/// `5000000` as `5,000,000`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let first = digits.len() % 3;
    let comma = |at: usize| at > 0 && at % 3 == first;
    digits.chars().enumerate().flat_map(|(at, digit)| comma(at).then_some(',').into_iter().chain([digit])).collect()
}

/// H.264 profiles that play everywhere (ITU-T H.264, Annex A).
const BASELINE: u8 = 66;
const MAIN: u8 = 77;
/// The size above which a document is warned of, in bytes.
const LARGE_DOCUMENT: u64 = 25_000_000;
/// What an OLE file may be served as.
const OLE_TYPES: [&str; 3] = ["application/msword", "application/vnd.ms-excel", "application/vnd.ms-powerpoint"];

#[cfg(test)]
mod tests {
    use super::super::samples::{DEMO, facts};
    use super::super::{Picture, decide_type};
    use super::*;

    fn codes(findings: &[Finding]) -> Vec<&'static str> {
        findings.iter().map(|finding| finding.code).collect()
    }

    /// The codes of refusals and of warnings for facts under a name, with the type that would be decided.
    fn judge(facts: &Facts, header: HeaderKind, name: &str) -> (Vec<&'static str>, Vec<&'static str>) {
        let extension = name.rsplit_once('.').map(|split| split.1);
        let decided = decide_type(facts, None, extension, None, true).unwrap();
        let found = preflight(facts, Some(header), &decided.media_type, extension);
        (codes(&found.refusals), codes(&found.warnings))
    }

    #[test]
    fn the_demo_is_accepted_without_a_warning() {
        for (name, header) in
            DEMO.iter().zip([HeaderKind::Image, HeaderKind::Image, HeaderKind::Video, HeaderKind::Document])
        {
            assert_eq!(judge(&facts(name), header, name), (vec![], vec![]), "{name}");
        }
    }

    #[test]
    fn images_are_judged_by_their_bytes() {
        for (name, refusals, warnings) in [
            ("cmyk.jpg", &["image-cmyk"][..], &[][..]),
            ("sixteen-bit.png", &["image-bit-depth"], &[]),
            ("grey.jpg", &[], &["image-greyscale"]),
            ("grey.png", &[], &["image-greyscale"]),
            ("palette.png", &[], &["image-palette"]),
            ("truncated.jpg", &["image-truncated"], &[]),
            ("truncated.png", &["image-truncated"], &[]),
            ("huge-dimensions.png", &["image-truncated"], &[]),
            ("trailer.jpg", &[], &[]),
            ("picture.webp", &["image-type"], &[]),
            ("picture.gif", &["image-type"], &[]),
            ("picture.svg", &["image-type"], &[]),
            ("price-list.pdf", &["image-type"], &[]),
            ("tour.mp4", &["image-type"], &[]),
            ("page.jpg", &["html-in-disguise"], &[]),
            ("page-behind-magic.jpg", &["html-in-disguise"], &[]),
            ("empty.jpg", &["empty"], &[]),
        ] {
            let expected = (refusals.to_vec(), warnings.to_vec());
            assert_eq!(judge(&facts(name), HeaderKind::Image, name), expected, "{name}");
        }
    }

    #[test]
    fn videos_are_judged_by_their_bytes() {
        for (name, refusals, warnings) in [
            ("plain.3gp", &[][..], &[][..]),
            ("silent.mp4", &[], &[]),
            ("moov-last.mp4", &["video-moov-last"], &[]),
            ("fragmented.mp4", &["video-fragmented"], &[]),
            ("two-audio.mp4", &["video-audio-tracks"], &[]),
            ("mp3-audio.mp4", &["video-audio-codec"], &[]),
            ("hevc.mp4", &["video-codec"], &[]),
            ("mpeg4.mp4", &["video-codec"], &[]),
            ("high-b-frames.mp4", &[], &["video-high-profile", "video-b-frames"]),
            ("truncated.mp4", &["video-truncated"], &[]),
            ("quicktime.mov", &["video-type"], &[]),
            ("sound.m4a", &["video-type"], &[]),
            ("winter-sale.jpg", &["video-type"], &[]),
            ("empty.jpg", &["empty"], &[]),
        ] {
            let expected = (refusals.to_vec(), warnings.to_vec());
            assert_eq!(judge(&facts(name), HeaderKind::Video, name), expected, "{name}");
        }
    }

    #[test]
    fn documents_must_be_what_their_name_says() {
        for (name, shown_as, refusals, warnings) in [
            ("letter.docx", "letter.docx", &[][..], &[][..]),
            ("table.xlsx", "table.xlsx", &[], &[]),
            ("old.doc", "old.doc", &[], &[]),
            ("old.doc", "old.xls", &[], &[]),
            ("old.doc", "old.pdf", &["document-type"], &[]),
            ("letter.txt", "letter.txt", &[], &[]),
            ("letter.txt", "letter.csv", &[], &["document-text-type"]),
            ("letter.txt", "letter.pdf", &["document-extension"], &[]),
            ("price-list.pdf", "list.PDF", &[], &[]),
            ("price-list.pdf", "list", &[], &[]),
            ("price-list.pdf", "list.docx", &["document-extension"], &[]),
            ("price-list.pdf", "list.qqq", &[], &["document-extension"]),
            ("letter.docx", "letter.xlsx", &["document-extension"], &[]),
            ("plain.zip", "plain.zip", &["document-type"], &[]),
            ("winter-sale.jpg", "sale.jpg", &["document-type"], &[]),
            ("page-behind-magic.pdf", "page.pdf", &["html-in-disguise"], &[]),
        ] {
            let expected = (refusals.to_vec(), warnings.to_vec());
            assert_eq!(judge(&facts(name), HeaderKind::Document, shown_as), expected, "{name} as {shown_as}");
        }
    }

    #[test]
    fn limits_are_decimal_and_inclusive() {
        for (name, header, limit, code) in [
            ("winter-sale.jpg", HeaderKind::Image, 5_000_000, "image-too-large"),
            ("tour.mp4", HeaderKind::Video, 16_000_000, "video-too-large"),
            ("price-list.pdf", HeaderKind::Document, 100_000_000, "document-too-large"),
        ] {
            let at = |length| judge(&Facts { length, ..facts(name) }, header, name).0;
            assert_eq!((at(limit), at(limit + 1)), (vec![], vec![code]));
        }
        let document = |length| judge(&Facts { length, ..facts("price-list.pdf") }, HeaderKind::Document, "a.pdf").1;
        assert_eq!((document(25_000_000), document(25_000_001)), (vec![], vec!["document-large"]));
    }

    #[test]
    fn messages_name_the_measure_and_the_limit() {
        let facts = Facts { length: 5_000_001, ..facts("winter-sale.jpg") };
        let found = preflight(&facts, Some(HeaderKind::Image), &"image/jpeg".parse().unwrap(), None);
        let message =
            "the file has 5,000,001 bytes, an image may have at most 5,000,000; scale it down or compress it more";
        assert_eq!(found.refusals[0].message, message);
        for (number, text) in
            [(0, "0"), (999, "999"), (1000, "1,000"), (12_345_678, "12,345,678"), (100_000, "100,000")]
        {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn without_a_header_nothing_is_asked() {
        let media_type = "image/jpeg".parse().unwrap();
        for name in super::super::samples::ALL {
            assert_eq!(preflight(&facts(name), None, &media_type, None), Preflight::default());
        }
    }

    #[test]
    fn an_image_must_be_served_as_one() {
        let found = preflight(
            &facts("receipt.png"),
            Some(HeaderKind::Image),
            &"application/octet-stream".parse().unwrap(),
            None,
        );
        assert_eq!(codes(&found.refusals), ["image-type"]);
    }

    #[test]
    fn a_header_that_cannot_be_read_is_refused() {
        let picture = Picture { header: None, complete: true };
        let facts = Facts { length: 9, format: Format::Jpeg, detail: Detail::Picture(picture) };
        assert_eq!(judge(&facts, HeaderKind::Image, "a.jpg").0, ["image-unreadable"]);
        for (moov, whole, refusals) in [
            (Moov::Absent, true, &["video-unreadable"][..]),
            (Moov::Absent, false, &["video-truncated"]),
            (Moov::TooLarge, true, &["video-unreadable"]),
            (Moov::Broken, true, &["video-unreadable"]),
            (Moov::Read, true, &["video-no-picture"]),
        ] {
            let movie = Movie { whole, moov_first: true, fragmented: false, moov, tracks: vec![] };
            let facts = Facts { length: 9, format: Format::Mp4, detail: Detail::Movie(movie) };
            assert_eq!(judge(&facts, HeaderKind::Video, "a.mp4").0, refusals);
        }
    }
}
