//! A whole gateway on loopback: settings as text, real rooms, three sockets, a store in a temporary directory.
//!
//! Every store stands behind a [`Watched`] one that counts what is asked of it, so a test can say "and the origin was not asked". What
//! a gateway wrote outlives it in its [`Place`], so it can be stopped and started again over the same files.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use data_encoding::HEXLOWER;
use futures_util::future::BoxFuture;
use hallpass::app::{Addresses, Rooms};
use hallpass::config::{ClientKey, Loaded, Settings, load_tls};
use hallpass::fetcher::{Profile, Profiles};
use hallpass::link::Keyring;
use hallpass::origin::{ByteStream, ObjectMeta, Origin, OriginError, Stores};
use hallpass::telemetry::Sink;
use hallpass::value::{ByteSpan, Clock, ObjectKey, ObjectVersion, StoreName, UnixTime};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::scripted::Scripted;
use super::wire::{Answer, Wire};

/// What links begin with in every test: a name, so that its case and its port can be played with.
pub const ORIGIN: &str = "https://media.example.com";
pub const HOST: &str = "media.example.com";
/// How Meta's fetcher calls itself.
pub const META: &str = "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)";
pub const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64)";
/// Content of several of the store's chunks, and of no whole number of them.
pub const BIG: usize = 3 * 256 * 1024 + 17;

/// What a gateway is made from; it outlives the gateway.
pub struct Place {
    pub dir: TempDir,
    pub keyring: Keyring,
    pub key: ClientKey,
    pub admin: ClientKey,
    /// The key of the client `press`, which may publish under `promos/` and nothing else.
    pub press: ClientKey,
    pub clock: Clock,
    pub profiles: Profiles,
    /// Further members of the setting `listen`, each after a comma.
    pub listen: &'static str,
    /// A further line before the first section, such as `control.certificates = []`.
    pub control: &'static str,
    /// Further settings, after those that every test has.
    pub settings: String,
}

impl Place {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("media")).unwrap();
        let meta = Profile::meta();
        Self {
            dir,
            keyring: Keyring::generate(Clock::system().now()).unwrap(),
            key: ClientKey::generate().unwrap(),
            admin: ClientKey::generate().unwrap(),
            press: ClientKey::generate().unwrap(),
            clock: Clock::system(),
            profiles: Profiles::from([(meta.name.clone(), meta)]),
            listen: "",
            control: "",
            settings: String::new(),
        }
    }

    pub fn held() -> Self {
        Self { clock: Clock::held_at(now()), ..Self::new() }
    }

    /// Writes an object of the store `media`.
    pub fn put(&self, key: &str, bytes: &[u8]) -> PathBuf {
        put(&self.dir.path().join("media"), key, bytes)
    }

    /// What would be loaded from files.
    pub fn loaded(&self, sockets: &[TcpListener; 3]) -> Loaded {
        let [public, control, ops] = sockets.each_ref().map(|socket| socket.local_addr().unwrap());
        let hash = |key: &ClientKey| HEXLOWER.encode(key.hash().expose());
        let (key, admin, press) = (hash(&self.key), hash(&self.admin), hash(&self.press));
        let (listen, more) = (self.listen, &self.settings);
        let control_more = self.control;
        let text = format!(
            r#"
            public_origin = "{ORIGIN}"
            listen = {{ public = "{public}", control = "{control}", ops = "{ops}"{listen} }}
            control.clients = [
                {{ name = "billing", key_blake3 = "{key}", stores = ["media"] }},
                {{ name = "root", key_blake3 = "{admin}", stores = ["media"], actions = ["admin"] }},
                {{ name = "press", key_blake3 = "{press}", stores = ["media"], prefixes = ["promos/"], actions = ["publish"] }},
            ]
            {control_more}
            [stores.media]
            kind = "local"
            root = "media"
            {more}
            "#
        );
        let settings = Settings::from_toml(&text, &BTreeMap::new(), self.dir.path()).unwrap();
        let tls = load_tls(&settings).unwrap();
        Loaded {
            settings,
            keyring: self.keyring.clone(),
            profiles: self.profiles.clone(),
            tls,
            files: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// Starts a gateway here with a link to `bytes`, of which none lies in memory. No store was asked for anything yet.
    pub async fn cold_link(self, key: &str, bytes: &[u8]) -> (Gateway, Minted) {
        let gate = Box::pin(self.start()).await;
        let link = gate.link(key, bytes).await;
        (gate.cold().await, link)
    }

    /// The same over a scripted store, whose one object is `a.bin`.
    pub async fn cold_scripted(self, bytes: &[u8]) -> (Gateway, Minted, Scripted) {
        let store = Scripted::new();
        store.put("a.bin", bytes.to_vec());
        let gate = Box::pin(self.start()).await;
        gate.replace_store(Arc::new(store.clone()));
        let link = gate.mint(json!({ "key": "a.bin" })).await;
        let gate = gate.cold().await;
        gate.replace_store(Arc::new(store.clone()));
        store.until_quiet().await;
        store.forget_reads();
        (gate, link, store)
    }

    /// Starts a gateway here.
    pub async fn start(self) -> Gateway {
        let sockets = [0; 3].map(|port| TcpListener::bind(("127.0.0.1", port)).unwrap());
        let loaded = self.loaded(&sockets);
        let log = Arc::default();
        let rooms = Rooms::open(&loaded, self.clock.clone(), Sink::Memory(Arc::clone(&log))).await.unwrap();
        let running = hallpass::app::Gateway::start(&rooms, sockets, &loaded.settings).unwrap();
        let gate = Gateway { addresses: running.addresses(), rooms, place: self, log, calls: Arc::default(), running };
        gate.watch_stores();
        gate
    }
}

/// The present, which the clock of a test may be held at: hyper's Date and the shipped network list know no other.
pub fn now() -> UnixTime {
    Clock::system().now()
}

pub fn put(root: &Path, key: &str, bytes: &[u8]) -> PathBuf {
    let file = root.join(key);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, bytes).unwrap();
    file
}

