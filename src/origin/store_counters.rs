//! What each store was asked, kept while stores come and go with reloads.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::OriginCounters;
use crate::value::StoreName;

/// The counters of every store that was ever named. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct StoreCounters(Arc<Mutex<BTreeMap<StoreName, Arc<OriginCounters>>>>);

impl StoreCounters {
    /// The counters of `store`, which begin at zero when it is first named.
    pub fn of(&self, store: &StoreName) -> Arc<OriginCounters> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(all.entry(store.clone()).or_default())
    }

    /// Every store with its counters, in the order of their names.
    pub fn all(&self) -> Vec<(StoreName, Arc<OriginCounters>)> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().map(|(name, counters)| (name.clone(), Arc::clone(counters))).collect()
    }
}
