//! The top-level boxes of an ISO base media file (ISO/IEC 14496-12 section 4.2), walked while the bytes stream by.
//!
//! Only `moov` is kept, up to a limit; everything else is counted and passed over. Sizes are taken as numbers to skip, never as
//! numbers to allocate. An accepted walk means that the declared sizes add up to the content's length.

use super::facts::{Moov, Movie};
use super::movie;

/// A walk over top-level boxes. Feed it all bytes in order, then ask for the [`Movie`].
#[derive(Default)]
pub(super) struct BoxWalk {
    /// The part of a box header that was read; empty inside of a body.
    header: Vec<u8>,
    /// What follows the header.
    body: Body,
    /// How many boxes were opened.
    opened: u64,
    /// Ordinals of the first of each.
    first_moov: Option<u64>,
    first_mdat: Option<u64>,
    has_fragments: bool,
    moov: Capture,
    broken: bool,
}

#[derive(Default, Clone, Copy)]
enum Body {
    /// The next byte belongs to a header.
    #[default]
    None,
    /// So many bytes are left.
    Left(u64),
    /// The box has no size: it lasts to the end (size 0).
    ToTheEnd,
}

#[derive(Default)]
enum Capture {
    #[default]
    Absent,
    Taking(Vec<u8>),
    Taken(Vec<u8>),
    TooLarge,
}

impl BoxWalk {
    /// Passes over the next bytes.
    pub(super) fn feed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && !self.broken {
            let used = match self.body {
                Body::None => self.read_header(bytes),
                Body::Left(left) => self.pass(bytes, Some(left)),
                Body::ToTheEnd => self.pass(bytes, None),
            };
            bytes = bytes.get(used..).unwrap_or_default();
        }
    }

    /// How many of the next bytes change nothing, whatever they are: the rest of a box that is not kept.
    pub(super) fn indifferent(&self) -> u64 {
        match self.body {
            _ if self.broken => u64::MAX,
            Body::None => 0,
            _ if matches!(self.moov, Capture::Taking(_)) => 0,
            Body::Left(left) => left,
            Body::ToTheEnd => u64::MAX,
        }
    }

    /// Passes over `count` bytes unseen, which must not be more than [`BoxWalk::indifferent`] says.
    pub(super) fn pass_unseen(&mut self, count: u64) {
        if let Body::Left(left) = self.body {
            let left = left.saturating_sub(count);
            self.body = if left == 0 { Body::None } else { Body::Left(left) };
        }
    }

    /// Whether fragments were seen: what follows adds nothing to that.
    pub(super) fn has_fragments(&self) -> bool {
        self.has_fragments
    }

    /// How much of a `moov` is still to come.
    pub(super) fn moov_left(&self) -> u64 {
        match (&self.moov, self.body) {
            (Capture::Taking(_), Body::Left(left)) => left,
            (Capture::Taking(kept), Body::ToTheEnd) => (MOOV_MAX + 1).saturating_sub(kept.len()) as u64,
            _ => 0,
        }
    }

    /// Whether the boxes add up to the bytes that were fed.
    pub(super) fn is_whole(&self) -> bool {
        let between_boxes = self.header.is_empty() && !matches!(self.body, Body::Left(_));
        !self.broken && self.opened > 0 && between_boxes
    }

    /// What the walk found.
    pub(super) fn finish(self) -> Movie {
        let whole = self.is_whole();
        let moov_first = match (self.first_moov, self.first_mdat) {
            (Some(moov), Some(mdat)) => moov < mdat,
            (moov, _) => moov.is_some(),
        };
        let (moov, index) = match self.moov {
            Capture::Absent => (Moov::Absent, None),
            Capture::TooLarge => (Moov::TooLarge, None),
            Capture::Taking(_) if !whole => (Moov::Broken, None),
            Capture::Taking(bytes) | Capture::Taken(bytes) => match movie::read(&bytes) {
                Some(index) => (Moov::Read, Some(index)),
                None => (Moov::Broken, None),
            },
        };
        let index = index.unwrap_or_default();
        Movie { whole, moov_first, fragmented: self.has_fragments || index.fragmented, moov, tracks: index.tracks }
    }

    /// Takes header bytes; returns how many.
    fn read_header(&mut self, bytes: &[u8]) -> usize {
        let needed = if self.header.get(..4) == Some(&[0, 0, 0, 1]) { LONG_HEADER } else { SHORT_HEADER };
        let used = bytes.len().min(needed - self.header.len());
        self.header.extend_from_slice(bytes.get(..used).unwrap_or_default());
        if let Some((kind, size)) = parse_header(&self.header) {
            self.open(kind, size);
        }
        used
    }

    fn open(&mut self, kind: [u8; 4], size: Size) {
        let taken = self.header.len() as u64;
        self.header.clear();
        self.opened += 1;
        self.body = match size {
            Size::ToTheEnd => Body::ToTheEnd,
            Size::Bytes(size) if size < taken => return self.broken = true,
            Size::Bytes(size) if size == taken => Body::None,
            Size::Bytes(size) => Body::Left(size - taken),
        };
        match &kind {
            b"moov" => self.open_moov(),
            b"mdat" => self.first_mdat = self.first_mdat.or(Some(self.opened)),
            b"moof" => self.has_fragments = true,
            _ => {}
        }
    }

    fn open_moov(&mut self) {
        if self.first_moov.is_none() {
            self.first_moov = Some(self.opened);
            self.moov = match self.body {
                Body::None => Capture::Taken(Vec::new()),
                Body::Left(left) if left > MOOV_MAX as u64 => Capture::TooLarge,
                _ => Capture::Taking(Vec::new()),
            };
        }
    }

    /// Passes over body bytes, keeping those of `moov`; returns how many.
    fn pass(&mut self, bytes: &[u8], left: Option<u64>) -> usize {
        let used =
            left.map_or(bytes.len(), |left| usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len())));
        self.keep(bytes.get(..used).unwrap_or_default());
        let Some(left) = left.map(|left| left - used as u64) else { return used };
        self.body = if left == 0 { Body::None } else { Body::Left(left) };
        if left == 0
            && let Capture::Taking(kept) = &mut self.moov
        {
            self.moov = Capture::Taken(std::mem::take(kept));
        }
        used
    }

    fn keep(&mut self, bytes: &[u8]) {
        if let Capture::Taking(kept) = &mut self.moov {
            if kept.len() + bytes.len() > MOOV_MAX {
                self.moov = Capture::TooLarge;
            } else {
                kept.extend_from_slice(bytes);
            }
        }
    }
}

