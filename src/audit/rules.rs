//! From what was seen of an object to findings. Pure: it never sees a byte, a store or a clock.

use super::finding::{Code, Finding, Retyping};
use crate::media::{self, Detail, Facts, Format, HeaderKind, Skimmed, decide_type, preflight, promised_by};
use crate::value::{MediaType, ObjectKey, ObjectVersion};

/// What was seen of one object.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Where it lies.
    pub key: ObjectKey,
    /// The version that was read.
    pub version: ObjectVersion,
    /// The media type that the store holds.
    pub media_type: Option<String>,
    /// Whether the store holds media types at all. A directory does not, and then none is missing.
    pub holds_types: bool,
    /// The content coding that the store holds.
    pub content_encoding: Option<String>,
    /// How many versions of it the store lists; 1 where it lists none.
    pub versions: u64,
    /// What its bytes are.
    pub skimmed: Skimmed,
}

/// All that is wrong with an object, in the order of [`Code`].
pub fn judge(seen: &Seen) -> Vec<Finding> {
    let facts = &seen.skimmed.facts;
    let mut found = Findings { seen, all: Vec::new() };
    if seen.versions > 1 {
        found.add(Code::Overwritten, format!("{} versions of it are kept", seen.versions));
    }
    if facts.length == 0 {
        // What consoles make to show a directory.
        if !seen.key.as_str().ends_with('/') {
            found.add(Code::Empty, "0 bytes");
        }
    } else if let Some(coding) = &seen.content_encoding {
        found.add(Code::ContentEncoded, format!("Content-Encoding: {coding}"));
    } else {
        if seen.holds_types {
            check_type(&mut found, facts);
        }
        check_extension(&mut found, facts);
        check_use(&mut found, facts);
    }
    found.all.sort_by_key(|finding| finding.code);
    found.all
}

struct Findings<'a> {
    seen: &'a Seen,
    all: Vec<Finding>,
}

impl Findings<'_> {
    /// Adds to the finding of this code; an object has at most one of each.
    fn add(&mut self, code: Code, detail: impl Into<String>) {
        let detail = detail.into();
        if let Some(finding) = self.all.iter_mut().find(|finding| finding.code == code) {
            finding.detail = format!("{}; {detail}", finding.detail);
        } else {
            let key = Some(self.seen.key.as_str().to_owned());
            self.all.push(Finding { code, key, detail, retype: None });
        }
    }
}

fn check_type(found: &mut Findings<'_>, facts: &Facts) {
    let (stored, proven) = (found.seen.media_type.clone(), proven(facts));
    let says_nothing = |text: &str| text.eq_ignore_ascii_case(NOT_A_TYPE);
    let (code, detail) = match stored.as_deref() {
        None => (Code::TypeMissing, format!("no type is stored; it is {}", facts.format.name())),
        Some(text) if says_nothing(text) => {
            (Code::TypeMissing, format!("stored as {NOT_A_TYPE}; it is {}", facts.format.name()))
        }
        Some(text) if text.eq_ignore_ascii_case(ANY_BYTES) => match proven {
            Some(_) => (Code::TypeMissing, format!("stored as {ANY_BYTES}; it is {}", facts.format.name())),
            None => return,
        },
        Some(text) => match text.parse::<MediaType>() {
            Ok(claim) if decide_type(facts, Some(&claim), None, None, true).is_ok() => return,
            Ok(claim) => (Code::TypeWrong, format!("stored as {claim}; it is {}", facts.format.name())),
            Err(_) => (Code::TypeWrong, format!("stored as `{text}`, which is no media type")),
        },
    };
    found.add(code, detail);
    if let (Some(finding), Some(proven)) = (found.all.last_mut(), proven) {
        let version = found.seen.version.to_string();
        finding.retype = Some(Retyping { from: stored, to: proven.to_string(), version });
    }
}

/// The type that the bytes prove: that of a format which no other type shares.
fn proven(facts: &Facts) -> Option<MediaType> {
    if facts.format.is_loose() || facts.format.types().is_empty() {
        return None;
    }
    let decided = decide_type(facts, None, None, None, true).ok()?;
    (decided.media_type.essence() != ANY_BYTES && !decided.active).then_some(decided.media_type)
}

fn check_extension(found: &mut Findings<'_>, facts: &Facts) {
    let Some(extension) = extension(&found.seen.key) else { return };
    let Some(promised) = promised_by(&extension) else { return };
    if !facts.format.agrees(promised) {
        found.add(Code::ExtensionWrong, format!("named .{extension}, but it is {}", facts.format.name()));
    }
}