/// A running gateway.
pub struct Gateway {
    pub addresses: Addresses,
    pub rooms: Rooms,
    pub place: Place,
    log: Arc<Mutex<Vec<u8>>>,
    calls: Arc<AtomicUsize>,
    running: hallpass::app::Gateway,
}

impl Gateway {
    /// A gateway of a [`Place`] with nothing special about it.
    pub async fn start() -> Self {
        Place::new().start().await
    }

    /// Counts what is asked of each store.
    fn watch_stores(&self) {
        let stores = self.rooms.stores.keep();
        let each = stores.iter().map(|(name, store)| (name.clone(), self.watched(Arc::clone(store))));
        let creators = stores.iter().filter_map(|(name, _)| Some((name.clone(), Arc::clone(stores.creator(name)?))));
        self.rooms.stores.replace(each.collect::<Stores>().creating(creators));
    }

    fn watched(&self, inner: Arc<dyn Origin>) -> Arc<dyn Origin> {
        Arc::new(Watched { inner, calls: Arc::clone(&self.calls) })
    }

    /// Puts `store` in the place of the store `media`.
    pub fn replace_store(&self, store: Arc<dyn Origin>) {
        let media: StoreName = "media".parse().unwrap();
        self.rooms.stores.replace([(media, self.watched(store))].into_iter().collect());
    }

    /// How often a store was asked for anything.
    pub fn origin_calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    pub async fn public(&self) -> Wire {
        Wire::connect(self.addresses.public).await
    }

    /// Sends `request` to the public listener, on a connection of its own, and gives the answer.
    pub async fn raw(&self, request: impl AsRef<[u8]>) -> Answer {
        let mut wire = self.public().await;
        wire.send(&request).await;
        wire.try_answer(request.as_ref().starts_with(b"HEAD ")).await.unwrap_or_else(|broken| {
            panic!("{broken:?} to {:?}", String::from_utf8_lossy(request.as_ref()));
        })
    }

