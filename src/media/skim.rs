//! Facts about content from a few ranges of it: its head, the boxes of a film, the end of a document.
//!
//! [`Skim::wants`] names the next range, [`Skim::feed`] takes its bytes, and when nothing more is wanted [`Skim::finish`] tells the facts.
//! The ranges are few and bounded whatever the content says: frames are never read, and an index only up to the limit of the
//! [`Inspector`]. Small content is read whole, and then the facts are those of a whole reading.

use super::facts::{Detail, Facts};
use super::inspect::{Appetite, HEAD, Inspector};
use crate::value::ByteSpan;

/// A reading of the parts of content that matter.
pub struct Skim {
    inspector: Inspector,
    length: u64,
    /// Up to where the content was fed or passed over.
    at: u64,
    /// How many ranges were fed.
    ranges: u32,
    gapped: bool,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Reading,
    /// What is left teaches nothing about what was asked.
    Stopped,
    /// There were too many parts.
    GaveUp,
}

/// What a skim taught.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skimmed {
    /// The facts. They are those of a whole reading but for what [`Skimmed::saw_end`] and [`Skimmed::gave_up`] say.
    pub facts: Facts,
    /// Whether what the facts say of the content's completeness holds. If not, nobody looked.
    pub saw_end: bool,
    /// The content has more parts than a skim follows, so the facts are those of its beginning.
    pub gave_up: bool,
}

impl Skim {
    /// A skim of content of `length` bytes.
    pub fn new(length: u64) -> Self {
        Self { inspector: Inspector::new(), length, at: 0, ranges: 0, gapped: false, state: State::Reading }
    }

    /// The bytes to feed next; nothing when enough was seen. Those of an index are the only long span: up to 8 MiB.
    pub fn wants(&mut self) -> Option<ByteSpan> {
        while self.state == State::Reading && self.at < self.length {
            if self.ranges == RANGES_MAX {
                self.state = State::GaveUp;
                break;
            }
            let appetite = if self.at == 0 { Appetite::Next(HEAD as u64) } else { self.inspector.appetite() };
            match appetite {
                Appetite::Nothing => self.state = State::Stopped,
                Appetite::Next(count) => return self.next(count),
                Appetite::After(unseen) => self.pass(unseen),
                Appetite::Tail(count) => {
                    self.pass((self.length - self.at).saturating_sub(count));
                    return self.next(count);
                }
            }
        }
        None
    }

    /// Takes the bytes of the span that was wanted.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.ranges += 1;
        self.at = self.at.saturating_add(bytes.len() as u64);
        self.inspector.update(bytes);
    }

    /// The facts from what was fed.
    pub fn finish(mut self) -> Skimmed {
        let unseen = self.length.saturating_sub(self.at);
        if unseen > 0 {
            self.pass(unseen);
        }
        let facts = self.inspector.finish(self.length);
        let (stopped, gave_up) = (self.state == State::Stopped, self.state == State::GaveUp);
        let saw_end = !self.gapped
            || match facts.detail {
                Detail::Movie(_) | Detail::Pdf { .. } => !stopped && !gave_up,
                Detail::Picture(_) | Detail::None => false,
            };
        Skimmed { facts, saw_end, gave_up }
    }

    fn next(&self, count: u64) -> Option<ByteSpan> {
        let end = self.at.saturating_add(count.max(1)).min(self.length);
        ByteSpan::within(self.at, end.saturating_sub(1), self.length)
    }

    fn pass(&mut self, count: u64) {
        let count = count.min(self.length - self.at);
        if count > 0 {
            self.gapped = true;
            self.at += count;
            self.inspector.pass_unseen(count);
        }
    }
}

/// The most ranges of one content. A film as cameras write it has five boxes; only a fragmented one, which is known by its first
/// fragment, has hundreds.
const RANGES_MAX: u32 = 64;

#[cfg(test)]
mod tests {
    use super::super::samples::{self, ALL, facts};
    use super::super::{Format, Moov};
    use super::*;

    /// The skim of `bytes`, and how many of them it read in how many ranges.
    fn skim(bytes: &[u8]) -> (Skimmed, u64, u32) {
        let mut skim = Skim::new(bytes.len() as u64);
        let mut read = 0;
        while let Some(span) = skim.wants() {
            read += span.len();
            skim.feed(&bytes[usize::try_from(span.first()).unwrap()..usize::try_from(span.end()).unwrap()]);
        }
        let ranges = skim.ranges;
        (skim.finish(), read, ranges)
    }

