//! The block index: which blocks are kept, and which of them leave when room is needed.
//!
//! New blocks are on probation; those that are used there, or come back soon after, are protected: S3-FIFO, so a scan leaves the hot
//! ones alone. How much is on probation follows from what comes back after its eviction, as in ARC. Beside these two lies the holding area for what was minted and not fetched yet. All of them, and the hoards, share one ceiling.
//!
//! What always holds: the weights of all blocks here never exceed `memory`, not for a moment, for room is made before it is taken; and a
//! block that anybody holds is never evicted, so what is sent is counted here until it is sent.
//!
//! Why not `quick_cache`: its eviction walks over all pinned entries from the head of its list for each insert, and admits past its
//! capacity when everything is pinned. Nor can its capacity be shared exactly with a holding area of changing size.

mod claim;
mod ghosts;
mod hoard;
mod holding;
mod queue;
mod room;
mod shelves;
mod usage;

#[cfg(test)]
mod audit;
#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::Block;
use crate::value::{Fingerprint, VersionId};
use shelves::{Place, Shelves};

pub use claim::{Claim, ClaimLink};
pub use hoard::Hoard;
pub use usage::{Share, Usage};

/// What a block belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ContentId {
    /// The content with this fingerprint, wherever it lies: its blocks were compared with it.
    Fingerprint(Fingerprint),
    /// What lies in one version of one object, of which nobody knows the fingerprint yet: the store is believed.
    Version(VersionId),
}

/// One block of one content.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct BlockKey {
    /// The content.
    pub content: ContentId,
    /// Which block of it, from 0.
    pub number: u32,
}

impl BlockKey {
    /// A block of the content with this fingerprint.
    pub const fn of(fingerprint: Fingerprint, number: u32) -> Self {
        Self { content: ContentId::Fingerprint(fingerprint), number }
    }
}

/// The blocks that are kept. Clones share them.
#[derive(Clone)]
pub struct Index(Arc<RwLock<Shelves>>);

impl Index {
    /// An empty index for so many bytes of blocks, `memory`, of which up to `prewarm` may be held. What is held gives way to newer contents
    /// only, so a `prewarm` near `memory` leaves nothing for the others.
    pub fn new(memory: u64, prewarm: u64) -> Self {
        Self(Arc::new(RwLock::new(Shelves::new(memory, prewarm))))
    }

    /// The block, if it is there. This counts as a use.
    pub fn get(&self, key: &BlockKey) -> Option<Block> {
        let shelves = self.read();
        let entry = shelves.entries.get(key)?;
        entry.touch();
        Some(entry.block.clone())
    }

    /// Whether the block is there. This does not count as a use.
    pub fn has(&self, key: &BlockKey) -> bool {
        self.read().entries.contains_key(key)
    }

    /// Keeps a block, once there is room for it; from then on it counts here, and is in flight no more.
    ///
    /// `true`: the key lies in the index, with this block or with the one that was there before, which stays. `false`: no room could be made,
    /// for what is here is held by others or for a link; the block is what it was.
    pub fn keep(&self, key: BlockKey, block: &Block) -> bool {
        let kept = self.change(|shelves, out| {
            if shelves.entries.contains_key(&key) {
                return None;
            }
            let room = shelves.make_room(block.weight(), out);
            if room {
                let line = shelves.beginning(&key, block.weight());
                shelves.insert(key, block.clone(), Place::Queued(line));
            }
            Some(room)
        });
        if kept == Some(true) {
            block.settle();
        }
        kept.unwrap_or(true)
    }

    /// A place for the blocks of a content whose fingerprint is not known yet.
    pub fn hoard(&self) -> Hoard {
        Hoard::new(self.clone(), true)
    }

    /// A hoard that takes nothing.
    pub fn no_hoard(&self) -> Hoard {
        Hoard::new(self.clone(), false)
    }

