//! Slots of one mapped memory file: taken, filled once, read by many, given back to the kernel.
//!
//! The file is sparse and far longer than what is ever in it: each size class has a stretch of it that could hold the whole capacity, so no
//! class runs out while another has room, and nothing is ever moved. What a slot holds is read through a mapping that nobody can
//! write to, and filled through the file.
//!
//! # Why the one `unsafe` line is sound
//! [`Filled::bytes`] makes a slice of mapped memory. That asks for three things.
//! - *The memory is there as long as the slice.* The slice borrows the `Filled`, which holds the [`Arena`], which holds the mapping; the
//!   file is sealed against shrinking and growing, so every page of the mapping stays backed by it.
//! - *It lies within the mapping and is initialised.* A slot's place and length come from the table of classes, the mapping is as long as all
//!   stretches together, and a `Filled` exists only after the whole of its length was written.
//! - *Nobody changes it while it is borrowed.* The mapping is read-only. The file is written by [`Slot::fill`] alone, which consumes the
//!   slot, and punched by the slot's drop alone, after the last borrow of it. A slot is not `Clone`, and its number is on the list of
//!   free ones only after that drop. The file has no name, and its descriptor is lent to nobody but [`Arena::send`], which reads.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use memmap2::{Advice, MmapOptions, MmapRaw};
use rustix::fs::{FallocateFlags, MemfdFlags, SealFlags, fallocate, fcntl_add_seals, memfd_create, sendfile};
use rustix::process::{Resource, getrlimit};

use super::classes::{CLASSES, class_of};

/// Memory for blocks that can leave by a socket without a copy. Clones share it.
#[derive(Clone)]
pub struct Arena(Arc<Shared>);

struct Shared {
    file: File,
    mapping: MmapRaw,
    /// How long the stretch of one class is, in bytes.
    stretch: u64,
    lists: Mutex<[Numbers; CLASSES.len()]>,
    /// Whether a slot is emptied before it is used again. Only a test says no.
    punches: bool,
}

/// The numbers of one class's slots.
#[derive(Default)]
struct Numbers {
    /// How many were ever used.
    used: u64,
    /// Those that were used and are free again.
    free: Vec<u64>,
}

/// A free slot in one's hand. Dropping it gives it back.
#[derive(Debug)]
pub struct Slot {
    arena: Arena,
    class: usize,
    number: u64,
}

/// A slot with bytes in it, which nobody can change.
#[derive(Debug)]
pub struct Filled {
    slot: Slot,
    length: usize,
}

