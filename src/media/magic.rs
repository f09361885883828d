//! The beginnings by which binary formats are known (WHATWG MIME Sniffing section 6, and each format's own specification).
//!
//! What other rooms depend on is recognised here, byte for byte; `infer` adds the long tail of formats that are only ever named.
//! `infer` is asked last and never about ZIP, OLE or MP4 files, which it would take apart itself.

use super::format::Format;

/// The format of content that begins so, for the formats that are read further or whose beginning is long enough to be certain.
pub(super) fn strong(head: &[u8]) -> Option<Format> {
    let fixed = BEGINNINGS.iter().find(|(start, _)| head.starts_with(start)).map(|row| row.1);
    fixed.or_else(|| riff(head)).or_else(|| boxes(head)).or_else(|| ogg(head)).or_else(|| ebml(head))
}

/// The format of content that begins so, where the beginning is short or rare: asked after markup and text were ruled out.
pub(super) fn weak(head: &[u8]) -> Format {
    if let Some(sound) = mpeg_frame(head) {
        return sound;
    }
    infer::get(head)
        .and_then(|kind| INFERRED.iter().find(|row| row.0 == kind.mime_type()))
        .map_or(Format::Unknown, |row| row.1)
}

/// Whether the first block behind a GIF's header and palette is one that GIF has (`GIF89a` section 17 and Appendix A).
pub(super) fn is_sound_gif(head: &[u8]) -> bool {
    let Some(&flags) = head.get(10) else { return false };
    let palette = if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) };
    matches!(head.get(13 + palette), Some(0x21 | 0x2c | 0x3b))
}

/// Whether the first chunk of a WebP is one that WebP has.
pub(super) fn is_sound_webp(head: &[u8]) -> bool {
    matches!(head.get(12..16), Some(b"VP8 " | b"VP8L" | b"VP8X"))
}

fn riff(head: &[u8]) -> Option<Format> {
    if !head.starts_with(b"RIFF") {
        return None;
    }
    match head.get(8..12)? {
        b"WEBP" => Some(Format::Webp),
        b"WAVE" => Some(Format::Wav),
        b"AVI " => Some(Format::Avi),
        _ => None,
    }
}

/// ISO base media files, by the brands in `ftyp` (mp4ra.org), and `QuickTime` from before it had one.
fn boxes(head: &[u8]) -> Option<Format> {
    match head.get(4..8)? {
        b"ftyp" => Some(by_brand(head)),
        b"moov" | b"mdat" | b"wide" | b"pnot" => Some(Format::QuickTime),
        _ => None,
    }
}

fn by_brand(head: &[u8]) -> Format {
    let size = head.first_chunk().map_or(0, |size| u32::from_be_bytes(*size));
    let end = usize::try_from(size).unwrap_or(head.len()).min(head.len()).min(BRANDS_MAX);
    let (major, others) = (head.get(8..12).unwrap_or_default(), head.get(16..end).unwrap_or_default());
    let has = |brand: &[u8; 4]| others.as_chunks().0.contains(brand);
    match major {
        b"heic" | b"heix" | b"hevc" | b"hevx" | b"heim" | b"heis" | b"hevm" | b"hevs" => Format::Heic,
        b"avif" | b"avis" => Format::Avif,
        b"mif1" | b"msf1" if has(b"avif") => Format::Avif,
        b"mif1" | b"msf1" if has(b"heic") => Format::Heic,
        b"mif1" | b"msf1" | b"mif2" => Format::Heif,
        b"qt  " => Format::QuickTime,
        b"M4A " | b"M4B " | b"M4P " => Format::M4a,
        [b'3', b'g', b'p' | b'g' | b'e' | b'r' | b's' | b'h' | b'm' | b'2', _] => Format::ThreeGp,
        major if is_mp4_brand(major) || others.as_chunks().0.iter().any(|brand| is_isom(*brand)) => Format::Mp4,
        _ => Format::OtherBoxes,
    }
}

fn is_mp4_brand(brand: &[u8]) -> bool {
    let known = [b"avc1", b"M4V ", b"M4VH", b"M4VP", b"MSNV", b"dash", b"f4v ", b"mp71"];
    brand.first_chunk().is_some_and(|brand| is_isom(*brand) || known.contains(&brand))
}

/// The brands of the base format and of MPEG-4 itself, which players of MP4 must know.
fn is_isom(brand: [u8; 4]) -> bool {
    matches!(brand, [b'i', b's', b'o', b'm' | b'2'..=b'9'] | [b'm', b'p', b'4', b'1' | b'2'])
}

fn ogg(head: &[u8]) -> Option<Format> {
    let opus = head.get(28..36) == Some(b"OpusHead");
    head.starts_with(b"OggS").then_some(if opus { Format::Opus } else { Format::Ogg })
}

/// EBML with its document type (RFC 8794 section 11.2.4), which stands among the first elements.
fn ebml(head: &[u8]) -> Option<Format> {
    let start = head.get(..64).unwrap_or(head);
    let names = |name: &[u8]| start.windows(name.len()).any(|part| part == name);
    match start.starts_with(b"\x1a\x45\xdf\xa3") {
        true if names(b"webm") => Some(Format::WebM),
        true if names(b"matroska") => Some(Format::Matroska),
        _ => None,
    }
}

