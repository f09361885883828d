//! The control API over its socket: what a client sends, and the bytes it gets back.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io::Write;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use futures_util::future::{BoxFuture, FutureExt};
use hallpass::cache::{Cache, CacheSettings};
use hallpass::catalog::{Catalog, CatalogSettings, FetchRecord};
use hallpass::config::{Action, ClientKey, ClientSettings};
use hallpass::control::{self, Clients, ControlParts};
use hallpass::fetcher::{Profile, Profiles};
use hallpass::link::{Hosts, Keyring, LinkBounds, Revocations, Seals};
use hallpass::mint::{Heads, KnownObjects, MintPolicy, MintRequest, MintSettings, Minter, MinterParts, Revoker};
use hallpass::ops::{self, OpsParts, Readiness};
use hallpass::origin::{
    ByteStream, LocalOrigin, LocalSettings, ObjectMeta, Origin, OriginError, StoreCounters, Stores,
};
use hallpass::presign::{PresignClients, PresignRules, Presigning};
use hallpass::publish::{PublishSettings, Publisher};
use hallpass::telemetry::Metrics;
use hallpass::value::{ByteSpan, Clock, Live, ObjectKey, ObjectVersion, UnixTime};
use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::kit::moto;

const PHOTO: &[u8] = include_bytes!("../../src/cli/demo_media/winter-sale.jpg");
const PAPER: &[u8] = include_bytes!("../../src/cli/demo_media/price-list.pdf");
const FILM: &[u8] = include_bytes!("../../src/cli/demo_media/tour.mp4");
const ORIGIN: &str = "https://media.example.com";

// ---- the kit ----------------------------------------------------------------------------------------------------------------------

/// A store that counts what it is asked, and whose reads can be held back.
struct Counting {
    inner: LocalOrigin,
    heads: AtomicUsize,
    reads: AtomicUsize,
    gate: Semaphore,
    head_gate: Semaphore,
}

impl Counting {
    fn asked(&self) -> (usize, usize) {
        (self.heads.load(Ordering::SeqCst), self.reads.load(Ordering::SeqCst))
    }
}

impl Origin for Counting {
    fn head<'a>(&'a self, key: &'a ObjectKey) -> BoxFuture<'a, Result<ObjectMeta, OriginError>> {
        self.heads.fetch_add(1, Ordering::SeqCst);
        async move {
            let _passed = self.head_gate.acquire().await;
            self.inner.head(key).await
        }
        .boxed()
    }

    fn read<'a>(
        &'a self,
        key: &'a ObjectKey,
        version: &'a ObjectVersion,
        span: ByteSpan,
    ) -> BoxFuture<'a, Result<ByteStream, OriginError>> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        async move {
            drop(self.gate.acquire().await.unwrap());
            self.inner.read(key, version, span).await
        }
        .boxed()
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), OriginError>> {
        self.inner.probe()
    }
}

/// A control API and an ops listener over two stores in a temporary folder.
struct House {
    control: SocketAddr,
    ops: SocketAddr,
    keys: HashMap<&'static str, String>,
    clock: Clock,
    catalog: Catalog,
    minter: Minter,
    media: Arc<Counting>,
    readiness: Readiness,
    profiles: Live<Profiles>,
    folder: tempfile::TempDir,
}

struct Wishes {
    fresh_for: Duration,
    mint_timeout: Duration,
    held_back: bool,
    /// The limits of the catalog at this URL.
    catalog: fn(String) -> CatalogSettings,
}

impl Default for Wishes {
    fn default() -> Self {
        Self {
            fresh_for: Duration::from_millis(1),
            mint_timeout: Duration::from_secs(10),
            held_back: false,
            catalog: CatalogSettings::new,
        }
    }
}

const DEFAULT: [Action; 3] = [Action::Mint, Action::Read, Action::Revoke];
/// Name, prefixes, actions; all of them have the store `media` alone.
const CLIENTS: [(&str, &[&str], &[Action]); 7] = [
    ("billing", &[], &DEFAULT),
    ("other", &[], &DEFAULT),
    ("promo", &["promo/"], &DEFAULT),
    ("minter", &[], &[Action::Mint]),
    ("reader", &[], &[Action::Read]),
    ("revoker", &[], &[Action::Revoke]),
    ("admin", &[], &[Action::Admin]),
];

impl House {
    async fn open() -> Self {
        Self::open_with(Wishes::default()).await
    }

    async fn open_with(wishes: Wishes) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::held_at(UnixTime::parse_rfc3339("2026-11-21T10:01:30Z").unwrap());
        let media = Arc::new(Counting {
            inner: store(&folder, "media"),
            heads: AtomicUsize::new(0),
            reads: AtomicUsize::new(0),
            gate: Semaphore::new(if wishes.held_back { 0 } else { 1000 }),
            head_gate: Semaphore::new(1000),
        });
        let private: Arc<dyn Origin> = Arc::new(store(&folder, "private"));
        let both = [("media", Arc::clone(&media) as Arc<dyn Origin>), ("private", private)];
        let stores: Stores = both.into_iter().map(|(name, store)| (name.parse().unwrap(), store)).collect();
        let url = format!("sqlite://{}", folder.path().join("catalog.db").display());
        let catalog = Catalog::open(&(wishes.catalog)(url), clock.clone()).await.unwrap();
        let (keys, settings): (HashMap<_, _>, Vec<_>) = CLIENTS.into_iter().map(client).unzip();
        let profiles: Profiles = [("meta".parse().unwrap(), Profile::meta())].into_iter().collect();
        let profiles = Live::new(profiles);
        let (parts, metrics) = parts(&clock, &catalog, stores, &settings, &profiles, &wishes);
        let minter = parts.minter.clone();
        let readiness = Readiness::new();
        let ops = OpsParts {
            cache: cache(&catalog, &metrics),
            metrics,
            readiness: readiness.clone(),
            catalog: catalog.clone(),
            stores: parts.stores.clone(),
            store_counters: StoreCounters::default(),
            profiles: profiles.clone(),
            serving: Vec::new(),
            clock: clock.clone(),
        };
        let (control, ops) = (listen(control::router(parts)).await, listen(ops::router(ops)).await);
        let house = Self { control, ops, keys, clock, catalog, minter, media, readiness, profiles, folder };
        for (key, bytes) in
            [("promo/a.jpg", PHOTO), ("promo-secret/a.jpg", PHOTO), ("list.pdf", PAPER), ("tour.mp4", FILM)]
        {
            house.put("media", key, bytes);
        }
        house.put("private", "promo/a.jpg", PHOTO);
        house
    }

    fn put(&self, store: &str, key: &str, bytes: &[u8]) {
        let path = self.folder.path().join(store).join(key);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    async fn ask(&self, client: &str, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let body = body.map(Value::to_string);
        let key = format!("Authorization: Bearer {}\r\n", self.keys[client]);
        let kind = if body.is_some() { "Content-Type: application/json\r\n" } else { "" };
        raw(self.control, method, path, &format!("{key}{kind}"), body.unwrap_or_default().as_bytes()).await
    }

    async fn mint(&self, client: &str, body: Value) -> Answer {
        self.ask(client, "POST", "/v1/links", Some(&body)).await
    }

    /// Mints the photo for `billing`.
    async fn link(&self) -> Value {
        let answer = self.mint("billing", json!({"store": "media", "key": "promo/a.jpg"})).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        answer.json()
    }

    async fn inspect(&self, client: &str, url: &str) -> Answer {
        self.ask(client, "POST", "/v1/inspect", Some(&json!({"url": url}))).await
    }
}

