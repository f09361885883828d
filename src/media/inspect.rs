//! Bytes in, facts out: reads an asset once, as it streams by, however it is cut into chunks.
//!
//! Three things are kept: a head, a tail, and a walk over the structure of JPEG, PNG or MP4. Each has a fixed limit, so memory is
//! bounded by about 20 MB for any content, the limit of `moov` twice and small change, and time is linear in its length. Any chunking gives the same facts.

use super::boxes::BoxWalk;
use super::facts::{Detail, Facts};
use super::format::Format;
use super::jpeg::JpegWalk;
use super::png::PngWalk;
use super::{magic, markup, office};

/// Reads content once and tells the facts about it.
#[derive(Default)]
pub struct Inspector {
    head: Vec<u8>,
    tail: Tail,
    walk: Walk,
    /// The bytes that were fed.
    seen: u64,
    /// Bytes were passed over: what comes after them is no part of the head.
    gapped: bool,
}

#[derive(Default)]
enum Walk {
    /// Too few bytes were seen to know.
    #[default]
    Undecided,
    /// The format has no structure that is followed.
    None,
    Jpeg(JpegWalk),
    Png(PngWalk),
    Boxes(BoxWalk),
}

impl Inspector {
    /// An inspector that has seen nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes of the content.
    pub fn update(&mut self, bytes: &[u8]) {
        self.seen = self.seen.saturating_add(bytes.len() as u64);
        self.tail.push(bytes);
        match self.walk {
            Walk::Undecided => self.lead(bytes),
            // Behind a gap, only boxes can be followed.
            Walk::Jpeg(_) | Walk::Png(_) if self.gapped => {}
            _ => self.follow(bytes),
        }
    }

    /// Passes over the next `count` bytes unseen. Of boxes, these must be bytes that the walk is indifferent to; JPEG and PNG then
    /// count as cut off, since their structure is not followed any further.
    pub(super) fn pass_unseen(&mut self, count: u64) {
        self.seen = self.seen.saturating_add(count);
        self.gapped = true;
        self.tail = Tail::default();
        if let Walk::Boxes(walk) = &mut self.walk {
            walk.pass_unseen(count);
        }
    }

    /// What the walk over the structure still wants to see, once the head was read.
    pub(super) fn appetite(&self) -> Appetite {
        match &self.walk {
            Walk::Boxes(walk) if walk.has_fragments() => Appetite::Nothing,
            Walk::Boxes(walk) => match (walk.indifferent(), walk.moov_left()) {
                (0, 0) => Appetite::Next(BOX_HEADER),
                (0, left) => Appetite::Next(left),
                (unseen, _) => Appetite::After(unseen),
            },
            Walk::Jpeg(walk) if walk.wants_more_head() && !self.gapped && self.head.len() < HEAD_OF_JPEG => {
                Appetite::Next(HEAD as u64)
            }
            // The directory of an archive and the end of a PDF.
            _ if !self.gapped && matches!(magic::strong(&self.head), Some(Format::Pdf | Format::Zip)) => {
                Appetite::Tail(TAIL as u64)
            }
            _ => Appetite::Nothing,
        }
    }

    /// The facts about content of `length` bytes.
    ///
    /// The length is the one that the store declared. If other bytes than these were fed, the content counts as cut off.
    pub fn finish(mut self, length: u64) -> Facts {
        if matches!(self.walk, Walk::Undecided) {
            self.decide();
        }
        let cut = length > self.head.len() as u64;
        let head = self.head.get(..HEAD.min(self.head.len())).unwrap_or_default();
        let tail = self.tail.bytes();
        let arrived = self.seen == length;
        let (format, detail) = match magic::strong(head) {
            _ if self.seen == 0 => (Format::Empty, Detail::None),
            Some(format) => {
                let (sound, detail) = read_structure(format, self.walk, &self.head, tail, arrived);
                let hides_markup = !sound && markup::is_hidden_in(head);
                if hides_markup { (Format::Html, Detail::None) } else { (refine(format, head, tail), detail) }
            }
            None => (markup::read(head, cut).unwrap_or_else(|| magic::weak(head)), Detail::None),
        };
        Facts { length, format, detail }
    }

