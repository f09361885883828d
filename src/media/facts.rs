//! What was learned from an asset's bytes, small enough to be kept for as long as the asset.
//!
//! Facts judge nothing: they are what was measured. The catalog stores them as JSON beside the fingerprint, so a rule can change
//! without reading any asset again, and a change of their *meaning* must raise [`Facts::FORMAT`].

use serde::{Deserialize, Serialize};

use super::format::Format;

/// What was learned from an asset's bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// The length of the whole content, in bytes.
    pub length: u64,
    /// What the bytes are.
    pub format: Format,
    /// What more was read, for formats that are read further.
    pub detail: Detail,
}

impl Facts {
    /// The version of what facts mean. Stored facts of another version are measured anew.
    pub const FORMAT: u32 = 1;

    /// The media type that the bytes show, where they show one.
    pub(super) fn essence(&self) -> Option<&'static str> {
        match (&self.detail, self.format) {
            (Detail::Movie(movie), Format::Mp4) if movie.has_only_sound() => Some("audio/mp4"),
            (Detail::Movie(movie), Format::ThreeGp) if movie.has_only_sound() => Some("audio/3gpp"),
            _ => self.format.types().first().copied(),
        }
    }
}

/// What is known beyond the format.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Detail {
    /// Nothing more was read.
    None,
    /// JPEG and PNG.
    Picture(Picture),
    /// MP4, 3GP, `QuickTime`.
    Movie(Movie),
    /// PDF.
    Pdf {
        /// `%%EOF` stands near the end.
        ended: bool,
    },
}

/// A JPEG or PNG.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Picture {
    /// What the header says; nothing if it cannot be read.
    pub header: Option<PictureHeader>,
    /// The end of the image was seen: `EOI` of JPEG, `IEND` of PNG.
    pub complete: bool,
}

/// The header of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PictureHeader {
    /// Columns, in pixels.
    pub width: u32,
    /// Rows, in pixels.
    pub height: u32,
    /// Bits per sample.
    pub bits: u8,
    /// How colour is written.
    pub colour: Colour,
}

/// How a picture's colour is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Colour {
    /// Shades of grey.
    Grey,
    /// Shades of grey with transparency.
    GreyAlpha,
    /// Red, green, blue (for JPEG: three components).
    Rgb,
    /// The same with transparency.
    Rgba,
    /// Indexes into a palette.
    Palette,
    /// Four inks, as for print.
    Cmyk,
}

/// An ISO base media file: MP4, 3GP, `QuickTime`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Movie {
    /// The top-level boxes add up to the length.
    pub whole: bool,
    /// `moov` stands before the first `mdat`.
    pub moov_first: bool,
    /// There are fragments: `mvex` or a top-level `moof`.
    pub fragmented: bool,
    /// How `moov` was read.
    pub moov: Moov,
    /// The tracks with picture or sound, in their order.
    pub tracks: Vec<Track>,
}

impl Movie {
    /// The tracks with picture.
    pub fn video(&self) -> impl Iterator<Item = &Track> {
        self.tracks.iter().filter(|track| track.kind == TrackKind::Video)
    }

    /// The tracks with sound.
    pub fn audio(&self) -> impl Iterator<Item = &Track> {
        self.tracks.iter().filter(|track| track.kind == TrackKind::Audio)
    }

    fn has_only_sound(&self) -> bool {
        self.video().next().is_none() && self.audio().next().is_some()
    }
}

/// How the index of a movie was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Moov {
    /// There is none.
    Absent,
    /// It has more bytes than we read.
    TooLarge,
    /// It was cut off, or its boxes contradict each other.
    Broken,
    /// It was read.
    Read,
}

/// One track of a movie.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Track {
    /// Picture or sound.
    pub kind: TrackKind,
    /// The codec's four characters, such as `avc1`; unprintable ones as `?`.
    pub codec: String,
    /// H.264: the profile (ITU-T H.264, Annex A: 66 Baseline, 77 Main, 100 High). `mp4a`: the object type (ISO 14496-1: 64 is AAC).
    pub profile: Option<u8>,
    /// Frames are shown in another order than they are stored: there are B-frames.
    pub reordered: bool,
}

/// What a track carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TrackKind {
    /// Picture.
    Video,
    /// Sound.
    Audio,
}