fn store(folder: &tempfile::TempDir, name: &str) -> LocalOrigin {
    let root = folder.path().join(name);
    std::fs::create_dir(&root).unwrap();
    LocalOrigin::open(&LocalSettings { root }).unwrap()
}

fn client((name, prefixes, actions): (&'static str, &[&str], &[Action])) -> ((&'static str, String), ClientSettings) {
    let key = ClientKey::generate().unwrap();
    let settings = ClientSettings {
        name: name.parse().unwrap(),
        key_hash: key.hash(),
        stores: BTreeSet::from(["media".parse().unwrap()]),
        prefixes: prefixes.iter().map(ToString::to_string).collect(),
        actions: actions.iter().copied().collect(),
    };
    ((name, key.expose().to_owned()), settings)
}

fn cache(catalog: &Catalog, metrics: &Arc<Metrics>) -> Cache {
    Cache::new(CacheSettings::default(), None, catalog.clone(), Arc::clone(metrics), Box::new(|_| {}))
}

fn parts(
    clock: &Clock,
    catalog: &Catalog,
    stores: Stores,
    clients: &[ClientSettings],
    profiles: &Live<Profiles>,
    wishes: &Wishes,
) -> (ControlParts, Arc<Metrics>) {
    let keyring = Keyring::generate(clock.now()).unwrap();
    let seals = Live::new(Seals::new(&keyring, ORIGIN.parse().unwrap()).unwrap());
    let (stores, bounds, revocations) = (Live::new(stores), LinkBounds::default(), Arc::new(Revocations::default()));
    let metrics = Arc::new(Metrics::new());
    let minter = MinterParts {
        clock: clock.clone(),
        stores: stores.clone(),
        seals: seals.clone(),
        policy: Live::new(MintPolicy {
            profiles: profiles.get().keys().cloned().collect(),
            active_content: HashSet::new(),
        }),
        bounds,
        revocations: Arc::clone(&revocations),
        heads: Heads::new(wishes.fresh_for),
        known: KnownObjects::new(catalog.clone(), clock.clone()),
        cache: cache(catalog, &metrics),
        catalog: catalog.clone(),
        metrics: Arc::clone(&metrics),
    };
    let limits = MintSettings {
        mint_timeout: wishes.mint_timeout,
        fresh_for: wishes.fresh_for,
        object_max: 2 << 30,
        first_reads: 8,
    };
    let minter = Minter::new(minter, limits);
    let parts = ControlParts {
        publisher: Publisher::new(minter.clone(), stores.clone(), PublishSettings::default(), Arc::clone(&metrics)),
        minter,
        revoker: Revoker::new(catalog.clone(), Arc::clone(&revocations), clock.clone()),
        catalog: catalog.clone(),
        seals,
        stores,
        profiles: profiles.clone(),
        presigning: Live::new(no_presigning()),
        hosts: Live::new(Hosts::new(&ORIGIN.parse().unwrap(), &[], &BTreeMap::new()).unwrap()),
        bounds,
        revocations,
        metrics: Arc::clone(&metrics),
        clients: Live::new(Clients::new(clients, 0)),
        clock: clock.clone(),
    };
    (parts, metrics)
}

/// Presigned URLs are switched off.
fn no_presigning() -> Presigning {
    Presigning {
        is_enabled: false,
        clients: PresignClients::default(),
        rules: PresignRules::default(),
        fetcher: "meta".parse().unwrap(),
    }
}

async fn listen(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

struct Answer {
    status: u16,
    fields: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|fault| panic!("{fault}: {}", self.text()))
    }

    fn text(&self) -> String {
        format!("{} {}", self.status, String::from_utf8_lossy(&self.body))
    }

    /// Status and code; checks that it is a whole problem.
    fn problem(&self) -> (u16, String) {
        assert_eq!(
            self.fields.get("content-type").map(String::as_str),
            Some("application/problem+json"),
            "{}",
            self.text()
        );
        assert_eq!(self.fields["cache-control"], "no-store");
        let json = self.json();
        assert_eq!(json["status"], self.status);
        assert!(!json["detail"].as_str().unwrap().is_empty() && !json["title"].as_str().unwrap().is_empty());
        (self.status, json["code"].as_str().unwrap().to_owned())
    }
}

/// One request on a connection of its own.
async fn raw(to: SocketAddr, method: &str, path: &str, fields: &str, body: &[u8]) -> Answer {
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n{fields}\r\n",
        body.len()
    );
    exchange(to, &[head.as_bytes(), body].concat()).await
}

async fn exchange(to: SocketAddr, request: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(to).await.unwrap();
    let (mut reading, mut writing) = stream.split();
    let mut answer = Vec::new();
    // The server may answer, and close, before it has taken all of a body that is too large.
    let _ = tokio::join!(async { writing.write_all(request).await }, reading.read_to_end(&mut answer));
    let at = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("an answer");
    let head = String::from_utf8(answer[..at].to_vec()).unwrap();
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let fields =
        lines.map(|line| line.split_once(": ").unwrap()).map(|(n, v)| (n.to_lowercase(), v.to_owned())).collect();
    Answer { status, fields, body: answer[at + 4..].to_vec() }
}

fn photo() -> Value {
    json!({"store": "media", "key": "promo/a.jpg"})
}

fn token_of(url: &str) -> &str {
    url.split('/').nth(4).unwrap()
}

