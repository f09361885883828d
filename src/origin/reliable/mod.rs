//! Any store, made dependable: time limits, retries within a budget, and broken bodies resumed where they stopped.
//!
//! A resumed read is pinned like the first, so the reader sees one unbroken body of one version, or an error; never a mixed
//! body, never one of another length. What the retries may cost is bounded four times: per trial by time and by number, per
//! store by a budget that a failing store cannot refill, and by the length of the waits between.

mod body;
mod budget;
mod counters;
mod create;
mod policy;
mod trial;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, TryFutureExt};

use self::body::Body;
use self::budget::Budget;
use self::counters::Tally;
pub use self::counters::{OriginCounters, Outcome};
pub use self::create::ReliableCreate;
pub use self::policy::RetryPolicy;
use self::trial::Trial;
use super::{ByteStream, ObjectMeta, Origin, OriginError, Waited};
use crate::value::{ByteSpan, ObjectKey, ObjectVersion};

/// A store behind time limits and retries. Clones share budget and counters.
#[derive(Clone)]
pub struct ReliableOrigin(Arc<Shared>);

struct Shared {
    origin: Arc<dyn Origin>,
    policy: RetryPolicy,
    budget: Budget,
    counters: Arc<OriginCounters>,
}

impl ReliableOrigin {
    /// Puts `policy` around `origin`. The counters are the caller's, so that they outlive a reload of the store.
    pub fn new(origin: Arc<dyn Origin>, policy: RetryPolicy, counters: Arc<OriginCounters>) -> Self {
        let budget = Budget::new(&policy);
        Self(Arc::new(Shared { origin, policy, budget, counters }))
    }

    /// What was counted so far.
    pub fn counters(&self) -> &Arc<OriginCounters> {
        &self.0.counters
    }
}

impl Origin for ReliableOrigin {
    fn head<'a>(&'a self, key: &'a ObjectKey) -> BoxFuture<'a, Result<ObjectMeta, OriginError>> {
        let mut tally = Tally::head(&self.0.counters);
        let mut trial = Trial::begin(Arc::clone(&self.0));
        async move {
            let said = trial.head(key).await;
            tally.settle(said.as_ref().err());
            said
        }
        .boxed()
    }

    fn read<'a>(
        &'a self,
        key: &'a ObjectKey,
        version: &'a ObjectVersion,
        span: ByteSpan,
    ) -> BoxFuture<'a, Result<ByteStream, OriginError>> {
        let wanted = Wanted { key: key.clone(), version: version.clone() };
        Body::open(Arc::clone(&self.0), wanted, span).map_ok(Body::stream).boxed()
    }

    /// Tries once: who probes comes again by itself.
    fn probe(&self) -> BoxFuture<'_, Result<(), OriginError>> {
        let limit = self.0.policy.first_byte;
        let late = move |_| Err(OriginError::Timeout(Waited::FirstByte(limit)));
        async move { tokio::time::timeout(limit, self.0.origin.probe()).await.unwrap_or_else(late) }.boxed()
    }
}

/// Which version of which object a read is of.
struct Wanted {
    key: ObjectKey,
    version: ObjectVersion,
}
