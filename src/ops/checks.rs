//! What readiness depends on, asked rarely and never waited for long.
//!
//! One round of questions runs at a time; whoever asks meanwhile waits for its outcome. One store of several that is out of reach
//! does not make the process unready: it would take every other store's links with it, on every node at once.

use std::time::Duration;

use futures_util::future::join_all;
use serde::Serialize;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use crate::catalog::Catalog;
use crate::origin::{OriginError, Stores};

/// The outcome of everything that was asked, with when it was asked.
#[derive(Debug, Default)]
pub(super) struct Checks(Mutex<Option<(Instant, Outcome)>>);

/// What a round of questions gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    catalog: Check,
    stores: Vec<Check>,
}

/// One thing that was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Check {
    name: String,
    ok: bool,
    /// Why not, in one word.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'static str>,
}

impl Checks {
    /// The outcome of the last round, or of a new one where that is too long ago.
    pub(super) async fn look(&self, catalog: &Catalog, stores: &Stores) -> Outcome {
        let mut last = self.0.lock().await;
        if let Some((_, outcome)) = last.as_ref().filter(|(asked, _)| asked.elapsed() < BELIEVED) {
            return outcome.clone();
        }
        let outcome = Outcome::ask(catalog, stores).await;
        *last = Some((Instant::now(), outcome.clone()));
        outcome
    }
}

impl Outcome {
    async fn ask(catalog: &Catalog, stores: &Stores) -> Self {
        let probes = stores.iter().map(|(name, store)| async move {
            let found = timeout(PATIENCE, store.probe()).await;
            let why = found.map_or(Some("timeout"), |answer| answer.err().map(|error| word(name.as_str(), &error)));
            Check::of(format!("store:{name}"), why)
        });
        let ping = async {
            match timeout(PATIENCE, catalog.ping()).await {
                Ok(Ok(())) => None,
                Ok(Err(error)) => {
                    tracing::warn!(%error, "the catalog is not ready");
                    Some("failed")
                }
                Err(_) => Some("timeout"),
            }
        };
        let (why, stores) = tokio::join!(ping, join_all(probes));
        Self { catalog: Check::of("catalog".to_owned(), why), stores }
    }

    /// Whether links can be served: at least one store answers. A catalog that fails is told, and takes no node out of service, since links need
    /// none.
    pub(super) fn is_ready(&self) -> bool {
        self.stores.is_empty() || self.stores.iter().any(|store| store.ok)
    }

    /// Every check by itself.
    pub(super) fn into_checks(self) -> impl Iterator<Item = Check> {
        std::iter::once(self.catalog).chain(self.stores)
    }
}

impl Check {
    /// A check that failed if there is a reason why.
    pub(super) const fn of(name: String, why: Option<&'static str>) -> Self {
        Self { name, ok: why.is_none(), why }
    }
}

fn word(store: &str, error: &OriginError) -> &'static str {
    tracing::warn!(store, %error, "a store is not ready");
    match error {
        OriginError::NotFound => "not-found",
        OriginError::Denied(_) => "denied",
        OriginError::Timeout(_) => "timeout",
        OriginError::Unavailable(_) => "unavailable",
        OriginError::Changed | OriginError::Unaddressable(_) | OriginError::Failed(_) => "failed",
    }
}

/// How long an outcome is believed: a balancer asks every few seconds, and a bucket costs money by the request.
const BELIEVED: Duration = Duration::from_secs(10);
/// How long an answer is waited for. Balancers wait longer than this.
const PATIENCE: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_store_of_several_may_be_out_of_reach() {
        let check = |ok: bool| Check::of("x".to_owned(), if ok { None } else { Some("timeout") });
        for (catalog, stores, ready) in [
            (true, &[][..], true),
            (true, &[true], true),
            (true, &[false], false),
            (true, &[false, true], true),
            (true, &[false, false], false),
            (false, &[true], true),
            (false, &[false], false),
        ] {
            let stores = stores.iter().map(|&ok| check(ok)).collect();
            assert_eq!(Outcome { catalog: check(catalog), stores }.is_ready(), ready);
        }
    }
}