impl Arena {
    /// An empty arena whose slots together may take `capacity` bytes. Memory is taken as slots are filled.
    ///
    /// # Errors
    /// What the kernel said: it has no memory files, or so much address space is not allowed.
    pub(super) fn map(capacity: u64, punches: bool) -> io::Result<Self> {
        let [.., largest] = CLASSES.map(|bytes| bytes as u64);
        let stretch = capacity.checked_next_multiple_of(largest).filter(|bytes| *bytes > 0);
        let length = stretch.and_then(|stretch| stretch.checked_mul(CLASSES.len() as u64));
        let (stretch, length) = stretch.zip(length).ok_or(io::ErrorKind::InvalidInput)?;
        // Past this limit the kernel does not refuse, it kills.
        if getrlimit(Resource::Fsize).current.is_some_and(|most| most < length) {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let memory: OwnedFd = memfd_create("hallpass-blocks", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        let file = File::from(memory);
        file.set_len(length)?;
        fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
        let length = usize::try_from(length).map_err(|_| io::ErrorKind::InvalidInput)?;
        let mapping = MmapOptions::new().len(length).map_raw_read_only(&file)?;
        // Huge pages are freed as a whole only. That the file gets none when it is filled is looked at before, by `Arena::start`.
        mapping.advise(Advice::NoHugePage)?;
        Ok(Self(Arc::new(Shared { file, mapping, stretch, lists: Mutex::default(), punches })))
    }

    /// A slot for `length` bytes; `None` when they are too few or too many for one, or all are taken.
    pub fn take(&self, length: usize) -> Option<Slot> {
        let (class, bytes) = class_of(length)?;
        let mut lists = self.lists();
        let numbers = lists.get_mut(class)?;
        let number = numbers.free.pop().or_else(|| {
            let next = numbers.used;
            let is_there = (next + 1) * bytes as u64 <= self.0.stretch;
            numbers.used += u64::from(is_there);
            is_there.then_some(next)
        })?;
        drop(lists);
        Some(Slot { arena: self.clone(), class, number })
    }

    /// Sends `bytes` by `socket` without a copy, as many as it takes at once; `None` where they do not lie in this arena.
    ///
    /// The kernel goes on reading the pages after this returned, until the other end has them: a slot that is filled anew must have got new
    /// pages.
    pub fn send(&self, socket: BorrowedFd<'_>, bytes: &[u8]) -> Option<io::Result<usize>> {
        let mut offset = self.offset(bytes)?;
        Some(sendfile(socket, self.0.file.as_fd(), Some(&mut offset), bytes.len()).map_err(io::Error::from))
    }

    /// Whether `bytes` lie in this arena.
    pub fn holds(&self, bytes: &[u8]) -> bool {
        self.offset(bytes).is_some()
    }

    fn offset(&self, bytes: &[u8]) -> Option<u64> {
        let offset = bytes.as_ptr().addr().checked_sub(self.0.mapping.as_ptr().addr())?;
        let end = offset.checked_add(bytes.len())?;
        (end <= self.0.mapping.len()).then_some(offset as u64)
    }

    fn lists(&self) -> MutexGuard<'_, [Numbers; CLASSES.len()]> {
        self.0.lists.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    /// Where it begins in the file, and what it holds, in bytes.
    fn place(&self) -> (u64, u64) {
        let bytes = CLASSES.get(self.class).map_or(0, |bytes| *bytes as u64);
        (self.class as u64 * self.arena.0.stretch + self.number * bytes, bytes)
    }

    /// Puts `bytes` into it.
    ///
    /// # Errors
    /// They are more than it holds, or the kernel has no memory for them; the slot is free again.
    pub fn fill(self, bytes: &[u8]) -> io::Result<Filled> {
        let (offset, most) = self.place();
        if bytes.len() as u64 > most {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        self.arena.0.file.write_all_at(bytes, offset)?;
        Ok(Filled { length: bytes.len(), slot: self })
    }

    /// Gives its pages back to the kernel.
    fn empty(&self) -> io::Result<()> {
        let ((offset, bytes), how) = (self.place(), FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE);
        if self.arena.0.punches {
            fallocate(&self.arena.0.file, how, offset, bytes)?;
        }
        Ok(())
    }
}

impl Drop for Slot {
    /// What was sent from it may still be on its way, so it gets new pages before it is used again. One that cannot is never used again.
    fn drop(&mut self) {
        match self.empty() {
            Ok(()) => {
                if let Some(numbers) = self.arena.lists().get_mut(self.class) {
                    numbers.free.push(self.number);
                }
            }
            Err(error) => tracing::error!(%error, "a block's memory could not be given back; it stays taken"),
        }
    }
}

impl Filled {
    /// What is in it.
    pub fn bytes(&self) -> &[u8] {
        let (offset, _) = self.slot.place();
        #[expect(clippy::cast_possible_truncation, reason = "it lies within a mapping, whose length is a usize")]
        let start = self.slot.arena.0.mapping.as_ptr().wrapping_add(offset as usize);
        #[expect(unsafe_code, reason = "the proof stands at the head of this file")]
        // SAFETY: `start` and the length lie within the mapping, which outlives `self`; all of it was written before `self` was made, and
        // nobody writes to it or punches it before `self` is dropped.
        unsafe {
            std::slice::from_raw_parts(start, self.length)
        }
    }
}

impl fmt::Debug for Arena {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arena").field("stretch", &self.0.stretch).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::super::classes::LEAST;
    use super::*;

    const LARGEST: usize = 256 * 1024;

    fn arena() -> Arena {
        Arena::map(4 << 20, true).unwrap()
    }

    impl Arena {
        /// What is really taken, in bytes.
        fn resident(&self) -> u64 {
            self.0.file.metadata().unwrap().blocks() * 512
        }
    }

    #[test]
    fn what_was_put_in_is_there_at_every_size() {
        let arena = arena();
        let contents: Vec<Vec<u8>> = (LEAST..=LARGEST)
            .step_by(4999)
            .map(|length| (0..length).map(|at| (at * length).to_le_bytes()[0]).collect())
            .collect();
        let filled: Vec<Filled> =
            contents.iter().map(|bytes| arena.take(bytes.len()).unwrap().fill(bytes).unwrap()).collect();
        for (filled, bytes) in filled.iter().zip(&contents) {
            assert!(filled.bytes() == bytes);
            assert!(arena.holds(filled.bytes()) && arena.holds(&filled.bytes()[5..100]));
            assert!(!arena.holds(bytes));
        }
    }

    #[test]
    fn memory_is_taken_by_filling_and_given_back_by_the_drop() {
        let arena = arena();
        assert_eq!(arena.resident(), 0);
        let slots: Vec<Slot> = (0..16).map(|_| arena.take(LARGEST).unwrap()).collect();
        assert!(arena.take(LARGEST).is_none(), "the capacity is taken");
        assert_eq!(arena.resident(), 0);
        let filled: Vec<Filled> = slots.into_iter().map(|slot| slot.fill(&vec![7; LARGEST]).unwrap()).collect();
        assert_eq!(arena.resident(), 4 << 20);
        assert!(arena.take(LARGEST - 1).is_none());
        assert!(arena.take(LEAST).is_some(), "each class has its own stretch");
        drop(filled);
        assert_eq!(arena.resident(), 0);
        let again = arena.take(LARGEST).unwrap().fill(&vec![8; LARGEST]).unwrap();
        assert!(again.bytes().iter().all(|byte| *byte == 8));
    }

    #[test]
    fn what_does_not_fit_is_refused_and_the_slot_is_free_again() {
        let arena = Arena::map(1, true).unwrap();
        for length in [0, LEAST - 1, LARGEST + 1, usize::MAX] {
            assert!(arena.take(length).is_none());
        }
        assert_eq!(
            arena.take(LARGEST).unwrap().fill(&vec![0; LARGEST + 1]).unwrap_err().kind(),
            io::ErrorKind::InvalidInput
        );
        assert!(arena.take(LARGEST).is_some());
    }

    #[test]
    fn no_two_slots_share_a_byte() {
        let arena = arena();
        let mut places: Vec<(u64, u64)> = Vec::new();
        for length in CLASSES {
            while let Some(slot) = arena.take(length) {
                places.push(slot.place());
                std::mem::forget(slot);
            }
        }
        places.sort_unstable();
        assert!(places.windows(2).all(|pair| pair[0].0 + pair[0].1 <= pair[1].0));
        let (last, bytes) = places.last().unwrap();
        assert!(last + bytes <= arena.0.mapping.len() as u64);
    }

    #[test]
    fn a_capacity_that_no_machine_has_is_an_error() {
        for capacity in [0, u64::MAX, u64::MAX / 2, 1 << 60] {
            assert!(Arena::map(capacity, true).is_err(), "{capacity}");
        }
    }

    #[test]
    fn many_threads_take_fill_and_drop_without_seeing_each_others_bytes() {
        let arena = arena();
        std::thread::scope(|scope| {
            for thread in 0..4_u8 {
                let arena = &arena;
                scope.spawn(move || {
                    for round in 0..200_usize {
                        let length = LEAST + (round * 7919) % (LARGEST - LEAST);
                        let Some(slot) = arena.take(length) else { continue };
                        let filled = slot.fill(&vec![thread; length]).unwrap();
                        assert!(filled.bytes().iter().all(|byte| *byte == thread));
                    }
                });
            }
        });
        assert_eq!(arena.resident(), 0);
    }
}
