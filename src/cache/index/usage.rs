//! What lies in the index, by state. These sums are what decides about room, so they are kept exact at every step.

/// Bytes and blocks in one state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// The sum of the blocks' weights, in bytes.
    pub bytes: u64,
    /// How many blocks.
    pub blocks: u64,
}

impl Share {
    pub(super) const fn add(&mut self, weight: u64) {
        self.bytes += weight;
        self.blocks += 1;
    }

    pub(super) const fn remove(&mut self, weight: u64) {
        self.bytes -= weight;
        self.blocks -= 1;
    }
}

/// What lies in the index, and what had to leave it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Minted, and not yet fetched completely.
    pub held: Share,
    /// New, and so far on trial.
    pub probation: Share,
    /// Used again while on trial, or soon after.
    pub protected: Share,
    /// Of contents whose fingerprint is not known yet, or let go of while somebody still holds them.
    pub hoarded: Share,
    /// How many blocks were evicted since the start.
    pub evictions: u64,
    /// How many contents were pushed out of the holding area before they were fetched, or never held for lack of room, since the start.
    pub prewarm_drops: u64,
}

impl Usage {
    /// The sum over all states, in bytes.
    pub const fn bytes(&self) -> u64 {
        self.held.bytes + self.probation.bytes + self.protected.bytes + self.hoarded.bytes
    }
}