// ---- minting ----------------------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_minimal_mint_answers_with_all_that_a_template_message_needs() {
    let house = House::open().await;
    let answer = house.mint("billing", photo()).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    let link = answer.json();
    let (id, url) = (link["id"].as_str().unwrap(), link["url"].as_str().unwrap());
    assert_eq!(answer.fields["content-type"], "application/json");
    assert_eq!(answer.fields["cache-control"], "no-store");
    assert_eq!(answer.fields["location"], format!("/v1/links/{id}"));
    let fingerprint = blake3::hash(PHOTO).to_hex().to_string();
    let sha256 = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, PHOTO);
    assert!(
        url.starts_with("https://media.example.com/m/") && url.ends_with(&format!("/image.{}.jpg", &fingerprint[..16]))
    );
    assert_eq!(
        link,
        json!({
            "id": id, "url": url, "expires_at": "2026-11-21T10:25:00Z", "fingerprint": fingerprint,
            "sha256": data_encoding::HEXLOWER.encode(sha256.as_ref()), "content_type": "image/jpeg", "size": PHOTO.len(),
            "warnings": [], "biz_opaque_callback_data": id,
            "component": {"type": "header", "parameters": [{"type": "image", "image": {"link": url}}]},
        })
    );
}

#[tokio::test]
async fn a_full_mint_is_obeyed_in_every_field() {
    let house = House::open().await;
    let request = json!({
        "store": "media", "key": "promo/a.jpg", "ttl": "15m", "header": "image", "filename": "Winter Sale.jpg",
        "content_type": "image/jpeg", "cache": "private", "fetcher": "meta", "unique": true, "ref": "campaign-42"
    });
    let link = house.mint("billing", request).await.json();
    assert!(link["url"].as_str().unwrap().contains("/Winter-Sale."), "{link}");
    assert_eq!(link["expires_at"], "2026-11-21T10:20:00Z");
    let story = house.ask("billing", "GET", &format!("/v1/links/{}", link["id"].as_str().unwrap()), None).await.json();
    assert_eq!(story["ref"], "campaign-42");
    let grant = &story["grant"];
    assert_eq!(
        (&grant["filename"], &grant["cache"], &grant["unique"]),
        (&json!("Winter Sale.jpg"), &json!("private"), &json!(true))
    );
    assert_eq!(
        (&grant["store"], &grant["key"], &grant["client"]),
        (&json!("media"), &json!("promo/a.jpg"), &json!("billing"))
    );
}

#[tokio::test]
async fn components_have_the_shape_of_their_media() {
    let house = House::open().await;
    let film = house.mint("billing", json!({"store": "media", "key": "tour.mp4", "header": "video"})).await.json();
    assert_eq!(film["component"]["parameters"], json!([{"type": "video", "video": {"link": film["url"]}}]));
    let request = json!({"store": "media", "key": "list.pdf", "header": "document", "filename": "Prices.pdf"});
    let paper = house.mint("billing", request).await.json();
    let document = json!([{"type": "document", "document": {"link": paper["url"], "filename": "Prices.pdf"}}]);
    assert_eq!(paper["component"]["parameters"], document);
}

#[tokio::test]
async fn one_request_gives_one_url_until_it_asks_for_another_or_the_first_is_revoked() {
    let house = House::open().await;
    let first = house.link().await;
    house.clock.advance(Duration::from_secs(60));
    assert_eq!(house.link().await["url"], first["url"], "the same window");
    let unique = house.mint("billing", json!({"store": "media", "key": "promo/a.jpg", "unique": true})).await.json();
    assert_ne!(unique["url"], first["url"]);
    let others = house.mint("other", photo()).await.json();
    assert_ne!(others["url"], first["url"], "two clients never share a link");
    let path = format!("/v1/links/{}", first["id"].as_str().unwrap());
    assert_eq!(house.ask("billing", "DELETE", &path, None).await.status, 200);
    let after = house.link().await;
    assert_ne!(after["url"], first["url"], "a revoked link is not handed out again");
    assert_eq!(house.inspect("billing", after["url"].as_str().unwrap()).await.json()["state"], "valid");
}

#[tokio::test]
async fn a_standing_revocation_forbids_the_mint_until_it_is_lifted() {
    let house = House::open().await;
    let fingerprint = house.link().await["fingerprint"].clone();
    for what in [json!({"object": {"store": "media", "key": "promo/a.jpg"}}), json!({"fingerprint": fingerprint})] {
        let made = house.ask("admin", "POST", "/v1/revocations", Some(&what)).await;
        assert_eq!(made.status, 201, "{}", made.text());
        assert_eq!((&made.json()["revokes"], &made.json()["expires_at"]), (&what, &Value::Null));
        assert_eq!(house.mint("billing", photo()).await.problem(), (409, "revoked".into()));
        let number = made.json()["id"].as_u64().unwrap();
        assert_eq!(house.ask("admin", "DELETE", &format!("/v1/revocations/{number}"), None).await.status, 200);
        assert_eq!(house.mint("billing", photo()).await.status, 201);
    }
}

#[tokio::test]
async fn a_known_object_costs_one_head_and_none_while_it_is_fresh() {
    let house = House::open_with(Wishes { fresh_for: Duration::from_secs(3600), ..Wishes::default() }).await;
    house.link().await;
    assert_eq!(house.media.asked(), (1, 1));
    for _ in 0..5 {
        house.link().await;
    }
    assert_eq!(house.media.asked(), (1, 1), "the store's word is still fresh");
    let stale = House::open().await;
    stale.link().await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    stale.link().await;
    assert_eq!(stale.media.asked(), (2, 1), "a known object is asked after, not read");
}

#[tokio::test]
async fn a_slow_first_read_goes_on_and_the_next_mint_finds_it_done() {
    let house =
        House::open_with(Wishes { mint_timeout: Duration::from_millis(50), held_back: true, ..Wishes::default() })
            .await;
    let answer = house.mint("billing", photo()).await;
    assert_eq!(answer.problem(), (503, "still-reading".into()));
    assert!(answer.fields["retry-after"].parse::<u64>().unwrap() >= 1);
    house.media.gate.add_permits(1000);
    tokio::time::timeout(Duration::from_secs(5), async {
        while house.mint("billing", photo()).await.status != 201 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .expect("the first read goes on");
    assert_eq!(house.media.asked().1, 1, "one read for all of them");
}

// ---- batches ----------------------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn many_who_leave_while_a_store_is_asked_harm_nobody_who_stays() {
    let house = House::open().await;
    house.media.head_gate.forget_permits(1000);
    let (store, key) = ("media".parse().unwrap(), "promo/a.jpg".parse().unwrap());
    let (client, request) = ("billing".parse().unwrap(), MintRequest::new(store, key, "meta".parse().unwrap()));
    let mut waiting: Vec<_> = (0..1000).map(|_| Box::pin(house.minter.mint(&client, &request))).collect();
    for one in &mut waiting {
        assert!(futures_util::poll!(one).is_pending());
    }
    let stays = waiting.pop().unwrap();
    for mut one in waiting {
        assert!(futures_util::poll!(&mut one).is_pending());
        drop(one);
        tokio::task::yield_now().await;
    }
    house.media.head_gate.add_permits(1000);
    stays.await.unwrap();
    assert_eq!(house.media.asked(), (1, 1));
}

/// Four clients mint flat out, each `rounds` times: one link, and a batch of a hundred links unlike every other.
async fn flat_out(house: &Arc<House>, rounds: usize) -> usize {
    let unique = json!({"store": "media", "key": "promo/a.jpg", "unique": true});
    let batch = json!({"links": vec![unique; 100]});
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let (house, batch) = (Arc::clone(house), batch.clone());
            tokio::spawn(async move {
                let mut links = 0;
                for _ in 0..rounds {
                    house.link().await;
                    let answer = house.ask("billing", "POST", "/v1/links/batch", Some(&batch)).await.json();
                    links +=
                        1 + answer["links"].as_array().unwrap().iter().filter(|link| link["id"].is_string()).count();
                }
                links
            })
        })
        .collect();
    let mut links = 0;
    for client in clients {
        links += client.await.unwrap();
    }
    links
}