    /// Asks for `path` as Meta's fetcher would, with these further header lines.
    pub async fn ask(&self, method: &str, path: &str, lines: &[&str]) -> Answer {
        self.raw(request(method, path, lines)).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[]).await
    }

    /// Calls the control API with the key of the client `billing`.
    pub async fn api(&self, method: &str, path: &str, body: &Value) -> Answer {
        call(self.addresses.control, self.place.key.expose(), method, path, body).await
    }

    /// The same with an administrator's key.
    pub async fn admin(&self, method: &str, path: &str, body: &Value) -> Answer {
        call(self.addresses.control, self.place.admin.expose(), method, path, body).await
    }

    /// Mints, with these members besides the store.
    pub async fn mint(&self, members: Value) -> Minted {
        let answer = self.try_mint(members).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        Minted::of(&answer.json())
    }

    pub async fn try_mint(&self, mut members: Value) -> Answer {
        members.as_object_mut().unwrap().entry("store").or_insert(json!("media"));
        self.api("POST", "/v1/links", &members).await
    }

    /// Puts `bytes` at `key`, and mints a link for it.
    pub async fn link(&self, key: &str, bytes: &[u8]) -> Minted {
        self.place.put(key, bytes);
        self.mint(json!({ "key": key })).await
    }

    pub async fn revoke(&self, what: Value) -> u64 {
        let answer = self.admin("POST", "/v1/revocations", &what).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.json()["id"].as_u64().unwrap()
    }

    pub async fn lift(&self, number: u64) {
        let answer = self.admin("DELETE", &format!("/v1/revocations/{number}"), &Value::Null).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    pub async fn metrics(&self) -> String {
        let mut wire = Wire::connect(self.addresses.ops).await;
        wire.send("GET /metrics HTTP/1.1\r\nHost: ops\r\n\r\n").await;
        String::from_utf8(wire.answer().await.body).unwrap()
    }

    /// The value of the one metric whose name and labels are `series`; zero where it was never counted.
    pub async fn counted(&self, series: &str) -> u64 {
        let metrics = self.metrics().await;
        let line = metrics.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.map_or(0, |value| value.parse().unwrap())
    }

    /// The lines of the access log so far.
    pub fn access_log(&self) -> Vec<Value> {
        self.access_log_after(0)
    }

    /// Those after the first so many.
    pub fn access_log_after(&self, lines: usize) -> Vec<Value> {
        self.rooms.access_log.flush(Duration::from_secs(5));
        let text = String::from_utf8(self.log.lock().unwrap().clone()).unwrap();
        text.lines().skip(lines).map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The same place after a restart: the catalog knows what it knew, no byte of any object lies in memory, each store is that of the
    /// settings, and none was asked for anything. Whoever gets a body then gets it from a store.
    pub async fn cold(self) -> Self {
        self.rooms.catalog.flush().await.unwrap();
        let place = Box::pin(self.stop()).await;
        Box::pin(place.start()).await
    }

    /// Stops it; its place stays.
    pub async fn stop(self) -> Place {
        self.running.stop(Duration::from_millis(100)).await;
        self.place
    }
}

/// A request of Meta's fetcher, with these further header lines.
pub fn request(method: &str, path: &str, lines: &[&str]) -> String {
    let (start, host, meta) =
        (format!("{method} {path} HTTP/1.1"), format!("Host: {HOST}"), format!("User-Agent: {META}"));
    let mut all = vec![start.as_str(), &host];
    if !lines.iter().any(|line| line.to_ascii_lowercase().starts_with("user-agent:")) {
        all.push(&meta);
    }
    all.extend(lines);
    all.join("\r\n") + "\r\n\r\n"
}

/// Calls a control API.
pub async fn call(control: std::net::SocketAddr, key: &str, method: &str, path: &str, body: &Value) -> Answer {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let mut wire = Wire::connect(control).await;
    wire.send(format!(
        "{method} {path} HTTP/1.1\r\nHost: {control}\r\nAuthorization: Bearer {key}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ))
    .await;
    wire.answer().await
}

/// A link that was minted.
#[derive(Clone, Debug)]
pub struct Minted {
    pub id: String,
    pub url: String,
    /// The URL without its origin.
    pub path: String,
    pub fingerprint: String,
    pub sha256: String,
    pub expires: UnixTime,
}

impl Minted {
    pub fn of(json: &Value) -> Self {
        let text = |name: &str| json[name].as_str().unwrap_or_else(|| panic!("no {name} in {json}")).to_owned();
        let url = text("url");
        let path = url[url.find("/m/").unwrap()..].to_owned();
        let expires = UnixTime::parse_rfc3339(&text("expires_at")).unwrap();
        Self { id: text("id"), path, fingerprint: text("fingerprint"), sha256: text("sha256"), expires, url }
    }

    /// The sealed grant as text.
    pub fn token(&self) -> &str {
        self.path.split('/').nth(2).unwrap()
    }

    /// The name segment.
    pub fn name(&self) -> &str {
        self.path.split('/').nth(3).unwrap()
    }
}

/// A store that counts what is asked of it.
struct Watched {
    inner: Arc<dyn Origin>,
    calls: Arc<AtomicUsize>,
}

impl Watched {
    fn count(&self) {
        self.calls.fetch_add(1, Ordering::SeqCst);
    }
}

impl Origin for Watched {
    fn head<'a>(&'a self, key: &'a ObjectKey) -> BoxFuture<'a, Result<ObjectMeta, OriginError>> {
        self.count();
        self.inner.head(key)
    }

    fn read<'a>(
        &'a self,
        key: &'a ObjectKey,
        version: &'a ObjectVersion,
        span: ByteSpan,
    ) -> BoxFuture<'a, Result<ByteStream, OriginError>> {
        self.count();
        self.inner.read(key, version, span)
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), OriginError>> {
        self.count();
        self.inner.probe()
    }
}