/// The part of the name after its last dot, where it looks like an extension.
fn extension(key: &ObjectKey) -> Option<String> {
    let (stem, extension) = key.last_segment().rsplit_once('.')?;
    let plausible = (1..=10).contains(&extension.len()) && extension.bytes().all(|b| b.is_ascii_alphanumeric());
    (plausible && !stem.is_empty()).then(|| extension.to_ascii_lowercase())
}

/// Whether a template's header would take it.
fn check_use(found: &mut Findings<'_>, facts: &Facts) {
    let kind = kind(facts);
    let Ok(decided) = decide_type(facts, None, extension(&found.seen.key).as_deref(), None, true) else { return };
    for refusal in preflight(facts, Some(kind), &decided.media_type, None).refusals {
        if let Some(code) = code_of(&refusal, &found.seen.skimmed) {
            found.add(code, refusal.message);
        }
    }
    if found.seen.skimmed.gave_up {
        found.add(Code::Unreadable, "it has more parts than an audit follows; mint a link to it to have it read whole");
    }
}

/// Which header content would be sent in. Only its bytes say so.
fn kind(facts: &Facts) -> HeaderKind {
    match facts.format {
        Format::Jpeg
        | Format::Png
        | Format::Gif
        | Format::Webp
        | Format::Heic
        | Format::Heif
        | Format::Avif
        | Format::Bmp
        | Format::Tiff
        | Format::Photoshop
        | Format::Svg => HeaderKind::Image,
        Format::Mp4 | Format::ThreeGp | Format::QuickTime if !has_only_sound(facts) => HeaderKind::Video,
        Format::WebM | Format::Matroska | Format::Avi => HeaderKind::Video,
        _ => HeaderKind::Document,
    }
}

fn has_only_sound(facts: &Facts) -> bool {
    matches!(&facts.detail, Detail::Movie(movie) if movie.video().next().is_none() && movie.audio().next().is_some())
}

/// The finding that a refusal of the preflight is; nothing for what an audit does not look at.
fn code_of(refusal: &media::Finding, skimmed: &Skimmed) -> Option<Code> {
    match refusal.code {
        "image-too-large" | "video-too-large" | "document-too-large" => Some(Code::TooLarge),
        "image-truncated" | "video-truncated" | "video-unreadable" if !skimmed.saw_end => None,
        "image-type" | "image-bit-depth" | "image-cmyk" | "image-truncated" | "image-unreadable" => {
            Some(Code::ImageUnsupported)
        }
        "video-truncated" | "video-unreadable" => Some(Code::VideoDamaged),
        "video-moov-last" => Some(Code::VideoMoovLast),
        "video-fragmented" => Some(Code::VideoFragmented),
        "video-type" | "video-codec" | "video-no-picture" | "video-audio-codec" | "video-audio-tracks" => {
            Some(Code::VideoCodec)
        }
        // Whether a document may be sent is decided by the name that a link gives it.
        _ => None,
    }
}

