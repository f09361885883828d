//! The keys of blocks that were evicted unused: whoever comes back that soon was evicted too early, and is given more time.
//!
//! Kept are 8 bytes of each key. Two keys that share them cost a block its place in a queue, never its content.

use std::collections::HashMap;

use super::queue::{Queue, Ticket};
use super::{BlockKey, ContentId};

/// What was evicted last, oldest first.
#[derive(Debug)]
pub(super) struct Ghosts {
    tickets: HashMap<u64, Ticket>,
    order: Queue<u64>,
    last: Ticket,
}

impl Ghosts {
    /// No ghosts.
    pub(super) fn new() -> Self {
        Self { tickets: HashMap::new(), order: Queue::new(), last: Ticket::default() }
    }

    /// Remembers a key, and forgets the oldest ones past `most`.
    pub(super) fn remember(&mut self, key: &BlockKey, most: usize) {
        let (short, ticket) = (shortened(key), self.last.next());
        self.tickets.insert(short, ticket);
        self.order.push(ticket, short);
        while self.tickets.len() > most {
            let Some((ticket, short)) = self.order.pop() else { break };
            if self.tickets.get(&short) == Some(&ticket) {
                self.tickets.remove(&short);
            }
        }
        self.tidy();
    }

    /// Whether the key was there. It is there no more.
    pub(super) fn recall(&mut self, key: &BlockKey) -> bool {
        let was_there = self.tickets.remove(&shortened(key)).is_some();
        self.tidy();
        was_there
    }

    fn tidy(&mut self) {
        let Self { tickets, order, .. } = self;
        order.tidy(tickets.len(), |ticket, short| tickets.get(short) == Some(&ticket));
    }

    /// How many keys are remembered, and how many marks are kept for them.
    #[cfg(test)]
    pub(super) fn lengths(&self) -> (usize, usize) {
        (self.tickets.len(), self.order.len())
    }
}

/// Both kinds of digest are evenly spread already; the odd factor spreads the numbers of one content's blocks.
fn shortened(key: &BlockKey) -> u64 {
    let digest = match &key.content {
        ContentId::Fingerprint(fingerprint) => fingerprint.as_bytes(),
        ContentId::Version(version) => version.as_bytes(),
    };
    let first = digest.first_chunk::<8>();
    first.map_or(0, |first| u64::from_le_bytes(*first)) ^ u64::from(key.number).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}
