//! The index beside a naive model of what it promises, over random sequences of everything that can be done to it.
//!
//! The model does not know the policy. It knows who is held, who is pinned, who waits in which hoard, and what is in flight; the audit
//! counts the rest after each step.

use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::cache::{Blank, Ledger};
use crate::value::UnixTime;

#[derive(Clone, Debug)]
enum Step {
    Keep { content: u8, number: u32, pin: bool },
    Get { content: u8, number: u32, pin: bool },
    Unpin { nth: usize },
    Add { hoard: usize, pin: bool },
    KeepHoard { hoard: usize, content: u8 },
    HoldHoard { hoard: usize, content: u8, expires: u64 },
    DropHoard { hoard: usize },
    Mint { content: u8, blocks: u32, expires: u64 },
    Claim { content: u8, expires: u64 },
    Fetched { content: u8 },
    Lapse { now: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    let (content, number, hoard, time) = (0..30_u8, 0..4_u32, 0..3_usize, 0..200_u64);
    prop_oneof![
        6 => (content.clone(), number.clone(), prop::bool::weighted(0.2))
            .prop_map(|(content, number, pin)| Step::Keep { content, number, pin }),
        4 => (content.clone(), number, prop::bool::weighted(0.2))
            .prop_map(|(content, number, pin)| Step::Get { content, number, pin }),
        4 => (0..30_usize).prop_map(|nth| Step::Unpin { nth }),
        6 => (hoard.clone(), prop::bool::weighted(0.1)).prop_map(|(hoard, pin)| Step::Add { hoard, pin }),
        1 => (hoard.clone(), content.clone()).prop_map(|(hoard, content)| Step::KeepHoard { hoard, content }),
        3 => (hoard.clone(), content.clone(), time.clone())
            .prop_map(|(hoard, content, expires)| Step::HoldHoard { hoard, content, expires }),
        14 => (content.clone(), 1..4_u32, time.clone())
            .prop_map(|(content, blocks, expires)| Step::Mint { content, blocks, expires }),
        1 => hoard.prop_map(|hoard| Step::DropHoard { hoard }),
        1 => (content.clone(), time.clone()).prop_map(|(content, expires)| Step::Claim { content, expires }),
        1 => content.prop_map(|content| Step::Fetched { content }),
        1 => (0..20_u64).prop_map(|now| Step::Lapse { now }),
    ]
}

/// A content that is held, as the model sees it.
struct Held {
    content: u8,
    expires: u64,
    bytes: u64,
    blocks: u32,
}

/// A hoard, and the weights that the model thinks lie in it. `None`: it was let go of.
struct Hoarded {
    hoard: Hoard,
    weights: Option<Vec<u64>>,
}

/// The index, and what the model knows of it.
struct Model {
    memory: u64,
    prewarm: u64,
    ledger: Arc<Ledger>,
    index: Index,
    pins: Vec<(Option<BlockKey>, Block)>,
    hoards: BTreeMap<usize, Hoarded>,
    held: Vec<Held>,
    drops: u64,
}

fn fingerprint(content: u8) -> Fingerprint {
    Fingerprint::of(&[content])
}

/// Equal keys have equal contents, so the blocks of one number have one length.
fn length(number: u32) -> usize {
    1 + number as usize * 517 % 1500
}

/// Blocks of these tests are never empty, so no two have one address.
fn address(block: &Block) -> *const u8 {
    block.bytes().as_ptr()
}

fn claim(expires: u64) -> Claim {
    Claim { expires: UnixTime::from_secs(expires).unwrap(), link: None }
}

impl Model {
    fn new(memory: u64, prewarm: u64) -> Self {
        let (ledger, index) = (Ledger::new(1 << 30, None), Index::new(memory, prewarm));
        let (pins, hoards, held) = (Vec::new(), BTreeMap::new(), Vec::new());
        Self { memory, prewarm, ledger, index, pins, hoards, held, drops: 0 }
    }

    fn block(&self, number: u32) -> Block {
        let length = length(number);
        let mut blank = Blank::take(&self.ledger, length).unwrap();
        blank.fill(&mut Bytes::from(vec![7; length]));
        blank.share()
    }

    fn act(&mut self, step: &Step) {
        match *step {
            Step::Keep { content, number, pin } => self.keep(content, number, pin),
            Step::Get { content, number, pin } => {
                let key = BlockKey::of(fingerprint(content), number);
                let found = self.index.get(&key);
                assert_eq!(found.is_some(), self.index.has(&key));
                self.pins.extend(found.filter(|_| pin).map(|block| (Some(key), block)));
            }
            Step::Unpin { nth } if nth < self.pins.len() => drop(self.pins.swap_remove(nth)),
            Step::Unpin { .. } => {}
            Step::Add { hoard, pin } => self.add(hoard, pin),
            Step::KeepHoard { hoard, content } => self.keep_hoard(hoard, content),
            Step::HoldHoard { hoard, content, expires } => self.hold_hoard(hoard, content, expires),
            Step::Mint { content, blocks, expires } => {
                self.hoards.remove(&0);
                (0..blocks).for_each(|_| self.add(0, false));
                self.hold_hoard(0, content, expires);
            }
            Step::DropHoard { hoard } => drop(self.hoards.remove(&hoard)),
            Step::Claim { content, expires } => {
                let held = self.held.iter_mut().find(|held| held.content == content);
                assert_eq!(self.index.claim(&fingerprint(content), || claim(expires)), held.is_some());
                if let Some(held) = held {
                    held.expires = held.expires.max(expires);
                }
            }
            Step::Fetched { content } => {
                self.index.fetched(&fingerprint(content));
                self.held.retain(|held| held.content != content);
            }
            Step::Lapse { now } => {
                self.index.lapse(|claim| claim.expires.as_secs() <= now);
                self.held.retain(|held| held.expires > now);
            }
        }
    }

