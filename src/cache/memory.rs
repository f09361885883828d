//! Block memory: take, fill, share, free.
//!
//! A [`Blank`] is memory that one flight fills; sharing makes it a [`Block`], which nobody can change and anybody may hold. What is taken is
//! charged to the [`Ledger`] of bytes in flight, and stays there until the last holder is gone, unless the index takes the block over: it
//! then counts under the index's own ceiling.
//!
//! A blank is heap memory. A large block lies in the [`Arena`], if there is one: sharing copies it there, once for all who will read it.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;

use super::BLOCK;
use crate::arena::{Arena, Filled, footprint};

/// What is in flight, in bytes, under a ceiling.
#[derive(Debug)]
pub struct Ledger {
    /// Where large blocks lie.
    arena: Option<Arena>,
    used: AtomicU64,
    /// How many blocks are part of it.
    blocks: AtomicU64,
    ceiling: u64,
    freed: Notify,
    /// Memory of full blocks that is used again, so that a busy gateway does not ask the kernel for every block.
    spare: Mutex<Vec<Vec<u8>>>,
}

/// Taking this much would pass the ceiling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no room for more bytes in flight")]
pub struct NoRoom;

/// A part of what is in flight; dropping it gives it back.
#[derive(Debug)]
pub struct Charge {
    ledger: Arc<Ledger>,
    bytes: u64,
    blocks: u64,
}

impl Ledger {
    /// An empty ledger under a ceiling, in bytes. Large blocks will lie in `arena`, or, without one, on the heap.
    pub fn new(ceiling: u64, arena: Option<Arena>) -> Arc<Self> {
        let (used, blocks) = (AtomicU64::new(0), AtomicU64::new(0));
        Arc::new(Self { arena, used, blocks, ceiling, freed: Notify::new(), spare: Mutex::default() })
    }

    /// Takes this many bytes, or nothing.
    pub fn charge(self: &Arc<Self>, bytes: u64) -> Result<Charge, NoRoom> {
        self.enter(bytes, 0, self.ceiling)
    }

    fn enter(self: &Arc<Self>, bytes: u64, blocks: u64, ceiling: u64) -> Result<Charge, NoRoom> {
        let more = |used: u64| used.checked_add(bytes).filter(|sum| *sum <= ceiling);
        let taken = self.used.try_update(Ordering::AcqRel, Ordering::Acquire, more);
        taken.map_err(|_| NoRoom)?;
        self.blocks.fetch_add(blocks, Ordering::AcqRel);
        Ok(Charge { ledger: Arc::clone(self), bytes, blocks })
    }

    /// What is in flight now, in bytes.
    pub fn used(&self) -> u64 {
        self.used.load(Ordering::Acquire)
    }

    /// How many blocks are part of what is in flight.
    pub fn blocks(&self) -> u64 {
        self.blocks.load(Ordering::Acquire)
    }

    /// The most that may be in flight, in bytes.
    pub const fn ceiling(&self) -> u64 {
        self.ceiling
    }

    /// How many bytes more than three quarters of the ceiling are in flight: memory is short when there are any.
    pub fn excess(&self) -> u64 {
        self.used().saturating_sub(self.ceiling / 4 * 3)
    }

    /// Waits until something was given back, from the call on.
    pub fn freed(&self) -> impl Future<Output = ()> + '_ {
        self.freed.notified()
    }

    /// The place where `bytes` stay.
    fn settle(&self, bytes: Vec<u8>) -> Memory {
        let slot = self.arena.as_ref().and_then(|arena| arena.take(bytes.len()));
        match slot.map(|slot| slot.fill(&bytes)) {
            Some(Ok(filled)) => {
                self.give_back(bytes);
                Memory::Slot(filled)
            }
            Some(Err(error)) => {
                tracing::warn!(%error, "a block found no place in the arena; it stays on the heap");
                Memory::Heap(bytes)
            }
            None => Memory::Heap(bytes),
        }
    }

    fn memory(&self, length: usize) -> Vec<u8> {
        let spare = if length == BLOCK { self.spares().pop() } else { None };
        spare.unwrap_or_else(|| Vec::with_capacity(length))
    }

    fn give_back(&self, mut memory: Vec<u8>) {
        let mut spares = if memory.capacity() == BLOCK { self.spares() } else { return };
        if spares.len() < SPARES {
            memory.clear();
            spares.push(memory);
        }
    }

    fn spares(&self) -> std::sync::MutexGuard<'_, Vec<Vec<u8>>> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.ledger.used.fetch_sub(self.bytes, Ordering::AcqRel);
        self.ledger.blocks.fetch_sub(self.blocks, Ordering::AcqRel);
        self.ledger.freed.notify_waiters();
    }
}

