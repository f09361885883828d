//! The chunks of a PNG (W3C PNG, third edition, section 5), walked while the bytes stream by, and its header.
//!
//! A chunk's length is a number to skip, so a picture that declares 50,000 by 50,000 pixels costs nothing. The header is read by
//! the `png` crate, which also checks its sum and the pairing of colour and depth.

use png::{BitDepth, ColorType, Decoder};

use super::facts::{Colour, Picture, PictureHeader};

/// A walk over chunks. Feed it all bytes in order.
#[derive(Default)]
pub(super) struct PngWalk {
    /// Bytes seen of the signature or of a chunk's length and kind.
    pending: Vec<u8>,
    past_signature: bool,
    /// What is left of a chunk's body and check sum.
    left: u64,
    chunk: Chunk,
    has_data: bool,
    ended: bool,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Chunk {
    Data,
    End,
    #[default]
    Other,
}

impl PngWalk {
    /// Passes over the next bytes.
    pub(super) fn feed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && !self.ended {
            let used = if self.left > 0 { self.pass(bytes) } else { self.gather(bytes) };
            bytes = bytes.get(used..).unwrap_or_default();
        }
    }

    /// What was found; `head` begins with the header chunk.
    pub(super) fn finish(&self, head: &[u8]) -> Picture {
        Picture { header: header(head), complete: self.ended && self.has_data }
    }

    fn gather(&mut self, bytes: &[u8]) -> usize {
        let used = bytes.len().min(CHUNK_START - self.pending.len());
        self.pending.extend_from_slice(bytes.get(..used).unwrap_or_default());
        if let Some(&[l1, l2, l3, l4, kind @ ..]) = self.pending.first_chunk::<CHUNK_START>() {
            self.pending.clear();
            if self.past_signature {
                self.open(u32::from_be_bytes([l1, l2, l3, l4]).into(), kind);
            }
            self.past_signature = true;
        }
        used
    }

    fn open(&mut self, length: u64, kind: [u8; 4]) {
        self.left = length + CHECK_SUM;
        self.chunk = match &kind {
            b"IDAT" => Chunk::Data,
            b"IEND" => Chunk::End,
            _ => Chunk::Other,
        };
    }

    fn pass(&mut self, bytes: &[u8]) -> usize {
        let used = usize::try_from(self.left).map_or(bytes.len(), |left| left.min(bytes.len()));
        self.left -= used as u64;
        if self.left == 0 {
            self.has_data |= self.chunk == Chunk::Data;
            self.ended |= self.chunk == Chunk::End;
        }
        used
    }
}

fn header(head: &[u8]) -> Option<PictureHeader> {
    // The reader is handed the header chunk and nothing else, so whatever follows cannot matter to it.
    let head = head.get(..HEADER_END).filter(|head| head.get(8..16) == Some(b"\0\0\0\x0dIHDR"))?;
    let mut decoder = Decoder::new(std::io::Cursor::new(head));
    let info = decoder.read_header_info().ok()?;
    let colour = match info.color_type {
        ColorType::Grayscale => Colour::Grey,
        ColorType::GrayscaleAlpha => Colour::GreyAlpha,
        ColorType::Rgb => Colour::Rgb,
        ColorType::Rgba => Colour::Rgba,
        ColorType::Indexed => Colour::Palette,
    };
    let bits = match info.bit_depth {
        BitDepth::One => 1,
        BitDepth::Two => 2,
        BitDepth::Four => 4,
        BitDepth::Eight => 8,
        BitDepth::Sixteen => 16,
    };
    Some(PictureHeader { width: info.width, height: info.height, bits, colour })
}

/// The bytes of a chunk's length and kind; the signature has as many.
const CHUNK_START: usize = 8;
/// The bytes of a chunk's check sum.
const CHECK_SUM: u64 = 4;
/// Where the header chunk ends: signature, length, kind, 13 bytes, check sum.
const HEADER_END: usize = 33;

#[cfg(test)]
mod tests {
    use super::*;

    const RECEIPT: &[u8] = include_bytes!("../cli/demo_media/receipt.png");
    const HUGE: &[u8] = include_bytes!("../../tests/media/huge-dimensions.png");

    fn picture(bytes: &[u8]) -> Picture {
        let mut walk = PngWalk::default();
        walk.feed(bytes);
        walk.finish(bytes)
    }

    #[test]
    fn a_whole_picture_is_read() {
        let header = PictureHeader { width: 720, height: 960, bits: 8, colour: Colour::Rgb };
        assert_eq!(picture(RECEIPT), Picture { header: Some(header), complete: true });
    }

    #[test]
    fn every_cut_is_noticed() {
        for len in (0..RECEIPT.len()).step_by(97).chain([RECEIPT.len() - 1, RECEIPT.len() - 12]) {
            assert!(!picture(&RECEIPT[..len]).complete, "{len}");
        }
    }

    #[test]
    fn huge_dimensions_cost_nothing_and_prove_nothing() {
        let found = picture(HUGE);
        assert_eq!(found.header.map(|header| (header.width, header.height)), Some((50_000, 50_000)));
        assert!(!found.complete);
    }

    #[test]
    fn a_changed_header_fails_its_check_sum() {
        let mut bytes = RECEIPT.to_vec();
        bytes[19] ^= 1;
        assert_eq!(picture(&bytes).header, None);
    }
}
