//! A gateway for the demo: real rooms on loopback, and everything it writes in one temporary directory.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use data_encoding::HEXLOWER;
use tempfile::TempDir;

use crate::app::{Addresses, Gateway, Rooms};
use crate::cli::Failure;
use crate::config::{ClientKey, Loaded, LoadedTls, Settings};
use crate::fetcher::{Profile, Profiles};
use crate::link::Keyring;
use crate::media::HeaderKind;
use crate::telemetry::Sink;
use crate::value::Clock;

/// The gateway of the demo.
pub(super) struct Stage {
    pub(super) rooms: Rooms,
    pub(super) addresses: Addresses,
    pub(super) key: ClientKey,
    /// The keys of all assets, and the template header that each is for.
    pub(super) assets: Vec<Asset>,
    gateway: Gateway,
    /// Removed when the demo ends.
    _dir: TempDir,
}

/// One asset of the demo.
pub(super) struct Asset {
    pub(super) key: String,
    pub(super) header: HeaderKind,
    /// Where the same bytes lie on disk, to compare what was fetched.
    pub(super) file: PathBuf,
}

impl Stage {
    /// Starts a gateway over `media`, or over the samples where it is `None`.
    pub(super) async fn build(media: Option<&Path>, port: u16) -> Result<Self, Failure> {
        let dir = tempfile::Builder::new().prefix("hallpass-demo-").tempdir().map_err(Failure::because)?;
        let (root, assets) = match media {
            Some(media) => (media.canonicalize().map_err(|e| in_dir(media, &e))?, found(media)?),
            None => (dir.path().join("media"), samples(&dir.path().join("media"))?),
        };
        let sockets = [bind(port)?, bind(0)?, bind(0)?];
        let key = ClientKey::generate().map_err(Failure::because)?;
        let meta = Profile::meta();
        let loaded = Loaded {
            settings: settings(&sockets, &root, &key, dir.path())?,
            keyring: Keyring::generate(Clock::system().now()).map_err(Failure::because)?,
            profiles: Profiles::from([(meta.name.clone(), meta)]),
            tls: LoadedTls::default(),
            warnings: Vec::new(),
            files: Vec::new(),
        };
        let rooms = Rooms::open(&loaded, Clock::system(), Sink::Off).await.map_err(Failure::because)?;
        let gateway = Gateway::start(&rooms, sockets, &loaded.settings).map_err(Failure::because)?;
        Ok(Self { addresses: gateway.addresses(), rooms, key, assets, gateway, _dir: dir })
    }

    /// Stops the gateway and removes what it wrote.
    pub(super) async fn strike(self) {
        self.gateway.stop(Duration::from_secs(1)).await;
    }
}

fn bind(port: u16) -> Result<TcpListener, Failure> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    TcpListener::bind(address)
        .map_err(|error| Failure::because(format!("{address} cannot be used ({error}); name another --port")))
}

/// The settings of the demo, through the same reader as everybody's.
fn settings(sockets: &[TcpListener; 3], root: &Path, key: &ClientKey, dir: &Path) -> Result<Settings, Failure> {
    let [public, control, ops] = sockets.each_ref().map(|socket| socket.local_addr().map_err(Failure::because));
    let (public, control, ops) = (public?, control?, ops?);
    let root = toml::Value::from(root.to_string_lossy().into_owned());
    let hash = HEXLOWER.encode(key.hash().expose());
    let text = format!(
        r#"
        public_origin = "http://{public}"
        listen = {{ public = "{public}", control = "{control}", ops = "{ops}" }}
        stores.samples = {{ kind = "local", root = {root} }}
        [[control.clients]]
        name = "demo"
        key_blake3 = "{hash}"
        stores = ["samples"]
        "#
    );
    Ok(Settings::from_toml(&text, &BTreeMap::new(), dir)?)
}

/// Writes the samples below `root`. One of them is an upload that broke off, which a mint must refuse.
fn samples(root: &Path) -> Result<Vec<Asset>, Failure> {
    let broken = SAMPLES[0].1.get(..SAMPLES[0].1.len() / 2).unwrap_or_default();
    let all = SAMPLES.into_iter().chain([("promo/broken-upload.jpg", broken, HeaderKind::Image)]);
    all.map(|(key, bytes, header)| {
        let file = root.join(key);
        let folder = file.parent().unwrap_or(root);
        std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&file, bytes)).map_err(Failure::because)?;
        Ok(Asset { key: key.to_owned(), header, file })
    })
    .collect()
}

/// The files directly in `dir`, the first few by name.
fn found(dir: &Path) -> Result<Vec<Asset>, Failure> {
    let mut assets = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(|error| in_dir(dir, &error))? {
        let file = entry.map_err(Failure::because)?.path();
        let name = file.file_name().and_then(|name| name.to_str());
        if let (Some(name), true) = (name, file.is_file()) {
            assets.push(Asset { key: name.to_owned(), header: header_for(&file), file: file.clone() });
        }
    }
    assets.sort_by(|a, b| a.key.cmp(&b.key));
    assets.truncate(MOST_SHOWN);
    if assets.is_empty() { Err(in_dir(dir, &"it holds no files")) } else { Ok(assets) }
}

/// The header that a file of this name is most likely meant for.
fn header_for(file: &Path) -> HeaderKind {
    match file.extension().and_then(|ext| ext.to_str()) {
        Some("jpg" | "jpeg" | "png" | "gif" | "webp") => HeaderKind::Image,
        Some("mp4" | "3gp" | "mov") => HeaderKind::Video,
        _ => HeaderKind::Document,
    }
}

fn in_dir(dir: &Path, error: &dyn ToString) -> Failure {
    Failure::because(format!("{}: {}", dir.display(), error.to_string()))
}

/// Media of our own making, each fit for a template header.
const SAMPLES: [(&str, &[u8], HeaderKind); 4] = [
    ("promo/winter-sale.jpg", include_bytes!("../demo_media/winter-sale.jpg"), HeaderKind::Image),
    ("billing/receipt.png", include_bytes!("../demo_media/receipt.png"), HeaderKind::Image),
    ("travel/tour.mp4", include_bytes!("../demo_media/tour.mp4"), HeaderKind::Video),
    ("sales/price-list.pdf", include_bytes!("../demo_media/price-list.pdf"), HeaderKind::Document),
];
/// A tour through more would be no tour.
const MOST_SHOWN: usize = 12;
