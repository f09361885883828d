//! Size classes: how much memory a block of a given length takes.
//!
//! Classes are whole pages, so that what is freed can be given back to the kernel, and steps of an eighth to a quarter, so that a block
//! wastes at most a fifth of its slot.

/// The least length that is worth a slot, in bytes. Below it, copying is as fast as anything else.
pub(super) const LEAST: usize = 32 * 1024;

/// What each class holds, in bytes.
pub(super) const CLASSES: [usize; 13] = [
    32 << 10,
    40 << 10,
    48 << 10,
    56 << 10,
    64 << 10,
    80 << 10,
    96 << 10,
    112 << 10,
    128 << 10,
    160 << 10,
    192 << 10,
    224 << 10,
    256 << 10,
];

/// The class of a length in bytes, and what it holds; `None` where no slot is worth it or large enough.
pub(super) fn class_of(length: usize) -> Option<(usize, usize)> {
    let fitting = || CLASSES.iter().copied().enumerate().find(|(_, bytes)| *bytes >= length);
    if length < LEAST { None } else { fitting() }
}

/// What `length` bytes take in memory: their slot, or themselves where they have none.
pub fn footprint(length: usize) -> usize {
    class_of(length).map_or(length, |(_, bytes)| bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_has_the_least_slot_that_holds_it_and_wastes_at_most_a_fifth() {
        for length in (LEAST..=256 * 1024).step_by(61) {
            let (class, bytes) = class_of(length).unwrap();
            assert_eq!(bytes, CLASSES[class]);
            assert!(class == 0 || CLASSES[class - 1] < length);
            assert!((bytes - length) * 5 <= bytes, "{length} bytes in a slot of {bytes}");
            assert_eq!(footprint(length), bytes);
        }
        assert!(CLASSES.iter().all(|bytes| bytes % 4096 == 0));
    }

    #[test]
    fn what_is_small_or_too_large_has_no_slot() {
        for length in [0, 1, LEAST - 1, 256 * 1024 + 1, usize::MAX] {
            assert_eq!((class_of(length), footprint(length)), (None, length));
        }
    }
}