/// Memory for one block, on its way to be filled.
#[derive(Debug)]
pub struct Blank {
    bytes: Vec<u8>,
    length: usize,
    charge: Charge,
}

impl Blank {
    /// Memory for a block of `length` bytes, charged to `ledger` together with what it costs to keep account of it.
    pub fn take(ledger: &Arc<Ledger>, length: usize) -> Result<Self, NoRoom> {
        let charge = ledger.enter(weight(length), 1, ledger.ceiling)?;
        Ok(Self { bytes: ledger.memory(length), length, charge })
    }

    /// The same for whoever begins: both at once or nothing, and beneath what is left to those who are under way, who would be broken off
    /// without. `beside` is charged too, in bytes.
    pub(super) fn begin(ledger: &Arc<Ledger>, length: usize, beside: u64) -> Result<(Self, Charge), NoRoom> {
        let ceiling = ledger.ceiling - ledger.ceiling / LEFT_TO_OTHERS;
        let mut charge = ledger.enter(weight(length) + beside, 1, ceiling)?;
        charge.bytes -= beside;
        let beside = Charge { ledger: Arc::clone(ledger), bytes: beside, blocks: 0 };
        Ok((Self { bytes: ledger.memory(length), length, charge }, beside))
    }

    /// Fills it with as much of `chunk` as it lacks, and leaves the rest there.
    pub fn fill(&mut self, chunk: &mut Bytes) {
        let lacking = self.length - self.bytes.len();
        self.bytes.extend_from_slice(&chunk.split_to(lacking.min(chunk.len())));
    }

    /// Whether it lacks nothing.
    pub const fn is_full(&self) -> bool {
        self.bytes.len() == self.length
    }

    /// What is in it so far.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Makes it a block, which nobody can change any more. A large one takes about 100 µs: the kernel gives it new pages.
    pub fn share(self) -> Block {
        let Self { bytes, length, charge } = self;
        let ledger = Arc::clone(&charge.ledger);
        let memory = ledger.settle(bytes);
        Block(Arc::new(Held { memory, weight: weight(length), charge: Mutex::new(Some(charge)), ledger }))
    }
}

/// A block of content. Clones share its memory, which is freed with the last of them.
#[derive(Clone, Debug)]
pub struct Block(Arc<Held>);

#[derive(Debug)]
struct Held {
    // Freed before the charge is.
    memory: Memory,
    weight: u64,
    /// `None` once the index counts it.
    charge: Mutex<Option<Charge>>,
    ledger: Arc<Ledger>,
}

/// Where a block's bytes lie.
#[derive(Debug)]
enum Memory {
    Heap(Vec<u8>),
    Slot(Filled),
}

impl Memory {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Heap(bytes) => bytes,
            Self::Slot(filled) => filled.bytes(),
        }
    }
}

impl Block {
    /// What is in it.
    pub fn bytes(&self) -> &[u8] {
        self.0.memory.bytes()
    }

    /// A part of it, without a copy. It holds the whole block. A range that is not within the block gives what of it is.
    pub fn slice(&self, range: Range<usize>) -> Bytes {
        let end = range.end.min(self.bytes().len());
        Bytes::from_owner(Whole(Arc::clone(&self.0))).slice(range.start.min(end)..end)
    }

    /// What it counts for, in bytes.
    pub fn weight(&self) -> u64 {
        self.0.weight
    }

    /// Whether anybody but the one who asks holds it.
    pub fn is_shared(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }

    /// From now on somebody else counts it, as long as they hold it: it is in flight no more.
    pub(super) fn settle(&self) {
        let charge = self.0.charge.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(charge);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Memory::Heap(bytes) = &mut self.memory {
            self.ledger.give_back(std::mem::take(bytes));
        }
    }
}

/// Lets `Bytes` hold a block.
struct Whole(Arc<Held>);

impl AsRef<[u8]> for Whole {
    fn as_ref(&self) -> &[u8] {
        self.0.memory.bytes()
    }
}

/// What a block of `length` bytes counts for: its memory, and an allowance for the account that is kept of it.
pub(super) fn weight(length: usize) -> u64 {
    footprint(length) as u64 + ACCOUNT
}