/// A frame header of MPEG layer III or of AAC (ISO/IEC 11172-3 section 2.4.1.3; ISO/IEC 13818-7 section 6.2).
fn mpeg_frame(head: &[u8]) -> Option<Format> {
    let &[0xff, second, third, ..] = head else { return None };
    let plausible = third & 0xf0 != 0xf0 && third & 0x0c != 0x0c;
    match second {
        0xf2 | 0xf3 | 0xfa | 0xfb | 0xe2 | 0xe3 if plausible => Some(Format::Mp3),
        0xf0 | 0xf1 | 0xf8 | 0xf9 => Some(Format::Aac),
        _ => None,
    }
}

/// The most bytes of `ftyp` in which brands are looked for.
const BRANDS_MAX: usize = 1024;

/// Beginnings that are certain.
const BEGINNINGS: &[(&[u8], Format)] = &[
    (b"\xff\xd8\xff", Format::Jpeg),
    (b"\x89PNG\r\n\x1a\n", Format::Png),
    (b"GIF87a", Format::Gif),
    (b"GIF89a", Format::Gif),
    (b"%PDF-", Format::Pdf),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Format::Ole),
    (b"PK\x03\x04", Format::Zip),
    (b"PK\x05\x06", Format::Zip),
    (b"#!AMR", Format::Amr),
    (b"{\\rtf", Format::Rtf),
    (b"fLaC", Format::Flac),
    (b"7z\xbc\xaf\x27\x1c", Format::SevenZip),
    (b"Rar!\x1a\x07", Format::Rar),
    (b"\x1f\x8b", Format::Gzip),
];

/// What `infer` calls the formats that we name.
const INFERRED: &[(&str, Format)] = &[
    ("audio/mpeg", Format::Mp3),
    ("audio/aac", Format::Aac),
    ("image/bmp", Format::Bmp),
    ("image/tiff", Format::Tiff),
    ("image/x-canon-cr2", Format::Tiff),
    ("image/vnd.microsoft.icon", Format::Icon),
    ("image/vnd.adobe.photoshop", Format::Photoshop),
    ("application/vnd.microsoft.portable-executable", Format::Program),
    ("application/x-executable", Format::Program),
    ("application/x-mach-binary", Format::Program),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beginnings_are_known() {
        for (head, format) in [
            (&b"\xff\xd8\xff\xe0"[..], Some(Format::Jpeg)),
            (b"RIFF\0\0\0\0WEBPVP8 ", Some(Format::Webp)),
            (b"RIFF\0\0\0\0", None),
            (b"\0\0\0\x18ftypmp42\0\0\0\0isommp42", Some(Format::Mp4)),
            (b"\0\0\0\x18ftyp3gp5\0\0\0\0isom3gp5", Some(Format::ThreeGp)),
            (b"\0\0\0\x14ftyp3g2a\0\0\0\0", Some(Format::ThreeGp)),
            (b"\0\0\0\x14ftypqt  \0\0\0\0", Some(Format::QuickTime)),
            (b"\0\0\x10\0mdat", Some(Format::QuickTime)),
            (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", Some(Format::Heic)),
            (b"\0\0\0\x18ftypmif1\0\0\0\0mif1avif", Some(Format::Avif)),
            (b"\0\0\0\x10ftypmif1\0\0\0\0mif1avif", Some(Format::Heif)),
            (b"\0\0\0\x18ftypXXXX\0\0\0\0XXXXmp42", Some(Format::Mp4)),
            (b"\xff\xff\xff\xffftypXXXX", Some(Format::OtherBoxes)),
            (b"\0\0\0\0ftyp", Some(Format::OtherBoxes)),
            (b"\x1a\x45\xdf\xa3\x9f\x42\x82\x84webm", Some(Format::WebM)),
            (b"\x1a\x45\xdf\xa3\x9f", None),
            (b"#!AMR\n", Some(Format::Amr)),
            (b"", None),
        ] {
            assert_eq!(strong(head), format, "{head:?}");
        }
    }

    #[test]
    fn short_beginnings_are_known() {
        for (head, format) in [
            (&b"\xff\xfb\x90\x00"[..], Format::Mp3),
            (b"\xff\xf1\x50\x80", Format::Aac),
            (b"\xff\xfe\x3c\x00", Format::Unknown),
            (b"II*\0\x08\0\0\0\x0c\0\0\x01", Format::Tiff),
            (b"\0\0", Format::Unknown),
            (b"", Format::Unknown),
        ] {
            assert_eq!(weak(head), format, "{head:?}");
        }
    }

    #[test]
    fn a_gif_header_needs_a_block_behind_it() {
        assert!(is_sound_gif(include_bytes!("../../tests/media/picture.gif")));
        assert!(!is_sound_gif(b"GIF89a=1;//<script>alert(1)</script>"));
        assert!(!is_sound_gif(b"GIF89a"));
        assert!(is_sound_webp(include_bytes!("../../tests/media/picture.webp")));
    }
}
