//! The manifests of the contents that are asked for: in memory first, in the catalog behind it.
//!
//! What the catalog holds is believed only when it proves itself, so a damaged row costs a reading of the content and never a wrong byte. A
//! catalog that fails or is slow knows nothing, and nobody waits for it longer than [`PATIENCE`]. What it does not know is remembered for a
//! moment: a link that many fetch and that has no manifest must not ask the database for each request.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use moka::future::Cache;
use moka::policy::EvictionPolicy;

use super::{Manifest, block_count};
use crate::catalog::{Catalog, CatalogError};
use crate::value::Fingerprint;

/// The memory of manifests before a catalog. Clones share it.
#[derive(Clone)]
pub(super) struct Manifests {
    memo: Cache<Content, Arc<Manifest>>,
    /// What the catalog does not know either. It is asked after `memo`, so a "no" never hides what is there.
    absent: Cache<Content, ()>,
    /// How often something was kept. It tells a "no" that may be older than that.
    keeps: Arc<AtomicU64>,
    catalog: Catalog,
    /// How long a request waits for the catalog.
    patience: Duration,
}

/// Fingerprint and length in bytes. Values that are right may come under a length that is wrong, and must not be found under the right one.
type Content = (Fingerprint, u64);

impl Manifests {
    /// An empty memory before `catalog`.
    pub(super) fn new(catalog: Catalog) -> Self {
        // The latest is always let in: what was just kept is about to be read, and may not be in the catalog yet.
        let memo =
            Cache::builder().eviction_policy(EvictionPolicy::lru()).weigher(weight).max_capacity(MEMO_BYTES).build();
        let absent = Cache::builder().max_capacity(ABSENT_ENTRIES).time_to_live(ABSENT_FOR).build();
        Self { memo, absent, keeps: Arc::default(), catalog, patience: PATIENCE }
    }

    /// The manifest of the content of `length` bytes with this fingerprint, if it is known or needs no list.
    pub(super) async fn find(&self, length: u64, fingerprint: Fingerprint) -> Option<Arc<Manifest>> {
        let catalog = self.catalog.clone();
        self.find_by((fingerprint, length), async move { catalog.manifest(&fingerprint).await }).await
    }

    /// Remembers a manifest, here at once and in the catalog soon. One that needs no list is kept nowhere.
    pub(super) async fn keep(&self, manifest: Arc<Manifest>) {
        let content = (manifest.fingerprint(), manifest.length());
        if manifest.blocks() < 2 {
            return;
        }
        self.catalog.keep_manifest(manifest.fingerprint(), manifest.to_bytes());
        self.memo.insert(content, manifest).await;
        // In this order: whoever writes down a "no" after the last step has seen the step before it.
        self.keeps.fetch_add(1, Ordering::SeqCst);
        self.absent.invalidate(&content).await;
    }

    /// As [`Manifests::find`], where `answer` is what the catalog says when it is asked.
    async fn find_by(&self, content: Content, answer: impl Answer) -> Option<Arc<Manifest>> {
        let (fingerprint, length) = content;
        if block_count(length)? < 2 {
            return Manifest::prove(&[], length, fingerprint).map(Arc::new);
        }
        if let Some(manifest) = self.memo.get(&content).await {
            return Some(manifest);
        }
        if self.absent.contains_key(&content) {
            return None;
        }
        // A task of its own, because moka panics in those who wait when too many of those who asked before them are gone.
        let this = self.clone();
        let asked = tokio::spawn(async move {
            let found = this.memo.optionally_get_with(content, this.ask(content, answer)).await;
            // It may have been kept while the catalog was asked.
            if found.is_some() { found } else { this.memo.get(&content).await }
        });
        asked.await.ok().flatten()
    }

    /// Asks the catalog; the memory sees to it that one asks at a time.
    async fn ask(&self, content: Content, answer: impl Answer) -> Option<Arc<Manifest>> {
        // The one before may have written down its "no" since we looked.
        if self.absent.contains_key(&content) {
            return None;
        }
        let keeps = self.keeps.load(Ordering::SeqCst);
        let answer = tokio::time::timeout(self.patience, answer).await.unwrap_or(Err(CatalogError::Late));
        let found = believed(content, answer);
        if found.is_none() {
            self.absent.insert(content, ()).await;
            if self.keeps.load(Ordering::SeqCst) != keeps {
                self.absent.invalidate(&content).await;
            }
        }
        found
    }
}

