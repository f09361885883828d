//! Flights and readers over a store that gives its bytes one permit at a time.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt, join_all};
use futures_util::stream::{self, StreamExt};
use tokio::sync::Semaphore;

use super::flight::{Ending, Proof};
use super::flights::Joined;
use super::{
    BLOCK, Blank, Block, BlockKey, Cache, CacheSettings, Came, Claim, ContentId, Found, Ledger, Manifest,
    ManifestBuilder, ReadError, Source,
};
use crate::arena::Arena;
use crate::catalog::{Catalog, CatalogSettings};
use crate::origin::{ByteStream, ObjectMeta, Origin, OriginError};
use crate::telemetry::Metrics;
use crate::value::{ByteSpan, Clock, Fingerprint, ObjectKey, ObjectVersion, UnixTime, VersionId};

mod unverified;

const MIB: u64 = 1 << 20;

/// A store with one object. A permit lets it give one more chunk of a quarter of a block.
struct Gated {
    content: Mutex<Vec<u8>>,
    permits: Semaphore,
    reads: Mutex<Vec<ByteSpan>>,
    given: AtomicU64,
    running: AtomicUsize,
    panics: AtomicBool,
    /// Whether the object was overwritten.
    gone: AtomicBool,
}

impl Gated {
    fn new(content: Vec<u8>) -> Arc<Self> {
        Arc::new(Self {
            content: Mutex::new(content),
            permits: Semaphore::new(0),
            reads: Mutex::default(),
            given: AtomicU64::new(0),
            running: AtomicUsize::new(0),
            panics: AtomicBool::new(false),
            gone: AtomicBool::new(false),
        })
    }

    fn open(&self) {
        self.permits.add_permits(Semaphore::MAX_PERMITS / 2);
    }

    fn allow_blocks(&self, blocks: usize) {
        self.permits.add_permits(blocks * 4);
    }

    fn reads(&self) -> usize {
        self.reads.lock().unwrap().len()
    }
}

/// What is counted of one read as long as it runs.
struct Running(Arc<Origins>);
struct Origins(Arc<Gated>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Origin for Origins {
    fn head<'a>(&'a self, _: &'a ObjectKey) -> BoxFuture<'a, Result<ObjectMeta, OriginError>> {
        async { Err(OriginError::NotFound) }.boxed()
    }

    fn read<'a>(
        &'a self,
        _: &'a ObjectKey,
        _: &'a ObjectVersion,
        span: ByteSpan,
    ) -> BoxFuture<'a, Result<ByteStream, OriginError>> {
        let gate = Arc::clone(&self.0);
        gate.reads.lock().unwrap().push(span);
        gate.running.fetch_add(1, Ordering::SeqCst);
        let running = Running(Arc::new(Origins(Arc::clone(&gate))));
        let chunks = stream::unfold((Some(span), running), move |(left, running)| {
            let gate = Arc::clone(&gate);
            async move {
                let span = left?;
                gate.permits.acquire().await.unwrap().forget();
                assert!(!gate.panics.swap(false, Ordering::SeqCst), "the store's task fails, as the test asked it to");
                let take = span.len().min(BLOCK as u64 / 4);
                let (start, end) = (at(span.first()), at(span.first() + take));
                let chunk = gate.content.lock().unwrap().get(start..end).map(Bytes::copy_from_slice);
                gate.given.fetch_add(take, Ordering::SeqCst);
                Some((chunk.ok_or(OriginError::Changed), (span.skip(take), running)))
            }
        });
        let gone = self.0.gone.load(Ordering::SeqCst);
        async move { if gone { Err(OriginError::Changed) } else { Ok(chunks.boxed() as ByteStream) } }.boxed()
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), OriginError>> {
        async { Ok(()) }.boxed()
    }
}

struct Scene {
    cache: Cache,
    store: Arc<Gated>,
    source: Arc<Source>,
    content: Vec<u8>,
    wrong: Arc<AtomicUsize>,
}

fn at(offset: u64) -> usize {
    usize::try_from(offset).unwrap()
}

