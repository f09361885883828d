//! How many denials are written down: at most ten in a second, each with the number that were left out before it.
//!
//! Anybody can send bogus tokens at full speed. All are counted in the metrics; the log must not become the second victim. The time
//! is an argument, and asking costs one or two atomic operations.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::value::UnixTime;

/// Decides which denials are logged.
#[derive(Debug, Default)]
pub struct DenialLimiter {
    /// The second in the upper 40 bits, how many were logged in it in the lower 24.
    window: AtomicU64,
    suppressed: AtomicU64,
}

impl DenialLimiter {
    /// How many denials are logged in one second.
    pub const PER_SECOND: u64 = 10;

    /// Whether the denial that happens now is logged: then with how many went unlogged since the last one that was.
    pub fn admit(&self, now: UnixTime) -> Option<u64> {
        let advance = |window| advanced(window, now.as_secs());
        if self.window.fetch_update(Ordering::Relaxed, Ordering::Relaxed, advance).is_ok() {
            Some(self.suppressed.swap(0, Ordering::Relaxed))
        } else {
            self.suppressed.fetch_add(1, Ordering::Relaxed);
            None
        }
    }
}

/// The window with one more logged in it; `None` when it is full. A second that is just past counts as the window's own, so that threads
/// on either side of its edge do not open windows in turn; a clock that was set back further opens a new one.
fn advanced(window: u64, now: u64) -> Option<u64> {
    let (second, logged) = (window >> COUNT_BITS, window & COUNT_MASK);
    if now > second || second - now > CLOCK_SLACK {
        Some(now << COUNT_BITS | 1)
    } else {
        (logged < DenialLimiter::PER_SECOND).then_some(window + 1)
    }
}

const COUNT_BITS: u32 = 24;
const COUNT_MASK: u64 = (1 << COUNT_BITS) - 1;

/// In seconds.
const CLOCK_SLACK: u64 = 5;

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted(limiter: &DenialLimiter, second: u64, times: usize) -> Vec<u64> {
        let now = UnixTime::from_secs(second).unwrap();
        (0..times).filter_map(|_| limiter.admit(now)).collect()
    }

    #[test]
    fn ten_a_second_are_logged_and_the_next_line_tells_the_rest() {
        let limiter = DenialLimiter::default();
        assert_eq!(admitted(&limiter, 100, 1010), [0; 10]);
        assert_eq!(admitted(&limiter, 101, 3), [1000, 0, 0]);
        assert_eq!(admitted(&limiter, 200, 11), [0; 10]);
        assert_eq!(admitted(&limiter, 201, 1), [1]);
    }

    #[test]
    fn threads_at_the_edge_of_a_second_do_not_open_windows_in_turn() {
        let limiter = DenialLimiter::default();
        let logged: usize = (0..1000).map(|n| admitted(&limiter, 100 + n % 2, 1).len()).sum();
        assert_eq!(logged, 11);
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_silence_the_log() {
        let limiter = DenialLimiter::default();
        admitted(&limiter, UnixTime::MAX.as_secs(), 20);
        assert_eq!(admitted(&limiter, 100, 1), [10]);
        assert_eq!(admitted(&limiter, 0, 1), [0]);
    }
}
