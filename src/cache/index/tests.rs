//! What the index promises, promise by promise. Weights in these tests are whole numbers of [`UNIT`]s.

mod minted;

use bytes::Bytes;

use super::shelves::Line;
use super::*;
use crate::cache::memory::ACCOUNT;
use crate::cache::{Blank, Ledger};
use crate::value::UnixTime;

/// What each block of these tests weighs.
const UNIT: u64 = 1000;

/// An index for so many blocks, of which so many may be held, and a ledger for everything else.
struct Stage {
    ledger: Arc<Ledger>,
    index: Index,
}

impl Stage {
    fn new(memory: u64, prewarm: u64) -> Self {
        Self { ledger: Ledger::new(1 << 30, None), index: Index::new(memory * UNIT, prewarm * UNIT) }
    }

    fn block(&self) -> Block {
        let length = usize::try_from(UNIT - ACCOUNT).unwrap();
        let mut blank = Blank::take(&self.ledger, length).unwrap();
        blank.fill(&mut Bytes::from(vec![7; length]));
        let block = blank.share();
        assert_eq!(block.weight(), UNIT);
        block
    }

    fn keep(&self, content: u64, number: u32) -> bool {
        self.index.keep(key(content, number), &self.block())
    }

    fn hoard(&self, blocks: u32) -> Hoard {
        let mut hoard = self.index.hoard();
        (0..blocks).for_each(|number| assert!(hoard.add(number, &self.block())));
        hoard
    }

    /// A mint: the content is read and held.
    fn mint(&self, content: u64, blocks: u32) {
        self.hoard(blocks).hold(fingerprint(content), until(content));
    }

    fn place(&self, content: u64, number: u32) -> Option<Place> {
        self.index.place(&key(content, number))
    }

    fn get(&self, content: u64) -> Option<Block> {
        self.index.get(&key(content, 0))
    }

    fn count(&self, place: Option<Place>, contents: std::ops::Range<u64>) -> usize {
        contents.filter(|content| self.place(*content, 0) == place).count()
    }

    fn blocks(&self) -> [u64; 4] {
        let Usage { held, probation, protected, hoarded, .. } = self.index.usage();
        self.index.audit();
        assert_eq!(self.ledger.used(), 0, "what is kept is not in flight");
        [held, probation, protected, hoarded].map(|share| share.blocks)
    }
}

const HELD: Option<Place> = Some(Place::Held);
const PROBATION: Option<Place> = Some(Place::Queued(Line::Probation));
const PROTECTED: Option<Place> = Some(Place::Queued(Line::Protected));

fn key(content: u64, number: u32) -> BlockKey {
    BlockKey::of(fingerprint(content), number)
}

fn fingerprint(content: u64) -> Fingerprint {
    Fingerprint::of(&content.to_le_bytes())
}

fn until(secs: u64) -> Claim {
    Claim { expires: UnixTime::from_secs(secs).unwrap(), link: None }
}

#[test]
fn a_kept_block_is_found_and_in_flight_no_more() {
    let stage = Stage::new(10, 0);
    let (one, other) = (stage.block(), stage.block());
    assert!(stage.get(1).is_none() && !stage.index.has(&key(1, 0)));
    assert!(stage.index.keep(key(1, 0), &one));
    assert_eq!(stage.ledger.used(), UNIT, "the other one");
    assert!(stage.index.keep(key(1, 0), &other), "it lies there");
    assert_eq!(stage.ledger.used(), UNIT, "the one that was there stayed");
    assert_eq!(stage.get(1).unwrap().bytes().as_ptr(), one.bytes().as_ptr());
    assert!(stage.index.clone().has(&key(1, 0)) && !stage.index.has(&key(1, 1)));
    drop(other);
    assert_eq!(stage.blocks(), [0, 1, 0, 0]);
}

#[test]
fn what_others_hold_is_never_evicted_and_then_there_is_no_room() {
    let stage = Stage::new(10, 0);
    let held: Vec<Bytes> = (0..10)
        .map(|content| {
            assert!(stage.keep(content, 0));
            stage.get(content).unwrap().slice(0..1)
        })
        .collect();
    let more = stage.block();
    assert!(!stage.index.keep(key(10, 0), &more));
    assert_eq!(stage.ledger.used(), UNIT, "the block is what it was");
    assert!(!stage.index.hoard().add(0, &more));
    assert_eq!((stage.ledger.used(), stage.index.usage().evictions), (UNIT, 0));
    drop(held);
    assert!(stage.index.keep(key(10, 0), &more));
    assert_eq!(stage.blocks().iter().sum::<u64>(), 10);
}

