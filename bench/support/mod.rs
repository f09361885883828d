//! What the measurements that need a whole process share: an S3 server that fails by script, the real gateway in front of it, and a
//! client that counts instead of keeping.
//!
//! It is compiled into each bench, and into the integration tests for the ceiling of memory. None of them uses all of it.
#![allow(dead_code, reason = "each of the programs this is compiled into takes the part it needs")]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "figures for people need no more than a float holds"
)]

pub mod bucket;
pub mod gateway;
pub mod line;
pub mod memory;
pub mod numbers;
pub mod origin;
pub mod wire;

use bytes::Bytes;

/// The 256 KiB in which the gateway reads, checks and keeps.
pub const BLOCK: u64 = 256 * 1024;
pub const KIB: u64 = 1 << 10;
pub const MIB: u64 = 1 << 20;

/// Whether this run is one with the arena: everything must be borne with it, and, with `ZERO_COPY=off`, with blocks on the heap.
pub fn zero_copy() -> bool {
    std::env::var_os("ZERO_COPY").is_none_or(|word| word != "off")
}

/// Content that has no period a block could hide in, and differs with its seed.
///
/// Its beginning is plain text, so that no seed makes bytes that look like a picture or a program.
pub fn content(seed: u64, length: u64) -> Bytes {
    let mut bytes = vec![0; usize::try_from(length).unwrap()];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
    let opening = b"bytes of a bench";
    let shown = opening.len().min(bytes.len());
    bytes[..shown].copy_from_slice(&opening[..shown]);
    if bytes.len() > 24 {
        bytes[16..24].copy_from_slice(&seed.to_le_bytes());
    }
    bytes.into()
}

/// Random numbers without surprises: the same seed gives the same ones.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `end` (`SplitMix64`; the bias of the remainder does not matter here).
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end.max(1)
    }

    /// True once in so many.
    pub fn once_in(&mut self, many: u64) -> bool {
        self.below(many) == 0
    }

    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        let at = self.below(u64::try_from(of.len()).unwrap());
        &of[usize::try_from(at).unwrap()]
    }
}
