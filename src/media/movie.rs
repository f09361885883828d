//! The index of a movie, `moov`: which tracks there are, and how they are coded.
//!
//! The containers are walked here, five levels deep and never deeper, and `mp4-atom` reads only two leaves, the H.264 and the AAC
//! configuration. Handing it the whole `moov` is easier, but it descends as deep as the boxes nest: fifty `trak` in each
//! other, 400 bytes, end the process with a stack overflow, and one odd box of metadata would hide a good film.

use mp4_atom::{Atom, Avcc, Esds};

use super::boxes::{LONG_HEADER, SHORT_HEADER, Size, parse_header};
use super::facts::{Track, TrackKind};

/// What a `moov` says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Index {
    /// It announces fragments (`mvex`).
    pub fragmented: bool,
    /// Its tracks with picture or sound.
    pub tracks: Vec<Track>,
}

/// Reads the body of a `moov`; nothing if its boxes contradict each other.
pub(super) fn read(moov: &[u8]) -> Option<Index> {
    let mut index = Index::default();
    for child in Children(moov) {
        match child? {
            (b"mvex", _) => index.fragmented = true,
            (b"trak", _) if index.tracks.len() == TRACKS_MAX => return None,
            (b"trak", body) => index.tracks.extend(read_track(body).ok()?),
            _ => {}
        }
    }
    Some(index)
}

/// The boxes of a track contradict each other, or one that it needs is not there.
struct Broken;

/// A track, if it has picture or sound.
fn read_track(trak: &[u8]) -> Result<Option<Track>, Broken> {
    let mdia = find(trak, *b"mdia").ok_or(Broken)?;
    let kind = match find(mdia, *b"hdlr").and_then(|hdlr| hdlr.get(8..12)) {
        Some(b"vide") => TrackKind::Video,
        Some(b"soun") => TrackKind::Audio,
        Some(_) => return Ok(None),
        None => return Err(Broken),
    };
    let stbl = find(mdia, *b"minf").and_then(|minf| find(minf, *b"stbl")).ok_or(Broken)?;
    let (codec, entry) = first_sample_entry(stbl).ok_or(Broken)?;
    let reordered = find(stbl, *b"ctts").is_some_and(has_differing_offsets);
    Ok(Some(Track { kind, codec: printable(*codec), profile: profile(*codec, entry), reordered }))
}

/// The description of a track's samples. Version, flags and a count stand before it.
fn first_sample_entry(stbl: &[u8]) -> Option<(&[u8; 4], &[u8])> {
    Children(find(stbl, *b"stsd")?.get(8..)?).next()?
}

/// The H.264 profile, or the object type of `mp4a`.
fn profile(codec: [u8; 4], entry: &[u8]) -> Option<u8> {
    match &codec {
        b"avc1" | b"avc3" => {
            let mut avcc = find(entry.get(VISUAL_ENTRY..)?, *b"avcC").filter(|body| body.len() <= LEAF_MAX)?;
            Some(Avcc::decode_body(&mut avcc).ok()?.avc_profile_indication)
        }
        b"mp4a" => {
            let mut esds = find(entry.get(SOUND_ENTRY..)?, *b"esds").filter(|body| body.len() <= ESDS_MAX)?;
            Some(Esds::decode_body(&mut esds).ok()?.es_desc.dec_config.object_type_indication)
        }
        _ => None,
    }
}

/// Whether the composition offsets differ: a muxer may write the same one for all frames, which moves but reorders nothing.
fn has_differing_offsets(ctts: &[u8]) -> bool {
    let (entries, _) = ctts.get(8..).unwrap_or_default().as_chunks::<8>();
    let mut offsets = entries.iter().map(|[_, _, _, _, offset @ ..]| offset);
    let first = offsets.next();
    offsets.any(|offset| Some(offset) != first)
}

/// The body of the first child of that kind.
fn find(parent: &[u8], kind: [u8; 4]) -> Option<&[u8]> {
    Children(parent).map_while(|child| child).find(|child| *child.0 == kind).map(|child| child.1)
}

fn printable(codec: [u8; 4]) -> String {
    codec.iter().map(|&b| if b.is_ascii_graphic() || b == b' ' { char::from(b) } else { '?' }).collect()
}

/// The boxes in a body, one after the other: kind and body. `None` as an item: the sizes contradict the bytes.
struct Children<'a>(&'a [u8]);

impl<'a> Iterator for Children<'a> {
    type Item = Option<(&'a [u8; 4], &'a [u8])>;

    fn next(&mut self) -> Option<Self::Item> {
        // Fewer bytes than a header are padding, and so are zeros, with which QuickTime ends some lists.
        if self.0.len() < SHORT_HEADER || self.0.starts_with(&[0; SHORT_HEADER]) {
            return None;
        }
        let child = take_box(self.0);
        self.0 = child.map_or(&[], |(_, _, rest)| rest);
        Some(child.map(|(kind, body, _)| (kind, body)))
    }
}

