//! What all retries of one store together may cost.
//!
//! Retries help against a fault and feed an overload. So they are paid from a bucket that *requests* fill, not failures: when
//! everything fails, the store sees a tenth more requests, not four times as many. A trickle by time lets a quiet store
//! recover from an outage that emptied the bucket.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::RetryPolicy;

/// A bucket of retries.
pub(super) struct Budget {
    ratio: f64,
    trickle: f64,
    burst: f64,
    saved: Mutex<Saved>,
}

struct Saved {
    retries: f64,
    counted: Instant,
}

impl Budget {
    /// A full bucket.
    pub(super) fn new(policy: &RetryPolicy) -> Self {
        let saved = Mutex::new(Saved { retries: policy.budget_burst, counted: Instant::now() });
        Self { ratio: policy.budget_ratio, trickle: policy.budget_trickle, burst: policy.budget_burst, saved }
    }

    /// A request was made: a part of a retry is earned.
    pub(super) fn earn(&self) {
        self.at(Instant::now(), |saved| saved.retries += self.ratio);
    }

    /// Takes one retry; `false` when there is none.
    pub(super) fn spend(&self) -> bool {
        self.spend_at(Instant::now())
    }

    fn spend_at(&self, now: Instant) -> bool {
        let mut had = false;
        self.at(now, |saved| {
            had = saved.retries >= 1.0;
            saved.retries -= f64::from(u8::from(had));
        });
        had
    }

    fn at(&self, now: Instant, change: impl FnOnce(&mut Saved)) {
        let mut saved = self.saved.lock().unwrap_or_else(PoisonError::into_inner);
        saved.retries += self.trickle * now.saturating_duration_since(saved.counted).as_secs_f64();
        saved.counted = saved.counted.max(now);
        saved.retries = saved.retries.min(self.burst);
        change(&mut saved);
        saved.retries = saved.retries.min(self.burst);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn when_everything_fails_a_tenth_is_tried_again() {
        let budget = Budget::new(&RetryPolicy { budget_trickle: 0.0, ..RetryPolicy::default() });
        let mut spent = 0;
        for _ in 0..1000 {
            budget.earn();
            spent += u32::from(budget.spend()) + u32::from(budget.spend()) + u32::from(budget.spend());
        }
        assert!((115..=120).contains(&spent), "20 saved and 100 earned, spent {spent}");
    }

    #[test]
    fn an_empty_bucket_fills_with_time_up_to_its_brim() {
        let budget = Budget::new(&RetryPolicy { budget_burst: 2.0, budget_trickle: 1.0, ..RetryPolicy::default() });
        let start = Instant::now();
        let spend = |secs| budget.spend_at(start + Duration::from_secs(secs));
        assert_eq!([spend(1), spend(1), spend(1)], [true, true, false]);
        assert_eq!([spend(2), spend(2)], [true, false]);
        assert_eq!([spend(1000), spend(1000), spend(1000)], [true, true, false]);
    }
}