/// What the catalog says when it is asked.
trait Answer: Future<Output = Result<Option<Vec<u8>>, CatalogError>> + Send + 'static {}

impl<F: Future<Output = Result<Option<Vec<u8>>, CatalogError>> + Send + 'static> Answer for F {}

/// The manifest that the catalog holds, if it proves itself. A catalog that fails knows nothing.
fn believed((fingerprint, length): Content, answer: Result<Option<Vec<u8>>, CatalogError>) -> Option<Arc<Manifest>> {
    let bytes = match answer {
        Ok(bytes) => bytes?,
        Err(error) => {
            tracing::warn!(%error, "the catalog could not say whether it holds a manifest");
            return None;
        }
    };
    let proven = Manifest::prove(&bytes, length, fingerprint).map(Arc::new);
    if proven.is_none() {
        tracing::error!(%fingerprint, length, "the catalog holds a manifest that is not this content's; it is passed over");
    }
    proven
}

/// What an entry takes, in bytes: its values, and an allowance for its account.
fn weight(_: &Content, manifest: &Arc<Manifest>) -> u32 {
    manifest.blocks().saturating_mul(VALUE).saturating_add(ACCOUNT)
}

/// How long a request waits for the catalog.
const PATIENCE: Duration = Duration::from_millis(250);
/// How long a "no" is remembered. Another process may write to the same catalog meanwhile.
const ABSENT_FOR: Duration = Duration::from_secs(5);
/// About 2 MB of memory when full.
const ABSENT_ENTRIES: u64 = 10_000;
/// The weight of all manifests in memory, in bytes: those of 128 GiB of large contents, or of 50,000 contents of two blocks.
const MEMO_BYTES: u64 = 16 << 20;
/// The bytes of one block's value.
const VALUE: u32 = 32;
/// The manifest's own fields and the memory's entry, in bytes.
const ACCOUNT: u32 = 256;

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::sync::atomic::AtomicUsize;
    use std::time::Instant;

    use futures_util::future::join_all;
    use tokio::sync::oneshot;

    use super::*;
    use crate::cache::{BLOCK, ManifestBuilder};
    use crate::catalog::CatalogSettings;
    use crate::value::{Clock, UnixTime};

    async fn catalog() -> Catalog {
        let clock = Clock::held_at(UnixTime::from_secs(1_795_256_400).unwrap());
        Catalog::open(&CatalogSettings::new("sqlite::memory:"), clock).await.unwrap()
    }

    /// With patience for a machine that is busy with other things.
    fn patient(catalog: Catalog) -> Manifests {
        Manifests { patience: Duration::from_mins(1), ..Manifests::new(catalog) }
    }

    /// The manifest of a content of three blocks, each seed another one.
    fn manifest(seed: u8) -> Arc<Manifest> {
        manifest_of(&vec![seed; 2 * BLOCK + 1])
    }

    fn manifest_of(content: &[u8]) -> Arc<Manifest> {
        let mut builder = ManifestBuilder::new(content.len() as u64);
        content.chunks(BLOCK).for_each(|block| builder.push(block));
        Arc::new(builder.finish().unwrap())
    }

    async fn find(manifests: &Manifests, like: &Manifest) -> Option<Arc<Manifest>> {
        manifests.find(like.length(), like.fingerprint()).await
    }

    fn content_of(manifest: &Manifest) -> Content {
        (manifest.fingerprint(), manifest.length())
    }

    #[tokio::test]
    async fn what_was_kept_is_found_at_once_and_by_the_next_process() {
        let catalog = catalog().await;
        let (manifests, manifest) = (patient(catalog.clone()), manifest(1));
        assert_eq!(find(&manifests, &manifest).await, None);
        manifests.keep(Arc::clone(&manifest)).await;
        assert_eq!(find(&manifests, &manifest).await.as_ref(), Some(&manifest), "not hidden by the `no` before");
        catalog.flush().await.unwrap();
        assert_eq!(find(&patient(catalog.clone()), &manifest).await.as_ref(), Some(&manifest));
        // The `no` is gone, not only out of sight while the memory has room.
        manifests.memo.invalidate(&content_of(&manifest)).await;
        assert_eq!(find(&manifests, &manifest).await, Some(manifest));
    }

    #[tokio::test]
    async fn a_content_without_a_list_needs_no_catalog() {
        let catalog = catalog().await;
        let manifests = patient(catalog.clone());
        catalog.close().await.unwrap();
        for length in [0, 1, BLOCK] {
            let manifest = manifest_of(&vec![1; length]);
            assert_eq!(find(&manifests, &manifest).await.as_ref(), Some(&manifest), "{length}");
            manifests.keep(manifest).await;
        }
        assert_eq!(catalog.counters().dropped, 0, "none was to be written");
        assert_eq!(manifests.find(u64::MAX, Fingerprint::of(b"x")).await, None);
    }

    #[tokio::test]
    async fn a_row_that_does_not_prove_itself_is_none_until_a_good_one_comes() {
        let catalog = catalog().await;
        let (good, other) = (manifest(1), manifest(2));
        let mut flipped = good.to_bytes();
        flipped[33] ^= 1;
        for bad in [Vec::new(), vec![0; 96], other.to_bytes(), flipped, good.to_bytes()[..64].to_vec()] {
            catalog.keep_manifest(good.fingerprint(), bad.clone());
            catalog.flush().await.unwrap();
            let manifests = patient(catalog.clone());
            assert_eq!(find(&manifests, &good).await, None, "{} bytes", bad.len());
            manifests.keep(Arc::clone(&good)).await;
            catalog.flush().await.unwrap();
            assert_eq!(find(&manifests, &good).await.as_ref(), Some(&good));
            assert_eq!(find(&patient(catalog.clone()), &good).await.as_ref(), Some(&good));
        }
    }

    #[tokio::test]
    async fn a_wrong_length_spoils_nothing_for_the_right_one() {
        let catalog = catalog().await;
        let (manifests, manifest) = (patient(catalog.clone()), manifest(1));
        catalog.keep_manifest(manifest.fingerprint(), manifest.to_bytes());
        catalog.flush().await.unwrap();
        let longer = manifests.find(manifest.length() + 1, manifest.fingerprint()).await;
        assert_eq!(longer.map(|longer| longer.length()), Some(manifest.length() + 1), "no last block fits this one");
        assert_eq!(manifests.find(1 << 30, manifest.fingerprint()).await, None);
        assert_eq!(find(&manifests, &manifest).await, Some(manifest));
    }

    #[tokio::test]
    async fn a_catalog_that_fails_or_hangs_knows_nothing_and_is_left_alone() {
        let catalog = catalog().await;
        let (manifests, manifest) = (Manifests::new(catalog.clone()), manifest(1));
        let began = Instant::now();
        assert_eq!(manifests.find_by(content_of(&manifest), pending()).await, None);
        assert!((Duration::from_millis(250)..Duration::from_secs(10)).contains(&began.elapsed()));
        let never = async { panic!("asked again") };
        assert_eq!(manifests.find_by(content_of(&manifest), never).await, None);
        assert!(manifests.absent.contains_key(&content_of(&manifest)));

        let manifests = patient(catalog.clone());
        assert_eq!(manifests.find_by(content_of(&manifest), ready(Err(CatalogError::Late))).await, None);
        catalog.close().await.unwrap();
        assert_eq!(find(&patient(catalog), &manifest).await, None);
    }

    #[tokio::test]
    async fn what_is_unknown_is_asked_again_after_a_while() {
        let catalog = catalog().await;
        let mut manifests = patient(catalog.clone());
        assert_eq!(manifests.absent.policy().time_to_live(), Some(ABSENT_FOR));
        manifests.absent = Cache::builder().time_to_live(Duration::from_millis(20)).build();
        let manifest = manifest(1);
        assert_eq!(find(&manifests, &manifest).await, None);
        catalog.keep_manifest(manifest.fingerprint(), manifest.to_bytes());
        let began = Instant::now();
        while find(&manifests, &manifest).await.is_none() {
            assert!(began.elapsed() < Duration::from_secs(10));
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn many_who_ask_at_once_ask_the_catalog_once() {
        let manifest = manifest(1);
        for kept in [None, Some(manifest.to_bytes())] {
            let (manifests, asks) = (patient(catalog().await), Arc::new(AtomicUsize::new(0)));
            let (answer, wait) = oneshot::channel();
            let mut wait = Some(wait);
            let everybody = (0..500).map(|_| {
                let (wait, asks) = (wait.take(), Arc::clone(&asks));
                manifests.find_by(content_of(&manifest), async move {
                    asks.fetch_add(1, Ordering::SeqCst);
                    Ok(wait.unwrap().await.unwrap())
                })
            });
            let (found, ()) = tokio::join!(join_all(everybody), async {
                while asks.load(Ordering::SeqCst) == 0 {
                    tokio::task::yield_now().await;
                }
                answer.send(kept.clone()).unwrap();
            });
            assert_eq!(asks.load(Ordering::SeqCst), 1);
            let right = |found: &Option<Arc<Manifest>>| found.is_some() == kept.is_some();
            assert!(found.iter().all(right), "{:?}", kept.is_some());
        }
    }

    #[tokio::test]
    async fn many_who_leave_while_the_catalog_is_asked_harm_nobody_who_stays() {
        let (manifests, manifest) = (patient(catalog().await), manifest(1));
        let bytes = manifest.to_bytes();
        let (answer, wait) = oneshot::channel::<()>();
        let mut first = Box::pin(manifests.find_by(content_of(&manifest), async move {
            wait.await.unwrap();
            Ok(Some(bytes))
        }));
        assert!(futures_util::poll!(&mut first).is_pending());
        let mut waiting: Vec<_> =
            (0..1000).map(|_| Box::pin(manifests.find_by(content_of(&manifest), pending()))).collect();
        for one in &mut waiting {
            assert!(futures_util::poll!(one).is_pending());
        }
        drop(first);
        let stays = waiting.pop().unwrap();
        for one in waiting {
            drop(one);
            tokio::task::yield_now().await;
        }
        answer.send(()).unwrap();
        assert_eq!(stays.await, Some(manifest));
    }

    /// Keeps a manifest after the catalog was asked and before it says no.
    async fn kept_meanwhile(manifests: &Manifests, manifest: &Arc<Manifest>) -> Option<Arc<Manifest>> {
        let ((ask, asked), (say_no, no)) = (oneshot::channel(), oneshot::channel());
        let asking = manifests.find_by(content_of(manifest), async move {
            ask.send(()).unwrap();
            no.await.unwrap();
            Ok(None)
        });
        let keeping = async {
            asked.await.unwrap();
            manifests.keep(Arc::clone(manifest)).await;
            say_no.send(()).unwrap();
        };
        tokio::join!(asking, keeping).0
    }

    #[tokio::test]
    async fn a_late_no_does_not_hide_what_was_kept_meanwhile() {
        let (manifests, manifest) = (patient(catalog().await), manifest(1));
        assert_eq!(kept_meanwhile(&manifests, &manifest).await.as_ref(), Some(&manifest));
        assert_eq!(find(&manifests, &manifest).await.as_ref(), Some(&manifest));
        // Not even when the memory needs its room for others.
        manifests.memo.invalidate(&content_of(&manifest)).await;
        manifests.catalog.flush().await.unwrap();
        assert_eq!(find(&manifests, &manifest).await, Some(manifest));
    }

    #[tokio::test]
    async fn manifests_in_memory_are_bounded_in_bytes_and_the_latest_stays() {
        let (manifests, manifest) = (patient(catalog().await), manifest(1));
        let entries = MEMO_BYTES / u64::from(weight(&content_of(&manifest), &manifest));
        for length in 0..entries + 100 {
            manifests.memo.insert((manifest.fingerprint(), length), Arc::clone(&manifest)).await;
        }
        manifests.keep(Arc::clone(&manifest)).await;
        manifests.memo.run_pending_tasks().await;
        assert!((entries - 1..=entries).contains(&manifests.memo.entry_count()), "{}", manifests.memo.entry_count());
        assert!(manifests.memo.contains_key(&content_of(&manifest)));
    }
}