/// What the account of one block takes in the index and its queues, with their allocations: 405 bytes at most, measured with 900,000 blocks
/// of one byte each, and 24 for the place of its slot.
pub(super) const ACCOUNT: u64 = 432;
/// This part of the ceiling is not for those who begin.
const LEFT_TO_OTHERS: u64 = 8;
/// How many full blocks' memory is kept for use again: 4 MiB.
const SPARES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(ledger: &Arc<Ledger>, content: &'static [u8]) -> Block {
        let mut blank = Blank::take(ledger, content.len()).unwrap();
        blank.fill(&mut Bytes::from_static(content));
        assert!(blank.is_full());
        blank.share()
    }

    #[test]
    fn a_block_counts_once_until_its_last_holder_drops_it() {
        let ledger = Ledger::new(1 << 20, None);
        let block = filled(&ledger, b"hello");
        let once = ledger.used();
        assert_eq!((once, ledger.blocks()), (block.weight(), 1));
        let readers: Vec<Bytes> = (0..100).map(|_| block.slice(1..4)).collect();
        assert!(block.is_shared());
        assert_eq!(ledger.used(), once);
        drop(block);
        assert_eq!(ledger.used(), once, "readers hold it");
        assert!(readers.iter().all(|bytes| bytes.as_ref() == b"ell"));
        drop(readers);
        assert_eq!(ledger.used(), 0);
    }

    #[test]
    fn past_the_ceiling_nothing_is_taken() {
        let ledger = Ledger::new(1000, None);
        let first = ledger.charge(900).unwrap();
        assert_eq!(ledger.charge(101).unwrap_err(), NoRoom);
        assert_eq!(Blank::take(&ledger, 10).unwrap_err(), NoRoom);
        assert_eq!(ledger.charge(u64::MAX).unwrap_err(), NoRoom);
        let second = ledger.charge(100).unwrap();
        assert_eq!(ledger.used(), 1000);
        drop((first, second));
        assert_eq!(ledger.used(), 0);
    }

    #[test]
    fn a_settled_block_is_in_flight_no_more() {
        let ledger = Ledger::new(1 << 20, None);
        let block = filled(&ledger, b"hello");
        block.settle();
        block.settle();
        assert_eq!((ledger.used(), ledger.blocks()), (0, 0));
        drop(block);
        assert_eq!(ledger.used(), 0);
    }

    #[test]
    fn a_blank_takes_no_more_than_it_lacks() {
        let ledger = Ledger::new(1 << 20, None);
        let mut blank = Blank::take(&ledger, 4).unwrap();
        let mut chunk = Bytes::from_static(b"abcdef");
        blank.fill(&mut chunk);
        assert!(blank.is_full());
        assert_eq!((blank.bytes(), chunk.as_ref()), (b"abcd".as_slice(), b"ef".as_slice()));
        let block = blank.share();
        assert_eq!(block.slice(2..9), "cd");
        assert_eq!(block.slice(7..9), "");
    }

    #[test]
    fn memory_that_is_used_again_is_empty() {
        let ledger = Ledger::new(4 << 20, None);
        let fill = |byte: u8, length: usize| {
            let mut blank = Blank::take(&ledger, BLOCK).unwrap();
            assert_eq!(blank.bytes(), b"");
            blank.fill(&mut Bytes::from(vec![byte; length]));
            blank
        };
        drop(fill(1, BLOCK).share());
        let second = fill(2, BLOCK).share();
        assert!(second.bytes().iter().all(|byte| *byte == 2));
    }

    #[test]
    fn who_begins_takes_all_it_needs_or_nothing_and_leaves_room_to_others() {
        let ledger = Ledger::new(8000, None);
        let (first, beside) = Blank::begin(&ledger, 1000, 500).unwrap();
        assert_eq!((ledger.used(), ledger.blocks()), (1000 + ACCOUNT + 500, 1));
        let rest = ledger.charge(7000 - ledger.used() - 1000).unwrap();
        let before = ledger.used();
        assert_eq!(Blank::begin(&ledger, 1000, 0).unwrap_err(), NoRoom);
        assert_eq!(ledger.used(), before);
        assert!(Blank::take(&ledger, 1000).is_ok(), "who is under way may have it");
        drop((first, beside, rest));
        assert_eq!((ledger.used(), ledger.blocks()), (0, 0));
    }

    #[tokio::test]
    async fn who_waits_for_room_hears_of_it() {
        let ledger = Ledger::new(10, None);
        let all = ledger.charge(10).unwrap();
        let freed = ledger.freed();
        drop(all);
        freed.await;
        assert!(ledger.charge(10).is_ok());
    }
}
