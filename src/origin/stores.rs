//! The stores that the settings name, by name.
//!
//! It never changes: a reload builds a new one and swaps it in, so a request sees either the old stores or the new ones.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Create, Origin};
use crate::value::StoreName;

/// All configured stores, and those of them that take new objects.
#[derive(Clone, Default)]
pub struct Stores {
    origins: BTreeMap<StoreName, Arc<dyn Origin>>,
    creators: BTreeMap<StoreName, Arc<dyn Create>>,
}

impl Stores {
    /// The store of that name; `None` when none is configured.
    pub fn get(&self, name: &StoreName) -> Option<&Arc<dyn Origin>> {
        self.origins.get(name)
    }

    /// The same store as one that takes new objects; `None` when none of that name does.
    pub fn creator(&self, name: &StoreName) -> Option<&Arc<dyn Create>> {
        self.creators.get(name)
    }

    /// The same stores, of which these take new objects. A name that is no store's is left out: what is created there could not be read.
    #[must_use]
    pub fn creating(mut self, creators: impl IntoIterator<Item = (StoreName, Arc<dyn Create>)>) -> Self {
        let known = creators.into_iter().filter(|(name, _)| self.origins.contains_key(name));
        self.creators = known.collect();
        self
    }

    /// All stores, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&StoreName, &Arc<dyn Origin>)> {
        self.origins.iter()
    }
}

impl FromIterator<(StoreName, Arc<dyn Origin>)> for Stores {
    /// Of two stores under one name the later wins; settings refuse such a pair before.
    fn from_iter<I: IntoIterator<Item = (StoreName, Arc<dyn Origin>)>>(stores: I) -> Self {
        Self { origins: stores.into_iter().collect(), creators: BTreeMap::new() }
    }
}

impl std::fmt::Debug for Stores {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.origins.keys()).finish()
    }
}
