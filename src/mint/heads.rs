//! What stores said of their objects lately: one question at a time for each object, and its answer is believed for a moment.

use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache as Memo;

use crate::origin::{ObjectMeta, Origin, OriginError};
use crate::value::{ObjectKey, StoreName};

/// What stores said of their objects lately. Clones share it.
#[derive(Clone)]
pub struct Heads(Memo<Located, Arc<ObjectMeta>>);

/// Where an object lies.
type Located = (StoreName, ObjectKey);

/// Why nothing is known of an object.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeadFailure {
    /// What the store said instead.
    #[error(transparent)]
    Store(#[from] OriginError),
    /// The question ended without an answer, which is our fault.
    #[error("the store was asked, and the question ended without an answer")]
    GivenUp,
}

impl Heads {
    /// Each word of a store is believed for so long.
    pub fn new(fresh_for: Duration) -> Self {
        Self(Memo::builder().max_capacity(HEADS).time_to_live(fresh_for).build())
    }

    /// What `store`, called `name`, says of the object at `key`. While the word is believed it is the same `Arc`.
    ///
    /// # Errors
    /// As [`HeadFailure`] says; no failure is believed any longer than by those who wait for it.
    pub async fn ask(
        &self,
        store: &Arc<dyn Origin>,
        name: &StoreName,
        key: &ObjectKey,
    ) -> Result<Arc<ObjectMeta>, HeadFailure> {
        let object = (name.clone(), key.clone());
        match self.0.get(&object).await {
            Some(meta) => Ok(meta),
            // What is slow anyway waits in a box, so that a request that is not takes little memory.
            None => Box::pin(self.ask_store(store, object)).await,
        }
    }

    /// The same, but the store is asked now: what it said before is forgotten, and a question that is under way already is not waited for.
    ///
    /// # Errors
    /// As [`HeadFailure`] says; nothing is believed then.
    pub async fn ask_anew(
        &self,
        store: &Arc<dyn Origin>,
        name: &StoreName,
        key: &ObjectKey,
    ) -> Result<Arc<ObjectMeta>, HeadFailure> {
        self.forget(name, key).await;
        let meta = Arc::new(store.head(key).await?);
        self.0.insert((name.clone(), key.clone()), Arc::clone(&meta)).await;
        Ok(meta)
    }

    /// Believes the word no longer: the object turned out to be another.
    pub async fn forget(&self, name: &StoreName, key: &ObjectKey) {
        self.0.invalidate(&(name.clone(), key.clone())).await;
    }

    async fn ask_store(&self, store: &Arc<dyn Origin>, object: Located) -> Result<Arc<ObjectMeta>, HeadFailure> {
        let (heads, store) = (self.0.clone(), Arc::clone(store));
        // A task of its own, because moka panics in those who wait when too many of those who asked before them are gone.
        let asked = tokio::spawn(async move {
            let key = object.1.clone();
            heads.try_get_with(object, async { store.head(&key).await.map(Arc::new) }).await
        });
        match asked.await {
            Ok(said) => said.map_err(|error| HeadFailure::Store(OriginError::clone(&error))),
            Err(_) => Err(HeadFailure::GivenUp),
        }
    }
}

/// How many objects' metadata are believed at once.
const HEADS: u64 = 50_000;
