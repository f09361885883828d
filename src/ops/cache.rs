//! What the cache holds and what it has let go of, taken over into the metrics.
//!
//! The cache counts by itself; each look sets what is held now, and adds what has come to the totals since the last one.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::telemetry::Metrics;

/// What is told of the cache at one look.
#[derive(Clone, Copy, Debug)]
pub(super) struct CacheReport<'a> {
    /// Each state by name, with its bytes and its blocks.
    pub(super) states: &'a [(&'static str, u64, u64)],
    /// Blocks that made room for others, since the start.
    pub(super) evictions: u64,
    /// Minted objects that lost their place before a fetch, or got none, since the start.
    pub(super) prewarm_drops: u64,
}

/// How much of the cache's totals is in the metrics already.
#[derive(Debug, Default)]
pub(super) struct CacheTold {
    evictions: AtomicU64,
    prewarm_drops: AtomicU64,
}

impl CacheTold {
    /// Takes `report` over into `metrics`.
    pub(super) fn publish(&self, metrics: &Metrics, report: &CacheReport<'_>) {
        for &(state, bytes, blocks) in report.states {
            metrics.cache_state(state, bytes, blocks);
        }
        metrics.cache_evictions(since(&self.evictions, report.evictions));
        metrics.prewarm_drops(since(&self.prewarm_drops, report.prewarm_drops));
    }
}

/// What has come to a total since it was told last. Two looks at once tell nothing twice.
fn since(told: &AtomicU64, total: u64) -> u64 {
    total.saturating_sub(told.fetch_max(total, Ordering::Relaxed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_set_and_totals_are_added_once() {
        let (metrics, told) = (Metrics::new(), CacheTold::default());
        let looks = [(700, 3, 10, 1), (300, 2, 25, 1), (300, 2, 25, 1), (0, 0, 20, 4)];
        for (bytes, blocks, evictions, prewarm_drops) in looks {
            let states = [("held", bytes, blocks), ("in-flight", 2 * bytes, blocks + 1)];
            told.publish(&metrics, &CacheReport { states: &states, evictions, prewarm_drops });
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
