//! One request, or one gap in a body, from its first failure to its success or its end.
//!
//! It holds what a retry needs to know: how often was failed, and how long was waited. Only our waiting for the store counts;
//! a reader that takes its time does not use up the patience.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{RetryPolicy, Shared, Wanted};
use crate::origin::exact::exactly;
use crate::origin::{ByteStream, ObjectMeta, OriginError, Waited};
use crate::value::{ByteSpan, ObjectKey};

/// What was tried since the last success.
pub(super) struct Trial {
    pub(super) shared: Arc<Shared>,
    failures: u32,
    waited: Duration,
}

impl Trial {
    /// A new request, which earns its store a part of a retry.
    pub(super) fn begin(shared: Arc<Shared>) -> Self {
        shared.budget.earn();
        Self { shared, failures: 0, waited: Duration::ZERO }
    }

    /// Asks for an object's head, again and again as far as allowed.
    pub(super) async fn head(&mut self, key: &ObjectKey) -> Result<ObjectMeta, OriginError> {
        let shared = Arc::clone(&self.shared);
        loop {
            match self.limited(shared.origin.head(key)).await {
                Err(error) => self.survive(error).await?,
                done => return done,
            }
        }
    }

    /// Opens a read, again and again as far as allowed.
    pub(super) async fn open(&mut self, wanted: &Wanted, span: ByteSpan) -> Result<ByteStream, OriginError> {
        let shared = Arc::clone(&self.shared);
        loop {
            match self.limited(shared.origin.read(&wanted.key, &wanted.version, span)).await {
                Err(error) => self.survive(error).await?,
                Ok(body) => return Ok(exactly(body, span.len())),
            }
        }
    }

    /// Waits before the next try, or gives the error back when there must be none.
    pub(super) async fn survive(&mut self, error: OriginError) -> Result<(), OriginError> {
        let policy = &self.shared.policy;
        let pause = pause(policy, self.failures);
        let worth = error.is_transient() && self.failures < policy.retries && self.waited + pause < policy.patience;
        if !worth {
            return Err(error);
        }
        if !self.shared.budget.spend() {
            self.shared.counters.unpaid();
            return Err(error);
        }
        self.shared.counters.retry();
        self.failures += 1;
        self.waited += pause;
        tokio::time::sleep(pause).await;
        Ok(())
    }

    /// The body moved on: what comes next is a new gap.
    pub(super) fn succeed(&mut self) {
        self.failures = 0;
        self.waited = Duration::ZERO;
    }

    /// Notes time that went into waiting for the store elsewhere.
    pub(super) fn note(&mut self, waited: Duration) {
        self.waited += waited;
    }

    /// Awaits one answer, no longer than a first byte may take and the patience lasts.
    async fn limited<T>(&mut self, answer: impl Future<Output = Result<T, OriginError>>) -> Result<T, OriginError> {
        let policy = &self.shared.policy;
        let limit = policy.first_byte.min(policy.patience.saturating_sub(self.waited));
        let began = Instant::now();
        let answered = tokio::time::timeout(limit, answer).await;
        self.waited += began.elapsed();
        answered.unwrap_or(Err(OriginError::Timeout(Waited::FirstByte(limit))))
    }
}

/// How long to wait after that many failures: doubling, capped, and half of it left to chance, so that many readers who
/// failed at once do not come back at once.
pub(super) fn pause(policy: &RetryPolicy, failures: u32) -> Duration {
    let whole = policy.backoff.saturating_mul(1 << failures.min(16)).min(policy.backoff_max);
    let half = u64::try_from(whole.as_micros() / 2).unwrap_or(u64::MAX);
    let chance = RandomState::new().hash_one(failures);
    Duration::from_micros(half.saturating_add(chance % half.max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_their_cap_and_differ() {
        let policy = RetryPolicy::default();
        for (failures, low, high) in [(0, 25, 50), (1, 50, 100), (3, 200, 400), (10, 500, 1000), (u32::MAX, 500, 1000)]
        {
            for _ in 0..100 {
                let millis = pause(&policy, failures).as_millis();
                assert!((low..=high).contains(&millis), "{failures}: {millis} ms");
            }
        }
        let pauses: std::collections::HashSet<_> = (0..50).map(|_| pause(&policy, 5)).collect();
        assert!(pauses.len() > 10, "a crowd would come back at once");
        assert_eq!(pause(&RetryPolicy { backoff: Duration::ZERO, ..policy }, 3), Duration::ZERO);
    }
}
