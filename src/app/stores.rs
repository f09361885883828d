//! From the settings of stores to stores: each behind the retries and time limits of `[origin]`.

use std::sync::Arc;

use crate::config::{Settings, StorePlace, StoreSettings};
use crate::origin::{
    CloudOrigin, LocalOrigin, Origin, OriginCounters, OriginError, ReliableOrigin, RetryPolicy, S3Origin,
    StoreCounters, Stores,
};
use crate::value::StoreName;

/// Opens one store. It asks the storage nothing yet.
pub async fn open_store(settings: &StoreSettings) -> Result<Arc<dyn Origin>, OriginError> {
    Ok(match &settings.place {
        StorePlace::S3(settings) => Arc::new(S3Origin::open(settings).await?),
        StorePlace::Gcs(settings) => Arc::new(CloudOrigin::open_gcs(settings)?),
        StorePlace::Azure(settings) => Arc::new(CloudOrigin::open_azure(settings)?),
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