#[test]
fn one_evictable_block_among_pinned_ones_is_found() {
    for free in [0, 57, 99] {
        let stage = Stage::new(100, 0);
        let _held: Vec<Block> = (0..100)
            .filter_map(|content| {
                assert!(stage.keep(content, 0));
                stage.get(content).filter(|_| content != free)
            })
            .collect();
        // Used as it is, it has to go: nothing else can.
        assert!(stage.keep(1000, 0), "{free}");
        assert_eq!((stage.place(free, 0), stage.place(1000, 0)), (None, PROBATION), "{free}");
        stage.blocks();
    }
}

#[test]
fn what_is_used_a_lot_makes_way_when_nothing_else_can() {
    let stage = Stage::new(10, 0);
    (0..10).for_each(|content| assert!(stage.keep(content, 0) && stage.get(content).is_some()));
    assert!(stage.keep(10, 0));
    let _pinned = stage.get(10);
    assert_eq!(stage.blocks(), [0, 1, 9, 0]);
    (0..50).for_each(|use_| drop(stage.get(use_ % 10)));
    assert!(stage.keep(11, 0));
    assert_eq!(stage.blocks(), [0, 2, 8, 0]);
}

#[test]
fn pinned_blocks_are_not_met_again_by_each_insert() {
    let stage = Stage::new(1000, 0);
    let pinned: Vec<Block> = (0..500)
        .map(|content| {
            assert!(stage.keep(content, 0));
            stage.get(content).unwrap()
        })
        .collect();
    (500..1000).for_each(|content| assert!(stage.keep(content, 0)));
    // The first searches meet the pinned ones and put them to the other end; then nobody meets them for 500 evictions.
    let tries = (1000..1010).take_while(|content| !stage.keep(*content, 0)).count();
    assert!(tries <= 500 / room::PATIENCE + 1, "{tries}");
    assert!((2000..2400).all(|content| stage.keep(content, 0)));
    assert_eq!(stage.count(None, 0..500), 0);
    drop(pinned);
    stage.blocks();
}

#[test]
fn a_block_larger_than_all_memory_costs_nobody_their_place() {
    let stage = Stage::new(10, 0);
    (0..10).for_each(|content| assert!(stage.keep(content, 0)));
    let large = Blank::take(&stage.ledger, 20_000).unwrap().share();
    assert!(!stage.index.keep(key(99, 0), &large));
    drop(large);
    assert_eq!((stage.blocks(), stage.index.usage().evictions), ([0, 10, 0, 0], 0));
}

#[test]
fn a_scan_leaves_the_hot_set_and_what_is_held() {
    let stage = Stage::new(200, 100);
    (0..60).for_each(|content| stage.mint(content, 1));
    (100..200).for_each(|content| assert!(stage.keep(content, 0) && stage.get(content).is_some()));
    (1000..11_000).for_each(|content| assert!(stage.keep(content, 0)));
    assert_eq!(stage.count(HELD, 0..60), 60);
    assert_eq!(stage.count(PROTECTED, 100..200), 100);
    assert_eq!(stage.blocks(), [60, 40, 100, 0]);
    assert_eq!(stage.index.usage().evictions, 10_000 - 40);
}

#[test]
fn an_asking_that_is_no_use_protects_nothing() {
    let stage = Stage::new(100, 0);
    assert!(stage.keep(0, 0) && stage.keep(1, 0));
    assert!(stage.index.has(&key(0, 0)) && stage.get(1).is_some());
    (1000..1200).for_each(|content| assert!(stage.keep(content, 0)));
    assert_eq!((stage.place(0, 0), stage.place(1, 0)), (None, PROTECTED));
}

#[test]
fn what_comes_back_soon_after_its_eviction_is_protected() {
    let stage = Stage::new(100, 0);
    (0..150).for_each(|content| assert!(stage.keep(content, 0)));
    assert_eq!(stage.count(None, 0..150), 50);
    assert!(stage.keep(20, 0) && stage.keep(5000, 0));
    assert_eq!((stage.place(20, 0), stage.place(5000, 0)), (PROTECTED, PROBATION));
    (10_000..90_000).for_each(|content| assert!(stage.keep(content, 0)));
    assert_eq!(stage.index.ghosts(), (50, 0), "half as many of them as blocks");
    assert!(stage.keep(5000, 0));
    assert_eq!(stage.place(5000, 0), PROBATION, "its eviction is long forgotten");
    stage.blocks();
}

