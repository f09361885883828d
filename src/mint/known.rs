//! What is known of the content of objects that were read once: in memory first, in the catalog behind it.
//!
//! It is keyed by store, key *and version*, so nothing here can be stale: another overwrite is another entry.

use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;

use crate::catalog::{Catalog, KnownObject};
use crate::media::Facts;
use crate::value::{Clock, Fingerprint, ObjectKey, ObjectVersion, Sha256, StoreName};

/// One version of one object.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ObjectId {
    /// The store it lies in.
    pub store: StoreName,
    /// Where it lies there.
    pub key: ObjectKey,
    /// Which overwrite.
    pub version: ObjectVersion,
}

/// What one reading of the whole content taught.
#[derive(Clone, Debug)]
pub struct Known {
    /// BLAKE3-256 of the content.
    pub fingerprint: Fingerprint,
    /// SHA-256 of the content.
    pub sha256: Sha256,
    /// The content's length in bytes.
    pub length: u64,
    /// What the bytes are.
    pub facts: Facts,
}

/// The memory of all of them.
#[derive(Clone)]
pub struct KnownObjects {
    memo: Cache<ObjectId, Arc<Known>>,
    /// What the catalog does not know either. It is asked after `memo`, so a late "no" never hides what was learned meanwhile.
    unknown: Cache<ObjectId, ()>,
    catalog: Catalog,
    clock: Clock,
}

impl KnownObjects {
    /// An empty memory before `catalog`.
    pub fn new(catalog: Catalog, clock: Clock) -> Self {
        let memo = Cache::builder().max_capacity(MEMO_BYTES).weigher(|id, _| weight(id)).build();
        let unknown = Cache::builder().max_capacity(UNKNOWN_BYTES).weigher(|id, ()| weight(id));
        let unknown = unknown.time_to_live(UNKNOWN_FOR).build();
        Self { memo, unknown, catalog, clock }
    }

    /// What is known of this version. A catalog that fails knows nothing: the object is then read again, or goes without.
    pub async fn recall(&self, id: &ObjectId) -> Option<Arc<Known>> {
        if let Some(known) = self.memo.get(id).await {
            return Some(known);
        }
        // In a box, because it is slow anyway, and most objects are in memory.
        Box::pin(self.look_up(id)).await
    }

    async fn look_up(&self, id: &ObjectId) -> Option<Arc<Known>> {
        if self.unknown.contains_key(id) {
            return None;
        }
        match self.ask_catalog(id).await {
            // It may have been forgotten while the catalog was asked.
            Some(_) if self.unknown.contains_key(id) => None,
            Some(known) => {
                self.memo.insert(id.clone(), Arc::clone(&known)).await;
                Some(known)
            }
            None => {
                self.unknown.insert(id.clone(), ()).await;
                None
            }
        }
    }

    async fn ask_catalog(&self, id: &ObjectId) -> Option<Arc<Known>> {
        match self.catalog.known(&id.store, &id.key, &id.version).await {
            Ok(found) => found.as_ref().and_then(read_record).map(Arc::new),
            Err(error) => {
                tracing::warn!(%error, "the catalog could not say whether an object is known");
                None
            }
        }
    }

    /// Remembers what was learned, here at once and in the catalog soon.
    pub async fn learn(&self, id: &ObjectId, known: Arc<Known>) {
        match write_record(id, &known, &self.clock) {
            Ok(record) => self.catalog.remember(record),
            Err(error) => tracing::error!(%error, "the facts of an object could not be written down"),
        }
        self.memo.insert(id.clone(), known).await;
    }

    /// Forgets a version whose bytes turned out to be others, so that the next mint reads them anew.
    pub async fn forget(&self, id: &ObjectId) {
        // First, so that nobody brings it back from the catalog while that has not forgotten yet.
        self.unknown.insert(id.clone(), ()).await;
        self.memo.invalidate(id).await;
        if let Err(error) = self.catalog.forget(&id.store, &id.key, &id.version).await {
            tracing::error!(%error, "the catalog could not forget an object whose bytes are others");
        }
    }
}

/// A record of another release's layout counts as not known.
fn read_record(record: &KnownObject) -> Option<Known> {
    let facts = (record.facts_format == Facts::FORMAT).then(|| serde_json::from_str(&record.facts).ok())??;
    Some(Known { fingerprint: record.fingerprint, sha256: record.sha256, length: record.length, facts })
}

fn write_record(id: &ObjectId, known: &Known, clock: &Clock) -> Result<KnownObject, serde_json::Error> {
    Ok(KnownObject {
        store: id.store.clone(),
        key: id.key.clone(),
        version: id.version.clone(),
        fingerprint: known.fingerprint,
        sha256: known.sha256,
        length: known.length,
        facts: serde_json::to_string(&known.facts)?,
        facts_format: Facts::FORMAT,
        first_seen: clock.now(),
    })
}

/// About what an entry takes, in bytes.
fn weight(id: &ObjectId) -> u32 {
    u32::try_from(id.key.as_str().len() + id.version.as_str().len()).unwrap_or(u32::MAX).saturating_add(ENTRY_BYTES)
}

/// What an entry takes besides its key and version, with its places in the memo.
const ENTRY_BYTES: u32 = 384;
/// As many objects as a large campaign has: about 50,000 with keys of usual length.
const MEMO_BYTES: u64 = 24 << 20;
const UNKNOWN_BYTES: u64 = 4 << 20;
/// The catalog is asked again after this long, in case another process wrote to it.
const UNKNOWN_FOR: Duration = Duration::from_secs(60);