    /// A link was minted: if the content is held, it is held for this link as well, so for as long as the longest claim lasts. `false`: it
    /// is not held.
    pub fn claim(&self, fingerprint: &Fingerprint, claim: impl FnOnce() -> Claim) -> bool {
        // Nearly every mint is of a content that is not held, and needs neither a claim nor a lock of its own.
        self.is_held(fingerprint) && self.write().holding.extend(fingerprint, claim())
    }

    /// The content was fetched completely: if it was held, it is on probation now.
    pub fn fetched(&self, fingerprint: &Fingerprint) {
        if self.is_held(fingerprint) {
            self.release_if(&[*fingerprint], |_| true);
        }
    }

    /// Those that are held by a claim that is over, as `over` says, are on probation from now on. `over` must not ask the index anything.
    pub fn lapse(&self, over: impl Fn(&Claim) -> bool) {
        let lapsed = self.read().holding.over(&over);
        // A link may have been minted in between, so each is asked again.
        self.release_if(&lapsed, over);
    }

    /// What lies here by state, and what had to leave.
    pub fn usage(&self) -> Usage {
        self.change(Shelves::sweep);
        self.read().usage
    }

    fn is_held(&self, fingerprint: &Fingerprint) -> bool {
        self.read().holding.claim(fingerprint).is_some()
    }

    fn release_if(&self, fingerprints: &[Fingerprint], over: impl Fn(&Claim) -> bool) {
        for fingerprint in fingerprints {
            let mut shelves = self.write();
            if shelves.holding.claim(fingerprint).is_some_and(&over) {
                shelves.release(fingerprint);
            }
        }
    }

    fn hoard_block(&self, hoarded: u64, block: &Block) -> bool {
        let weight = block.weight();
        let added = self.change(|shelves, out| {
            let crowded = |shelves: &Shelves| shelves.usage.hoarded.bytes.saturating_add(weight) > shelves.memory / 2;
            if crowded(shelves) {
                shelves.sweep(out);
            }
            let fits = hoarded.saturating_add(weight) <= shelves.memory / 4 && !crowded(shelves);
            let room = fits && shelves.make_room(weight, out);
            if room {
                shelves.usage.hoarded.add(weight);
            }
            room
        });
        if added {
            block.settle();
        }
        added
    }

    fn keep_hoarded(&self, fingerprint: Fingerprint, blocks: BTreeMap<u32, Block>) {
        self.change(|shelves, out| {
            for (number, block) in blocks {
                shelves.shelve(BlockKey::of(fingerprint, number), block, false, out);
            }
        });
    }

    fn hold_hoarded(&self, fingerprint: Fingerprint, claim: Claim, blocks: BTreeMap<u32, Block>) {
        self.change(|shelves, out| shelves.hold(fingerprint, claim, blocks, out));
    }

    fn count_prewarm_drop(&self) {
        self.write().usage.prewarm_drops += 1;
    }

    fn let_go(&self, blocks: impl Iterator<Item = Block>) {
        self.change(|shelves, out| blocks.for_each(|block| shelves.let_go(block, out)));
    }

    /// Changes what lies here. The blocks that leave by it are freed after the lock.
    ///
    /// Until they are freed they are real. What came in is counted in flight as well until then, which makes up for as much of them; the
    /// rest of them counts as leaving.
    fn change<T>(&self, act: impl FnOnce(&mut Shelves, &mut Vec<Block>) -> T) -> T {
        let mut out = Vec::new();
        let mut shelves = self.write();
        let before = shelves.usage.bytes();
        let result = act(&mut shelves, &mut out);
        shelves.tidy();
        let leaving = before.saturating_sub(shelves.usage.bytes());
        shelves.leaving += leaving;
        drop(shelves);
        drop(out);
        if leaving > 0 {
            self.write().leaving -= leaving;
        }
        result
    }

    fn read(&self) -> RwLockReadGuard<'_, Shelves> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Shelves> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Index").field("usage", &self.read().usage).finish_non_exhaustive()
    }
}
