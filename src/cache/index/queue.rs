//! A queue whose members may leave from its middle.
//!
//! Whoever leaves from the middle leaves their mark behind: a mark is good while the ticket in it is the ticket of its member, and tickets
//! are given out once. Marks that are good no more are met and thrown away, or swept out once they outnumber the good ones.

use std::collections::VecDeque;

/// The number of one stay in one queue. No two stays share one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ticket(u64);

impl Ticket {
    /// The next one after those that were given out.
    pub(super) const fn next(&mut self) -> Self {
        self.0 += 1;
        *self
    }
}

/// Marks of members, in their order.
#[derive(Debug)]
pub(super) struct Queue<K> {
    marks: VecDeque<(Ticket, K)>,
}

impl<K> Queue<K> {
    /// A queue without members.
    pub(super) const fn new() -> Self {
        Self { marks: VecDeque::new() }
    }

    /// Puts a mark at the end.
    pub(super) fn push(&mut self, ticket: Ticket, key: K) {
        self.marks.push_back((ticket, key));
    }

    /// Takes the first mark, good or not.
    pub(super) fn pop(&mut self) -> Option<(Ticket, K)> {
        self.marks.pop_front()
    }

    /// How many marks there are, good or not.
    pub(super) fn len(&self) -> usize {
        self.marks.len()
    }

    /// Sweeps out the marks that are good no more, once they are more than the `members`, and enough to be worth it. Each mark is paid for by
    /// one that left, so this costs a constant per leaving.
    pub(super) fn tidy(&mut self, members: usize, is_good: impl Fn(Ticket, &K) -> bool) {
        if self.marks.len() > members.saturating_mul(2).saturating_add(SLACK) {
            self.marks.retain(|(ticket, key)| is_good(*ticket, key));
        }
    }

    /// All marks, good or not.
    #[cfg(test)]
    pub(super) fn marks(&self) -> impl Iterator<Item = &(Ticket, K)> {
        self.marks.iter()
    }
}

/// Below this many marks nothing is swept.
pub(super) const SLACK: usize = 64;
