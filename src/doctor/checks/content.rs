//! What the bytes are: their type, their size, and whether a template's header would take them.
//!
//! The rules are the ones by which links of ours are minted (`media`); here they are told by three checks.

use ::http::header::CONTENT_TYPE;

use super::super::exchange::Answer;
use super::super::facts::Facts;
use super::super::report::{Check, Fault, Finding, Verdict, quoted};
use super::exchange::grouped;
use crate::media::{self, Detail, Format, HeaderKind, Picture, Preflight, TrackKind, decide_type, preflight};
use crate::value::{FileName, MediaType};

/// Whether the declared type is one that a header takes, and the bytes are of it.
pub(super) fn media_type(facts: &Facts) -> Finding {
    let check = Check::MediaType;
    let (answer, content) = match looked_into(facts) {
        Ok(found) => found,
        Err(why) => return Finding::unknown(check, why),
    };
    let name = content.format.name();
    if content.format == Format::Empty {
        return Finding::unknown(check, "there are no bytes: see size");
    }
    let declared: MediaType = match answer.field(&CONTENT_TYPE).map(|text| (text, text.trim().parse())) {
        Some((_, Ok(declared))) => declared,
        Some((text, Err(_))) => {
            return untyped(
                format!("Content-Type is `{}`, which is no media type; the bytes are {name}", quoted(text)),
                content,
            );
        }
        None => return untyped(format!("there is no Content-Type; the bytes are {name}"), content),
    };
    let kind = facts.kind(answer);
    let said = format!("declared as {}; the bytes are {name}", quoted(declared.as_str()));
    let is_page = content.format == Format::Html || declared.essence() == "text/html";
    if is_page && kind != HeaderKind::Document || content.format == Format::Html {
        let fix = "answer with the file: a page where media is expected is often an error page, a login, or the start page of an application that answers every path with 200";
        return Finding::failure(check, said, fix);
    }
    if SAYS_NOTHING.contains(&declared.essence()) {
        return untyped(said, content);
    }
    if decide_type(content, Some(&declared), None, None, true).is_err() {
        let fix = declare(content)
            .unwrap_or_else(|| "declare what the file is, or serve the file that was declared".to_owned());
        return Finding::failure(check, format!("{said}: Meta compares both"), fix);
    }
    let found = judged(facts, kind, content, &declared);
    let faults = faults(found, is_about_type);
    Finding::joined(check, faults, || format!("{said}, which fits {}", article(kind)))
}

/// Whether the size is within the header's limit.
pub(super) fn size(facts: &Facts) -> Finding {
    let (answer, length) = match facts.content().map(|answer| (answer, answer.content_length())) {
        Err(why) => return Finding::unknown(Check::Size, why),
        Ok((answer, length)) => (answer, length.unwrap_or(answer.body.length)),
    };
    let kind = facts.kind(answer);
    let limit = kind.limit_bytes();
    let (of, at_most) = (article(kind), grouped(limit));
    let whole = answer.is_whole() || answer.declared_length().is_some();
    match length {
        0 => Finding::failure(Check::Size, "0 bytes", "put the file there again: it is empty"),
        _ if length > limit => Finding::failure(
            Check::Size,
            format!(
                "{}{} bytes; {of} may have {at_most}",
                if whole { "" } else { "more than " },
                grouped(if whole { length } else { limit })
            ),
            match kind {
                HeaderKind::Image => "scale the picture down or compress it more",
                HeaderKind::Video => "shorten the video or encode it at a lower bit rate",
                HeaderKind::Document => {
                    "split the document or compress its pictures; media for an image or video header has lower limits still"
                }
            },
        ),
        _ if !whole => {
            Finding::unknown(Check::Size, "the length is not declared, and the body did not come to its end")
        }
        _ => Finding::ok(Check::Size, format!("{} bytes; {of} may have {at_most}", grouped(length))),
    }
}

/// Whether phones can show it: what the type and the size do not tell.
pub(super) fn playable(facts: &Facts) -> Finding {
    let check = Check::Playable;
    let (answer, content) = match looked_into(facts) {
        Ok(found) => found,
        Err(why) => return Finding::unknown(check, why),
    };
    let kind = facts.kind(answer);
    if !answer.is_whole() {
        return Finding::unknown(check, "not judged, since not all of the content was read");
    }
    let Some(shown) = content.format.types().first().and_then(|essence| essence.parse::<MediaType>().ok()) else {
        return Finding::unknown(check, format!("not judged, since the bytes are {}", content.format.name()));
    };
    // With the type that the bytes show: what was declared is judged by another check.
    let found = judged(facts, kind, content, &shown);
    if found.refusals.iter().any(|one| is_about_type(one.code)) {
        return Finding::unknown(
            check,
            format!("not judged, since {} cannot be {}", article(kind), content.format.name()),
        );
    }
    let faults = faults(found, |code| !is_about_type(code) && !is_about_size(code));
    Finding::joined(check, faults, || described(content))
}

