//! What the cache holds and what it has let go of, taken over into the metrics.
//!
//! The cache counts by itself; each look sets what is held now, and adds what has come to the totals since the last one.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::cache::CacheState;
use crate::telemetry::Metrics;

/// How much of the cache's totals is in the metrics already.
#[derive(Debug, Default)]
pub(super) struct CacheTold {
    evictions: AtomicU64,
    prewarm_drops: AtomicU64,
}

impl CacheTold {
    /// Takes what the cache says of itself over into `metrics`.
    pub(super) fn publish(&self, metrics: &Metrics, state: &CacheState) {
        let kept = &state.kept;
        let shares = [
            ("held", kept.held),
            ("probation", kept.probation),
            ("protected", kept.protected),
            ("hoarded", kept.hoarded),
            ("in-flight", state.in_flight),
        ];
        for (name, share) in shares {
            metrics.cache_state(name, share.bytes, share.blocks);
        }
        metrics.cache_evictions(since(&self.evictions, kept.evictions));
        metrics.prewarm_drops(since(&self.prewarm_drops, kept.prewarm_drops));
    }
}

/// What has come to a total since it was told last. Two looks at once tell nothing twice.
fn since(told: &AtomicU64, total: u64) -> u64 {
    total.saturating_sub(told.fetch_max(total, Ordering::Relaxed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::{Share, Usage};

    #[test]
    fn states_are_set_and_totals_are_added_once() {
        let (metrics, told) = (Metrics::new(), CacheTold::default());
        let looks = [(700, 3, 10, 1), (300, 2, 25, 1), (300, 2, 25, 1), (0, 0, 20, 4)];
        for (bytes, blocks, evictions, prewarm_drops) in looks {
            let held = Share { bytes, blocks };
            let kept = Usage { held, evictions, prewarm_drops, ..Usage::default() };
            let in_flight = Share { bytes: 2 * bytes, blocks: blocks + 1 };
            told.publish(&metrics, &CacheState { kept, in_flight });
        }
        let page = metrics.encode();
        for line in [
            "hallpass_cache_bytes{state=\"held\"} 0",
            "hallpass_cache_bytes{state=\"in-flight\"} 0",
            "hallpass_cache_blocks{state=\"held\"} 0",
            "hallpass_cache_blocks{state=\"in-flight\"} 1",
            "hallpass_cache_evictions_total 25",
            "hallpass_prewarm_drops_total 4",
        ] {
            assert!(page.lines().any(|found| found == line), "{line} is missing in\n{page}");
        }
    }
}