/// The size of a box, its header included.
#[derive(Clone, Copy)]
pub(super) enum Size {
    /// So many bytes.
    Bytes(u64),
    /// Whatever follows.
    ToTheEnd,
}

/// The kind and size in a box header of 8 or 16 bytes; nothing if more bytes are needed.
pub(super) fn parse_header(header: &[u8]) -> Option<([u8; 4], Size)> {
    let (size, rest) = header.split_first_chunk::<4>()?;
    let (kind, rest) = rest.split_first_chunk::<4>()?;
    let size = match u32::from_be_bytes(*size) {
        0 => Size::ToTheEnd,
        1 => Size::Bytes(u64::from_be_bytes(*rest.first_chunk::<8>()?)),
        size => Size::Bytes(size.into()),
    };
    Some((*kind, size))
}

/// Bytes of a box header with a 32-bit size.
pub(super) const SHORT_HEADER: usize = 8;
/// Bytes of a box header with a 64-bit size.
pub(super) const LONG_HEADER: usize = 16;
/// The largest `moov` that is read, in bytes. A film of two hours has about 3 MB; a header's video has at most 16 MB in all.
const MOOV_MAX: usize = 8 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(bytes: &[u8]) -> Movie {
        let mut walk = BoxWalk::default();
        walk.feed(bytes);
        walk.finish()
    }

    #[test]
    fn sizes_must_add_up_to_the_length() {
        for (bytes, whole) in [
            (&b""[..], false),
            (b"\0\0\0\x08free", true),
            (b"\0\0\0\x0cfree1234", true),
            (b"\0\0\0\x0cfree123", false),
            (b"\0\0\0\x0cfree12345", false),
            (b"\0\0\0\x00mdat12345", true),
            (b"\0\0\0\x07mdat", false),
            (b"\0\0\0\x01mdat\0\0\0\0\0\0\0\x12ab", true),
            (b"\0\0\0\x01mdat\0\0\0\0\0\0\0\x0fab", false),
            (b"\0\0\0\x01mdat\xff\xff\xff\xff\xff\xff\xff\xffab", false),
            (b"\0\0\0\x01mda", false),
            (b"\xff\xff\xff\xffmoovab", false),
        ] {
            assert_eq!(walk(bytes).whole, whole, "{bytes:?}");
        }
    }

    #[test]
    fn a_moov_beyond_the_limit_is_not_kept() {
        let declared = [&u32::MAX.to_be_bytes()[..], b"moov"].concat();
        assert_eq!(walk(&declared).moov, Moov::TooLarge);
        let mut endless = BoxWalk::default();
        endless.feed(b"\0\0\0\0moov");
        endless.feed(&vec![0; MOOV_MAX]);
        endless.feed(&[0]);
        assert_eq!(endless.finish().moov, Moov::TooLarge);
    }

    #[test]
    fn the_order_of_moov_and_mdat_is_seen() {
        assert!(!walk(b"\0\0\0\x08mdat\0\0\0\x08moov").moov_first);
        assert!(walk(b"\0\0\0\x08moov\0\0\0\x08mdat").moov_first);
        assert!(!walk(b"\0\0\0\x08mdat").moov_first);
        assert!(walk(b"\0\0\0\x08moof").fragmented);
    }
}