    #[test]
    fn every_sample_is_what_a_whole_reading_says() {
        for name in ALL {
            let (skimmed, ..) = skim(&samples::bytes(name));
            let mut whole = facts(name);
            if !skimmed.saw_end {
                // Whether they are complete is what was not looked at.
                match (&mut whole.detail, &skimmed.facts.detail) {
                    (Detail::Picture(whole), Detail::Picture(seen)) => whole.complete = seen.complete,
                    (Detail::Movie(whole), Detail::Movie(seen)) => whole.whole = seen.whole,
                    _ => {}
                }
            }
            assert_eq!(skimmed.facts, whole, "{name}");
            assert!(!skimmed.gave_up, "{name}");
        }
    }

    fn boxed(kind: [u8; 4], body: &[u8]) -> Vec<u8> {
        [&u32::try_from(body.len() + 8).unwrap().to_be_bytes()[..], &kind, body].concat()
    }

    #[test]
    fn frames_are_not_read() {
        let sample = samples::bytes("moov-last.mp4");
        let at = sample.windows(4).position(|part| part == b"moov").unwrap() - 4;
        let film =
            [&boxed(*b"ftyp", b"isom\0\0\0\0isommp42")[..], &boxed(*b"mdat", &vec![7; 20_000_000]), &sample[at..]];
        let film = film.concat();
        let (skimmed, read, ranges) = skim(&film);
        let Detail::Movie(movie) = &skimmed.facts.detail else { panic!("{skimmed:?}") };
        assert!(movie.whole && !movie.moov_first && movie.moov == Moov::Read && skimmed.saw_end);
        assert!(read < 200_000 && ranges <= 4, "{read} bytes in {ranges} ranges");
        let (cut, ..) = skim(&film[..film.len() - 1]);
        assert!(matches!(&cut.facts.detail, Detail::Movie(movie) if !movie.whole) && cut.saw_end);
    }

    #[test]
    fn a_film_of_many_boxes_ends_the_skim_and_not_the_other_way_round() {
        let gap = boxed(*b"free", &vec![0; 5000]);
        let film = [boxed(*b"ftyp", b"isom\0\0\0\0isommp42"), gap.repeat(100_000)].concat();
        let (skimmed, _, ranges) = skim(&film);
        assert!(skimmed.gave_up && ranges == RANGES_MAX && !skimmed.saw_end);
        let fragments =
            [boxed(*b"ftyp", b"isom\0\0\0\0isommp42"), boxed(*b"moof", &vec![0; 90_000]).repeat(100)].concat();
        let (skimmed, _, ranges) = skim(&fragments);
        assert!(!skimmed.gave_up && ranges == 1);
        assert!(matches!(&skimmed.facts.detail, Detail::Movie(movie) if movie.fragmented));
    }

    #[test]
    fn the_ends_of_documents_are_read_and_not_their_middles() {
        let pdf = [b"%PDF-1.7\n".to_vec(), vec![b'x'; 3_000_000], b"\n%%EOF\n".to_vec()].concat();
        let (skimmed, read, ranges) = skim(&pdf);
        assert_eq!((skimmed.facts.format, skimmed.facts.detail.clone()), (Format::Pdf, Detail::Pdf { ended: true }));
        assert!(skimmed.saw_end && read < 140_000 && ranges == 2);
        let docx = samples::bytes("letter.docx");
        assert_eq!(skim(&docx).0.facts.format, Format::Docx);
    }

    #[test]
    fn a_large_picture_is_known_by_its_head() {
        let mut jpeg = samples::bytes("cmyk.jpg");
        jpeg.resize(4_000_000, 0);
        let (skimmed, read, _) = skim(&jpeg);
        assert_eq!(skimmed.facts.format, Format::Jpeg);
        assert!(read < 200_000, "{read}");
    }

    proptest::proptest! {
        #[test]
        fn nothing_makes_it_panic_or_read_for_ever(head in proptest::collection::vec(proptest::num::u8::ANY, 0..200), start in 0..samples::BEGINNINGS.len(), fill in 0_usize..300_000) {
            let bytes = [samples::BEGINNINGS[start], &head, &vec![0; fill]].concat();
            let (skimmed, _, ranges) = skim(&bytes);
            assert!(ranges <= RANGES_MAX && skimmed.facts.length == bytes.len() as u64);
        }
    }
}
