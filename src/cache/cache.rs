//! The room's face: open a body, prewarm, tell what is held.

use std::num::NonZero;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::flights::Flights;
use super::index::{Claim, ClaimLink, Hoard, Index, Share, Usage};
use super::intake::{Berth, Intake, Room};
use super::manifest::Manifest;
use super::reader::{Reader, within_block};
use super::source::{Run, Source};
use super::{
    Blank, Block, BlockKey, Bodies, BodyMeter, CacheSettings, Came, ContentId, Found, Ledger, Manifests, ReadError,
};
use crate::arena::Arena;
use crate::catalog::Catalog;
use crate::link::RevocationSet;
use crate::origin::ByteStream;
use crate::telemetry::Metrics;
use crate::value::{ByteSpan, Fingerprint, UnixTime};

/// The verified cache. Clones share it.
#[derive(Clone)]
pub struct Cache(Arc<Inner>);

struct Inner {
    settings: CacheSettings,
    index: Index,
    flights: Flights,
    manifests: Manifests,
    room: Room,
    /// How many blocks may be hashed at once: one per core, so that hashing never crowds out the serving.
    hashers: Arc<Semaphore>,
    metrics: Arc<Metrics>,
    on_wrong_bytes: OnWrongBytes,
}

/// Told of each source that gave other bytes than its fingerprint names.
pub type OnWrongBytes = Box<dyn Fn(&Source) + Send + Sync>;

/// What the cache holds and has done so far.
#[derive(Clone, Copy, Debug)]
pub struct CacheState {
    /// What is kept.
    pub kept: Usage,
    /// What is in flight, with the charges for flights and bodies.
    pub in_flight: Share,
}

impl Cache {
    /// An empty cache. Large blocks lie in `arena`, or, without one, on the heap; manifests are kept in `catalog`.
    pub fn new(
        settings: CacheSettings,
        arena: Option<Arena>,
        catalog: Catalog,
        metrics: Arc<Metrics>,
        on_wrong_bytes: OnWrongBytes,
    ) -> Self {
        let ledger = Ledger::new(settings.in_flight, arena);
        let bodies = Bodies::new(Arc::clone(&ledger), settings.min_rate, Arc::clone(&metrics));
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        Self(Arc::new(Inner {
            settings,
            index: Index::new(settings.memory, settings.prewarm),
            flights: Flights::default(),
            manifests: Manifests::new(catalog),
            room: Room { ledger, bodies },
            hashers: Arc::new(Semaphore::new(cores)),
            metrics,
            on_wrong_bytes,
        }))
    }

    /// Takes account of a body that is about to be answered; `cut` ends its connection.
    ///
    /// # Errors
    /// [`ReadError::NoRoom`] when too much is in flight.
    pub fn admit(&self, cut: CancellationToken) -> Result<BodyMeter, ReadError> {
        self.0.room.bodies.admit(cut).map_err(|_| {
            self.0.metrics.overload_refusal("bodies");
            ReadError::NoRoom
        })
    }

    /// How a body of these spans would come about now, by what lies here. Whether it shares a read is known once it is open.
    pub fn look(&self, source: &Source, spans: impl IntoIterator<Item = ByteSpan>) -> Came {
        let (mut some, mut all, mut stored) = (false, true, true);
        for run in spans.into_iter().filter_map(Run::touched) {
            let has = |number| self.0.index.has(&source.block(number));
            some = some || run.blocks().any(has);
            all = all && run.blocks().all(has);
            stored = stored && self.is_worth_keeping(run, source.length);
        }
        match (some, all) {
            (_, true) => Came::HIT,
            (true, false) => Came { found: Found::Some, collapsed: false, stored },
            (false, false) => Came { found: Found::Nothing, collapsed: false, stored },
        }
    }

    /// A span of a content of `length` bytes, where all of it lies here in one block: one look, and nothing is copied. Otherwise [`Cache::look`] and
    /// [`Cache::open`] are the way.
    pub fn at_hand(&self, content: ContentId, length: u64, span: ByteSpan, meter: &BodyMeter) -> Option<Bytes> {
        let number = Run::touched(span).filter(|run| run.first == run.last)?.first;
        let block = self.0.index.get(&BlockKey { content, number })?;
        if ByteSpan::whole(length) == Some(span) {
            self.fetched(content);
        }
        let within = within_block(span, number);
        let end = within.end.min(block.bytes().len());
        Some(meter.hold(block).slice(within.start.min(end)..end))
    }

    /// Counts a body that came about so.
    pub fn count(&self, came: Came) {
        self.0.metrics.cache_lookup(came.label());
    }

    /// Reads a span. Its first bytes are at hand when this returns, and what is missing further on has been accepted by the store; a failure
    /// until then is told here.
    ///
    /// # Errors
    /// As [`ReadError`] says.
    pub async fn open(&self, source: &Arc<Source>, span: ByteSpan) -> Result<Reader, ReadError> {
        let opened = Reader::open(self, source, span).await;
        opened.inspect_err(|error| {
            if *error == ReadError::NoRoom {
                self.0.metrics.overload_refusal("in-flight");
            }
        })
    }

