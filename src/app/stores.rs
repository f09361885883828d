//! From the settings of stores to stores: each behind the retries and time limits of `[origin]`.

use std::fmt;
use std::sync::Arc;

use crate::config::{Settings, StorePlace, StoreSettings};
use crate::origin::{
    CloudOrigin, Create, LocalOrigin, Origin, OriginCounters, OriginError, ReliableCreate, ReliableOrigin, RetryPolicy,
    Retype, S3Origin, S3Survey, StoreCounters, Stores, Survey,
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

/// A store that is to be looked over.
pub struct OpenSurvey {
    /// Its listing and its settings.
    pub survey: Arc<dyn Survey>,
    /// Its objects, behind time limits and retries.
    pub origin: Arc<dyn Origin>,
    /// What gives its objects other media types, where it can.
    pub retype: Option<Arc<dyn Retype>>,
    /// Where it lies, in words.
    pub place: String,
}

impl OpenSurvey {
    /// Its types stay as they are: the clouds' client has no request that changes a type and nothing else.
    fn of_cloud(survey: CloudOrigin, origin: Arc<dyn Origin>, place: &impl fmt::Display) -> Self {
        Self { survey: Arc::new(survey), origin, retype: None, place: place.to_string() }
    }
}

/// Opens one store to look it over.
pub async fn open_survey(settings: &StoreSettings, policy: RetryPolicy) -> Result<OpenSurvey, OriginError> {
    let origin = reliable(open_store(settings).await?.origin, policy, Arc::default());
    Ok(match &settings.place {
        StorePlace::S3(settings) => {
            let bucket = Arc::new(S3Survey::open(settings).await?);
            let (survey, retype) = (Arc::clone(&bucket), Some(bucket as Arc<dyn Retype>));
            OpenSurvey { survey, origin, retype, place: settings.to_string() }
        }
        StorePlace::Gcs(settings) => OpenSurvey::of_cloud(CloudOrigin::open_gcs(settings)?, origin, settings),
        StorePlace::Azure(settings) => OpenSurvey::of_cloud(CloudOrigin::open_azure(settings)?, origin, settings),
        StorePlace::Local(settings) => {
            let place = format!("directory {}", settings.root.display());
            OpenSurvey { survey: Arc::new(LocalOrigin::open(settings)?), origin, retype: None, place }
        }
    })
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