#[tokio::test(flavor = "multi_thread")]
async fn flat_out_minting_is_slowed_down_by_the_catalog_and_recorded_to_the_last_link() {
    let limits = |url| CatalogSettings { mint_bytes: 20_000, ..CatalogSettings::new(url) };
    let house = Arc::new(House::open_with(Wishes { catalog: limits, ..Wishes::default() }).await);
    house.link().await;
    let most = Arc::new(AtomicUsize::new(0));
    let watch = tokio::spawn({
        let (catalog, most) = (house.catalog.clone(), Arc::clone(&most));
        async move {
            loop {
                let waiting = usize::try_from(catalog.counters().waiting_bytes).unwrap();
                most.fetch_max(waiting, Ordering::SeqCst);
                assert!(catalog.counters().lag < Duration::from_secs(5), "{:?}", catalog.counters());
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    });
    let links = flat_out(&house, 10).await;
    assert_eq!(links, 4040, "each was answered with its link");
    assert!(!watch.is_finished(), "the lag is bounded");
    watch.abort();
    house.catalog.flush().await.unwrap();
    let counters = house.catalog.counters();
    // One more is what the first mint learned of the object.
    assert_eq!((counters.queued, counters.written, counters.dropped), (4042, 4042, 0));
    // Beside the mints only the object itself was written down.
    assert!((10_000..=22_000).contains(&most.load(Ordering::SeqCst)), "{most:?}");
    let database = SqliteConnectOptions::new().filename(house.folder.path().join("catalog.db"));
    let mut database = database.connect().await.unwrap();
    let (rows, mints): (i64, i64) =
        sqlx::query_as("SELECT count(*), sum(mints) FROM links").fetch_one(&mut database).await.unwrap();
    assert_eq!((rows, mints), (4001, 4041));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stuck_catalog_costs_records_and_no_link() {
    let limits = |url| CatalogSettings {
        mint_bytes: 20_000,
        mint_wait: Duration::from_millis(300),
        busy_timeout: Duration::from_mins(1),
        ..CatalogSettings::new(url)
    };
    let house = Arc::new(House::open_with(Wishes { catalog: limits, ..Wishes::default() }).await);
    house.link().await;
    house.catalog.flush().await.unwrap();
    let database = SqliteConnectOptions::new().filename(house.folder.path().join("catalog.db"));
    let mut database = database.connect().await.unwrap();
    let lock = database.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let began = std::time::Instant::now();
    assert_eq!(flat_out(&house, 3).await, 1212, "each was answered with its link");
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    assert!(house.catalog.counters().dropped > 1000, "{:?}", house.catalog.counters());
    lock.rollback().await.unwrap();
    house.catalog.flush().await.unwrap();
    let counters = house.catalog.counters();
    assert_eq!((counters.queued, counters.written + counters.dropped), (counters.written, 1214));
}

#[tokio::test]
async fn a_batch_answers_in_order_and_one_bad_item_spoils_none() {
    let house = House::open().await;
    let good = |name: &str| json!({"store": "media", "key": "promo/a.jpg", "filename": name});
    house.link().await;
    let items = json!([
        good("one.jpg"),
        7,
        {"store": "media", "key": "nothing.jpg"},
        {"store": "media"},
        {"store": "media", "key": "promo/a.jpg", "colour": "red"},
        null,
        {"store": "private", "key": "promo/a.jpg"},
        {"store": "media", "key": "list.pdf", "header": "image"},
        {"store": "media", "key": "promo/a.jpg", "ttl": "1m"},
        "https://media.example.com/m/token/a.jpg",
        [],
        good("two.jpg"),
    ]);
    let answer = house.ask("billing", "POST", "/v1/links/batch", Some(&json!({"links": items}))).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let links = answer.json()["links"].as_array().unwrap().clone();
    let said: Vec<_> = links.iter().map(|one| (one["status"].as_u64(), one["code"].as_str())).collect();
    let invalid = (Some(400), Some("invalid-request"));
    assert_eq!(
        said,
        [
            (None, None),
            invalid,
            (Some(404), Some("no-such-object")),
            invalid,
            invalid,
            invalid,
            (Some(403), Some("not-allowed")),
            (Some(422), Some("asset-refused")),
            (Some(422), Some("ttl-out-of-bounds")),
            invalid,
            invalid,
            (None, None),
        ]
    );
    assert!(
        links[0]["url"].as_str().unwrap().contains("/one.") && links[11]["url"].as_str().unwrap().contains("/two.")
    );
    assert!(links[4]["detail"].as_str().unwrap().contains("unknown field `colour`"), "{}", links[4]);
    assert!(!links[9]["detail"].as_str().unwrap().contains("token"), "a link is not repeated");
    assert_eq!(house.media.asked().1, 2, "the photo, before, and the paper");
}

#[tokio::test]
async fn a_batch_has_a_size_and_a_shape() {
    let house = House::open().await;
    let batch = async |body: Value| house.ask("billing", "POST", "/v1/links/batch", Some(&body)).await;
    assert_eq!(batch(json!({"links": []})).await.json(), json!({"links": []}));
    let full = batch(json!({"links": vec![photo(); 1000]})).await.json();
    let urls: HashSet<_> = full["links"].as_array().unwrap().iter().map(|link| link["url"].to_string()).collect();
    assert_eq!((full["links"].as_array().unwrap().len(), urls.len()), (1000, 1), "stable links");
    for body in [json!({"links": vec![photo(); 1001]}), json!([photo()]), json!({}), json!({"links": [], "more": 1})] {
        assert_eq!(batch(body).await.problem(), (400, "invalid-request".into()));
    }
}

// ---- who may what -----------------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn no_route_but_the_description_answers_without_a_key() {
    let house = House::open().await;
    let good = house.keys["billing"].clone();
    let upper = format!("hpk_{}", good[4..].to_uppercase());
    let stranger = ClientKey::generate().unwrap();
    let document = raw(house.control, "GET", "/v1/openapi.json", "", b"").await.json();
    let mut routes = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys().filter(|name| ["get", "post", "delete"].contains(&name.as_str()))
        {
            if path == "/v1/openapi.json" {
                continue;
            }
            routes += 1;
            let path = path.replace("{id}", "lnk_b4k7abcdefgh2345");
            for fields in [
                String::new(),
                "Authorization: Bearer\r\n".into(),
                format!("Authorization: Basic {good}\r\n"),
                format!("Authorization: {good}\r\n"),
                format!("Authorization: Bearer {upper}\r\n"),
                format!("Authorization: Bearer {}\r\n", good.to_uppercase()),
                format!("Authorization: Bearer {}\r\n", &good[..55]),
                format!("Authorization: Bearer {}\r\n", stranger.expose()),
                format!("Authorization: Bearer {good}\r\nAuthorization: Bearer {good}\r\n"),
                format!("X-Api-Key: {good}\r\n"),
            ] {
                let answer = raw(house.control, &method.to_uppercase(), &path, &fields, b"").await;
                assert_eq!(answer.problem(), (401, "unauthorized".into()), "{method} {path} {fields}");
                assert_eq!(answer.fields["www-authenticate"], "Bearer");
            }
        }
    }
    assert_eq!(routes, 9);
}

#[tokio::test]
async fn every_step_out_of_a_clients_scope_is_refused() {
    let house = House::open().await;
    let link = house.link().await;
    let story = format!("/v1/links/{}", link["id"].as_str().unwrap());
    let fingerprint = link["fingerprint"].clone();
    let revoke = |what: Value| ("POST", "/v1/revocations".to_owned(), Some(what));
    let mint = |store: &str, key: &str| ("POST", "/v1/links".to_owned(), Some(json!({"store": store, "key": key})));
    for (client, (method, path, body)) in [
        ("reader", mint("media", "promo/a.jpg")),
        ("revoker", mint("media", "promo/a.jpg")),
        ("reader", ("POST", "/v1/links/batch".to_owned(), Some(json!({"links": []})))),
        ("minter", ("GET", story.clone(), None)),
        ("revoker", ("GET", story.clone(), None)),
        ("minter", ("DELETE", story.clone(), None)),
        ("reader", ("DELETE", story.clone(), None)),
        ("minter", ("POST", "/v1/inspect".to_owned(), Some(json!({"url": link["url"]})))),
        ("minter", ("GET", "/v1/revocations".to_owned(), None)),
        ("reader", revoke(json!({"link": link["id"]}))),
        ("reader", ("DELETE", "/v1/revocations/1".to_owned(), None)),
        ("billing", mint("private", "promo/a.jpg")),
        ("billing", mint("no-such-store", "promo/a.jpg")),
        ("admin", mint("private", "promo/a.jpg")),
        ("promo", mint("media", "promo-secret/a.jpg")),
        ("promo", mint("media", "list.pdf")),
        ("promo", mint("media", "promo")),
        ("promo", mint("media", "/promo/a.jpg")),
        ("promo", mint("media", "nothing/at/all")),
        ("promo", revoke(json!({"object": {"store": "media", "key": "promo-secret/a.jpg"}}))),
        ("billing", revoke(json!({"object": {"store": "private", "key": "promo/a.jpg"}}))),
        ("billing", revoke(json!({"fingerprint": fingerprint}))),
        ("billing", revoke(json!({"key_id": "01020304"}))),
        ("billing", revoke(json!({"client": "billing"}))),
        ("billing", revoke(json!({"issued_before": "2026-11-21T10:00:00Z"}))),
    ] {
        let answer = house.ask(client, method, &path, body.as_ref()).await;
        assert_eq!(answer.problem(), (403, "not-allowed".into()), "{client} {method} {path} {body:?}");
    }
    assert_eq!(house.mint("promo", photo()).await.status, 201, "its own prefix");
    let (out, none) = (
        house.mint("billing", json!({"store": "private", "key": "a"})).await,
        house.mint("billing", json!({"store": "nope", "key": "a"})).await,
    );
    assert_eq!(out.body, none.body, "a store out of scope looks like one that does not exist");
}

#[tokio::test]
async fn another_clients_link_is_not_found_save_by_an_administrator() {
    let house = House::open().await;
    let link = house.link().await;
    let (path, url) = (format!("/v1/links/{}", link["id"].as_str().unwrap()), link["url"].as_str().unwrap());
    let unknown = house.ask("other", "GET", "/v1/links/lnk_b4k7abcdefgh2345", None).await;
    for answer in [
        house.ask("other", "GET", &path, None).await,
        house.ask("other", "DELETE", &path, None).await,
        house.ask("other", "POST", "/v1/revocations", Some(&json!({"link": link["id"]}))).await,
        house.inspect("other", url).await,
    ] {
        assert_eq!(answer.problem(), (404, "no-such-link".into()));
        assert_eq!(answer.body, unknown.body);
    }
    assert_eq!(house.inspect("billing", url).await.json()["state"], "valid", "nothing was revoked");
    assert_eq!(house.ask("admin", "GET", &path, None).await.json()["state"], "valid");
    assert_eq!(house.inspect("admin", url).await.json()["state"], "valid");
    assert_eq!(house.ask("admin", "DELETE", &path, None).await.status, 200);
    assert_eq!(house.ask("billing", "GET", &path, None).await.json()["state"], "revoked");
}

#[tokio::test]
async fn a_link_without_a_record_can_be_revoked_and_a_malformed_id_is_not_found() {
    let house = House::open().await;
    let answer = house.ask("revoker", "DELETE", "/v1/links/lnk_b4k7abcdefgh2345", None).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["revokes"], json!({"link": "lnk_b4k7abcdefgh2345"}));
    assert_eq!(
        answer.json()["expires_at"],
        "2026-11-28T10:02:30Z",
        "it lapses when no link can live any more, by any settings"
    );
    for id in ["LNK_B4K7ABCDEFGH2345", "lnk_", "..%2f..%2fx", "%ff", "lnk_b4k7abcdefgh2345x"] {
        for method in ["GET", "DELETE"] {
            let (status, _) = house.ask("admin", method, &format!("/v1/links/{id}"), None).await.problem();
            assert!(status == 404 || id == "%ff" && status == 400, "{method} {id}");
        }
    }
}