/// The first box of some bytes: its kind, its body, and what follows it.
fn take_box(bytes: &[u8]) -> Option<(&[u8; 4], &[u8], &[u8])> {
    let header = if bytes.starts_with(&[0, 0, 0, 1]) { LONG_HEADER } else { SHORT_HEADER };
    let size = match parse_header(bytes)?.1 {
        Size::Bytes(size) => usize::try_from(size).ok()?,
        Size::ToTheEnd => bytes.len(),
    };
    let kind = bytes.get(4..8)?.first_chunk()?;
    Some((kind, bytes.get(header..size)?, bytes.get(size..)?))
}

/// The most tracks that a movie may have.
const TRACKS_MAX: usize = 64;
/// The bytes of a visual sample entry before its boxes (ISO/IEC 14496-12 section 12.1.3).
const VISUAL_ENTRY: usize = 78;
/// The bytes of an audio sample entry before its boxes (ISO/IEC 14496-12 section 12.2.3).
const SOUND_ENTRY: usize = 28;
/// The largest H.264 configuration that is read, in bytes. Usual ones have 50.
const LEAF_MAX: usize = 64 * 1024;
/// The largest `esds` that is read, in bytes. Usual ones have 50; its descriptors nest, and the reader follows them on the stack.
const ESDS_MAX: usize = 512;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn boxed(kind: [u8; 4], body: &[u8]) -> Vec<u8> {
        let size = u32::try_from(body.len() + 8).unwrap();
        [&size.to_be_bytes()[..], &kind, body].concat()
    }

    /// The body of the demo film's `moov`, which stands right behind its `ftyp`.
    fn demo_moov() -> Vec<u8> {
        let film = include_bytes!("../cli/demo_media/tour.mp4");
        let found = Children(film).map(Option::unwrap).find(|child| child.0 == b"moov").unwrap();
        found.1.to_vec()
    }

    #[test]
    fn the_demo_film_has_one_main_track_and_one_of_aac() {
        let video = Track { kind: TrackKind::Video, codec: "avc1".into(), profile: Some(77), reordered: false };
        let audio = Track { kind: TrackKind::Audio, codec: "mp4a".into(), profile: Some(0x40), reordered: false };
        assert_eq!(read(&demo_moov()).unwrap(), Index { fragmented: false, tracks: vec![video, audio] });
    }

    #[test]
    fn deep_nesting_costs_no_stack() {
        let mut nested = Vec::new();
        for level in 0_u32..200_000 {
            nested.extend_from_slice(&((200_000 - level) * 8).to_be_bytes());
            nested.extend_from_slice(b"trak");
        }
        assert_eq!(read(&nested), None);
    }

    #[test]
    fn nested_descriptors_and_false_counts_are_refused_quietly() {
        // Each descriptor holds the next one: tag, a length of two bytes, and the three bytes that stand before its children.
        let mut nested: Vec<u8> = Vec::new();
        while nested.len() < ESDS_MAX - 10 {
            let size = u8::try_from((nested.len() + 3) >> 7).unwrap();
            let low = u8::try_from((nested.len() + 3) & 0x7f).unwrap();
            nested = [&[3, 0x80 | size, low, 0, 0, 0][..], &nested].concat();
        }
        let esds = [&[0; 4][..], &nested].concat();
        assert!(esds.len() <= ESDS_MAX);
        assert_eq!(profile(*b"mp4a", &[vec![0; SOUND_ENTRY], boxed(*b"esds", &esds)].concat()), None);
        let many_sets = [1, 77, 0, 30, 0xff, 0xff, 0xff, 0xff];
        assert_eq!(profile(*b"avc1", &[vec![0; VISUAL_ENTRY], boxed(*b"avcC", &many_sets)].concat()), None);
        assert!(!has_differing_offsets(&[0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]));
    }

    #[test]
    fn too_many_tracks_are_refused() {
        let trak = demo_moov();
        let trak = find(&trak, *b"trak").unwrap();
        assert!(read(&boxed(*b"trak", trak).repeat(TRACKS_MAX)).is_some());
        assert_eq!(read(&boxed(*b"trak", trak).repeat(TRACKS_MAX + 1)), None);
    }

    #[test]
    fn only_differing_offsets_reorder() {
        for (entries, reordered) in
            [(&[0_u32, 9][..], false), (&[0, 9, 0, 9], false), (&[0, 9, 0, 8], true), (&[], false)]
        {
            let body: Vec<u8> = [0, 2].iter().chain(entries).flat_map(|n| n.to_be_bytes()).collect();
            assert_eq!(has_differing_offsets(&body), reordered, "{entries:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]
        #[test]
        fn a_damaged_moov_is_read_or_refused(
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
            cut in prop::option::weighted(0.2, any::<prop::sample::Index>()),
        ) {
            let mut moov = demo_moov();
            for (place, byte) in changes {
                let place = place.index(moov.len());
                moov[place] = byte;
            }
            if let Some(cut) = cut {
                moov.truncate(cut.index(moov.len()));
            }
            if let Some(index) = read(&moov) {
                prop_assert!(index.tracks.len() <= TRACKS_MAX);
            }
        }

        #[test]
        fn any_bytes_are_read_or_refused(moov in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&moov);
        }
    }
}
