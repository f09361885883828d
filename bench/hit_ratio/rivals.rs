//! The others: plain LRU, W-TinyLFU as moka has it, and `quick_cache`. Each may be filled at the mint as well, as any other insertion.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasherDefault, DefaultHasher};

use quick_cache::Weighter;
use quick_cache::unsync::DefaultLifecycle;

use crate::policy::Policy;
use crate::traces::{Object, Touch};

/// A hasher without a random seed, so that each run gives the same figures.
type Steady = BuildHasherDefault<DefaultHasher>;

/// Least recently used.
pub struct Lru {
    memory: u64,
    prewarms: bool,
    used: u64,
    clock: u64,
    /// When each block was used last, and its weight.
    blocks: HashMap<u64, (u64, u64)>,
    order: BTreeMap<u64, u64>,
}

impl Lru {
    pub fn new(memory: u64, prewarms: bool) -> Self {
        Self { memory, prewarms, used: 0, clock: 0, blocks: HashMap::new(), order: BTreeMap::new() }
    }

    fn front(&mut self, id: u64, weight: u64) {
        self.clock += 1;
        self.order.insert(self.clock, id);
        self.blocks.insert(id, (self.clock, weight));
    }
}

impl Policy for Lru {
    fn mint(&mut self, _object: &Object, touches: &[Touch]) {
        for touch in touches {
            if self.prewarms && !self.get(touch) {
                self.put(touch);
            }
        }
    }

    fn get(&mut self, touch: &Touch) -> bool {
        let Some((at, weight)) = self.blocks.get(&touch.id()).copied() else { return false };
        self.order.remove(&at);
        self.front(touch.id(), weight);
        true
    }

    fn put(&mut self, touch: &Touch) {
        while self.used + touch.weight > self.memory {
            let Some((_, oldest)) = self.order.pop_first() else { return };
            self.used -= self.blocks.remove(&oldest).unwrap().1;
        }
        self.used += touch.weight;
        self.front(touch.id(), touch.weight);
    }
}

/// W-TinyLFU, given the time to do all its housekeeping after each step.
pub struct TinyLfu {
    prewarms: bool,
    cache: moka::sync::Cache<u64, u64, Steady>,
}

impl TinyLfu {
    pub fn new(memory: u64, prewarms: bool) -> Self {
        let builder = moka::sync::Cache::builder().max_capacity(memory).weigher(|_, weight: &u64| *weight as u32);
        Self { prewarms, cache: builder.build_with_hasher(Steady::default()) }
    }
}

impl Policy for TinyLfu {
    fn mint(&mut self, _object: &Object, touches: &[Touch]) {
        if self.prewarms {
            for touch in touches {
                self.put(touch);
            }
        }
    }

    fn get(&mut self, touch: &Touch) -> bool {
        let found = self.cache.get(&touch.id()).is_some();
        self.cache.run_pending_tasks();
        found
    }

    fn put(&mut self, touch: &Touch) {
        self.cache.insert(touch.id(), touch.weight);
        self.cache.run_pending_tasks();
    }
}

/// `quick_cache`, a single shard of it.
pub struct Quick {
    prewarms: bool,
    cache: quick_cache::unsync::Cache<u64, u64, Weight, Steady>,
}

#[derive(Clone)]
struct Weight;

impl Weighter<u64, u64> for Weight {
    fn weight(&self, _id: &u64, weight: &u64) -> u64 {
        *weight
    }
}

impl Quick {
    pub fn new(memory: u64, prewarms: bool) -> Self {
        let blocks = usize::try_from(memory / 2048).unwrap();
        let (hasher, lifecycle) = (Steady::default(), DefaultLifecycle::default());
        Self { prewarms, cache: quick_cache::unsync::Cache::with(blocks, memory, Weight, hasher, lifecycle) }
    }
}

impl Policy for Quick {
    fn mint(&mut self, _object: &Object, touches: &[Touch]) {
        if self.prewarms {
            for touch in touches {
                self.put(touch);
            }
        }
    }

    fn get(&mut self, touch: &Touch) -> bool {
        self.cache.get(&touch.id()).is_some()
    }

    fn put(&mut self, touch: &Touch) {
        self.cache.insert(touch.id(), touch.weight);
    }
}