    /// Collects the bytes by which the structure is known.
    fn lead(&mut self, bytes: &[u8]) {
        let (lead, rest) = bytes.split_at(bytes.len().min(LEAD - self.head.len()));
        self.head.extend_from_slice(lead);
        if self.head.len() == LEAD {
            self.decide();
            self.follow(rest);
        }
    }

    fn decide(&mut self) {
        self.walk = match magic::strong(&self.head) {
            Some(Format::Jpeg) => Walk::Jpeg(JpegWalk::new()),
            Some(Format::Png) => Walk::Png(PngWalk::default()),
            _ if self.head.get(4..8).is_some_and(|kind| BOX_STARTS.contains(&kind)) => Walk::Boxes(BoxWalk::default()),
            _ => Walk::None,
        };
        let lead = std::mem::take(&mut self.head);
        self.walk.feed(&lead);
        self.head = lead;
    }

    fn follow(&mut self, bytes: &[u8]) {
        let limit = if self.gapped { 0 } else { self.walk.head_limit() };
        let room = limit.saturating_sub(self.head.len());
        self.head.extend_from_slice(bytes.get(..room.min(bytes.len())).unwrap_or_default());
        self.walk.feed(bytes);
    }
}

/// Which bytes would teach more about content whose head was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Appetite {
    /// None.
    Nothing,
    /// The next so many.
    Next(u64),
    /// Those behind the next so many.
    After(u64),
    /// The last so many.
    Tail(u64),
}

/// The facts about content of `length` bytes of which only the beginning is at hand: its format, as far as [`GLIMPSE`] bytes show it. Whether the
/// rest keeps what they promise is not known, so nothing is said of the structure.
pub fn glimpse(head: &[u8], length: u64) -> Facts {
    if head.len() as u64 >= length {
        let mut inspector = Inspector::new();
        inspector.update(head);
        return inspector.finish(length);
    }
    let head = head.get(..GLIMPSE.min(head.len())).unwrap_or_default();
    let format = match magic::strong(head) {
        Some(format) => refine(format, head, &[]),
        None => markup::read(head, true).unwrap_or_else(|| magic::weak(head)),
    };
    Facts { length, format, detail: Detail::None }
}

impl Walk {
    fn feed(&mut self, bytes: &[u8]) {
        match self {
            Self::Undecided | Self::None => {}
            Self::Jpeg(walk) => walk.feed(bytes),
            Self::Png(walk) => walk.feed(bytes),
            Self::Boxes(walk) => walk.feed(bytes),
        }
    }

    /// How many bytes of the beginning are kept: for a JPEG, more as long as its frame header is still to come.
    fn head_limit(&self) -> usize {
        match self {
            Self::Jpeg(walk) if walk.wants_more_head() => HEAD_OF_JPEG,
            _ => HEAD,
        }
    }
}

/// Whether the content keeps what its beginning promised, and what was read of it.
fn read_structure(format: Format, walk: Walk, head: &[u8], tail: &[u8], arrived: bool) -> (bool, Detail) {
    match (format, walk) {
        (_, Walk::Jpeg(walk)) => picture(walk.finish(head), arrived),
        (_, Walk::Png(walk)) => picture(walk.finish(head), arrived),
        (Format::Mp4 | Format::M4a | Format::ThreeGp | Format::QuickTime | Format::OtherBoxes, Walk::Boxes(walk)) => {
            let mut movie = walk.finish();
            movie.whole &= arrived;
            (movie.whole, Detail::Movie(movie))
        }
        (_, Walk::Boxes(walk)) => (walk.is_whole(), Detail::None),
        (Format::Pdf, _) => {
            let end = tail.get(tail.len().saturating_sub(PDF_END)..).unwrap_or_default();
            let ended = arrived && end.windows(5).any(|part| part == b"%%EOF");
            (ended, Detail::Pdf { ended })
        }
        (Format::Gif, _) => (magic::is_sound_gif(head), Detail::None),
        (Format::Webp, _) => (magic::is_sound_webp(head), Detail::None),
        (Format::Zip, _) => (office::is_whole_zip(tail), Detail::None),
        _ => (true, Detail::None),
    }
}

fn picture(mut picture: super::facts::Picture, arrived: bool) -> (bool, Detail) {
    picture.complete &= arrived;
    (picture.complete && picture.header.is_some(), Detail::Picture(picture))
}

