//! The tests' second opinion: everything that the index keeps sums or marks of, counted again by walking over all of it.

use std::collections::HashSet;

use super::queue::{Queue, SLACK};
use super::room::{LEAST_PART, MOST_TENTHS};
use super::shelves::{Line, MOST_USES, Shelves};
use super::*;

impl Index {
    /// Panics unless sums, lines and the holding area agree with the entries, and all of it is within its bounds.
    pub(super) fn audit(&self) {
        let shelves = self.read();
        let usage = shelves.usage;
        assert_eq!(usage.held, shelves.counted(Place::Held), "held");
        assert_eq!(usage.probation, shelves.counted(Place::Queued(Line::Probation)), "probation");
        assert_eq!(usage.protected, shelves.counted(Place::Queued(Line::Protected)), "protected");
        assert!(usage.bytes() + shelves.leaving <= shelves.memory, "{usage:?} in {}", shelves.memory);
        assert!(
            (shelves.memory / LEAST_PART..=shelves.memory / 10 * MOST_TENTHS).contains(&shelves.trial)
                || shelves.memory < 100
        );
        assert!(shelves.entries.values().all(|entry| entry.uses() <= MOST_USES));
        shelves.audit_line(&shelves.probation, Line::Probation);
        shelves.audit_line(&shelves.protected, Line::Protected);
        let held: Vec<BlockKey> = shelves.holding.keys().collect();
        assert_eq!(held.len(), held.iter().collect::<HashSet<_>>().len(), "held twice");
        assert_eq!(held.len() as u64, usage.held.blocks, "the holding area names what is held");
        assert!(held.iter().all(|key| shelves.entries.get(key).is_some_and(|entry| entry.place == Place::Held)));
        for (members, marks) in [shelves.holding.lengths(), shelves.early.lengths(), shelves.former.lengths()] {
            assert!(marks <= 2 * members + SLACK, "{marks} marks of {members}");
        }
    }

    /// Where the memory of the blocks lies that have a key.
    pub(super) fn addresses(&self) -> HashSet<*const u8> {
        self.read().entries.values().map(|entry| entry.block.bytes().as_ptr()).collect()
    }

    /// Whether somebody else holds every block that may be evicted.
    pub(super) fn is_all_pinned(&self) -> bool {
        self.read().entries.values().all(|entry| entry.place == Place::Held || entry.block.is_shared())
    }

    /// Where a block lies.
    pub(super) fn place(&self, key: &BlockKey) -> Option<Place> {
        self.read().entries.get(key).map(|entry| entry.place)
    }

    /// How many keys are remembered of those that were evicted, from probation and from the protected ones.
    pub(super) fn ghosts(&self) -> (usize, usize) {
        let shelves = self.read();
        (shelves.early.lengths().0, shelves.former.lengths().0)
    }

    /// How many bytes may be on probation before those leave first.
    pub(super) fn trial(&self) -> u64 {
        self.read().trial
    }
}

impl Shelves {
    fn counted(&self, place: Place) -> Share {
        let there = self.entries.values().filter(|entry| entry.place == place);
        let mut share = Share::default();
        there.for_each(|entry| share.add(entry.block.weight()));
        share
    }

    fn audit_line(&self, queue: &Queue<BlockKey>, line: Line) {
        let place = Place::Queued(line);
        let is_good =
            |(ticket, key): &&(_, BlockKey)| self.entries.get(key).is_some_and(|entry| entry.ticket == *ticket);
        let good: Vec<_> = queue.marks().filter(is_good).collect();
        let members = self.entries.values().filter(|entry| entry.place == place).count();
        assert_eq!(good.len(), members, "each member has one mark in its line");
        assert!(good.iter().all(|(_, key)| self.entries[key].place == place), "and in no other");
        assert!(queue.len() <= 2 * members + SLACK, "{} marks of {members}", queue.len());
    }
}