#[test]
fn protected_blocks_that_nobody_uses_any_more_make_way() {
    let stage = Stage::new(100, 0);
    for round in 0..5 {
        let contents = round * 1000..round * 1000 + 95;
        contents.clone().for_each(|content| assert!(stage.keep(content, 0) && stage.get(content).is_some()));
        (0..500).for_each(|content| assert!(stage.keep(100_000 + round * 1000 + content, 0)));
        assert!(stage.count(PROTECTED, contents) >= 85, "round {round}");
    }
    stage.blocks();
}

#[test]
fn the_credit_of_past_uses_is_spent() {
    let stage = Stage::new(100, 0);
    (0..80).for_each(|content| assert!(stage.keep(content, 0) && stage.get(content).is_some()));
    (1000..1100).for_each(|content| assert!(stage.keep(content, 0)));
    assert_eq!(stage.count(PROTECTED, 0..80), 80);
    (0..240).for_each(|use_| assert!(stage.get(use_ % 80).is_some()));
    (2000..2800).for_each(|content| assert!(stage.keep(content, 0) && stage.get(content).is_some()));
    assert_eq!(stage.count(None, 0..80), 80, "others are used now");
    stage.blocks();
}

#[test]
fn what_comes_back_decides_how_much_may_be_on_probation() {
    let stage = Stage::new(100, 0);
    assert_eq!(stage.index.trial(), 5 * UNIT);
    (0..150).for_each(|content| assert!(stage.keep(content, 0)));
    (10..30).for_each(|content| assert!(stage.keep(content, 0)));
    assert_eq!(stage.index.trial(), 25 * UNIT, "twenty were evicted too early");
    assert_eq!(stage.count(PROTECTED, 10..30), 20);
    // Others are protected in their place, until they are evicted from there.
    (1000..1400).for_each(|content| assert!(stage.keep(content, 0) && stage.get(content).is_some()));
    assert_eq!(stage.count(None, 10..30), 20);
    let former = (1000..1400).rfind(|content| !stage.index.has(&key(*content, 0))).unwrap();
    let before = stage.index.trial();
    assert!(stage.keep(former, 0));
    assert_eq!((stage.index.trial(), stage.place(former, 0)), (before - 2 * UNIT, PROBATION));
    (0..50_000).for_each(|step| assert!(stage.keep(step * 7 % 130, 0)));
    assert!(stage.index.trial() <= 90 * UNIT);
    stage.blocks();
}

#[test]
fn an_index_of_nothing_keeps_nothing() {
    let stage = Stage::new(0, 0);
    assert!(!stage.keep(1, 0));
    let mut hoard = stage.index.hoard();
    assert!(!hoard.add(0, &stage.block()));
    assert_eq!(stage.blocks(), [0; 4]);
}

#[test]
fn many_threads_leave_exact_sums_behind() {
    let stage = Stage::new(60, 32);
    let work = |seed: u64| {
        let mut held = std::collections::VecDeque::new();
        for step in 0..3000 {
            let content = (step * (seed * 2 + 7) + seed) % 90;
            match step % 7 {
                0 => {
                    let mut hoard = stage.index.hoard();
                    let added = (0..2).all(|number| hoard.add(number, &stage.block()));
                    if added && step % 2 == 0 {
                        hoard.hold(fingerprint(content), until(step % 50));
                    }
                }
                1 => stage.index.fetched(&fingerprint(content)),
                2 if step % 50 == 2 => stage.index.lapse(|claim| claim.expires.as_secs() < 20),
                3 | 4 => drop(stage.keep(content, 0)),
                _ => held.extend(stage.get(content)),
            }
            if held.len() > 8 {
                held.pop_front();
            }
            assert!(stage.index.usage().bytes() <= 60 * UNIT);
        }
    };
    let work = &work;
    std::thread::scope(|scope| (0..4).for_each(|seed| drop(scope.spawn(move || work(seed)))));
    let blocks = stage.blocks();
    assert_eq!(blocks[3], 0, "no hoard is left");
    assert!(blocks.iter().sum::<u64>() > 0);
    drop(stage.index);
    assert_eq!(stage.ledger.used(), 0);
}