// ---- links and revocations --------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_links_story_tells_its_mints_its_state_and_its_fetches() {
    let house = House::open().await;
    let link = house.link().await;
    house.clock.advance(Duration::from_secs(30));
    house.link().await;
    let id = link["id"].as_str().unwrap();
    house.catalog.record_fetch(fetch_of(id));
    house.catalog.flush().await.unwrap();
    let path = format!("/v1/links/{id}");
    let story = house.ask("billing", "GET", &path, None).await.json();
    assert_eq!((&story["state"], &story["mints"]), (&json!("valid"), &json!(2)));
    assert_eq!(story["first_minted_at"], "2026-11-21T10:01:30Z");
    assert_eq!(story["last_minted_at"], "2026-11-21T10:02:00Z");
    let fetches = story["fetches"].as_array().unwrap();
    assert_eq!((fetches.len(), &fetches[0]["status"], &fetches[0]["bytes"]), (1, &json!(206), &json!(1000)));
    assert_eq!(fetches[0]["agent"], "facebookexternalhit/1.1");
    assert!(!story.to_string().contains(token_of(link["url"].as_str().unwrap())), "the URL is a credential");
    house.clock.advance(Duration::from_secs(3600));
    assert_eq!(house.ask("billing", "GET", &path, None).await.json()["state"], "expired");
}

