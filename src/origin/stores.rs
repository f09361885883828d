//! The stores that the settings name, by name.
//!
//! It never changes: a reload builds a new one and swaps it in, so a request sees either the old stores or the new ones.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Origin;
use crate::value::StoreName;

/// All configured stores.
#[derive(Clone, Default)]
pub struct Stores(BTreeMap<StoreName, Arc<dyn Origin>>);

impl Stores {
    /// The store of that name; `None` when none is configured.
    pub fn get(&self, name: &StoreName) -> Option<&Arc<dyn Origin>> {
        self.0.get(name)
    }

    /// All stores, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&StoreName, &Arc<dyn Origin>)> {
        self.0.iter()
    }
}

impl FromIterator<(StoreName, Arc<dyn Origin>)> for Stores {
    /// Of two stores under one name the later wins; settings refuse such a pair before.
    fn from_iter<I: IntoIterator<Item = (StoreName, Arc<dyn Origin>)>>(stores: I) -> Self {
        Self(stores.into_iter().collect())
    }
}

impl std::fmt::Debug for Stores {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
