//! The sample files as tests see them: those of the demo, which are accepted, and those that must be refused or warned of.

use super::{Facts, Inspector};

/// The bytes of a sample.
pub(super) fn bytes(name: &str) -> Vec<u8> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/");
    let folder = if DEMO.contains(&name) { "src/cli/demo_media/" } else { "tests/media/" };
    std::fs::read(format!("{root}{folder}{name}")).unwrap()
}

/// The facts about a sample.
pub(super) fn facts(name: &str) -> Facts {
    let bytes = bytes(name);
    let mut inspector = Inspector::new();
    inspector.update(&bytes);
    inspector.finish(bytes.len() as u64)
}

pub(super) const DEMO: &[&str] = &["winter-sale.jpg", "receipt.png", "tour.mp4", "price-list.pdf"];

pub(super) const ALL: &[&str] = &[
    "winter-sale.jpg",
    "receipt.png",
    "tour.mp4",
    "price-list.pdf",
    "cmyk.jpg",
    "empty.jpg",
    "fragmented.mp4",
    "grey.jpg",
    "grey.png",
    "hevc.mp4",
    "high-b-frames.mp4",
    "huge-dimensions.png",
    "letter.docx",
    "letter.txt",
    "moov-last.mp4",
    "mp3-audio.mp4",
    "mpeg4.mp4",
    "old.doc",
    "page-behind-magic.jpg",
    "page-behind-magic.pdf",
    "page.jpg",
    "palette.png",
    "picture.gif",
    "picture.svg",
    "picture.webp",
    "plain.3gp",
    "plain.zip",
    "quicktime.mov",
    "silent.mp4",
    "sixteen-bit.png",
    "sound.m4a",
    "sound.mp3",
    "sound.ogg",
    "table.xlsx",
    "trailer.jpg",
    "truncated.jpg",
    "truncated.mp4",
    "truncated.png",
    "two-audio.mp4",
];

/// Beginnings that lead into each walk and each reader.
pub(super) const BEGINNINGS: &[&[u8]] = &[
    b"",
    b"\xff\xd8\xff",
    b"\x89PNG\r\n\x1a\n",
    b"GIF89a",
    b"%PDF-",
    b"PK\x03\x04",
    b"\0\0\0\x10ftypisom",
    b"\0\0\0\x00moov\0\0\0\x40trak",
    b"\0\0\0\x08wide\0\0\0\x10moof",
    b"<?xml ?>",
    b"\xff\xfe<\0",
    b"RIFF\0\0\0\0WEBP",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
    b"OggS",
    b"ID3",
];