fn fetch_of(id: &str) -> FetchRecord {
    FetchRecord {
        link_id: id.to_owned(),
        at_ms: 1_795_255_300_000,
        times: 1,
        client_address: "31.13.64.1".into(),
        agent: "facebookexternalhit/1.1".into(),
        agent_class: "meta".into(),
        network_verdict: "inside".into(),
        method: "GET".into(),
        http_version: "1.1".into(),
        range: Some("bytes=0-999".into()),
        status: 206,
        outcome: "served".into(),
        bytes: 1000,
        first_byte_ms: Some(3),
        duration_ms: 5,
        completed: true,
    }
}

#[tokio::test]
async fn a_client_sees_and_lifts_what_it_revoked_and_nothing_else() {
    let house = House::open().await;
    let object = json!({"object": {"store": "media", "key": "list.pdf"}, "reason": "wrong prices"});
    let take_down = house.ask("admin", "POST", "/v1/revocations", Some(&object)).await.json();
    assert_eq!((&take_down["reason"], &take_down["by"]), (&json!("wrong prices"), &json!("admin")));
    let link = house.link().await;
    let own = house.ask("billing", "POST", "/v1/revocations", Some(&json!({"link": link["id"]}))).await.json();
    let again = house.ask("billing", "POST", "/v1/revocations", Some(&json!({"link": link["id"]}))).await.json();
    assert_eq!(own["id"], again["id"], "revoking twice changes nothing");
    let listed = async |client: &str| {
        let list = house.ask(client, "GET", "/v1/revocations", None).await.json();
        list["revocations"].as_array().unwrap().iter().map(|one| one["id"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(listed("billing").await, [own["id"].clone()]);
    assert_eq!(listed("admin").await, [take_down["id"].clone(), own["id"].clone()]);
    assert!(listed("other").await.is_empty());
    let lift =
        async |client: &str, id: &Value| house.ask(client, "DELETE", &format!("/v1/revocations/{id}"), None).await;
    assert_eq!(lift("billing", &take_down["id"]).await.problem(), (404, "no-such-revocation".into()));
    assert_eq!(lift("billing", &json!(999)).await.problem(), (404, "no-such-revocation".into()));
    assert_eq!(
        house.mint("billing", json!({"store": "media", "key": "list.pdf"})).await.problem().0,
        409,
        "it still stands"
    );
    assert_eq!(house.inspect("billing", link["url"].as_str().unwrap()).await.json()["state"], "revoked");
    assert_eq!(lift("billing", &own["id"]).await.json()["id"], own["id"]);
    assert_eq!(house.inspect("billing", link["url"].as_str().unwrap()).await.json()["state"], "valid");
    assert_eq!(lift("billing", &own["id"]).await.problem().0, 404);
    let future = json!({"issued_before": "2030-01-01T00:00:00Z"});
    assert_eq!(
        house.ask("admin", "POST", "/v1/revocations", Some(&future)).await.problem(),
        (400, "invalid-request".into())
    );
    for wrong in [json!({}), json!({"link": link["id"], "client": "billing"}), json!({"links": []})] {
        let answer = house.ask("admin", "POST", "/v1/revocations", Some(&wrong)).await;
        assert_eq!(answer.problem(), (400, "invalid-request".into()), "{wrong}");
    }
}

#[tokio::test]
async fn inspect_says_what_a_fetcher_would_be_answered_and_never_the_link_itself() {
    let house = House::open().await;
    let url = house.link().await["url"].as_str().unwrap().to_owned();
    let found = async |url: &str| {
        let answer = house.inspect("billing", url).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let token = url.split('/').nth(4).filter(|token| token.len() > 40);
        assert!(token.is_none_or(|token| !answer.text().contains(token)), "the link is repeated");
        let json = answer.json();
        (json["state"].as_str().unwrap().to_owned(), json["answer"]["status"].clone(), json["answer"]["code"].clone())
    };
    let said = |state: &str, status: u16, code: Value| (state.to_owned(), json!(status), code);
    assert_eq!(found(&url).await, said("valid", 200, Value::Null));
    assert_eq!(found(&format!("{url}?fbclid=x#y")).await, said("valid", 200, Value::Null));
    let broken = url.replacen("/m/", "/m/a", 1);
    assert_eq!(found(&broken).await, said("invalid", 403, json!("link-invalid")));
    assert_eq!(found(&format!("{ORIGIN}/m/x")).await, said("not-a-link", 403, json!("link-invalid")));
    assert_eq!(found(&format!("{ORIGIN}/robots")).await, said("not-a-link", 404, json!("not-found")));
    assert_eq!(found("https://elsewhere.example/m/a/b.jpg").await, ("not-a-link".into(), Value::Null, Value::Null));
    assert!(house.inspect("billing", &broken).await.json().get("reason").is_none(), "why is for administrators");
    assert!(house.inspect("admin", &broken).await.json()["reason"].is_string());
    house.profiles.replace(Profiles::default());
    assert_eq!(found(&url).await, said("valid", 403, json!("fetcher-refused")));
    house.profiles.replace([("meta".parse().unwrap(), Profile::meta())].into_iter().collect());
    house.put("media", "promo/a.jpg", &[PHOTO, b"more"].concat());
    assert_eq!(found(&url).await, said("valid", 410, json!("content-changed")));
    house.clock.advance(Duration::from_secs(3600));
    assert_eq!(found(&url).await, said("expired", 410, json!("link-expired")));
}

// ---- what cannot be read ----------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn faults_in_a_request_are_named() {
    let house = House::open().await;
    for (body, status, code, said) in [
        (
            json!({"store": "media", "key": "promo/a.jpg", "TTL": "20m"}),
            400,
            "invalid-request",
            "unknown field `TTL`, expected one of `store`, `key`, `ttl`",
        ),
        (json!({"store": "media", "key": "promo/a.jpg", "ttl": 1200}), 400, "invalid-request", "such as \"20m\""),
        (json!({"store": "media"}), 400, "invalid-request", "missing field `key`"),
        (json!([]), 400, "invalid-request", "expected an object with store and key"),
        (json!({"store": "media", "key": "promo/a.jpg", "ref": "x".repeat(201)}), 400, "invalid-request", "ref: "),
        (json!({"store": "media", "key": "promo/a.jpg", "fetcher": "nobody"}), 400, "no-such-fetcher", "nobody"),
        (
            json!({"store": "media", "key": "promo/a.jpg", "ttl": "14m"}),
            422,
            "ttl-out-of-bounds",
            "between 15m and 30m",
        ),
        (
            json!({"store": "media", "key": "promo/a.jpg", "ttl": "31m"}),
            422,
            "ttl-out-of-bounds",
            "between 15m and 30m",
        ),
        (json!({"store": "media", "key": "promo/b.jpg"}), 404, "no-such-object", "no object at this key"),
        (json!({"store": "media", "key": "list.pdf", "header": "image"}), 422, "asset-refused", ""),
        (json!({"store": "media", "key": "list.pdf", "content_type": "image/png"}), 422, "asset-refused", "image/png"),
    ] {
        let answer = house.mint("billing", body.clone()).await;
        assert_eq!(answer.problem(), (status, code.to_owned()), "{body}");
        let json = answer.json();
        assert!(json["detail"].as_str().unwrap().contains(said), "{json}");
        if code == "asset-refused" {
            let finding = &json["findings"][0];
            assert!(finding["code"].is_string() && finding["message"].is_string(), "{json}");
        }
    }
}

#[tokio::test]
async fn a_link_that_would_be_too_long_is_refused_with_both_lengths() {
    let house = House::open().await;
    let key = format!("{0}/{0}/{0}/{0}/a.jpg", "x".repeat(200));
    house.put("media", &key, PHOTO);
    let answer = house.mint("billing", json!({"store": "media", "key": key})).await;
    assert_eq!(answer.problem(), (422, "link-too-long".into()));
    let json = answer.json();
    assert_eq!(json["limit"], 1024);
    assert!(json["length"].as_u64().unwrap() > 1024);
}

#[tokio::test]
async fn bodies_that_are_broken_huge_or_not_json_are_problems_too() {
    let house = House::open().await;
    let key = format!("Authorization: Bearer {}\r\n", house.keys["billing"]);
    let post = async |fields: &str, body: &[u8]| {
        let fields = format!("{key}{fields}");
        raw(house.control, "POST", "/v1/links", &fields, body).await.problem()
    };
    let json_kind = "Content-Type: application/json\r\n";
    for broken in [&b""[..], b"{", b"{\"store\": \"media\"", b"\xff\xfe", b"{} {}", b"nothing"] {
        assert_eq!(post(json_kind, broken).await, (400, "invalid-request".into()), "{broken:?}");
    }
    for kind in ["", "Content-Type: text/plain\r\n", "Content-Type: application/x-www-form-urlencoded\r\n"] {
        assert_eq!(post(kind, photo().to_string().as_bytes()).await, (415, "unsupported-media-type".into()));
    }
    let huge = vec![b' '; (1 << 20) + 1];
    assert_eq!(post(json_kind, &huge).await, (413, "body-too-large".into()));
    let chunked = format!(
        "POST /v1/links HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n{key}{json_kind}\r\n"
    );
    let mut request = chunked.into_bytes();
    for _ in 0..20 {
        write!(request, "10000\r\n{}\r\n", " ".repeat(0x10000)).unwrap();
    }
    request.extend(b"0\r\n\r\n");
    assert_eq!(exchange(house.control, &request).await.problem(), (413, "body-too-large".into()));
}

#[tokio::test]
async fn other_methods_and_other_paths_are_problems() {
    let house = House::open().await;
    let all = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"];
    for (path, allowed) in [
        ("/v1/links", &["POST"][..]),
        ("/v1/links/batch", &["POST"]),
        ("/v1/links/lnk_b4k7abcdefgh2345", &["GET", "HEAD", "DELETE"]),
        ("/v1/revocations", &["GET", "HEAD", "POST"]),
        ("/v1/revocations/1", &["DELETE"]),
        ("/v1/inspect", &["POST"]),
        ("/v1/openapi.json", &["GET", "HEAD"]),
    ] {
        for method in all {
            let answer = house.ask("admin", method, path, None).await;
            let is_allowed = allowed.contains(&method);
            assert_eq!(answer.status != 405, is_allowed, "{method} {path}: {}", answer.text());
            if !is_allowed {
                let methods: BTreeSet<_> = answer.fields["allow"].split(',').map(str::trim).collect();
                assert_eq!(methods, allowed.iter().copied().collect(), "{method} {path}");
                // The answer to a HEAD has no body to look at.
                assert!(method == "HEAD" || answer.problem().1 == "method-not-allowed", "{method} {path}");
            }
        }
    }
    for path in [
        "/",
        "/v1",
        "/v1/",
        "/v1/links/",
        "/v1/links/a/b",
        "/v2/links",
        "/m/token/a.jpg",
        "/metrics",
        "/livez",
        "/v1/LINKS",
    ] {
        assert_eq!(house.ask("admin", "GET", path, None).await.problem().0, 404, "{path}");
    }
}

// ---- the description --------------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn the_description_is_valid_openapi_to_a_validator_of_others() {
    let house = House::open().await;
    let answer = raw(house.control, "GET", "/v1/openapi.json", "", b"").await;
    let file = house.folder.path().join("openapi.json");
    std::fs::write(&file, &answer.body).unwrap();
    let judged = moto::python().args(["-m", "openapi_spec_validator"]).arg(&file).output().unwrap();
    assert!(judged.status.success(), "{}", String::from_utf8_lossy(&judged.stdout));
}

#[tokio::test]
async fn the_description_names_every_route_its_answers_and_its_problems() {
    let house = House::open().await;
    let answer = raw(house.control, "GET", "/v1/openapi.json", "", b"").await;
    assert_eq!((answer.status, answer.fields["content-type"].as_str()), (200, "application/json"));
    let document = answer.json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    let scheme = &document["components"]["securitySchemes"]["client_key"];
    assert_eq!((&scheme["type"], &scheme["scheme"]), (&json!("http"), &json!("bearer")));
    for (path, method, success, problems) in [
        (
            "/v1/links",
            "post",
            "201",
            &["400", "401", "403", "404", "409", "413", "415", "422", "502", "503", "504"][..],
        ),
        ("/v1/links/batch", "post", "200", &["400", "401", "403"]),
        (
            "/v1/objects",
            "post",
            "201",
            &["400", "401", "403", "404", "408", "409", "413", "415", "422", "502", "503", "504"],
        ),
        ("/v1/objects", "post", "200", &[]),
        ("/v1/links/{id}", "get", "200", &["401", "403", "404"]),
        ("/v1/links/{id}", "delete", "200", &["401", "403", "404"]),
        ("/v1/revocations", "post", "201", &["400", "401", "403", "404"]),
        ("/v1/revocations", "get", "200", &["401", "403"]),
        ("/v1/revocations/{id}", "delete", "200", &["401", "403", "404"]),
        ("/v1/inspect", "post", "200", &["400", "401", "403", "404"]),
        ("/v1/openapi.json", "get", "200", &[]),
    ] {
        let operation = &document["paths"][path][method];
        assert!(operation["summary"].as_str().is_some_and(|text| !text.is_empty()), "{method} {path}");
        assert!(operation["responses"][success]["content"]["application/json"].is_object(), "{method} {path}");
        for status in problems {
            let said = &operation["responses"][status];
            assert!(said["description"].as_str().is_some_and(|text| !text.is_empty()), "{method} {path} {status}");
            assert!(
                said["content"]["application/problem+json"]["schema"]["$ref"].is_string(),
                "{method} {path} {status}"
            );
        }
        if ["/v1/links", "/v1/links/batch", "/v1/inspect"].contains(&path) {
            assert!(operation["requestBody"]["content"]["application/json"].is_object(), "{path}");
        }
    }
    let mut references = Vec::new();
    gather_references(&document, &mut references);
    assert!(references.len() > 20);
    for reference in references {
        assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference} leads nowhere");
    }
    let required = &document["components"]["schemas"]["LinkRequest"]["required"];
    assert_eq!(required.as_array().unwrap().len(), 2, "{required}");
    assert_eq!(document["components"]["schemas"]["LinkRequest"]["additionalProperties"], json!(false));
}

