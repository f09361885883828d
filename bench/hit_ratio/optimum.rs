//! Belady's rule: what leaves is what is fetched next at the furthest, or never. It knows the future, and may turn a block away.
//!
//! For blocks of one size no policy does better in blocks. Ours differ in their last ones, and nobody knows a quick exact answer for that; the rule
//! is the usual yardstick all the same. A mint is a chance to take blocks, as it is for the others.

use std::collections::{BTreeSet, HashMap};

use crate::policy::Policy;
use crate::traces::{Object, Touch};

pub struct Belady {
    memory: u64,
    used: u64,
    /// When each block is fetched next, and its weight.
    blocks: HashMap<u64, (u64, u64)>,
    order: BTreeSet<(u64, u64)>,
}

impl Belady {
    pub fn new(memory: u64) -> Self {
        Self { memory, used: 0, blocks: HashMap::new(), order: BTreeSet::new() }
    }

    fn remove(&mut self, id: u64) -> bool {
        let Some((next, weight)) = self.blocks.remove(&id) else { return false };
        self.order.remove(&(next, id));
        self.used -= weight;
        true
    }
}

impl Policy for Belady {
    fn mint(&mut self, _object: &Object, touches: &[Touch]) {
        for touch in touches {
            self.put(touch);
        }
    }

    fn get(&mut self, touch: &Touch) -> bool {
        let found = self.remove(touch.id());
        if found {
            self.put(touch);
        }
        found
    }

    fn put(&mut self, touch: &Touch) {
        self.remove(touch.id());
        if touch.next == u64::MAX || touch.weight > self.memory {
            return;
        }
        self.used += touch.weight;
        self.blocks.insert(touch.id(), (touch.next, touch.weight));
        self.order.insert((touch.next, touch.id()));
        while self.used > self.memory {
            let (_, furthest) = *self.order.last().unwrap();
            self.remove(furthest);
        }
    }
}
