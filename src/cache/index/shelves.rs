//! The entries of the index, and the line in which each waits.
//!
//! Every change of place goes through `insert`, `put` and `remove`, which keep the sums of [`Usage`] and the entries in step.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU8, Ordering};

use super::ghosts::Ghosts;
use super::holding::Holding;
use super::queue::{Queue, Ticket};
use super::room::FIRST_PART;
use super::usage::{Share, Usage};
use super::{Block, BlockKey};

/// Everything behind the index's lock.
#[derive(Debug)]
pub(super) struct Shelves {
    pub(super) memory: u64,
    pub(super) entries: HashMap<BlockKey, Entry>,
    pub(super) probation: Queue<BlockKey>,
    pub(super) protected: Queue<BlockKey>,
    /// The keys of those that were evicted on probation, and of those that were evicted from the protected ones.
    pub(super) early: Ghosts,
    pub(super) former: Ghosts,
    /// While more than so many bytes are on probation, those leave first.
    pub(super) trial: u64,
    pub(super) holding: Holding,
    /// Of hoards that were let go of: others hold them still, so they count still.
    pub(super) lingering: VecDeque<Block>,
    /// Evicted and not yet freed, as far as it is more than what came for it.
    pub(super) leaving: u64,
    pub(super) usage: Usage,
    tickets: Ticket,
}

/// One block in the index.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) block: Block,
    pub(super) place: Place,
    pub(super) ticket: Ticket,
    uses: AtomicU8,
}

/// Where an entry lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In the holding area.
    Held,
    /// In one of the two lines.
    Queued(Line),
}

/// The two lines in which blocks wait to be evicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    Probation,
    Protected,
}

impl Entry {
    /// Counts a use.
    pub(super) fn touch(&self) {
        let uses = self.uses();
        // Two at once may count as one: it is a guess at what will be used, not an account.
        if uses < MOST_USES {
            self.uses.store(uses + 1, Ordering::Relaxed);
        }
    }

    /// The uses since it was put where it lies, at most [`MOST_USES`].
    pub(super) fn uses(&self) -> u8 {
        self.uses.load(Ordering::Relaxed)
    }
}

impl Shelves {
    /// An empty shelves for so many bytes, of which so many may be held.
    pub(super) fn new(memory: u64, prewarm: u64) -> Self {
        Self {
            memory,
            entries: HashMap::new(),
            probation: Queue::new(),
            protected: Queue::new(),
            early: Ghosts::new(),
            former: Ghosts::new(),
            trial: memory / FIRST_PART,
            holding: Holding::new(prewarm),
            lingering: VecDeque::new(),
            leaving: 0,
            usage: Usage::default(),
            tickets: Ticket::default(),
        }
    }

    /// Takes a block in that has been counted nowhere here, under a key that is not there.
    pub(super) fn insert(&mut self, key: BlockKey, block: Block, place: Place) {
        let ticket = self.tickets.next();
        self.share(place).add(block.weight());
        self.entries.insert(key, Entry { block, place, ticket, uses: AtomicU8::new(0) });
        self.line_up(key, place, ticket);
    }

    /// Puts an entry to another place, or to the end of its line, with that many uses to its credit.
    pub(super) fn put(&mut self, key: BlockKey, place: Place, uses: u8) {
        let ticket = self.tickets.next();
        let Some(entry) = self.entries.get_mut(&key) else { return };
        let (weight, from) = (entry.block.weight(), std::mem::replace(&mut entry.place, place));
        entry.ticket = ticket;
        *entry.uses.get_mut() = uses;
        self.share(from).remove(weight);
        self.share(place).add(weight);
        self.line_up(key, place, ticket);
    }

    /// Takes an entry out.
    pub(super) fn remove(&mut self, key: &BlockKey) -> Option<Block> {
        let Entry { block, place, .. } = self.entries.remove(key)?;
        self.share(place).remove(block.weight());
        Some(block)
    }

    /// A number that was never given out.
    pub(super) const fn ticket(&mut self) -> Ticket {
        self.tickets.next()
    }

    /// The queue of a line.
    pub(super) const fn queue(&mut self, line: Line) -> &mut Queue<BlockKey> {
        match line {
            Line::Probation => &mut self.probation,
            Line::Protected => &mut self.protected,
        }
    }

    /// Sweeps out the marks of entries that are in another place by now.
    pub(super) fn tidy(&mut self) {
        let Self { entries, probation, protected, usage, .. } = self;
        let is_good = |ticket, key: &BlockKey| entries.get(key).is_some_and(|entry| entry.ticket == ticket);
        probation.tidy(usize::try_from(usage.probation.blocks).unwrap_or(usize::MAX), is_good);
        protected.tidy(usize::try_from(usage.protected.blocks).unwrap_or(usize::MAX), is_good);
    }

    fn line_up(&mut self, key: BlockKey, place: Place, ticket: Ticket) {
        if let Place::Queued(line) = place {
            self.queue(line).push(ticket, key);
        }
    }

    const fn share(&mut self, place: Place) -> &mut Share {
        match place {
            Place::Held => &mut self.usage.held,
            Place::Queued(Line::Probation) => &mut self.usage.probation,
            Place::Queued(Line::Protected) => &mut self.usage.protected,
        }
    }
}

/// More uses than this say nothing more. Fewer would make all blocks of a small memory look alike: 3 cost up to 1.5 points in hits.
pub(super) const MOST_USES: u8 = 15;