fn gather_references(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            into.extend(members.get("$ref").and_then(Value::as_str).map(str::to_owned));
            members.values().for_each(|member| gather_references(member, into));
        }
        Value::Array(items) => items.iter().for_each(|item| gather_references(item, into)),
        _ => {}
    }
}

// ---- the log ----------------------------------------------------------------------------------------------------------------------

#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// On one thread, so that everything runs under the subscriber that is set for it.
#[tokio::test(flavor = "current_thread")]
async fn the_log_has_a_line_for_each_request_and_no_secret() {
    let (buffer, house) = (Buffer::default(), House::open().await);
    let writer = buffer.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::level_filters::LevelFilter::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    // With a single subscriber alive, other tests' threads, which have none, would switch our lines off for everybody.
    let _second = tracing::Dispatch::new(tracing_subscriber::registry());
    let guard = tracing::subscriber::set_default(subscriber);
    let link = house.link().await;
    let url = link["url"].as_str().unwrap();
    house.inspect("billing", url).await;
    house.ask("billing", "GET", &format!("/v1/links/{}", link["id"].as_str().unwrap()), None).await;
    house.ask("admin", "POST", "/v1/revocations", Some(&json!({"link": url}))).await;
    house.ask("admin", "POST", "/v1/inspect", Some(&json!(url))).await;
    let stranger = ClientKey::generate().unwrap();
    let fields = format!("Authorization: Bearer {}\r\n", stranger.expose());
    raw(house.control, "GET", &format!("/v1/links/{}", token_of(url)), &fields, b"").await;
    drop(guard);
    let log = String::from_utf8(buffer.0.lock().unwrap().clone()).unwrap();
    for line in [
        "client=\"billing\" method=\"POST\" route=\"/v1/links\" status=201",
        "route=\"/v1/links/{id}\" status=200",
        "client=\"-\"",
    ] {
        assert!(log.contains(line), "{line} is missing in\n{log}");
    }
    assert_eq!(log.matches("control request").count(), 6);
    for secret in [token_of(url), url, stranger.expose(), &house.keys["billing"], &house.keys["admin"]] {
        assert!(!log.contains(secret), "a secret is in\n{log}");
    }
}

