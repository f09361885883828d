//! Blocks on their way into the index: of a content that is being read for the first time, and whose fingerprint is known at the end.
//!
//! They count in `memory` like all others, and nobody sees them. They cannot be evicted, so they have limits of their own; past
//! one of these the whole hoard is let go of, for half a content that nobody can name is of no use.

use std::collections::BTreeMap;
use std::fmt;

use super::{Block, Claim, Index};
use crate::value::Fingerprint;

/// Blocks of a content whose fingerprint is not known yet. Dropping it lets go of them.
pub struct Hoard {
    index: Index,
    blocks: BTreeMap<u32, Block>,
    bytes: u64,
    is_closed: bool,
}

impl Hoard {
    pub(super) const fn new(index: Index, takes: bool) -> Self {
        Self { index, blocks: BTreeMap::new(), bytes: 0, is_closed: !takes }
    }

    /// Hoards a block, which counts under `memory` from now on. A number that is there already keeps its block.
    ///
    /// `false`: there is no room, or this hoard would pass a quarter of `memory`, or all hoards together half of it. All of it is let go
    /// of then, and nothing more is taken.
    pub fn add(&mut self, number: u32, block: &Block) -> bool {
        if self.is_closed || self.blocks.contains_key(&number) {
            return !self.is_closed;
        }
        if self.index.hoard_block(self.bytes, block) {
            self.bytes += block.weight();
            self.blocks.insert(number, block.clone());
        } else {
            self.is_closed = true;
            self.let_go();
        }
        !self.is_closed
    }

    /// Whether it still takes blocks.
    pub const fn is_open(&self) -> bool {
        !self.is_closed
    }

    /// A block that was hoarded, if the hoard was not let go of.
    #[cfg(test)]
    pub(super) fn block(&self, number: u32) -> Option<&Block> {
        self.blocks.get(&number)
    }

    /// The fingerprint is known: the blocks are ordinary ones, on probation, and in sight. Those that lie in the index already stay.
    pub fn keep(mut self, fingerprint: Fingerprint) {
        let blocks = std::mem::take(&mut self.blocks);
        self.index.keep_hoarded(fingerprint, blocks);
    }

    /// The fingerprint is known, and a link was minted: the blocks are held until the first complete fetch, or until the claim is over. Those
    /// that lie in the index already stay, and are held as well.
    pub fn hold(mut self, fingerprint: Fingerprint, claim: Claim) {
        let blocks = std::mem::take(&mut self.blocks);
        if self.is_closed {
            self.index.count_prewarm_drop();
        } else if !blocks.is_empty() {
            self.index.hold_hoarded(fingerprint, claim, blocks);
        }
    }

    fn let_go(&mut self) {
        let blocks = std::mem::take(&mut self.blocks);
        if !blocks.is_empty() {
            self.index.let_go(blocks.into_values());
        }
    }
}

impl Drop for Hoard {
    fn drop(&mut self) {
        self.let_go();
    }
}

impl fmt::Debug for Hoard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hoard").field("blocks", &self.blocks.len()).field("bytes", &self.bytes).finish_non_exhaustive()
    }
}
