//! How long a store is waited for, and how often it is asked again.

use std::time::Duration;

/// The limits of one store. [`RetryPolicy::default`] suits a store in the same region.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RetryPolicy {
    /// How long the head of one answer may take. Default 3 s: the slowest first bytes of S3 in its own region are well under 1 s.
    pub first_byte: Duration,
    /// How long a body may bring no byte while somebody waits for one. Default 3 s.
    pub stall: Duration,
    /// How long one request, or one gap in a body, may take with all its retries. Default 8 s: below the 10 s of a mint.
    pub patience: Duration,
    /// How often one request, or one gap in a body, is tried again. Default 3.
    pub retries: u32,
    /// How many bytes a body must bring before a further break in it counts as a new gap. Default 256 KiB: less, and a store
    /// that sends a byte per answer could be asked for ever.
    pub progress: u64,
    /// The first wait before asking again; it doubles each time, and a random half of it is waited. Default 50 ms.
    pub backoff: Duration,
    /// The longest such wait. Default 1 s.
    pub backoff_max: Duration,
    /// How many retries each request earns for its store. Default 0.1: in the long run at most a tenth more requests.
    pub budget_ratio: f64,
    /// How many retries a store earns per second however quiet it is. Default 0.5.
    pub budget_trickle: f64,
    /// The most retries a store can have saved up, and what it begins with. Default 20.
    pub budget_burst: f64,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            first_byte: Duration::from_secs(3),
            stall: Duration::from_secs(3),
            patience: Duration::from_secs(8),
            retries: 3,
            progress: 256 * 1024,
            backoff: Duration::from_millis(50),
            backoff_max: Duration::from_secs(1),
            budget_ratio: 0.1,
            budget_trickle: 0.5,
            budget_burst: 20.0,
        }
    }
}