// ---- ops --------------------------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn ops_tells_liveness_readiness_and_metrics() {
    let house = House::open().await;
    house.link().await;
    let live = raw(house.ops, "GET", "/livez", "", b"").await;
    assert_eq!((live.status, live.body.as_slice()), (200, &b"ok"[..]));
    let ready = raw(house.ops, "GET", "/readyz", "", b"").await;
    assert_eq!(ready.status, 200);
    assert_eq!(
        ready.json(),
        json!({"ready": true, "checks": [
            {"name": "process", "ok": true}, {"name": "catalog", "ok": true},
            {"name": "store:media", "ok": true}, {"name": "store:private", "ok": true},
        ]})
    );
    let metrics = raw(house.ops, "GET", "/metrics", "", b"").await;
    assert!(metrics.fields["content-type"].starts_with("application/openmetrics-text; version=1.0.0"));
    let page = metrics.text();
    for line in
        ["hallpass_mints_total{outcome=\"minted\"} 1", "hallpass_network_list_age_seconds{profile=\"meta\"}", "# EOF"]
    {
        assert!(page.contains(line), "{line} is missing in\n{page}");
    }
    house.readiness.stop();
    let draining = raw(house.ops, "GET", "/readyz", "", b"").await;
    assert_eq!(draining.status, 503);
    assert_eq!(draining.json()["checks"][0], json!({"name": "process", "ok": false, "why": "draining"}));
    assert_eq!(raw(house.ops, "GET", "/livez", "", b"").await.status, 200, "draining is not dying");
    assert_eq!(raw(house.ops, "POST", "/metrics", "", b"").await.status, 405);
    assert_eq!(raw(house.ops, "GET", "/v1/links", "", b"").await.status, 404);
}

#[tokio::test]
async fn readiness_falls_with_the_last_store_and_not_with_the_catalog() {
    let house = House::open().await;
    std::fs::remove_dir_all(house.folder.path().join("media")).unwrap();
    let one_left = raw(house.ops, "GET", "/readyz", "", b"").await;
    assert_eq!((one_left.status, &one_left.json()["checks"][2]["ok"]), (200, &json!(false)), "{}", one_left.text());
    let house = House::open().await;
    for store in ["media", "private"] {
        std::fs::remove_dir_all(house.folder.path().join(store)).unwrap();
    }
    assert_eq!(raw(house.ops, "GET", "/readyz", "", b"").await.status, 503);
    let house = House::open().await;
    house.catalog.close().await.unwrap();
    let closed = raw(house.ops, "GET", "/readyz", "", b"").await;
    assert_eq!((closed.status, &closed.json()["checks"][1]["ok"]), (200, &json!(false)));
    assert_eq!(
        house.ask("billing", "GET", "/v1/links/lnk_b4k7abcdefgh2345", None).await.problem(),
        (503, "catalog-failed".into())
    );
}
