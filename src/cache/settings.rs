//! What an operator decides about the cache.
//!
//! The two accounts of memory are `memory` and `in_flight`: a block is counted under one of them, never under both, so the
//! gateway's bytes take at most their sum.

use std::time::Duration;

/// How much memory bytes may take, and who is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheSettings {
    /// Blocks that are kept, in bytes; at least 4 MiB. Default 512 MiB.
    pub memory: u64,
    /// Bytes on their way from a store or to a fetcher; at least 4 MiB. Default 128 MiB.
    pub in_flight: u64,
    /// Of `memory`, what minted and not yet fetched objects may take, in bytes. Default half of `memory`.
    pub prewarm: u64,
    /// In bytes per second: a body whose reader is slower may be cut while more than three quarters of `in_flight` are taken; 0 cuts
    /// none. Default 32 KiB.
    pub min_rate: u64,
    /// Whether large blocks lie where they can be sent from without a copy. Default yes.
    pub zero_copy: bool,
    /// How long a range waits for the fill that builds its content's manifest, without which it cannot be verified. Default 10 s.
    pub manifest_wait: Duration,
}

impl Default for CacheSettings {
    fn default() -> Self {
        let memory = 512 << 20;
        Self {
            memory,
            in_flight: 128 << 20,
            prewarm: memory / 2,
            min_rate: 32 << 10,
            zero_copy: true,
            manifest_wait: Duration::from_secs(10),
        }
    }
}