    fn keep(&mut self, content: u8, number: u32, pin: bool) {
        let key = BlockKey::of(fingerprint(content), number);
        let (block, before) = (self.block(number), self.index.has(&key));
        let kept = self.index.keep(key, &block);
        assert_eq!(kept, self.index.has(&key));
        assert!(kept || block.weight() > self.memory || self.index.is_all_pinned(), "there was room to be made");
        let is_in_flight = before || !kept;
        assert_eq!(self.ledger.used(), if is_in_flight { block.weight() } else { 0 });
        // A block that the index did not take is in flight until it is dropped, and that is not this model's matter.
        if pin && !is_in_flight {
            self.pins.push((Some(key), block));
        }
    }

    fn add(&mut self, hoard: usize, pin: bool) {
        let others: u64 = self.index.usage().hoarded.bytes;
        let index = &self.index;
        let open = || Hoarded { hoard: index.hoard(), weights: Some(Vec::new()) };
        let number = self.hoards.get(&hoard).and_then(|one| one.weights.as_ref()).map_or(0, Vec::len);
        let number = u32::try_from(number).unwrap();
        let block = self.block(number);
        let one = self.hoards.entry(hoard).or_insert_with(open);
        let (was_open, weight) = (one.weights.is_some(), block.weight());
        let hoarded: u64 = one.weights.iter().flatten().sum();
        let added = one.hoard.add(number, &block);
        if added {
            one.weights.as_mut().unwrap().push(weight);
        } else {
            let is_past = hoarded + weight > self.memory / 4 || others + weight > self.memory / 2;
            assert!(!was_open || is_past || self.index.is_all_pinned(), "there was room to be made");
            one.weights = None;
        }
        assert_eq!(one.hoard.block(0).is_some(), added);
        if pin && added {
            self.pins.push((None, block));
        }
    }

    fn keep_hoard(&mut self, hoard: usize, content: u8) {
        let Some(Hoarded { hoard, weights }) = self.hoards.remove(&hoard) else { return };
        hoard.keep(fingerprint(content));
        self.assert_there(content, weights.map_or(0, |weights| weights.len()));
    }

    fn hold_hoard(&mut self, hoard: usize, content: u8, expires: u64) {
        let Some(Hoarded { hoard, weights }) = self.hoards.remove(&hoard) else { return };
        hoard.hold(fingerprint(content), claim(expires));
        let Some(weights) = weights else {
            self.drops += 1;
            return;
        };
        self.assert_there(content, weights.len());
        let before = self.held.iter().position(|held| held.content == content).map(|at| self.held.remove(at));
        let expires = before.map_or(expires, |held| held.expires.max(expires));
        let (mut bytes, mut blocks) = (0, 0);
        for weight in weights {
            if bytes + weight > self.prewarm / 16 {
                break;
            }
            (bytes, blocks) = (bytes + weight, blocks + 1);
        }
        while self.held.iter().map(|held| held.bytes).sum::<u64>() + bytes > self.prewarm {
            self.held.remove(0);
            self.drops += 1;
        }
        if blocks == 0 {
            self.drops += 1;
        } else {
            self.held.push(Held { content, expires, bytes, blocks });
        }
    }

    fn assert_there(&self, content: u8, blocks: usize) {
        let numbers = 0..u32::try_from(blocks).unwrap();
        assert!(numbers.into_iter().all(|number| self.index.has(&BlockKey::of(fingerprint(content), number))));
    }

    /// The bytes of pinned blocks that lie in no hoard and under no key.
    fn homeless(&self) -> u64 {
        let hoarded =
            |at| self.hoards.values().any(|one| (0..300).map_while(|n| one.hoard.block(n)).any(|b| address(b) == at));
        let known = self.index.addresses();
        let homeless =
            self.pins.iter().filter(|(_, block)| !known.contains(&address(block)) && !hoarded(address(block)));
        homeless.map(|(_, block)| block.weight()).sum()
    }

    fn check(&self) {
        self.index.audit();
        let usage = self.index.usage();
        let held: u64 = self.held.iter().map(|held| held.bytes).sum();
        assert_eq!((usage.held.bytes, usage.prewarm_drops), (held, self.drops));
        assert!(usage.held.bytes <= self.prewarm);
        for held in &self.held {
            for number in 0..held.blocks {
                let key = BlockKey::of(fingerprint(held.content), number);
                assert_eq!(self.index.place(&key), Some(Place::Held));
            }
        }
        let hoards: u64 = self.hoards.values().flat_map(|one| one.weights.iter().flatten()).sum();
        assert_eq!(usage.hoarded.bytes, hoards + self.homeless(), "memory that somebody holds is counted");
        assert_eq!(self.ledger.used(), 0);
        for (key, _) in &self.pins {
            assert!(key.is_none_or(|key| self.index.has(&key)), "pinned and gone");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn whatever_is_done_the_sums_are_exact_and_the_promises_hold(
        memory in prop_oneof![Just(0), Just(300), Just(6_000), Just(20_000), Just(60_000)],
        part in 0..=4_u64,
        steps in prop::collection::vec(step(), 1..250),
    ) {
        let mut model = Model::new(memory, memory * part / 4);
        for step in &steps {
            model.act(step);
            model.check();
        }
        let Model { ledger, index, pins, hoards, .. } = model;
        drop((pins, hoards));
        assert_eq!(index.usage().hoarded, Share::default());
        index.audit();
        drop(index);
        assert_eq!(ledger.used(), 0);
    }
}
