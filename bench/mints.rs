//! Minting without the API: a known object, within `fresh_for` and past it, and requests that get no link.
//!
//! The store is in memory and the catalog a real file. What they were asked is told on standard error.

use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::Criterion;
use hallpass::cache::{Cache, CacheSettings};
use hallpass::catalog::{Catalog, CatalogSettings};
use hallpass::link::{LinkBounds, Revocation, Revocations};
use hallpass::mint::{Heads, KnownObjects, MintPolicy, MintRequest, MintSettings, Minter, MinterParts};
use hallpass::telemetry::Metrics;
use hallpass::value::{ClientName, Live};
use tokio::runtime::Runtime;

use crate::samples::{KEY, Memory, STORE, clock, seals};

pub fn bench(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let mut group = criterion.benchmark_group("mint");
    for case in cases() {
        let floor = runtime.block_on(Floor::build(&case));
        assert_eq!(runtime.block_on(floor.mint(&case.request)), case.expected, "{}", case.name);
        let mut minted: u64 = 1;
        group.bench_function(case.name, |b| {
            b.iter_custom(|times| {
                minted += times;
                runtime.block_on(floor.time(&case.request, times))
            });
        });
        floor.tell(case.name, minted);
        runtime.block_on(floor.catalog.close()).unwrap();
    }
}

/// A request, in which world it is made, and the outcome that it must have.
struct Case {
    name: &'static str,
    request: MintRequest,
    fresh_for: Duration,
    revoked: bool,
    expected: &'static str,
}

fn cases() -> Vec<Case> {
    let request = || MintRequest::new(STORE.parse().unwrap(), KEY.parse().unwrap(), "meta".parse().unwrap());
    let long = Duration::from_secs(3600);
    let good = |name| Case { name, request: request(), fresh_for: long, revoked: false, expected: "minted" };
    let bad = |name, request, expected| Case { request, expected, ..good(name) };
    vec![
        good("good, within fresh_for"),
        Case { fresh_for: Duration::ZERO, ..good("good, HEAD each time") },
        Case { request: MintRequest { unique: true, ..request() }, ..good("good, unique") },
        bad("hostile, ttl of a year", MintRequest { ttl: Some(365 * 24 * long), ..request() }, "refused"),
        bad("hostile, no such fetcher", MintRequest { fetcher: "nobody".parse().unwrap(), ..request() }, "refused"),
        bad("hostile, no such store", MintRequest { store: "nowhere".parse().unwrap(), ..request() }, "refused"),
        Case { revoked: true, ..bad("hostile, revoked object", request(), "refused") },
    ]
}

/// A minter with all that is below it.
struct Floor {
    minter: Minter,
    store: Arc<Memory>,
    catalog: Catalog,
    client: ClientName,
    _dir: tempfile::TempDir,
}

impl Floor {
    async fn build(case: &Case) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let settings = CatalogSettings::new(format!("sqlite://{}", dir.path().join("bench.db").display()));
        let catalog = Catalog::open(&settings, clock()).await.unwrap();
        let store = Arc::new(Memory::default());
        let revocations = Arc::new(Revocations::default());
        if case.revoked {
            revocations.insert(Revocation::Object(STORE.parse().unwrap(), KEY.parse().unwrap()));
        }
        let metrics = Arc::new(Metrics::new());
        let cache = Cache::new(CacheSettings::default(), None, catalog.clone(), Arc::clone(&metrics), Box::new(|_| {}));
        let parts = MinterParts {
            clock: clock(),
            stores: Live::new([(STORE.parse().unwrap(), store.shared())].into_iter().collect()),
            seals: Live::new(seals()),
            policy: Live::new(MintPolicy { profiles: ["meta".parse().unwrap()].into(), ..MintPolicy::default() }),
            bounds: LinkBounds::default(),
            revocations,
            heads: Heads::new(case.fresh_for),
            known: KnownObjects::new(catalog.clone(), clock()),
            cache,
            catalog: catalog.clone(),
            metrics,
        };
        let settings = MintSettings {
            mint_timeout: Duration::from_secs(10),
            fresh_for: case.fresh_for,
            object_max: 2 << 30,
            first_reads: 8,
        };
        let minter = Minter::new(parts, settings);
        Self { minter, store, catalog, client: "billing".parse().unwrap(), _dir: dir }
    }

    async fn mint(&self, request: &MintRequest) -> &'static str {
        if self.minter.mint(&self.client, request).await.is_ok() { "minted" } else { "refused" }
    }

    async fn time(&self, request: &MintRequest, times: u64) -> Duration {
        let begun = Instant::now();
        for _ in 0..times {
            self.mint(request).await;
        }
        begun.elapsed()
    }

    fn tell(&self, name: &str, minted: u64) {
        let ((heads, reads), records) = (self.store.asked(), self.catalog.counters());
        eprintln!(
            "mint/{name}: {minted} requests; store: {heads} HEADs, {reads} reads; catalog: {} queued, {} dropped",
            records.queued, records.dropped
        );
    }
}
