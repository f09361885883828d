//! From the settings of stores to stores: each behind the retries and time limits of `[origin]`.

use std::sync::Arc;

use crate::config::{Settings, StorePlace, StoreSettings};
use crate::origin::{
    CloudOrigin, Create, LocalOrigin, Origin, OriginCounters, OriginError, ReliableCreate, ReliableOrigin, RetryPolicy,
    S3Origin, StoreCounters, Stores,
};
use crate::value::StoreName;

/// One store, as what is read and as what takes new objects.
pub struct OpenStore {
    /// To read from.
    pub origin: Arc<dyn Origin>,
    /// To publish to.
    pub creator: Arc<dyn Create>,
}

/// Opens one store. It asks the storage nothing yet.
pub async fn open_store(settings: &StoreSettings) -> Result<OpenStore, OriginError> {
    Ok(match &settings.place {
        StorePlace::S3(settings) => OpenStore::of(S3Origin::open(settings).await?),
        StorePlace::Gcs(settings) => OpenStore::of(CloudOrigin::open_gcs(settings)?),
        StorePlace::Azure(settings) => OpenStore::of(CloudOrigin::open_azure(settings)?),
        StorePlace::Local(settings) => OpenStore::of(LocalOrigin::open(settings)?),
    })
}

impl OpenStore {
    fn of(store: impl Origin + Create) -> Self {
        let store = Arc::new(store);
        Self { origin: Arc::clone(&store) as Arc<dyn Origin>, creator: store }
    }
}

/// Opens every store of the settings, or tells which one could not be and why.
pub(super) async fn open_stores(
    settings: &Settings,
    counters: &StoreCounters,
) -> Result<Stores, (StoreName, OriginError)> {
    let mut stores: Vec<(StoreName, Arc<dyn Origin>)> = Vec::new();
    let mut creators: Vec<(StoreName, Arc<dyn Create>)> = Vec::new();
    for (name, store) in &settings.stores {
        let OpenStore { origin, creator } = open_store(store).await.map_err(|error| (name.clone(), error))?;
        stores.push((name.clone(), reliable(origin, settings.origin, counters.of(name))));
        creators.push((name.clone(), Arc::new(ReliableCreate::new(creator, settings.origin))));
    }
    Ok(stores.into_iter().collect::<Stores>().creating(creators))
}

fn reliable(origin: Arc<dyn Origin>, policy: RetryPolicy, counters: Arc<OriginCounters>) -> Arc<dyn Origin> {
    Arc::new(ReliableOrigin::new(origin, policy, counters))
}
