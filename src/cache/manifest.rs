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
mod tests;
