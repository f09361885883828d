//! A whole answer but its body: believe, admit, locate, decide, open, write the head. This is `Assets::answer` over a store in memory.
//!
//! Heads have no way in of their own, so what one costs is the difference between two lines: 200 less 304, for instance, is the content's
//! fields and the opening of a body that is then dropped unread.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::Criterion;
use hallpass::asset::{AssetParts, AssetRequest, Assets, Story, Target};
use hallpass::cache::{Cache, CacheSettings};
use hallpass::catalog::{Catalog, CatalogSettings};
use hallpass::fetcher::{ClientAddr, PeerAddr, Profile, Profiles, client_address};
use hallpass::http::Retrieval;
use hallpass::link::{Link, LinkBounds, Revocations, Seals};
use hallpass::mint::{Heads, KnownObjects, MintPolicy};
use hallpass::presign::{PresignClients, PresignRules, Presigning};
use hallpass::telemetry::Metrics;
use hallpass::value::Live;
use http::header::{IF_NONE_MATCH, RANGE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use crate::samples::{META_AGENT, Memory, STORE, clock, grant, path_of, seals, tampered, with_token};

pub fn bench(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let seals = seals();
    let path = path_of(&seals.seal(&grant()).unwrap());
    let assets = runtime.block_on(assets(seals));
    let mut group = criterion.benchmark_group("answer");
    for case in cases(&path) {
        assert_eq!(runtime.block_on(case.ask(&assets)), case.expected, "{}", case.name);
        group.bench_function(case.name, |b| {
            b.iter_custom(|times| runtime.block_on(case.time(&assets, times)));
        });
    }
}

/// A request, and the status it must get.
struct Case {
    name: &'static str,
    path: String,
    method: Retrieval,
    headers: HeaderMap,
    cut: CancellationToken,
    expected: u16,
}

impl Case {
    async fn ask(&self, assets: &Assets) -> u16 {
        let (target, headers) = (Target::Link(&self.path), &self.headers);
        let request = AssetRequest { target, method: self.method, headers, client: somewhere(), cut: &self.cut };
        let mut story = Story::default();
        match assets.answer(black_box(&request), &mut story).await {
            Ok(response) => black_box(response).status().as_u16(),
            Err(error) => black_box(error.problem()).into_answer().0.as_u16(),
        }
    }

    async fn time(&self, assets: &Assets, times: u64) -> Duration {
        let begun = Instant::now();
        for _ in 0..times {
            self.ask(assets).await;
        }
        begun.elapsed()
    }
}

fn cases(path: &str) -> Vec<Case> {
    let etag = format!("\"b3-{}\"", grant().fingerprint.half());
    let case = |name, path: String, fields: &[(HeaderName, &str)], expected| {
        let headers = from_meta(fields);
        Case { name, path, method: Retrieval::Get, headers, cut: CancellationToken::new(), expected }
    };
    let link = || path.to_owned();
    let past = format!("bytes={}", "99999-,".repeat(16_000 / 7));
    let eight: Vec<_> = (0..8).map(|n| format!("{}-{}", n * 1000, n * 1000 + 99)).collect();
    let eight = format!("bytes={}", eight.join(","));
    let browser = HeaderMap::from_iter([(USER_AGENT, HeaderValue::from_static("Mozilla/5.0 (X11; Linux x86_64)"))]);
    let (ours, long) = (&path[3..11], Link::TOO_LONG - 8);
    vec![
        case("good, 200", link(), &[], 200),
        Case { method: Retrieval::Head, ..case("good, 200 to HEAD", link(), &[], 200) },
        case("good, 206", link(), &[(RANGE, "bytes=0-1023")], 206),
        case("good, 206 of 8 parts", link(), &[(RANGE, &eight)], 206),
        case("good, 304", link(), &[(IF_NONE_MATCH, &etag)], 304),
        case("hostile, seal tampered with", with_token(path, |token| tampered(token, 100)), &[], 403),
        case("hostile, 1,024 characters", with_token(path, |_| "a".repeat(Link::TOO_LONG)), &[], 403),
        case(
            "hostile, 1,024 characters under our key",
            with_token(path, |_| format!("{ours}{}", "a".repeat(long))),
            &[],
            403,
        ),
        Case { headers: browser, ..case("hostile, another fetcher", link(), &[], 403) },
        case("hostile, 16,000 bytes of ranges past the end", link(), &[(RANGE, &past)], 416),
    ]
}

fn from_meta(fields: &[(HeaderName, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::from_iter([(USER_AGENT, HeaderValue::from_static(META_AGENT))]);
    for (name, value) in fields {
        headers.insert(name, HeaderValue::from_str(value).unwrap());
    }
    headers
}

/// Outside of Meta's networks, so that a fetcher is admitted by its agent alone.
fn somewhere() -> ClientAddr {
    let peer = PeerAddr::new(([192, 0, 2, 1], 443).into());
    client_address(peer, std::iter::empty(), &[])
}

async fn assets(seals: Seals) -> Assets {
    let catalog = Catalog::open(&CatalogSettings::new("sqlite::memory:"), clock()).await.unwrap();
    let meta = Profile::meta();
    let store = Arc::new(Memory::default()).shared();
    let settings = CacheSettings::default();
    let presigning = Presigning {
        is_enabled: false,
        clients: PresignClients::default(),
        rules: PresignRules::default(),
        fetcher: meta.name.clone(),
    };
    let cache = Cache::new(settings, None, catalog.clone(), Arc::new(Metrics::new()), Box::new(|_| {}));
    Assets::new(AssetParts {
        clock: clock(),
        seals: Live::new(seals),
        bounds: LinkBounds::default(),
        presigning: Live::new(presigning),
        revocations: Arc::new(Revocations::default()),
        profiles: Live::new(Profiles::from([(meta.name.clone(), meta)])),
        stores: Live::new([(STORE.parse().unwrap(), store)].into_iter().collect()),
        policy: Live::new(MintPolicy::default()),
        heads: Heads::new(Duration::from_secs(2)),
        known: KnownObjects::new(catalog, clock()),
        cache,
        body_max: Duration::from_secs(600),
    })
}