/// Blocks unlike each other, made quickly.
fn content(blocks: usize, more: usize) -> Vec<u8> {
    let pattern: Vec<u8> = (0..65_537_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    pattern.iter().copied().cycle().take(blocks * BLOCK + more).collect()
}

fn settings(memory: u64, in_flight: u64) -> CacheSettings {
    CacheSettings {
        memory,
        in_flight,
        prewarm: memory / 2,
        min_rate: 0,
        zero_copy: true,
        manifest_wait: Duration::from_secs(5),
    }
}

async fn catalog() -> Catalog {
    Catalog::open(&CatalogSettings::new("sqlite::memory:".to_owned()), Clock::system()).await.unwrap()
}

impl Scene {
    /// A store that gives nothing yet, and an empty cache before it.
    async fn new(content: Vec<u8>, settings: CacheSettings) -> Self {
        Self::over(&catalog().await, content, settings)
    }

    /// The same over a catalog that may know something.
    fn over(catalog: &Catalog, content: Vec<u8>, settings: CacheSettings) -> Self {
        let wrong = Arc::new(AtomicUsize::new(0));
        let told = Arc::clone(&wrong);
        let on_wrong = Box::new(move |_: &Source| {
            told.fetch_add(1, Ordering::SeqCst);
        });
        let cache = Cache::new(
            settings,
            Arena::start(settings.memory + settings.in_flight).ok(),
            catalog.clone(),
            Arc::new(Metrics::new()),
            on_wrong,
        );
        let store = Gated::new(content.clone());
        let source = Arc::new(Source {
            origin: Arc::new(Origins(Arc::clone(&store))),
            store: "media".parse().unwrap(),
            key: "a".parse().unwrap(),
            version: "1".parse().unwrap(),
            length: content.len() as u64,
            content: ContentId::Fingerprint(Fingerprint::of(&content)),
        });
        Self { cache, store, source, content, wrong }
    }

    /// The same with the manifest known.
    async fn with_manifest(content: Vec<u8>, settings: CacheSettings) -> Self {
        let scene = Self::new(content, settings).await;
        scene.cache.keep_manifest(Arc::new(scene.manifest())).await;
        scene
    }

    fn manifest(&self) -> Manifest {
        let mut builder = ManifestBuilder::new(self.content.len() as u64);
        self.content.chunks(BLOCK).for_each(|block| builder.push(block));
        builder.finish().unwrap()
    }

    fn whole(&self) -> ByteSpan {
        ByteSpan::whole(self.content.len() as u64).unwrap()
    }

    fn span(&self, first: usize, last: usize) -> ByteSpan {
        ByteSpan::within(first as u64, last as u64, self.content.len() as u64).unwrap()
    }

    /// Reads a span to its end; what came, and how it ended.
    async fn read(&self, span: ByteSpan) -> (Vec<u8>, Result<(), ReadError>) {
        let mut got = Vec::new();
        let mut reader = match self.cache.open(&self.source, span).await {
            Ok(reader) => reader,
            Err(error) => return (got, Err(error)),
        };
        loop {
            match reader.next().await {
                Ok(Some(bytes)) => got.extend(bytes),
                Ok(None) => return (got, Ok(())),
                Err(error) => return (got, Err(error)),
            }
        }
    }

    fn found(&self) -> Found {
        self.cache.look(&self.source, [self.whole()]).found
    }

    async fn expect(&self, span: ByteSpan) {
        let (got, ended) = self.read(span).await;
        assert_eq!(ended, Ok(()));
        assert!(got == self.content[at(span.first())..at(span.end())], "wrong bytes");
    }

    fn counted(&self, line: &str) -> bool {
        self.cache.metrics().encode().lines().any(|found| found == line)
    }

    async fn eventually(&self, what: impl Fn(&Self) -> bool) {
        while !what(self) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

#[tokio::test]
async fn many_readers_share_one_read_and_late_ones_join_it() {
    let scene = Scene::with_manifest(content(20, 7), settings(64 * MIB, 16 * MIB)).await;
    scene.store.allow_blocks(5);
    let early = join_all((0..50).map(|_| scene.expect(scene.whole())));
    let late = async {
        scene.eventually(|scene| scene.store.given.load(Ordering::SeqCst) == 5 * BLOCK as u64).await;
        let first = scene.cache.open(&scene.source, scene.whole()).await.unwrap();
        assert!(scene.store.permits.available_permits() == 0, "its first bytes came before the last were read");
        drop(first);
        scene.store.open();
        scene.expect(scene.whole()).await;
    };
    tokio::join!(early, late);
    assert_eq!(scene.store.reads(), 1);
    assert_eq!(scene.found(), Found::All);
    scene.expect(scene.whole()).await;
    assert_eq!(scene.store.reads(), 1, "all of it was kept");
    assert!(scene.counted("hallpass_flights_total{ending=\"completed\"} 1"));
}

#[tokio::test]
async fn a_cold_range_reads_the_blocks_it_touches_and_no_other() {
    let scene = Scene::with_manifest(content(20, 7), settings(64 * MIB, 16 * MIB)).await;
    scene.store.open();
    let last = scene.content.len() - 1;
    for (first, last, read) in [
        (0, 0, Some((0, BLOCK))),
        (5, 77, None),
        (3 * BLOCK - 1, 3 * BLOCK, Some((2 * BLOCK, 4 * BLOCK))),
        (last, last, Some((20 * BLOCK, last + 1))),
        (BLOCK, 6 * BLOCK, Some((BLOCK, 2 * BLOCK))),
    ] {
        let before = scene.store.reads();
        scene.expect(scene.span(first, last)).await;
        let reads = scene.store.reads.lock().unwrap().get(before..).unwrap().to_vec();
        let first_read = reads.first().map(|span| (at(span.first()), at(span.end())));
        assert_eq!(first_read, read, "{first}-{last}");
    }
    let last = scene.store.reads.lock().unwrap().last().copied().unwrap();
    assert_eq!((at(last.first()), at(last.end())), (4 * BLOCK, 7 * BLOCK), "what was held is not read again");
}

#[tokio::test]
async fn whoever_leaves_stops_nobody_else() {
    let scene = Scene::with_manifest(content(20, 0), settings(64 * MIB, 16 * MIB)).await;
    scene.store.allow_blocks(2);
    let leader = scene.cache.open(&scene.source, scene.whole()).await.unwrap();
    let follower = scene.cache.open(&scene.source, scene.whole()).await.unwrap();
    drop(leader);
    scene.store.open();
    let rest: Vec<_> = follower.into_stream().collect().await;
    assert!(rest.into_iter().map(Result::unwrap).collect::<Vec<_>>().concat() == scene.content);
    assert_eq!(scene.store.reads(), 1);
}

#[tokio::test]
async fn a_body_is_told_how_it_will_come_about() {
    let scene = Scene::with_manifest(content(20, 0), settings(64 * MIB, 16 * MIB)).await;
    let look = || scene.cache.look(&scene.source, [scene.span(0, 9 * BLOCK), scene.whole()]);
    assert_eq!(look(), Came { found: Found::Nothing, collapsed: false, stored: true });
    scene.store.allow_blocks(2);
    let leader = scene.cache.open(&scene.source, scene.whole()).await.unwrap();
    scene.eventually(|_| look().found == Found::Some).await;
    assert_eq!(look(), Came { found: Found::Some, collapsed: false, stored: true });
    let follower = scene.cache.open(&scene.source, scene.whole()).await.unwrap();
    assert!(!leader.is_collapsed() && follower.is_collapsed(), "what it lacks is being read");
    drop((leader, follower));
    scene.store.open();
    scene.expect(scene.whole()).await;
    assert_eq!(look(), Came::HIT);
    let small = Scene::with_manifest(content(20, 0), settings(4 * MIB, 16 * MIB)).await;
    let came = small.cache.look(&small.source, [small.whole()]);
    assert_eq!(came, Came { found: Found::Nothing, collapsed: false, stored: false }, "too large to keep");
}

#[tokio::test]
async fn what_is_not_kept_waits_for_its_fastest_reader_and_ends_with_its_last() {
    let scene = Scene::with_manifest(content(64, 0), settings(4 * MIB, 8 * MIB)).await;
    scene.store.open();
    let mut reader = scene.cache.open(&scene.source, scene.whole()).await.unwrap();
    let read_ahead = |scene: &Scene| scene.store.given.load(Ordering::SeqCst) / BLOCK as u64;
    scene.eventually(|scene| read_ahead(scene) >= 8).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(read_ahead(&scene) <= 9, "it reads no further than its readers need soon: {}", read_ahead(&scene));
    for _ in 0..4 {
        reader.next().await.unwrap();
    }
    scene.eventually(|scene| read_ahead(scene) >= 11).await;
    drop(reader);
    scene.eventually(|scene| scene.store.running.load(Ordering::SeqCst) == 0).await;
    assert!(scene.counted("hallpass_flights_total{ending=\"abandoned\"} 1"));
    scene.eventually(|scene| scene.cache.state().in_flight.bytes == 0).await;
}

#[tokio::test]
async fn what_finds_no_place_in_the_index_streams_through() {
    let scene = Scene::with_manifest(content(15, 0), settings(16 * MIB, 8 * MIB)).await;
    let others = Ledger::new(64 * MIB, None);
    let held: Vec<Block> = (0..64)
        .map_while(|number| {
            let mut blank = Blank::take(&others, BLOCK).unwrap();
            blank.fill(&mut Bytes::from(vec![0; BLOCK]));
            let (block, fingerprint) = (blank.share(), Fingerprint::of(b"others"));
            scene.cache.index().keep(BlockKey::of(fingerprint, number), &block).then_some(block)
        })
        .collect();
    assert!(held.len() > 60, "the index is full of what is held by others");
    scene.store.open();
    let mut reader = scene.cache.open(&scene.source, scene.whole()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(scene.store.given.load(Ordering::SeqCst) <= 9 * BLOCK as u64);
    let mut got = Vec::new();
    while let Some(bytes) = reader.next().await.unwrap() {
        got.extend(bytes);
    }
    assert!(got == scene.content);
    assert_eq!(scene.store.reads(), 1);
    drop(held);
}

#[tokio::test]
async fn a_kept_block_whose_manifest_is_lost_keeps_nobody_from_the_others() {
    let scene = Scene::new(content(3, 7), settings(64 * MIB, 16 * MIB)).await;
    let first = stream::iter([Ok(Bytes::copy_from_slice(&scene.content[..BLOCK]))]).boxed();
    let mut intake = scene.cache.cut(first, scene.cache.berth(BLOCK).unwrap());
    let mut hoard = scene.cache.hoard(scene.source.length);
    assert!(hoard.add(0, &intake.next(BLOCK, || {}).await.unwrap().share()));
    hoard.keep(scene.source.fingerprint().unwrap());
    scene.store.open();
    scene.expect(scene.span(0, BLOCK - 1)).await;
    assert_eq!(scene.store.reads(), 0);
    scene.expect(scene.span(2 * BLOCK, 2 * BLOCK)).await;
    scene.expect(scene.whole()).await;
}

#[tokio::test]
async fn a_reader_that_falls_behind_reads_for_itself_and_slows_nobody() {
    let scene = Scene::with_manifest(content(64, 0), settings(4 * MIB, 64 * MIB)).await;
    scene.store.open();
    let slow = scene.cache.open(&scene.source, scene.whole()).await.unwrap();
    scene.expect(scene.whole()).await;
    assert_eq!(scene.store.reads(), 1);
    let rest: Vec<_> = slow.into_stream().collect().await;
    assert!(rest.into_iter().map(Result::unwrap).collect::<Vec<_>>().concat() == scene.content);
    assert!(scene.store.reads() > 1);
    assert!(scene.cache.metrics().encode().contains("hallpass_cache_left_behind_total"));
}

#[tokio::test]
async fn what_no_reader_needs_any_more_is_let_go_of() {
    let scene = Scene::with_manifest(content(20, 0), settings(4 * MIB, 16 * MIB)).await;
    scene.store.open();
    let mut reader = scene.cache.open(&scene.source, scene.whole()).await.unwrap();
    let block = scene.cache.state().in_flight.bytes / scene.cache.state().in_flight.blocks.max(1);
    for _ in 0..20 {
        reader.next().await.unwrap();
    }
    scene.eventually(|scene| scene.counted("hallpass_flights_total{ending=\"completed\"} 1")).await;
    scene.eventually(|scene| scene.cache.state().in_flight.bytes <= block).await;
    assert_eq!(reader.next().await, Ok(None), "the reader is still there");
}

#[tokio::test]
async fn a_wrong_block_is_shown_to_nobody_and_not_kept() {
    for at in [0, BLOCK - 1, BLOCK, 10 * BLOCK + 3, 20 * BLOCK + 6] {
        let scene = Scene::with_manifest(content(20, 7), settings(64 * MIB, 16 * MIB)).await;
        scene.store.content.lock().unwrap()[at] ^= 1;
        scene.store.open();
        let (got, ended) = scene.read(scene.whole()).await;
        assert_eq!(ended, Err(ReadError::WrongBytes));
        assert!(got.len() == at / BLOCK * BLOCK && scene.content.starts_with(&got), "{at}: {} bytes came", got.len());
        assert!(scene.wrong.load(Ordering::SeqCst) >= 1);
        scene.store.content.lock().unwrap()[at] ^= 1;
        scene.expect(scene.whole()).await;
    }
}

#[tokio::test]
async fn without_a_manifest_the_last_block_waits_for_the_proof_of_all() {
    for wrong in [Some(0), Some(9 * BLOCK), Some(20 * BLOCK + 6), None] {
        let scene = Scene::new(content(20, 7), settings(64 * MIB, 16 * MIB)).await;
        if let Some(at) = wrong {
            scene.store.content.lock().unwrap()[at] ^= 1;
        }
        scene.store.allow_blocks(2);
        let reader = scene.cache.open(&scene.source, scene.whole()).await.unwrap();
        scene.store.open();
        let got: Vec<_> = reader.into_stream().collect().await;
        let ended = got.iter().find_map(|piece| piece.clone().err());
        let came: usize = got.iter().flatten().map(Bytes::len).sum();
        match wrong {
            Some(_) => assert_eq!((ended, came), (Some(ReadError::WrongBytes), 20 * BLOCK)),
            None => assert_eq!((ended, came), (None, scene.content.len())),
        }
        let found = if wrong.is_some() { Found::Nothing } else { Found::All };
        assert_eq!(scene.found(), found);
        if wrong.is_none() {
            assert!(
                scene.cache.manifest(Fingerprint::of(&scene.content), scene.source.length).await.is_some(),
                "the manifest is kept"
            );
        }
    }
}

#[tokio::test]
async fn what_only_the_catalog_proves_is_read_once_and_block_by_block() {
    for wrong in [Some(4 * BLOCK), None] {
        let (catalog, content) = (catalog().await, content(5, 7));
        let before = Scene::over(&catalog, content.clone(), settings(64 * MIB, 16 * MIB));
        before.cache.keep_manifest(Arc::new(before.manifest())).await;
        catalog.flush().await.unwrap();
        let scene = Scene::over(&catalog, content, settings(64 * MIB, 16 * MIB));
        scene.store.open();
        if let Some(at) = wrong {
            scene.store.content.lock().unwrap()[at] ^= 1;
        }
        let wholes = join_all((0..3).map(|_| scene.read(scene.whole())));
        let (wholes, (part, part_ended)) = tokio::join!(wholes, scene.read(scene.span(BLOCK, 2 * BLOCK)));
        assert_eq!(part_ended, Ok(()), "the manifest proves the part without the rest");
        assert!(part == scene.content[BLOCK..=2 * BLOCK]);
        for (got, ended) in wholes {
            assert_eq!(ended.err(), wrong.map(|_| ReadError::WrongBytes));
            assert!(got == scene.content[..wrong.unwrap_or(scene.content.len())]);
        }
        assert_eq!(scene.found(), if wrong.is_some() { Found::Some } else { Found::All });
        assert_eq!(scene.store.reads(), 1);
    }
}

#[tokio::test]
async fn while_the_catalog_is_asked_the_store_is_too_and_no_byte_is_shown() {
    let scene = Scene::new(content(5, 7), settings(64 * MIB, 16 * MIB)).await;
    scene.store.open();
    let run = super::source::Run::all(scene.source.length).unwrap();
    let join = |proof: Option<&Proof>| scene.cache.flights().join(&scene.source, run, proof, scene.cache.index());
    let Joined::New(follower) = join(None) else { panic!("nobody reads it yet") };
    assert!(follower.flight().is_building().now_or_never().is_none(), "nobody knows");
    let manifest = Proof::Manifest(Arc::new(scene.manifest()));
    for proof in [None, Some(&Proof::Building), Some(&manifest)] {
        assert!(matches!(join(proof), Joined::Running(_)), "one read stands for all");
    }
    follower.flight().end(Ending::Abandoned);
    assert!(follower.flight().is_building().await, "who waited for the proof hears of the end");
    scene.cache.flights().land(follower.flight());
    scene.expect(scene.span(0, 5)).await;
    assert!(matches!(join(None), Joined::Kept));
}

#[tokio::test]
async fn without_a_manifest_a_range_waits_for_it_and_is_read_by_it() {
    let scene = Scene::new(content(64, 7), settings(4 * MIB, 16 * MIB)).await;
    scene.store.open();
    scene.expect(scene.span(30 * BLOCK, 30 * BLOCK)).await;
    let reads: Vec<_> = scene.store.reads.lock().unwrap().iter().map(|span| span.len()).collect();
    assert_eq!(
        reads,
        [scene.content.len() as u64, BLOCK as u64],
        "first all of it, then the block, as it was not kept"
    );
}

#[tokio::test]
async fn without_a_manifest_a_range_waits_only_so_long() {
    let short = CacheSettings { manifest_wait: Duration::from_millis(50), ..settings(64 * MIB, 16 * MIB) };
    let scene = Scene::new(content(20, 7), short).await;
    scene.store.allow_blocks(3);
    let (got, ended) = scene.read(scene.span(0, 0)).await;
    assert_eq!((got.len(), ended), (0, Err(ReadError::ManifestLate)));
    scene.store.open();
    scene.eventually(|scene| scene.found() == Found::All).await;
    scene.expect(scene.span(0, 0)).await;
    assert_eq!(scene.store.reads(), 1, "the read that it began went on without it");
}

#[tokio::test]
async fn what_a_store_has_no_more_is_told_before_the_head_though_the_beginning_is_kept() {
    let scene = Scene::with_manifest(content(5, 0), settings(64 * MIB, 16 * MIB)).await;
    scene.store.open();
    scene.expect(scene.span(0, BLOCK)).await;
    scene.store.gone.store(true, Ordering::SeqCst);
    let opened = scene.cache.open(&scene.source, scene.whole()).await;
    assert_eq!(opened.err(), Some(ReadError::Origin(OriginError::Changed)));
    scene.expect(scene.span(7, BLOCK)).await;
    scene.store.gone.store(false, Ordering::SeqCst);
    scene.expect(scene.whole()).await;
}

#[tokio::test]
async fn a_lost_flight_is_replaced_once() {
    for (has_manifest, lost, expected) in
        [(true, 1, Ok(())), (true, 2, Err(ReadError::Lost)), (false, 1, Ok(())), (false, 2, Err(ReadError::Lost))]
    {
        let scene = Scene::new(content(3, 0), settings(64 * MIB, 16 * MIB)).await;
        if has_manifest {
            scene.cache.keep_manifest(Arc::new(scene.manifest())).await;
        }
        scene.store.panics.store(true, Ordering::SeqCst);
        let again = async {
            scene.eventually(|scene| scene.store.reads() == 2).await;
            scene.store.panics.store(lost == 2, Ordering::SeqCst);
            scene.store.open();
        };
        scene.store.permits.add_permits(1);
        let ((got, ended), ()) = tokio::join!(scene.read(scene.whole()), again);
        assert_eq!(ended, expected);
        assert!(ended.is_err() || got == scene.content);
        assert!(scene.counted(&format!("hallpass_flights_total{{ending=\"lost\"}} {lost}")));
    }
}

#[tokio::test]
async fn unproven_bytes_of_a_lost_flight_are_never_completed_by_another() {
    let scene = Scene::new(content(5, 0), settings(64 * MIB, 16 * MIB)).await;
    scene.store.content.lock().unwrap()[0] ^= 1;
    scene.store.allow_blocks(2);
    let reader = scene.cache.open(&scene.source, scene.whole()).await.unwrap();
    scene.store.panics.store(true, Ordering::SeqCst);
    scene.store.content.lock().unwrap()[0] ^= 1;
    scene.store.open();
    let got: Vec<_> = reader.into_stream().collect().await;
    assert_eq!(got.last().unwrap().clone(), Err(ReadError::Lost));
    scene.expect(scene.whole()).await;
}

#[tokio::test]
async fn past_the_ceiling_the_store_is_not_even_asked() {
    let scene = Scene::with_manifest(content(3, 0), settings(64 * MIB, 4 * MIB)).await;
    scene.store.open();
    let ledger = scene.cache.ledger();
    let all = ledger.charge(ledger.ceiling()).unwrap();
    assert_eq!(scene.read(scene.whole()).await, (Vec::new(), Err(ReadError::NoRoom)));
    assert_eq!(scene.store.reads(), 0);
    assert!(scene.counted("hallpass_overload_refusals_total{limit=\"in-flight\"} 1"));
    drop(all);
    scene.expect(scene.whole()).await;
    assert_eq!(scene.cache.state().in_flight.bytes, 0, "what is kept is not in flight");
}

#[tokio::test]
async fn a_range_far_ahead_waits_for_nobody_and_drags_nobody_along() {
    let scene = Scene::with_manifest(content(80, 0), settings(4 * MIB, 32 * MIB)).await;
    scene.store.open();
    let reader = scene.cache.open(&scene.source, scene.whole()).await.unwrap();
    scene.expect(scene.span(70 * BLOCK, 70 * BLOCK)).await;
    let reads: Vec<_> = scene.store.reads.lock().unwrap().iter().map(|span| span.len()).collect();
    assert_eq!(reads, [80 * BLOCK as u64, BLOCK as u64]);
    assert!(scene.store.given.load(Ordering::SeqCst) <= 12 * BLOCK as u64, "nobody needs what lies between");
    drop(reader);
}

#[tokio::test]
async fn a_first_read_waits_for_room_and_hangs_nobody_else() {
    let scene = Scene::new(content(1, 0), settings(64 * MIB, 4 * MIB)).await;
    let ledger = scene.cache.ledger();
    // Enough for what a read takes beside its blocks, and not for a block.
    let all = ledger.charge(ledger.ceiling() / 8 * 7 - 200 * 1024).unwrap();
    let waiting = scene.cache.berth_within(Duration::from_secs(30), BLOCK);
    let others = async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        drop(all);
    };
    let (berth, ()) = tokio::join!(waiting, others);
    assert!(berth.is_ok());
    let all = ledger.charge(ledger.ceiling() - ledger.used()).unwrap();
    assert_eq!(scene.cache.berth_within(Duration::from_millis(20), BLOCK).await.err(), Some(ReadError::NoRoom));
    drop((berth, all));
}

#[tokio::test]
async fn what_is_too_large_to_keep_pushes_nothing_out_when_it_is_first_read() {
    let scene = Scene::with_manifest(content(3, 0), settings(16 * MIB, 16 * MIB)).await;
    scene.store.open();
    scene.expect(scene.whole()).await;
    let mut hoard = scene.cache.hoard(4 * MIB);
    let mut intake =
        scene.cache.cut(stream::iter([Ok(Bytes::from(vec![0; BLOCK]))]).boxed(), scene.cache.berth(BLOCK).unwrap());
    assert!(
        !hoard.add(0, &intake.next(BLOCK, || {}).await.unwrap().share()),
        "with its account it is more than a quarter"
    );
    let claim = Claim { expires: UnixTime::from_secs(9).unwrap(), link: None };
    hoard.hold(Fingerprint::of(b"large"), claim);
    assert_eq!(scene.cache.state().kept.prewarm_drops, 1);
    assert_eq!(scene.found(), Found::All);
}

#[tokio::test]
async fn a_store_that_gives_too_much_is_not_believed() {
    let scene = Scene::new(content(2, 0), settings(64 * MIB, 16 * MIB)).await;
    let stream = stream::iter([Ok(Bytes::from(vec![0; 2 * BLOCK + 1]))]).boxed();
    let mut intake = scene.cache.cut(stream, scene.cache.berth(BLOCK).unwrap());
    for _ in 0..2 {
        assert_eq!(intake.next(BLOCK, || {}).await.unwrap().bytes().len(), BLOCK);
    }
    assert_eq!(intake.end().await, Err(ReadError::WrongBytes));
}
