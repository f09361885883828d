//! How room is made: before it is taken, from those on probation first, and never from a block that anybody holds.
//!
//! How much the ones on probation may keep follows from what comes back: a block that was evicted there too early gives probation more, a
//! block that was evicted from the protected ones gives it less.
//!
//! The work is bounded. A block that cannot go is put to the other end of its line, so the next search does not begin with it; and
//! one search looks at no more than a few hundred of them before it says that there is no room.

use super::shelves::{Entry, Line, Place, Shelves};
use super::{Block, BlockKey};

/// What may be done with a block that is next in its line.
enum Verdict {
    /// Somebody holds it.
    Pinned,
    /// It was used since it was put there; so many uses remain to its credit.
    Used(u8),
    /// It may go.
    Idle,
}

impl Shelves {
    /// Makes room for so many bytes more, or says that it cannot. What had to go for it lands in `out`, to be dropped once the lock is free.
    pub(super) fn make_room(&mut self, incoming: u64, out: &mut Vec<Block>) -> bool {
        if self.lacks(incoming) {
            self.sweep(out);
        }
        while self.lacks(incoming) {
            // A block larger than the whole must not cost the others their places.
            let Some(victim) = (incoming <= self.memory).then(|| self.victim()).flatten() else { return false };
            out.push(victim);
        }
        true
    }

    /// Drops those that lingered, as far as nobody holds them any more.
    pub(super) fn sweep(&mut self, out: &mut Vec<Block>) {
        for _ in 0..self.lingering.len().min(PATIENCE) {
            let Some(block) = self.lingering.pop_front() else { break };
            if block.is_shared() {
                self.lingering.push_back(block);
            } else {
                self.usage.hoarded.remove(block.weight());
                out.push(block);
            }
        }
    }

    const fn lacks(&self, incoming: u64) -> bool {
        let taken = self.usage.bytes().saturating_add(self.leaving);
        taken.saturating_add(incoming) > self.memory
    }

    /// One block that leaves. Uses are respected as long as that finds one.
    fn victim(&mut self) -> Option<Block> {
        let on_trial = self.usage.probation.bytes > self.trial;
        let lines = if on_trial { [Line::Probation, Line::Protected] } else { [Line::Protected, Line::Probation] };
        let respectful = lines.into_iter().find_map(|line| self.turn(line, false));
        respectful.or_else(|| lines.into_iter().find_map(|line| self.turn(line, true)))
    }

    /// Goes along a line, at most once round, until one may leave.
    fn turn(&mut self, line: Line, in_haste: bool) -> Option<Block> {
        for _ in 0..self.queue(line).len().min(PATIENCE) {
            let (ticket, key) = self.queue(line).pop()?;
            let entry = self.entries.get(&key).filter(|entry| entry.ticket == ticket);
            match entry.map(|entry| entry.judged(line, in_haste)) {
                None => {}
                Some(Verdict::Pinned) => self.queue(line).push(ticket, key),
                Some(Verdict::Used(left)) => self.put(key, Place::Queued(Line::Protected), left),
                Some(Verdict::Idle) => return self.evict(&key, line),
            }
        }
        None
    }

    fn evict(&mut self, key: &BlockKey, line: Line) -> Option<Block> {
        let most = self.entries.len() / GHOST_SHARE;
        match line {
            Line::Probation => self.early.remember(key, most),
            Line::Protected => self.former.remember(key, most),
        }
        self.usage.evictions += 1;
        self.remove(key)
    }

    /// The line in which a new block begins. If it was evicted a short while ago, that says which line is too short.
    pub(super) fn beginning(&mut self, key: &BlockKey, weight: u64) -> Line {
        if self.early.recall(key) {
            let most = self.memory / 10 * MOST_TENTHS;
            self.trial = self.trial.saturating_add(weight).min(most);
            return Line::Protected;
        }
        if self.former.recall(key) {
            // Twice as fast as it grows: a hot block that is lost costs more than a new one that is.
            let least = self.memory / LEAST_PART;
            self.trial = self.trial.saturating_sub(weight.saturating_mul(2)).max(least);
        }
        Line::Probation
    }
}

impl Entry {
    fn judged(&self, line: Line, in_haste: bool) -> Verdict {
        match (line, self.uses()) {
            // The index's own clone is the only one left, and nobody can make another without the lock.
            _ if self.block.is_shared() => Verdict::Pinned,
            (_, 0) => Verdict::Idle,
            _ if in_haste => Verdict::Idle,
            (Line::Probation, _) => Verdict::Used(0),
            (Line::Protected, uses) => Verdict::Used(uses - 1),
        }
    }
}

/// At first those on probation may keep this part of memory.
pub(super) const FIRST_PART: u64 = 20;
/// They may always keep this part of it.
pub(super) const LEAST_PART: u64 = 50;
/// And never more than this many tenths, so that what is hot has a place to be.
pub(super) const MOST_TENTHS: u64 = 9;
/// Of each line, as many evicted keys are remembered as this part of all that is there.
const GHOST_SHARE: usize = 2;
/// How many marks of one line one search looks at: some 10 microseconds under the lock, and far more than are pinned in a row by chance.
pub(super) const PATIENCE: usize = 256;