    /// What a read of a store must have before the store is asked; its first block has this length in bytes.
    ///
    /// # Errors
    /// [`ReadError::NoRoom`] when too much is in flight.
    pub(super) fn berth(&self, length: usize) -> Result<Berth, ReadError> {
        self.0.room.berth(length).map_err(|_| ReadError::NoRoom)
    }

    /// The same for a read that can wait: it gets its berth, and room for each block, as soon as there is some.
    ///
    /// # Errors
    /// [`ReadError::NoRoom`] when there was none for so long.
    pub async fn berth_within(&self, patience: Duration, length: usize) -> Result<Berth, ReadError> {
        self.0.room.berth_within(patience, length).await.map_err(|_| ReadError::NoRoom)
    }

    /// A store's stream cut into blocks, whose memory is counted.
    pub fn cut(&self, stream: ByteStream, berth: Berth) -> Intake {
        Intake::new(stream, self.0.room.clone(), berth)
    }

    /// A place for the blocks of a content of this length, whose fingerprint is not known yet. One that is not worth keeping has none.
    pub fn hoard(&self, length: u64) -> Hoard {
        let is_worth_it = Run::all(length).is_some_and(|run| self.is_worth_keeping(run, length));
        if is_worth_it { self.0.index.hoard() } else { self.0.index.no_hoard() }
    }

    /// A link to this content was minted: while nobody has fetched it, its blocks stay as long as the claim lasts.
    pub fn claim(&self, fingerprint: &Fingerprint, claim: impl FnOnce() -> Claim) {
        self.0.index.claim(fingerprint, claim);
    }

    /// Keeps a manifest, here and in the catalog.
    pub async fn keep_manifest(&self, manifest: Arc<Manifest>) {
        self.0.manifests.keep(manifest).await;
    }

    /// What is done about once a second: slow readers are looked for, and claims that have expired lapse.
    pub fn tick(&self, now: UnixTime) {
        self.0.room.bodies.sweep();
        self.0.index.lapse(|claim| now >= claim.expires);
    }

    /// What is done when there are new revocations: claims of links that are revoked lapse.
    pub fn revoked(&self, set: &RevocationSet) {
        let is_revoked = |link: &ClaimLink| set.ending(&link.grant.revocable(link.id, link.key)).is_some();
        self.0.index.lapse(|claim| claim.link.as_ref().is_some_and(is_revoked));
    }

    /// What is held now.
    pub fn state(&self) -> CacheState {
        let ledger = &self.0.room.ledger;
        let in_flight = Share { bytes: ledger.used(), blocks: ledger.blocks() };
        CacheState { kept: self.0.index.usage(), in_flight }
    }

    pub(super) fn index(&self) -> &Index {
        &self.0.index
    }

    pub(super) fn flights(&self) -> &Flights {
        &self.0.flights
    }

    pub(super) fn is_short(&self) -> bool {
        self.0.room.is_short()
    }

    #[cfg(test)]
    pub(super) fn ledger(&self) -> &Arc<Ledger> {
        &self.0.room.ledger
    }

    pub(super) fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    pub(super) fn manifest_wait(&self) -> Duration {
        self.0.settings.manifest_wait
    }

    pub(super) async fn manifest(&self, fingerprint: Fingerprint, length: u64) -> Option<Arc<Manifest>> {
        self.0.manifests.find(length, fingerprint).await
    }

    /// All of a content was fetched. Only what was minted is held until then.
    pub(super) fn fetched(&self, content: ContentId) {
        if let ContentId::Fingerprint(fingerprint) = content {
            self.0.index.fetched(&fingerprint);
        }
    }

    /// A run that would push out much of what others need streams through.
    pub(super) fn is_worth_keeping(&self, run: Run, length: u64) -> bool {
        run.weight(length) <= self.0.settings.memory / KEPT_SHARE
    }

    /// Hashes what came and makes it a block, beside the serving threads, or at once when that takes less than sending it there.
    pub(super) async fn hash<R: Send + 'static>(
        &self,
        filled: Blank,
        hash: impl FnOnce(&[u8]) -> R + Send + 'static,
    ) -> Result<(Block, R), ReadError> {
        if filled.bytes().len() <= HASHED_AT_ONCE {
            let result = hash(filled.bytes());
            return Ok((filled.share(), result));
        }
        let place = Arc::clone(&self.0.hashers).acquire_owned().await.map_err(|_| ReadError::Lost)?;
        let hashing = tokio::task::spawn_blocking(move || {
            let result = hash(filled.bytes());
            let block = filled.share();
            drop(place);
            (block, result)
        });
        hashing.await.map_err(|_| ReadError::Lost)
    }

    pub(super) fn found_wrong_bytes(&self, source: &Source) {
        self.0.metrics.verification_failure();
        tracing::error!(store = %source.store, key = ?source.key, "the store gave other bytes than the fingerprint names; none of them were kept");
        (self.0.on_wrong_bytes)(source);
    }
}

/// A run of more than this share of the memory streams through.
const KEPT_SHARE: u64 = 4;
/// Blocks up to this many bytes are hashed where they are: it takes about 10 µs.
const HASHED_AT_ONCE: usize = 32 * 1024;