/// What S3 says of an object for which nobody gave a type. No such type is registered.
const NOT_A_TYPE: &str = "binary/octet-stream";
/// The type that says nothing (RFC 2046 section 4.5.1).
const ANY_BYTES: &str = "application/octet-stream";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::Skim;

    fn skimmed(bytes: &[u8]) -> Skimmed {
        let mut skim = Skim::new(bytes.len() as u64);
        while let Some(span) = skim.wants() {
            skim.feed(&bytes[usize::try_from(span.first()).unwrap()..usize::try_from(span.end()).unwrap()]);
        }
        skim.finish()
    }

    fn sample(name: &str) -> Vec<u8> {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/");
        let demo = std::fs::read(format!("{root}src/cli/demo_media/{name}"));
        demo.unwrap_or_else(|_| std::fs::read(format!("{root}tests/media/{name}")).unwrap())
    }

    fn seen(key: &str, stored: Option<&str>, bytes: &[u8]) -> Seen {
        Seen {
            key: key.parse().unwrap(),
            version: "e:\"x\"".parse().unwrap(),
            media_type: stored.map(Into::into),
            holds_types: true,
            content_encoding: None,
            versions: 1,
            skimmed: skimmed(bytes),
        }
    }

    fn codes(seen: &Seen) -> Vec<String> {
        judge(seen).iter().map(|finding| finding.code.to_string()).collect()
    }

    #[test]
    fn every_fault_has_its_code_and_sound_objects_have_none() {
        for (key, stored, file, expected) in [
            ("a/winter-sale.jpg", Some("image/jpeg"), "winter-sale.jpg", &[][..]),
            ("a/winter-sale.JPEG", Some("image/jpg"), "winter-sale.jpg", &[]),
            ("receipt.png", Some("image/png"), "receipt.png", &[]),
            ("tour.mp4", Some("video/mp4"), "tour.mp4", &[]),
            ("price-list.pdf", Some("application/pdf"), "price-list.pdf", &[]),
            (
                "letter.docx",
                Some("application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
                "letter.docx",
                &[],
            ),
            ("letter.txt", Some("text/plain; charset=utf-8"), "letter.txt", &[]),
            ("sound.mp3", Some("audio/mpeg"), "sound.mp3", &[]),
            ("sound.m4a", Some("audio/mp4"), "sound.m4a", &[]),
            ("plain.3gp", Some("video/3gpp"), "plain.3gp", &[]),
            ("no-extension", Some("image/jpeg"), "winter-sale.jpg", &[]),
            ("a.jpg", None, "winter-sale.jpg", &["type-missing"]),
            ("a.jpg", Some("binary/octet-stream"), "winter-sale.jpg", &["type-missing"]),
            ("a.jpg", Some("application/octet-stream"), "winter-sale.jpg", &["type-missing"]),
            ("a.jpg", Some("image/png"), "winter-sale.jpg", &["type-wrong"]),
            ("a.jpg", Some("jpeg"), "winter-sale.jpg", &["type-wrong"]),
            ("a.jpg", Some("image/*"), "winter-sale.jpg", &["type-wrong"]),
            ("a.jpg", Some("image/jpeg"), "page.jpg", &["type-wrong", "extension-wrong"]),
            ("a.png", Some("image/jpeg"), "winter-sale.jpg", &["extension-wrong"]),
            ("a.mp4", Some("video/mp4"), "moov-last.mp4", &["video-moov-last"]),
            ("a.mp4", Some("video/mp4"), "fragmented.mp4", &["video-fragmented"]),
            ("a.mp4", Some("video/mp4"), "hevc.mp4", &["video-codec"]),
            ("a.mp4", Some("video/mp4"), "mp3-audio.mp4", &["video-codec"]),
            ("a.mp4", Some("video/mp4"), "two-audio.mp4", &["video-codec"]),
            ("a.mp4", Some("video/mp4"), "truncated.mp4", &["video-damaged"]),
            ("a.mov", Some("video/quicktime"), "quicktime.mov", &["video-codec"]),
            ("a.jpg", Some("image/jpeg"), "cmyk.jpg", &["image-unsupported"]),
            ("a.png", Some("image/png"), "sixteen-bit.png", &["image-unsupported"]),
            ("a.webp", Some("image/webp"), "picture.webp", &["image-unsupported"]),
            ("a.jpg", Some("image/jpeg"), "truncated.jpg", &["image-unsupported"]),
            ("a.jpg", Some("image/jpeg"), "empty.jpg", &["empty"]),
            ("folder/", Some("application/x-directory"), "empty.jpg", &[]),
            ("data.bin", Some("application/octet-stream"), "letter.txt", &[]),
        ] {
            assert_eq!(codes(&seen(key, stored, &sample(file))), expected, "{key} {stored:?} {file}");
        }
    }

    #[test]
    fn versions_and_codings_are_told() {
        let jpeg = sample("winter-sale.jpg");
        let twice = Seen { versions: 2, ..seen("a.jpg", Some("image/jpeg"), &jpeg) };
        assert_eq!(codes(&twice), ["overwritten"]);
        let coded = Seen { content_encoding: Some("gzip".into()), ..seen("a.jpg", Some("x/y"), b"\x1f\x8b...") };
        assert_eq!(codes(&coded), ["content-encoded"], "what is coded is not judged by its bytes");
    }

    #[test]
    fn sizes_are_judged_by_what_the_bytes_are() {
        let jpeg = sample("winter-sale.jpg");
        for (length, expected) in [(5_000_000, &[][..]), (5_000_001, &["too-large"])] {
            let mut bytes = jpeg.clone();
            bytes.resize(length, 0);
            assert_eq!(codes(&seen("a.jpg", Some("image/jpeg"), &bytes)), expected, "{length}");
        }
    }

    #[test]
    fn only_what_the_bytes_prove_is_offered() {
        for (stored, file, to) in [
            (None, "winter-sale.jpg", Some("image/jpeg")),
            (Some("binary/octet-stream"), "tour.mp4", Some("video/mp4")),
            (Some("video/mp4"), "price-list.pdf", Some("application/pdf")),
            (Some("image/png"), "sound.m4a", Some("audio/mp4")),
            (None, "letter.txt", None),
            (None, "plain.zip", None),
            (None, "old.doc", None),
            (Some("image/jpeg"), "page.jpg", None),
            (Some("image/png"), "picture.svg", None),
        ] {
            let found = judge(&seen("object", stored, &sample(file)));
            let offered = found.iter().find_map(|finding| finding.retype.as_ref());
            assert_eq!(offered.map(|retype| retype.to.as_str()), to, "{stored:?} {file}");
            assert_eq!(offered.and_then(|retype| retype.from.as_deref()), to.and(stored), "{file}");
        }
    }
}