fn refine(format: Format, head: &[u8], tail: &[u8]) -> Format {
    if format == Format::Zip { office::of_zip(head, tail) } else { format }
}

/// The last bytes of the content.
#[derive(Default)]
struct Tail(Vec<u8>);

impl Tail {
    fn push(&mut self, bytes: &[u8]) {
        let bytes = bytes.get(bytes.len().saturating_sub(TAIL)..).unwrap_or_default();
        // Twice the tail is kept before the front is dropped, so that small chunks do not move it each time.
        if self.0.len() + bytes.len() > 2 * TAIL {
            let surplus = (self.0.len() + bytes.len() - TAIL).min(self.0.len());
            self.0.drain(..surplus);
        }
        self.0.extend_from_slice(bytes);
    }

    fn bytes(&self) -> &[u8] {
        self.0.get(self.0.len().saturating_sub(TAIL)..).unwrap_or_default()
    }
}

/// The bytes by which a structure is known.
const LEAD: usize = 16;
/// The bytes that are read for the header of a box; the small boxes behind it mostly come along.
const BOX_HEADER: u64 = 4 * 1024;
/// The bytes of the beginning that are sniffed.
pub(super) const HEAD: usize = 64 * 1024;
/// How many bytes of the beginning [`glimpse`] looks at.
pub const GLIMPSE: usize = HEAD;
/// The bytes of the beginning in which a JPEG's frame header may stand: colour profiles and previews come before it.
const HEAD_OF_JPEG: usize = 1024 * 1024;
/// The bytes of the end that are kept: the directory of an Office file stands there.
const TAIL: usize = 64 * 1024;
/// The last bytes of a PDF in which readers look for its end (ISO 32000-1, Annex H, note 18).
const PDF_END: usize = 1024;
/// The kinds of box with which an ISO base media file begins.
const BOX_STARTS: [&[u8]; 5] = [b"ftyp", b"moov", b"mdat", b"wide", b"pnot"];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::samples::{self, ALL, facts};
    use super::*;

    fn in_chunks(bytes: &[u8], sizes: &[usize]) -> Facts {
        let mut inspector = Inspector::new();
        let (mut rest, mut sizes) = (bytes, sizes.iter().cycle());
        while !rest.is_empty() {
            let (chunk, after) = rest.split_at(rest.len().min(*sizes.next().unwrap()));
            inspector.update(chunk);
            rest = after;
        }
        inspector.finish(bytes.len() as u64)
    }

    #[test]
    fn a_glimpse_of_the_beginning_shows_the_format() {
        for name in ALL {
            let (bytes, whole) = (samples::bytes(name), facts(name));
            let length = bytes.len() as u64;
            assert_eq!(glimpse(&bytes, length), whole, "{name}, all of which is at hand");
            let beginning = bytes.get(..bytes.len().saturating_sub(1)).unwrap();
            let seen = glimpse(beginning, length);
            let is_known_by_its_end = matches!(whole.format, Format::Html) || beginning.is_empty();
            assert!(seen.format == whole.format || is_known_by_its_end, "{name}: {seen:?}");
            assert_eq!((seen.length, seen.detail), (length, Detail::None), "{name}");
        }
        assert_eq!(glimpse(b"", 9).format, Format::Text);
    }

    #[test]
    fn every_sample_is_what_its_maker_says() {
        for (name, format) in [
            ("winter-sale.jpg", Format::Jpeg),
            ("receipt.png", Format::Png),
            ("tour.mp4", Format::Mp4),
            ("price-list.pdf", Format::Pdf),
            ("cmyk.jpg", Format::Jpeg),
            ("trailer.jpg", Format::Jpeg),
            ("picture.webp", Format::Webp),
            ("picture.gif", Format::Gif),
            ("picture.svg", Format::Svg),
            ("plain.3gp", Format::ThreeGp),
            ("quicktime.mov", Format::QuickTime),
            ("fragmented.mp4", Format::Mp4),
            ("sound.m4a", Format::M4a),
            ("sound.mp3", Format::Mp3),
            ("sound.ogg", Format::Opus),
            ("letter.docx", Format::Docx),
            ("table.xlsx", Format::Xlsx),
            ("plain.zip", Format::Zip),
            ("old.doc", Format::Ole),
            ("page.jpg", Format::Html),
            ("page-behind-magic.jpg", Format::Html),
            ("page-behind-magic.pdf", Format::Html),
            ("empty.jpg", Format::Empty),
            ("letter.txt", Format::Text),
        ] {
            assert_eq!(facts(name).format, format, "{name}");
        }
    }

    #[test]
    fn any_chunking_of_the_samples_gives_the_same_facts() {
        for name in ALL {
            let bytes = samples::bytes(name);
            for sizes in [&[1][..], &[7, 1, 3], &[15, 1], &[16], &[17], &[4096], &[1, 100_000]] {
                assert_eq!(in_chunks(&bytes, sizes), facts(name), "{name} {sizes:?}");
            }
        }
    }

    #[test]
    fn a_frame_header_behind_large_segments_is_found() {
        let sale = samples::bytes("winter-sale.jpg");
        let segment = [&[0xff, 0xe2, 0xff, 0xff][..], &vec![0; 0xfffd]].concat();
        for (segments, found) in [(2, true), (14, true), (17, false)] {
            let large = [&sale[..2], &segment.repeat(segments), &sale[2..]].concat();
            for sizes in [&[large.len()][..], &[1000], &[65_536], &[3, 200_000]] {
                let Detail::Picture(picture) = in_chunks(&large, sizes).detail else { panic!() };
                assert_eq!((picture.header.is_some(), picture.complete), (found, true), "{segments} {sizes:?}");
            }
        }
    }

    #[test]
    fn fewer_bytes_than_declared_are_a_cut() {
        let mut inspector = Inspector::new();
        inspector.update(&samples::bytes("receipt.png"));
        let Detail::Picture(picture) = inspector.finish(1_000_000).detail else { panic!() };
        assert!(!picture.complete);
    }

    #[test]
    fn facts_survive_json() {
        for name in ALL {
            let facts = facts(name);
            let text = serde_json::to_string(&facts).unwrap();
            assert_eq!(serde_json::from_str::<Facts>(&text).unwrap(), facts, "{text}");
        }
    }

    #[test]
    fn a_polyglot_with_sound_structure_stays_what_it_is() {
        let mut sale = samples::bytes("winter-sale.jpg");
        sale.extend_from_slice(b"<html><script>alert(1)</script></html>");
        assert_eq!(in_chunks(&sale, &[999]).format, Format::Jpeg);
        sale.truncate(9000);
        sale.extend_from_slice(b"<html><script>alert(1)</script></html>");
        assert_eq!(in_chunks(&sale, &[999]).format, Format::Html);
    }

    #[test]
    fn memory_stays_bounded_by_the_limits() {
        for start in [&b"\xff\xd8\xff\xe0"[..], b"\x89PNG\r\n\x1a\n", b"\0\0\0\0moov", b"%PDF-1.4", b"text"] {
            let mut inspector = Inspector::new();
            inspector.update(start);
            let filler = vec![b'a'; 1024 * 1024];
            for _ in 0..40 {
                inspector.update(&filler);
            }
            assert!(inspector.head.capacity() <= 2 * HEAD_OF_JPEG && inspector.tail.0.capacity() <= 4 * TAIL);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_in_any_chunks_give_the_same_facts(
            start in prop::sample::select(samples::BEGINNINGS),
            body in prop::collection::vec(any::<u8>(), 0..2000),
            sizes in prop::collection::vec(1_usize..300, 1..6),
        ) {
            let bytes = [start, &body].concat();
            prop_assert_eq!(in_chunks(&bytes, &sizes), in_chunks(&bytes, &[bytes.len().max(1)]));
        }

        #[test]
        fn damaged_samples_in_any_chunks_give_the_same_facts(
            name in prop::sample::select(ALL),
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..9),
            sizes in prop::collection::vec(1_usize..5000, 1..6),
        ) {
            let mut bytes = samples::bytes(name);
            for (place, byte) in changes {
                let place = place.index(bytes.len().max(1));
                bytes.get_mut(place).into_iter().for_each(|old| *old = byte);
            }
            prop_assert_eq!(in_chunks(&bytes, &sizes), in_chunks(&bytes, &[bytes.len().max(1)]));
        }
    }
}
