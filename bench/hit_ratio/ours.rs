//! Our index itself, with blocks that nobody fills.

use std::sync::Arc;

use hallpass::cache::{Blank, Block, BlockKey, Claim, Index, Ledger};
use hallpass::value::{Fingerprint, UnixTime};

use crate::policy::Policy;
use crate::traces::{Object, Touch};

pub struct Ours {
    fills: bool,
    ledger: Arc<Ledger>,
    index: Index,
    now: u64,
}

impl Ours {
    /// For `memory` bytes, of which `prewarm` may be held. Without `fills` a mint leaves nothing at all.
    pub fn new(memory: u64, prewarm: u64, fills: bool) -> Self {
        Self { fills, ledger: Ledger::new(1 << 30, None), index: Index::new(memory, prewarm), now: 0 }
    }

    fn block(&self, touch: &Touch) -> Block {
        let block = Blank::take(&self.ledger, touch.length as usize).unwrap().share();
        assert_eq!(block.weight(), touch.weight);
        block
    }
}

fn fingerprint(object: usize) -> Fingerprint {
    Fingerprint::of(&object.to_le_bytes())
}

fn key(touch: &Touch) -> BlockKey {
    BlockKey::of(fingerprint(touch.object), touch.number)
}

impl Policy for Ours {
    fn mint(&mut self, object: &Object, touches: &[Touch]) {
        if !self.fills {
            return;
        }
        let mut hoard = self.index.hoard();
        for touch in touches {
            hoard.add(touch.number, &self.block(touch));
        }
        let expires = UnixTime::from_secs(self.now + LIFETIME).unwrap();
        hoard.hold(fingerprint(object.id), Claim { expires, link: None });
    }

    fn get(&mut self, touch: &Touch) -> bool {
        self.index.get(&key(touch)).is_some()
    }

    fn put(&mut self, touch: &Touch) {
        self.index.keep(key(touch), &self.block(touch));
    }

    fn fetched(&mut self, object: &Object) {
        self.index.fetched(&fingerprint(object.id));
    }

    fn tick(&mut self, now: u64) {
        self.now = now;
        self.index.lapse(|claim| claim.expires.as_secs() <= now);
    }
}

/// How long a link lasts, in seconds.
const LIFETIME: u64 = 600;
