//! From the settings of stores to stores: each behind the retries and time limits of `[origin]`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::config::{Settings, StorePlace, StoreSettings};
use crate::origin::{LocalOrigin, Origin, OriginCounters, OriginError, ReliableOrigin, RetryPolicy, S3Origin, Stores};
use crate::value::StoreName;

/// What each store was asked, kept across reloads.
#[derive(Clone, Debug, Default)]
pub struct StoreCounters(Arc<Mutex<BTreeMap<StoreName, Arc<OriginCounters>>>>);

impl StoreCounters {
    /// The counters of `store`, which begin at zero when it is first named.
    fn of(&self, store: &StoreName) -> Arc<OriginCounters> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(all.entry(store.clone()).or_default())
    }

    /// All stores that were ever named, with their counters.
    pub fn all(&self) -> Vec<(StoreName, Arc<OriginCounters>)> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().map(|(name, counters)| (name.clone(), Arc::clone(counters))).collect()
    }
}

/// Opens one store. It asks the storage nothing yet.
pub async fn open_store(settings: &StoreSettings) -> Result<Arc<dyn Origin>, OriginError> {
    Ok(match &settings.place {
        StorePlace::S3(settings) => Arc::new(S3Origin::open(settings).await?),
        StorePlace::Local(settings) => Arc::new(LocalOrigin::open(settings)?),
    })
}

/// Opens every store of the settings, or tells which one could not be and why.
pub(super) async fn open_stores(
    settings: &Settings,
    counters: &StoreCounters,
) -> Result<Stores, (StoreName, OriginError)> {
    let mut stores: Vec<(StoreName, Arc<dyn Origin>)> = Vec::new();
    for (name, store) in &settings.stores {
        let origin = open_store(store).await.map_err(|error| (name.clone(), error))?;
        stores.push((name.clone(), reliable(origin, settings.origin, counters.of(name))));
    }
    Ok(stores.into_iter().collect())
}

fn reliable(origin: Arc<dyn Origin>, policy: RetryPolicy, counters: Arc<OriginCounters>) -> Arc<dyn Origin> {
    Arc::new(ReliableOrigin::new(origin, policy, counters))
}