/// The answer with the content, and the facts about its bytes.
fn looked_into(facts: &Facts) -> Result<(&Answer, &media::Facts), String> {
    let answer = facts.content()?;
    let content = answer.body.facts.as_ref().ok_or("not judged, since nothing was read")?;
    Ok((answer, content))
}

fn judged(facts: &Facts, kind: HeaderKind, content: &media::Facts, media_type: &MediaType) -> Preflight {
    let name: Option<FileName> = facts.target.last_segment().parse().ok();
    preflight(content, Some(kind), media_type, name.as_ref().and_then(FileName::extension))
}

/// The findings of the preflight with such a code. The name of a document can be given in the message, so what it says is a warning here.
fn faults(found: Preflight, is_meant: impl Fn(&str) -> bool) -> Vec<Fault> {
    let of = |verdict| {
        move |finding: media::Finding| {
            let softened = if finding.code == "document-extension" { Verdict::Warning } else { verdict };
            let (seen, fix) = match finding.message.rsplit_once("; ") {
                Some((seen, fix)) => (seen.to_owned(), fix.to_owned()),
                None => (finding.message, "make the file anew, and look at it on a phone".to_owned()),
            };
            (finding.code, Fault::new(softened, seen, fix))
        }
    };
    let all = found
        .refusals
        .into_iter()
        .map(of(Verdict::Failure))
        .chain(found.warnings.into_iter().map(of(Verdict::Warning)));
    all.filter(|(code, _)| is_meant(code)).map(|(_, fault)| fault).collect()
}

fn is_about_type(code: &str) -> bool {
    matches!(
        code,
        "html-in-disguise"
            | "image-type"
            | "video-type"
            | "document-type"
            | "document-text-type"
            | "document-extension"
    )
}

fn is_about_size(code: &str) -> bool {
    matches!(code, "empty" | "image-too-large" | "video-too-large" | "document-too-large" | "document-large")
}

/// A failure for want of a type that says something.
fn untyped(evidence: String, content: &media::Facts) -> Finding {
    let fix = declare(content).unwrap_or_else(|| "serve it with the media type that it is of".to_owned());
    Finding::failure(Check::MediaType, evidence, fix)
}

/// How to declare what the bytes are.
fn declare(content: &media::Facts) -> Option<String> {
    let essence = content.format.types().first()?;
    Some(format!(
        "serve it with `Content-Type: {essence}` (nginx: a line in `types`; S3: set the object's Content-Type metadata when it is put, for S3 does not guess; a CDN keeps what its origin says)"
    ))
}

fn article(kind: HeaderKind) -> &'static str {
    match kind {
        HeaderKind::Image => "an image header",
        HeaderKind::Video => "a video header",
        HeaderKind::Document => "a document header",
    }
}

/// What was seen of a file that is sound.
fn described(content: &media::Facts) -> String {
    let name = content.format.name();
    match &content.detail {
        Detail::Picture(Picture { header: Some(header), .. }) => {
            format!("{name}, {} x {} pixels, complete", header.width, header.height)
        }
        Detail::Movie(movie) => {
            let tracks = movie.tracks.iter().map(|track| match track.kind {
                TrackKind::Video => format!("picture {}", track.codec),
                TrackKind::Audio => format!("sound {}", track.codec),
            });
            format!("{name}, {}, index first", tracks.collect::<Vec<_>>().join(", "))
        }
        Detail::Picture(_) | Detail::Pdf { .. } | Detail::None => name.to_owned(),
    }
}

/// Types that are no answer to what the bytes are.
const SAYS_NOTHING: [&str; 5] = [
    "application/octet-stream",
    "binary/octet-stream",
    "application/binary",
    "application/x-download",
    "application/force-download",
];

#[cfg(test)]
mod tests {
    use super::super::sample::{serving, serving_at};
    use super::*;

    #[test]
    fn types_are_compared_with_bytes() {
        use Verdict::{Failure, Ok as Fine, Unknown, Warning};
        for (file, declared, expected, said) in [
            ("winter-sale.jpg", "image/jpeg", Fine, "JPEG"),
            ("winter-sale.jpg", "Image/JPEG; q=1", Fine, "JPEG"),
            ("winter-sale.jpg", "image/png", Failure, "image/png"),
            ("winter-sale.jpg", "application/octet-stream", Failure, "octet-stream"),
            ("winter-sale.jpg", "binary/octet-stream", Failure, "octet-stream"),
            ("winter-sale.jpg", "text/html", Failure, "text/html"),
            ("winter-sale.jpg", "nonsense", Failure, "nonsense"),
            ("winter-sale.jpg", "", Failure, "no Content-Type"),
            ("page.jpg", "image/jpeg", Failure, "HTML"),
            ("page.jpg", "text/html; charset=utf-8", Failure, "HTML"),
            ("page-behind-magic.pdf", "application/pdf", Failure, "HTML"),
            ("tour.mp4", "video/mp4", Fine, "MP4"),
            ("plain.3gp", "video/3gpp", Fine, "3GP"),
            ("quicktime.mov", "video/quicktime", Failure, "QuickTime"),
            ("picture.webp", "image/webp", Failure, "WebP"),
            ("picture.gif", "image/gif", Failure, "GIF"),
            ("price-list.pdf", "application/pdf", Fine, "PDF"),
            ("letter.txt", "text/plain", Fine, "text"),
            ("letter.txt", "text/csv", Warning, "text/csv"),
            ("plain.zip", "application/zip", Failure, "ZIP"),
            ("empty.jpg", "image/jpeg", Unknown, "no bytes"),
        ] {
            let finding = media_type(&serving(file, declared));
            assert_eq!(finding.verdict, expected, "{file} {declared}: {finding:?}");
            assert!(finding.evidence.contains(said), "{file} {declared}: {finding:?}");
        }
    }

