//! Manifests against the plain hash, against flipped bits, and against lists that others wrote.

use proptest::prelude::*;

use super::*;

/// Content that looks random; another `seed` gives another one.
fn content(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

fn built(content: &[u8]) -> Manifest {
    let mut builder = ManifestBuilder::new(content.len() as u64);
    content.chunks(BLOCK).for_each(|block| builder.push(block));
    builder.finish().unwrap()
}

fn proven(bytes: &[u8], manifest: &Manifest) -> Option<Manifest> {
    Manifest::prove(bytes, manifest.length(), manifest.fingerprint())
}

/// What must hold of every content.
fn holds_for(content: &[u8]) {
    let manifest = built(content);
    let length = content.len();
    assert_eq!(manifest.fingerprint().as_bytes(), blake3::hash(content).as_bytes(), "{length}");
    assert_eq!(manifest.length(), length as u64);
    let blocks: Vec<&[u8]> = content.chunks(BLOCK).collect();
    assert_eq!(manifest.blocks() as usize, blocks.len(), "{length}");
    let listed = if blocks.len() < 2 { 0 } else { blocks.len() * VALUE };
    assert_eq!(manifest.to_bytes().len(), listed, "{length}");
    assert_eq!(proven(&manifest.to_bytes(), &manifest).as_ref(), Some(&manifest), "{length}");
    for (number, block) in (0_u32..).zip(&blocks) {
        assert_eq!(block_length(length as u64, number), block.len(), "{length}: {number}");
        assert!(manifest.verify(number, block), "{length}: {number}");
        assert!(!manifest.verify(number + 1, block), "{length}: {number}");
        assert!(!manifest.verify(number, &block[1..]), "{length}: {number}");
        assert!(!manifest.verify(number, &[block, &[0_u8][..]].concat()), "{length}: {number}");
    }
    for past in [manifest.blocks(), manifest.blocks() + 1, u32::MAX] {
        assert_eq!(block_length(length as u64, past), 0);
        assert!(!manifest.verify(past, b"") && !manifest.verify(past, b"x"));
    }
}

#[test]
fn the_root_of_the_blocks_is_the_plain_hash_of_the_content() {
    for length in [0, 1, 1023, 1024, 1025, BLOCK - 1, BLOCK, BLOCK + 1, BLOCK + 1024, 2 * BLOCK - 1, 2 * BLOCK] {
        holds_for(&content(1, length));
    }
    for length in [2 * BLOCK + 1, 3 * BLOCK, 3 * BLOCK + 1, 4 * BLOCK, 5 * BLOCK + 7, 16 * BLOCK, 17 * BLOCK] {
        holds_for(&content(2, length));
    }
}

#[test]
fn a_content_of_one_block_needs_no_list() {
    for length in [1, 1024, BLOCK] {
        let bytes = content(3, length);
        assert_eq!(Manifest::of_one_block(length as u64, Fingerprint::of(&bytes)), Some(built(&bytes)));
    }
    for length in [0, BLOCK as u64 + 1, u64::MAX] {
        assert_eq!(Manifest::of_one_block(length, Fingerprint::of(b"x")), None, "{length}");
    }
}

#[test]
fn a_content_of_no_bytes_has_no_blocks() {
    let nothing = ManifestBuilder::new(0).finish().unwrap();
    assert_eq!((nothing.blocks(), nothing.length(), nothing.fingerprint()), (0, 0, Fingerprint::of(b"")));
    assert!(!nothing.verify(0, b""));
    assert_eq!(Manifest::prove(b"", 0, Fingerprint::of(b"x")), None);
    let mut too_much = ManifestBuilder::new(0);
    too_much.push(b"");
    assert_eq!(too_much.finish(), None);
}

#[test]
fn a_list_of_another_length_or_order_is_no_proof() {
    for blocks in [2, 3, 4, 5, 8, 9] {
        let manifest = built(&content(4, (blocks - 1) * BLOCK + 5));
        let list = manifest.to_bytes();
        let mut swapped = list.clone();
        swapped.rotate_left(VALUE);
        let mut reversed = list.clone();
        reversed[..2 * VALUE].rotate_left(VALUE);
        let twice = [&list[..], &list[..]].concat();
        let zero_more = [&list[..], &[0; VALUE]].concat();
        // What the values stand for, merged beforehand: the same root over fewer values.
        let merged = list.as_chunks::<VALUE>().0.chunks(2).flat_map(|pair| subtree(pair).unwrap());
        let merged: Vec<u8> = merged.collect();
        for (what, bytes) in [
            ("empty", &b""[..]),
            ("its root", manifest.fingerprint().as_bytes()),
            ("short of one byte", &list[..list.len() - 1]),
            ("short of one value", &list[..list.len() - VALUE]),
            ("one byte more", &zero_more[..=list.len()]),
            ("one value more", &zero_more),
            ("twice", &twice),
            ("rotated", &swapped),
            ("two swapped", &reversed),
            ("merged", &merged),
        ] {
            assert_eq!(proven(bytes, &manifest), None, "{blocks} blocks: {what}");
        }
        for length in [0, 1, BLOCK as u64, manifest.length() + BLOCK as u64, u64::MAX] {
            assert_eq!(Manifest::prove(&list, length, manifest.fingerprint()), None, "{blocks} blocks as {length}");
        }
        assert_eq!(Manifest::prove(&list, manifest.length(), Fingerprint::of(b"x")), None);
    }
}

#[test]
fn under_a_length_that_is_not_the_contents_no_last_block_is_proven() {
    let bytes = content(5, BLOCK + 100);
    let honest = built(&bytes);
    for length in [BLOCK + 99, BLOCK + 101, 2 * BLOCK] {
        let told = Manifest::prove(&honest.to_bytes(), length as u64, honest.fingerprint()).unwrap();
        let mut other = bytes.clone();
        other.resize(length, 0);
        assert!(!told.verify(1, &other[BLOCK..]) && !told.verify(1, &bytes[BLOCK..]), "{length}");
    }
}

#[test]
fn a_block_is_proven_in_its_own_place_only() {
    let bytes = content(6, 5 * BLOCK);
    let (manifest, same) = (built(&bytes), built(&vec![7; 5 * BLOCK]));
    for (place, number) in (0..5).flat_map(|place| (0..5_u32).map(move |number| (place, number))) {
        let block = &bytes[place * BLOCK..][..BLOCK];
        assert_eq!(manifest.verify(number, block), place == number as usize, "{place} as {number}");
    }
    let list = same.to_bytes();
    assert_ne!(list[..VALUE], list[VALUE..2 * VALUE], "equal blocks have values of their own");
}

#[test]
fn only_exactly_the_contents_blocks_give_a_manifest() {
    let bytes = content(7, 2 * BLOCK + 9);
    let (one, two, end) = (&bytes[..BLOCK], &bytes[BLOCK..2 * BLOCK], &bytes[2 * BLOCK..]);
    let tried = |length: u64, blocks: &[&[u8]]| {
        let mut builder = ManifestBuilder::new(length);
        for block in blocks {
            builder.push(block);
        }
        builder.finish()
    };
    let length = bytes.len() as u64;
    assert!(tried(length, &[one, two, end]).is_some());
    for blocks in [
        &[][..],
        &[one, two],
        &[one, two, end, b""],
        &[one, two, end, b"x"],
        &[one, two, &end[1..]],
        &[one, two, two],
        &[&one[1..], two, end],
        &[b"", one, two, end],
        &[one, end],
        &[&bytes[..]],
    ] {
        let lengths: Vec<usize> = blocks.iter().map(|block| block.len()).collect();
        assert_eq!(tried(length, blocks), None, "{lengths:?}");
    }
    assert_eq!(tried(3, &[b"abcd"]), None);
    assert_eq!(tried(3, &[b"ab", b"c"]), None);
    assert_eq!(tried(u64::MAX, &[one]), None);
}

#[test]
fn blocks_are_counted_as_far_as_their_numbers_reach() {
    let most = u64::from(u32::MAX) * BLOCK as u64;
    for (length, blocks) in [(0, Some(0)), (1, Some(1)), (most, Some(u32::MAX)), (most + 1, None), (u64::MAX, None)] {
        assert_eq!(block_count(length), blocks, "{length}");
    }
    assert_eq!((block_length(most, u32::MAX - 1), block_length(most, u32::MAX)), (BLOCK, 0));
    assert_eq!(block_length(u64::MAX, u32::MAX), BLOCK);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_content_and_its_manifest_agree(seed: u64, length in 0..6 * BLOCK) {
        holds_for(&content(seed, length));
    }

    #[test]
    fn any_flipped_bit_is_found(length in 1..4 * BLOCK, at: prop::sample::Index, bit in 0..8_u32) {
        let mut bytes = content(8, length);
        let manifest = built(&bytes);
        let at = at.index(length);
        bytes[at] ^= 1 << bit;
        for (number, block) in (0_u32..).zip(bytes.chunks(BLOCK)) {
            prop_assert_eq!(manifest.verify(number, block), number as usize != at / BLOCK);
        }
        let mut list = manifest.to_bytes();
        if !list.is_empty() {
            let at = at % list.len();
            list[at] ^= 1 << bit;
            prop_assert_eq!(proven(&list, &manifest), None);
        }
    }
}
