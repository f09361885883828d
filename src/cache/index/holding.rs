//! The holding area: contents that were minted and not fetched yet, first in, first out.
//!
//! Ordinary blocks never push them out: only newer contents do, past the area's ceiling, and then a content goes as a whole, to
//! probation. One content may take a sixteenth of the area, so that one big video does not flush a thousand images.

use std::collections::{BTreeMap, HashMap};

use super::queue::{Queue, Ticket};
use super::shelves::{Line, Place, Shelves};
use super::{Block, BlockKey, Claim};
use crate::value::Fingerprint;

/// What is held, and in which order it came.
#[derive(Debug)]
pub(super) struct Holding {
    ceiling: u64,
    objects: HashMap<Fingerprint, Held>,
    order: Queue<Fingerprint>,
}

#[derive(Debug)]
struct Held {
    claim: Claim,
    numbers: Vec<u32>,
    ticket: Ticket,
}

impl Holding {
    /// An empty area of so many bytes.
    pub(super) fn new(ceiling: u64) -> Self {
        Self { ceiling, objects: HashMap::new(), order: Queue::new() }
    }

    /// The contents whose claim is over, in the order in which they came.
    pub(super) fn over(&self, over: impl Fn(&Claim) -> bool) -> Vec<Fingerprint> {
        let lapsed = self.objects.iter().filter(|(_, held)| over(&held.claim));
        let mut lapsed: Vec<_> = lapsed.map(|(fingerprint, held)| (held.ticket, *fingerprint)).collect();
        lapsed.sort_unstable_by_key(|(ticket, _)| *ticket);
        lapsed.into_iter().map(|(_, fingerprint)| fingerprint).collect()
    }

    /// Why a content is held, if it is.
    pub(super) fn claim(&self, fingerprint: &Fingerprint) -> Option<&Claim> {
        self.objects.get(fingerprint).map(|held| &held.claim)
    }

    /// Lets a content be held for another link as well.
    pub(super) fn extend(&mut self, fingerprint: &Fingerprint, claim: Claim) -> bool {
        let Some(held) = self.objects.get_mut(fingerprint) else { return false };
        held.claim = held.claim.clone().or_later(claim);
        true
    }

    fn add(&mut self, fingerprint: Fingerprint, held: Held) {
        self.order.push(held.ticket, fingerprint);
        self.objects.insert(fingerprint, held);
    }

    fn remove(&mut self, fingerprint: &Fingerprint) -> Option<Held> {
        let held = self.objects.remove(fingerprint)?;
        let Self { objects, order, .. } = self;
        let is_good = |ticket, key: &Fingerprint| objects.get(key).is_some_and(|held| held.ticket == ticket);
        order.tidy(objects.len(), is_good);
        Some(held)
    }

    fn oldest(&mut self) -> Option<Fingerprint> {
        loop {
            let (ticket, fingerprint) = self.order.pop()?;
            if self.objects.get(&fingerprint).is_some_and(|held| held.ticket == ticket) {
                return Some(fingerprint);
            }
        }
    }

    /// How many of the first blocks one content may hold.
    fn admitted(&self, blocks: &BTreeMap<u32, Block>) -> (usize, u64) {
        let (mut count, mut bytes) = (0, 0);
        for weight in blocks.values().map(Block::weight) {
            if bytes + weight > self.ceiling / OBJECT_SHARE {
                break;
            }
            (count, bytes) = (count + 1, bytes + weight);
        }
        (count, bytes)
    }

    /// How many contents are held, and how many marks are kept for them.
    #[cfg(test)]
    pub(super) fn lengths(&self) -> (usize, usize) {
        (self.objects.len(), self.order.len())
    }

    /// Which blocks are held.
    #[cfg(test)]
    pub(super) fn keys(&self) -> impl Iterator<Item = BlockKey> {
        self.objects
            .iter()
            .flat_map(move |(fingerprint, held)| held.numbers.iter().map(move |n| BlockKey::of(*fingerprint, *n)))
    }
}

impl Shelves {
    /// Shelves the blocks of a hoard under their fingerprint: the first ones held, as far as they may be, the others on probation. Blocks that
    /// were there already stay, and are held as well. Copies that are not needed land in `out`.
    pub(super) fn hold(
        &mut self,
        fingerprint: Fingerprint,
        claim: Claim,
        blocks: BTreeMap<u32, Block>,
        out: &mut Vec<Block>,
    ) {
        let before = self.release(&fingerprint);
        let claim = before.into_iter().fold(claim, |newer, older| older.or_later(newer));
        let (count, bytes) = self.holding.admitted(&blocks);
        self.make_way(bytes);
        let numbers: Vec<u32> = blocks.keys().copied().take(count).collect();
        for (index, (number, block)) in blocks.into_iter().enumerate() {
            self.shelve(BlockKey::of(fingerprint, number), block, index < count, out);
        }
        if numbers.is_empty() {
            self.usage.prewarm_drops += 1;
        } else {
            let ticket = self.ticket();
            self.holding.add(fingerprint, Held { claim, numbers, ticket });
        }
    }

    /// Shelves one block of a hoard, unless it is there already.
    pub(super) fn shelve(&mut self, key: BlockKey, block: Block, held: bool, out: &mut Vec<Block>) {
        let place = if held { Place::Held } else { Place::Queued(Line::Probation) };
        if !self.entries.contains_key(&key) {
            self.usage.hoarded.remove(block.weight());
            self.insert(key, block, place);
            return;
        }
        if held {
            self.put(key, place, 0);
        }
        self.let_go(block, out);
    }

    /// Lets go of a hoarded block. If others hold it, it counts until they do not.
    pub(super) fn let_go(&mut self, block: Block, out: &mut Vec<Block>) {
        if block.is_shared() {
            self.lingering.push_back(block);
        } else {
            self.usage.hoarded.remove(block.weight());
            out.push(block);
        }
    }

    /// Ends the holding of a content: its blocks are on probation from now on. They begin there without credit, or each content that is
    /// fetched once would count as one that is used again.
    pub(super) fn release(&mut self, fingerprint: &Fingerprint) -> Option<Claim> {
        let held = self.holding.remove(fingerprint)?;
        for number in held.numbers {
            let key = BlockKey::of(*fingerprint, number);
            self.put(key, Place::Queued(Line::Probation), 0);
        }
        Some(held.claim)
    }

    /// Pushes out the contents that came first, until there is room in the area for so many bytes.
    fn make_way(&mut self, bytes: u64) {
        while self.usage.held.bytes + bytes > self.holding.ceiling || self.holding.objects.len() >= MOST_HELD {
            let Some(oldest) = self.holding.oldest() else { break };
            self.release(&oldest);
            self.usage.prewarm_drops += 1;
        }
    }
}

/// How many contents are held at once. Each has a claim of up to two kilobytes, which is not counted: 32 MiB at most, 8 MiB as a rule.
const MOST_HELD: usize = 16_384;
/// One content may take this part of the area.
const OBJECT_SHARE: u64 = 16;
