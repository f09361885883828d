//! A whole gateway on loopback: real listeners, a local store and a catalog file in a temporary directory, built-in settings.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::PathBuf;
use std::time::Duration;

use data_encoding::HEXLOWER;
use hallpass::app::{Addresses, Gateway, Rooms};
use hallpass::catalog::{CatalogCounters, CatalogError};
use hallpass::config::{ClientKey, Loaded, LoadedTls, Settings};
use hallpass::fetcher::{Profile, Profiles};
use hallpass::link::Keyring;
use hallpass::origin::Outcome;
use hallpass::telemetry::Sink;
use hallpass::value::Clock;
use tempfile::TempDir;

use crate::samples::{KEY, PICTURE, STORE};

pub struct Stage {
    pub addresses: Addresses,
    pub key: ClientKey,
    /// The catalog's file.
    pub database: PathBuf,
    rooms: Rooms,
    gateway: Gateway,
    _dir: TempDir,
}

/// What store and catalog were asked since the start.
#[derive(Clone, Copy)]
pub struct Asked {
    pub heads: u64,
    pub reads: u64,
    pub records: CatalogCounters,
}

impl Stage {
    /// Starts it. The settings say no more than they must, so every limit is the built-in one.
    pub async fn build() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("media").join(KEY);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, PICTURE).unwrap();
        let sockets = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let key = ClientKey::generate().unwrap();
        let meta = Profile::meta();
        let loaded = Loaded {
            settings: settings(&sockets, &key, &dir),
            keyring: Keyring::generate(Clock::system().now()).unwrap(),
            profiles: Profiles::from([(meta.name.clone(), meta)]),
            tls: LoadedTls::default(),
            warnings: Vec::new(),
            files: Vec::new(),
        };
        let rooms = Rooms::open(&loaded, Clock::system(), Sink::Off).await.unwrap();
        let gateway = Gateway::start(&rooms, sockets, &loaded.settings).unwrap();
        let database = dir.path().join("catalog.db");
        Self { addresses: gateway.addresses(), key, database, rooms, gateway, _dir: dir }
    }

    pub fn asked(&self) -> Asked {
        let stores = self.rooms.store_counters.all();
        let sum = |one: &dyn Fn(Outcome) -> u64| Outcome::ALL.into_iter().map(one).sum::<u64>();
        let heads = stores.iter().map(|(_, store)| sum(&|outcome| store.heads(outcome))).sum();
        let reads = stores.iter().map(|(_, store)| sum(&|outcome| store.reads(outcome))).sum();
        Asked { heads, reads, records: self.rooms.catalog.counters() }
    }

    /// Waits until the catalog has written what it holds, or cannot.
    pub async fn settle(&self) -> Result<(), CatalogError> {
        self.rooms.catalog.flush().await
    }

    pub async fn strike(self) {
        self.gateway.stop(Duration::from_secs(1)).await;
    }
}

fn settings(sockets: &[TcpListener; 3], key: &ClientKey, dir: &TempDir) -> Settings {
    let [public, control, ops] = sockets.each_ref().map(|socket| socket.local_addr().unwrap());
    let hash = HEXLOWER.encode(key.hash().expose());
    let text = format!(
        r#"
        public_origin = "http://{public}"
        listen = {{ public = "{public}", control = "{control}", ops = "{ops}" }}
        stores.{STORE} = {{ kind = "local", root = "media" }}
        catalog.url = "sqlite://catalog.db"
        limits = {{ requests_per_second = 1000000, control_requests_per_second = 1000000 }}
        [[control.clients]]
        name = "bench"
        key_blake3 = "{hash}"
        stores = ["{STORE}"]
        "#
    );
    Settings::from_toml(&text, &BTreeMap::new(), dir.path()).unwrap()
}
