//! What proves a block: the BLAKE3 subtree values of a content's blocks, whose root is the content's fingerprint.
//!
//! A block is a whole subtree of BLAKE3's tree, so the values merge into the very hash that `b3sum` prints, and a list of them proves itself
//! against a fingerprint, whoever kept it. A content of one block has no subtree below its root: it needs no list, and its block is compared with
//! the fingerprint. A content of no bytes has no blocks. There is no way to a [`Manifest`] whose root is not its fingerprint.

use blake3::hazmat::{ChainingValue, HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root};

use super::BLOCK;
use crate::value::Fingerprint;

/// The proof of a content's blocks. Each block is proven by itself, in any order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    length: u64,
    fingerprint: Fingerprint,
    /// One for each block, in order; empty where there are fewer than two.
    values: Box<[ChainingValue]>,
}

impl Manifest {
    /// What [`Manifest::to_bytes`] wrote for this content, of `length` bytes. `None` unless there is one value for each block and their
    /// root is the fingerprint.
    ///
    /// The root says nothing of the last block's length: under a `length` that is not the content's, no last block is ever proven.
    pub fn prove(bytes: &[u8], length: u64, fingerprint: Fingerprint) -> Option<Self> {
        let (values, rest) = bytes.as_chunks::<VALUE>();
        if !rest.is_empty() || values.len() != value_count(length)? {
            return None;
        }
        let proven = match length {
            0 => fingerprint == Fingerprint::of(b""),
            length if length <= BLOCK as u64 => true,
            _ => root(values)? == fingerprint,
        };
        proven.then(|| Self { length, fingerprint, values: values.into() })
    }

    /// The manifest of a content of one block, which needs no list. `None` unless `length` is from 1 to [`BLOCK`] bytes.
    pub fn of_one_block(length: u64, fingerprint: Fingerprint) -> Option<Self> {
        (block_count(length)? == 1).then(|| Self { length, fingerprint, values: Box::default() })
    }

    /// The values one after the other, 32 bytes each; nothing for a content of fewer than two blocks.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.values.as_flattened().to_vec()
    }

    /// The content's length in bytes.
    pub const fn length(&self) -> u64 {
        self.length
    }

    /// The content's fingerprint.
    pub const fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// How many blocks the content has.
    pub fn blocks(&self) -> u32 {
        block_count(self.length).unwrap_or(0)
    }

    /// Whether these are the bytes of the block with this number, all of them and no others.
    pub fn verify(&self, number: u32, block: &[u8]) -> bool {
        if block.is_empty() || block.len() != block_length(self.length, number) {
            return false;
        }
        if self.blocks() == 1 {
            return Fingerprint::of(block) == self.fingerprint;
        }
        let value = usize::try_from(number).ok().and_then(|number| self.values.get(number));
        value.is_some_and(|value| *value == value_of(number, block))
    }
}

/// Makes the manifest of a content that comes block by block.
#[derive(Debug)]
pub struct ManifestBuilder {
    length: u64,
    /// How many blocks came, all of them as they should.
    came: u32,
    values: Vec<ChainingValue>,
    /// The hash of the only block of a content that has one.
    only: Option<Fingerprint>,
    /// Whether a block came that is none of the content's.
    astray: bool,
}

impl ManifestBuilder {
    /// Starts the manifest of a content of `length` bytes.
    pub const fn new(length: u64) -> Self {
        Self { length, came: 0, values: Vec::new(), only: None, astray: false }
    }

    /// The next block, of exactly the length that the content has there; after any other, nothing comes of it.
    pub fn push(&mut self, block: &[u8]) {
        let due = block_length(self.length, self.came);
        if self.astray || due == 0 || block.len() != due {
            self.astray = true;
            return;
        }
        if self.length <= BLOCK as u64 {
            self.only = Some(Fingerprint::of(block));
        } else {
            self.values.push(value_of(self.came, block));
        }
        match self.came.checked_add(1) {
            Some(came) => self.came = came,
            None => self.astray = true,
        }
    }

    /// The manifest, whose fingerprint is that of what came. `None` unless exactly the content's blocks came.
    pub fn finish(self) -> Option<Manifest> {
        let Self { length, came, values, only, astray } = self;
        if astray || came != block_count(length)? {
            return None;
        }
        let fingerprint = match came {
            0 => Fingerprint::of(b""),
            1 => only?,
            _ => root(&values)?,
        };
        Some(Manifest { length, fingerprint, values: values.into() })
    }
}

/// How many blocks a content of `length` bytes has; `None` when block numbers do not reach that far, past 1 PiB.
pub fn block_count(length: u64) -> Option<u32> {
    u32::try_from(length.div_ceil(BLOCK as u64)).ok()
}

/// How many bytes the block with this number has in a content of `length` bytes: 0 past its end.
pub fn block_length(length: u64, number: u32) -> usize {
    let left = length.saturating_sub(offset(number));
    usize::try_from(left).unwrap_or(BLOCK).min(BLOCK)
}

/// How many values a manifest lists for a content of `length` bytes.
fn value_count(length: u64) -> Option<usize> {
    match block_count(length)? {
        0 | 1 => Some(0),
        blocks => usize::try_from(blocks).ok(),
    }
}

/// Where the block with this number begins, in bytes.
fn offset(number: u32) -> u64 {
    u64::from(number) * BLOCK as u64
}

/// The subtree value of a block that is not the only one and not empty, which the crate would answer with a panic.
fn value_of(number: u32, block: &[u8]) -> ChainingValue {
    blake3::Hasher::new().set_input_offset(offset(number)).update(block).finalize_non_root()
}

/// The root over the blocks' values. `None` for fewer than two, which have none.
fn root(values: &[ChainingValue]) -> Option<Fingerprint> {
    let (left, right) = halves(values)?;
    let root = merge_subtrees_root(&subtree(left)?, &subtree(right)?, Mode::Hash);
    Some(Fingerprint::from_bytes(root.into()))
}

/// The value over the values of neighbours. It calls itself at most 32 deep, as there are no more blocks than a `u32` counts.
fn subtree(values: &[ChainingValue]) -> Option<ChainingValue> {
    if let [one] = values {
        return Some(*one);
    }
    let (left, right) = halves(values)?;
    Some(merge_subtrees_non_root(&subtree(left)?, &subtree(right)?, Mode::Hash))
}

/// BLAKE3's tree is full on the left: the left half is the largest power of two that leaves something for the right.
fn halves(values: &[ChainingValue]) -> Option<(&[ChainingValue], &[ChainingValue])> {
    if values.len() < 2 {
        return None;
    }
    values.split_at_checked(values.len().next_power_of_two() / 2)
}

/// The bytes of one value.
const VALUE: usize = blake3::OUT_LEN;

// A block is a subtree only if its chunks are a power of two.
const _: () = assert!(BLOCK.is_power_of_two() && BLOCK >= blake3::CHUNK_LEN);

#[cfg(test)]
mod tests {
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
        for (length, blocks) in [(0, Some(0)), (1, Some(1)), (most, Some(u32::MAX)), (most + 1, None), (u64::MAX, None)]
        {
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
}
