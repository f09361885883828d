//! What stores said of their objects lately: one question at a time for each object, and its answer is believed for a moment.

use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache as Memo;

use crate::origin::{ObjectMeta, Origin, OriginError};
use crate::value::{ObjectKey, StoreName};

/// What stores said of their objects lately. Clones share it.
#[derive(Clone)]
pub struct Heads {
    there: Memo<Located, Arc<ObjectMeta>>,
    /// Where nothing was, for those who may believe that too.
    absent: Memo<Located, ()>,
}

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
        let there = Memo::builder().max_capacity(HEADS).time_to_live(fresh_for).build();
        let absent = Memo::builder().max_capacity(HEADS).time_to_live(fresh_for.min(ABSENT_FOR)).build();
        Self { there, absent }
    }

    /// What `store`, called `name`, says of the object at `key`. While the word is believed it is the same `Arc`.
    ///
    /// # Errors
    /// As [`HeadFailure`] says; no failure is believed any longer than by those who wait for it: who has just stored an object may mint.
    pub async fn ask(
        &self,
        store: &Arc<dyn Origin>,
        name: &StoreName,
        key: &ObjectKey,
    ) -> Result<Arc<ObjectMeta>, HeadFailure> {
        let object = (name.clone(), key.clone());
        match self.there.get(&object).await {
            Some(meta) => Ok(meta),
            // What is slow anyway waits in a box, so that a request that is not takes little memory.
            None => Box::pin(self.ask_store(store, object)).await,
        }
    }

    /// The same for anybody who has a URL: that nothing is there is believed for a blink, so a URL that leads nowhere does not ask the store each time.
    pub async fn ask_for_anybody(
        &self,
        store: &Arc<dyn Origin>,
        name: &StoreName,
        key: &ObjectKey,
    ) -> Result<Arc<ObjectMeta>, HeadFailure> {
        let object = (name.clone(), key.clone());
        if self.absent.contains_key(&object) {
            return Err(OriginError::NotFound.into());
        }
        let said = self.ask(store, name, key).await;
        if said == Err(HeadFailure::Store(OriginError::NotFound)) {
            self.absent.insert(object, ()).await;
        }
        said
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
        self.there.insert((name.clone(), key.clone()), Arc::clone(&meta)).await;
        Ok(meta)
    }

    /// Believes the word no longer: the object turned out to be another, or to be there.
    pub async fn forget(&self, name: &StoreName, key: &ObjectKey) {
        let object = (name.clone(), key.clone());
        self.there.invalidate(&object).await;
        self.absent.invalidate(&object).await;
    }

    async fn ask_store(&self, store: &Arc<dyn Origin>, object: Located) -> Result<Arc<ObjectMeta>, HeadFailure> {
        let (heads, store) = (self.there.clone(), Arc::clone(store));
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

/// How long it is believed that nothing is there: long enough to spare the store, and too short for a fetcher to come too late for what was just
/// stored.
const ABSENT_FOR: Duration = Duration::from_millis(200);
/// How many objects' metadata are believed at once.
const HEADS: u64 = 50_000;