    #[test]
    fn the_fix_names_the_type_to_declare() {
        let finding = media_type(&serving("tour.mp4", "application/octet-stream"));
        assert!(finding.fix.unwrap().contains("Content-Type: video/mp4"));
    }

    #[test]
    fn a_documents_name_is_worth_a_warning_alone() {
        let facts = serving_at("https://a.example/download.php?id=7", "price-list.pdf", "application/pdf");
        assert_eq!(media_type(&facts).verdict, Verdict::Warning);
        let facts = serving_at("https://a.example/download", "price-list.pdf", "application/pdf");
        assert_eq!(media_type(&facts).verdict, Verdict::Ok);
    }

    #[test]
    fn sizes_are_held_to_the_header_they_are_for() {
        for (declared, header, verdict) in [
            (Some(5_000_000), HeaderKind::Image, Verdict::Ok),
            (Some(5_000_001), HeaderKind::Image, Verdict::Failure),
            (Some(16_000_000), HeaderKind::Video, Verdict::Ok),
            (Some(16_000_001), HeaderKind::Video, Verdict::Failure),
            (Some(100_000_000), HeaderKind::Document, Verdict::Ok),
            (Some(100_000_001), HeaderKind::Document, Verdict::Failure),
            (Some(0), HeaderKind::Image, Verdict::Failure),
            (None, HeaderKind::Image, Verdict::Unknown),
        ] {
            let mut facts = serving("winter-sale.jpg", "image/jpeg");
            facts.header = Some(header);
            let answer = facts.get.as_mut().unwrap().as_mut().unwrap();
            answer.body.ending = super::super::super::exchange::Ending::Enough;
            answer.fields.remove("content-length");
            if let Some(length) = declared {
                answer.fields.insert("content-length", length.into());
            }
            assert_eq!(size(&facts).verdict, verdict, "{declared:?} {header}");
        }
    }

    #[test]
    fn files_that_phones_cannot_show_are_found() {
        use Verdict::{Failure, Ok as Fine, Unknown, Warning};
        for (file, declared, expected, said) in [
            ("winter-sale.jpg", "image/jpeg", Fine, "pixels"),
            ("truncated.jpg", "image/jpeg", Failure, "cut off"),
            ("cmyk.jpg", "image/jpeg", Failure, "CMYK"),
            ("sixteen-bit.png", "image/png", Failure, "16 bits"),
            ("grey.png", "image/png", Warning, "grey"),
            ("tour.mp4", "video/mp4", Fine, "index first"),
            ("tour.mp4", "application/octet-stream", Fine, "index first"),
            ("moov-last.mp4", "video/mp4", Failure, "moov"),
            ("fragmented.mp4", "video/mp4", Failure, "fragmented"),
            ("hevc.mp4", "video/mp4", Failure, "H.264"),
            ("two-audio.mp4", "video/mp4", Failure, "audio tracks"),
            ("truncated.mp4", "video/mp4", Failure, "cut off"),
            ("high-b-frames.mp4", "video/mp4", Warning, "B-frames"),
            ("price-list.pdf", "application/pdf", Fine, "PDF"),
            ("page.jpg", "image/jpeg", Unknown, "HTML"),
            ("picture.webp", "image/webp", Unknown, "WebP"),
        ] {
            let finding = playable(&serving(file, declared));
            assert_eq!(finding.verdict, expected, "{file}: {finding:?}");
            assert!(finding.evidence.contains(said), "{file}: {finding:?}");
        }
        let finding = playable(&serving("moov-last.mp4", "video/mp4"));
        assert!(finding.fix.unwrap().contains("+faststart"));
    }

    #[test]
    fn the_callers_header_decides() {
        let mut facts = serving("winter-sale.jpg", "image/jpeg");
        facts.header = Some(HeaderKind::Video);
        assert_eq!(media_type(&facts).verdict, Verdict::Failure);
        assert_eq!(playable(&facts).verdict, Verdict::Unknown);
    }
}
