//! The markers of a JPEG (ITU-T T.81, Annex B), walked while the bytes stream by, and its header.
//!
//! Only a walk finds the true end of an image: `FF D9` also stands in thumbnails, and phones append films behind it. The numbers
//! come from the frame header; whether a decoder takes that header is asked of `jpeg-decoder`, which reads no pixel.

use jpeg_decoder::{Decoder, Error, UnsupportedFeature};

use super::facts::{Colour, Picture, PictureHeader};

/// A walk over markers. Feed it all bytes in order.
pub(super) struct JpegWalk {
    state: State,
    /// The first bytes of the frame header's body: precision, height, width, number of components.
    frame: Vec<u8>,
    has_frame: bool,
    has_scan: bool,
}

#[derive(Clone, Copy)]
enum State {
    /// Between segments, before `FF`.
    Marker,
    /// After `FF`.
    Code,
    /// Before the first byte of a length.
    Length { code: u8 },
    /// Before the second byte of a length.
    LengthLow { code: u8, high: u8 },
    /// Inside of a segment.
    Segment { code: u8, left: usize },
    /// In entropy-coded data.
    Scan,
    /// In entropy-coded data, after `FF`.
    ScanCode,
    /// After `EOI`.
    End,
}

impl JpegWalk {
    /// A walk that starts at the first byte of a JPEG.
    pub(super) fn new() -> Self {
        Self { state: State::Marker, frame: Vec::new(), has_frame: false, has_scan: false }
    }

    /// Whether the frame header is still to come.
    pub(super) fn wants_more_head(&self) -> bool {
        !self.has_frame && !self.has_scan && !matches!(self.state, State::End)
    }

    /// Passes over the next bytes.
    pub(super) fn feed(&mut self, mut bytes: &[u8]) {
        while let Some((&byte, rest)) = bytes.split_first() {
            bytes = match self.state {
                State::End => return,
                State::Segment { code, left } => self.pass(bytes, code, left),
                State::Scan => match bytes.iter().position(|&b| b == 0xff) {
                    Some(at) => {
                        self.state = State::ScanCode;
                        bytes.get(at + 1..).unwrap_or_default()
                    }
                    None => return,
                },
                state => {
                    self.state = self.step(state, byte);
                    rest
                }
            };
        }
    }

    /// What was found; `head` holds the bytes up to the frame header.
    pub(super) fn finish(&self, head: &[u8]) -> Picture {
        let complete = self.has_frame && self.has_scan && matches!(self.state, State::End);
        Picture { header: self.header(head), complete }
    }

    fn step(&mut self, state: State, byte: u8) -> State {
        match (state, byte) {
            // Bytes between segments are skipped, as decoders do; several FF are fill.
            (State::Marker | State::Code, 0xff) => State::Code,
            (State::ScanCode, 0xff) => State::ScanCode,
            (State::ScanCode, 0x00 | 0xd0..=0xd7) => State::Scan,
            (State::Code | State::ScanCode, 0xd9) => State::End,
            (State::Marker, _) | (State::Code, 0x00 | 0x01 | 0xd0..=0xd8) => State::Marker,
            (State::Code | State::ScanCode, code) => State::Length { code },
            (State::Length { code }, high) => State::LengthLow { code, high },
            (State::LengthLow { code, high }, low) => {
                let left = usize::from(u16::from_be_bytes([high, low])).saturating_sub(2);
                self.after_segment(code, left)
            }
            (State::Segment { .. } | State::Scan | State::End, _) => state,
        }
    }

    fn pass<'a>(&mut self, bytes: &'a [u8], code: u8, left: usize) -> &'a [u8] {
        let (segment, rest) = bytes.split_at(left.min(bytes.len()));
        if is_frame(code) && !self.has_frame {
            self.frame.extend(segment.iter().take(FRAME_START - self.frame.len()));
        }
        self.state = self.after_segment(code, left - segment.len());
        rest
    }

    fn after_segment(&mut self, code: u8, left: usize) -> State {
        if left > 0 {
            return State::Segment { code, left };
        }
        self.has_frame |= is_frame(code);
        self.has_scan |= code == 0xda;
        if code == 0xda { State::Scan } else { State::Marker }
    }

    fn header(&self, head: &[u8]) -> Option<PictureHeader> {
        let &[bits, h1, h2, w1, w2, components] = self.frame.first_chunk::<FRAME_START>()?;
        let colour = match components {
            1 => Colour::Grey,
            3 => Colour::Rgb,
            4 => Colour::Cmyk,
            _ => return None,
        };
        let (width, height) = (u16::from_be_bytes([w1, w2]).into(), u16::from_be_bytes([h1, h2]).into());
        match Decoder::new(head).read_info() {
            // Twelve bits are sound JPEG that the decoder does not do; the judge refuses them with the number.
            Ok(()) | Err(Error::Unsupported(UnsupportedFeature::SamplePrecision(_))) => {
                Some(PictureHeader { width, height, bits, colour })
            }
            Err(_) => None,
        }
    }
}

/// `SOF0` to `SOF15`, without the three codes among them that mean something else (ITU-T T.81 table B.1).
fn is_frame(code: u8) -> bool {
    matches!(code, 0xc0..=0xcf) && !matches!(code, 0xc4 | 0xc8 | 0xcc)
}

/// The bytes of a frame header before its components.
const FRAME_START: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(bytes: &[u8]) -> Picture {
        let mut walk = JpegWalk::new();
        walk.feed(bytes);
        walk.finish(bytes)
    }

    const SALE: &[u8] = include_bytes!("../cli/demo_media/winter-sale.jpg");

    #[test]
    fn a_whole_picture_is_read() {
        let header = PictureHeader { width: 1200, height: 628, bits: 8, colour: Colour::Rgb };
        assert_eq!(picture(SALE), Picture { header: Some(header), complete: true });
    }

    #[test]
    fn every_cut_is_noticed() {
        for len in (0..SALE.len()).step_by(97).chain([SALE.len() - 1, SALE.len() - 2]) {
            assert!(!picture(&SALE[..len]).complete, "{len}");
        }
    }

    #[test]
    fn the_end_of_a_thumbnail_is_not_the_end() {
        let thumbnail = [&[0xff, 0xe1, 0, 8][..], &[0xff, 0xd8, 0xff, 0xd9, 0xff, 0xd9]].concat();
        let cut = [&SALE[..2], &thumbnail, &SALE[2..SALE.len() - 2]].concat();
        assert!(!picture(&cut).complete);
        assert!(picture(&[&cut[..], &[0xff, 0xd9]].concat()).complete);
    }

    #[test]
    fn twelve_bits_are_read_as_such() {
        let mut bytes = SALE.to_vec();
        let sof = bytes.windows(2).position(|pair| pair[0] == 0xff && is_frame(pair[1])).unwrap();
        bytes[sof + 4] = 12;
        // The decoder wants another frame type before it looks at the precision.
        bytes[sof + 1] = 0xc1;
        assert_eq!(picture(&bytes).header.map(|header| header.bits), Some(12));
    }

    #[test]
    fn false_headers_are_not_read() {
        for bytes in [
            &b"\xff\xd8\xff"[..],
            b"\xff\xd8\xff\xe0<html>",
            b"\xff\xd8\xff\xc0\0\x08\x08\0\0\0\0\x03",
            b"\xff\xd8\xff\xd9",
        ] {
            assert_eq!(picture(bytes), Picture { header: None, complete: false });
        }
    }
}
