//! Creating, made dependable: a time limit that grows with the object, and further tries while the store is not available.
//!
//! Trying again is safe, for nothing is ever overwritten. Whether a try that was cut off had succeeded after all is not known, so a later one may
//! be told that the object exists: who creates compares the bytes then, as it must anyway.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::RetryPolicy;
use super::trial::pause;
use crate::origin::{Create, CreateError, NewObject, OriginError, Waited};
use crate::value::ObjectKey;

/// A store that takes new objects, behind time limits and retries.
pub struct ReliableCreate {
    store: Arc<dyn Create>,
    policy: RetryPolicy,
}

impl ReliableCreate {
    /// Puts the retries of `policy` around `store`.
    pub fn new(store: Arc<dyn Create>, policy: RetryPolicy) -> Self {
        Self { store, policy }
    }

    async fn try_once(&self, key: &ObjectKey, object: &NewObject) -> Result<(), CreateError> {
        let limit = limit(object.length);
        let late = |_| Err(OriginError::Timeout(Waited::Taking(limit)).into());
        tokio::time::timeout(limit, self.store.create(key, object)).await.unwrap_or_else(late)
    }
}

impl Create for ReliableCreate {
    fn create<'a>(&'a self, key: &'a ObjectKey, object: &'a NewObject) -> BoxFuture<'a, Result<(), CreateError>> {
        async move {
            let mut failures = 0;
            loop {
                let created = self.try_once(key, object).await;
                let again = matches!(&created, Err(CreateError::Store(OriginError::Unavailable(_))));
                if !again || failures >= self.policy.retries {
                    return created;
                }
                tokio::time::sleep(pause(&self.policy, failures)).await;
                failures += 1;
            }
        }
        .boxed()
    }
}

/// How long a store may take for an object of `length` bytes.
fn limit(length: u64) -> Duration {
    ANSWER + Duration::from_secs(length / SLOWEST)
}

/// How long an answer may take, besides the bytes: compatible servers write everything once more before they answer.
const ANSWER: Duration = Duration::from_secs(30);
/// The slowest that bytes may be taken, in bytes per second: a store that we read from in time takes a hundred times as much.
const SLOWEST: u64 = 128 * 1024;

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// Fails so many times with one error, and then takes the object.
    struct Failing(OriginError, AtomicU32);

    impl Create for Failing {
        fn create<'a>(&'a self, _: &'a ObjectKey, _: &'a NewObject) -> BoxFuture<'a, Result<(), CreateError>> {
            let fails = self.1.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
            async move { if fails { Err(self.0.clone().into()) } else { Ok(()) } }.boxed()
        }
    }

    async fn created(error: OriginError, times: u32) -> Result<(), CreateError> {
        let policy = RetryPolicy { backoff: Duration::ZERO, ..RetryPolicy::default() };
        let store = ReliableCreate::new(Arc::new(Failing(error, AtomicU32::new(times))), policy);
        let object = NewObject {
            file: Arc::new(tempfile::tempfile().unwrap()),
            length: 1,
            media_type: "image/png".parse().unwrap(),
        };
        store.create(&"a".parse().unwrap(), &object).await
    }

    #[tokio::test]
    async fn what_is_not_available_is_asked_again_and_nothing_else_is() {
        let unavailable = OriginError::Unavailable("503".into());
        assert_eq!(created(unavailable.clone(), 3).await, Ok(()));
        assert_eq!(created(unavailable.clone(), 4).await, Err(unavailable.into()));
        for error in [OriginError::Denied("403".into()), OriginError::Timeout(Waited::Connection)] {
            assert_eq!(created(error.clone(), 1).await, Err(error.into()));
        }
    }

    #[test]
    fn large_objects_get_more_time() {
        assert_eq!((limit(0).as_secs(), limit(1 << 20).as_secs(), limit(1 << 30).as_secs()), (30, 38, 8222));
    }
}
