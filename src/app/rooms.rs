//! Every room of one gateway, built from its settings.

use std::sync::Arc;

use ipnet::IpNet;

use super::stores::open_stores;
use super::tls::Tls;
use crate::arena::Arena;
use crate::asset::{AssetParts, Assets};
use crate::cache::{Cache, CacheSettings, OnWrongBytes};
use crate::catalog::{Catalog, CatalogError};
use crate::config::{HostNames, Loaded, PresignedSettings, Settings};
use crate::control::{Clients, ControlParts};
use crate::edge::{Edge, EdgeParts};
use crate::fetcher::Profiles;
use crate::link::{BadHost, Hosts, LinkBounds, Revocations, SealError, Seals};
use crate::mint::{Heads, KnownObjects, MintPolicy, Minter, MinterParts, ObjectId, RevokeError, Revoker};
use crate::origin::{OriginError, StoreCounters, Stores};
use crate::presign::Presigning;
use crate::publish::Publisher;
use crate::server::NetworkRates;
use crate::telemetry::{AccessLog, Metrics, Sink};
use crate::tls::{AcmeError, TlsError};
use crate::value::{Clock, Live, StoreName};

/// Every room of one gateway. Those that a reload can change are [`Live`].
#[derive(Clone)]
pub struct Rooms {
    /// The certificates in force, and who gets which.
    pub tls: Tls,
    /// The clock that all of them ask.
    pub clock: Clock,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// What must survive a restart.
    pub catalog: Catalog,
    /// The keys in force.
    pub seals: Live<Seals>,
    /// The stores in force.
    pub stores: Live<Stores>,
    /// What those stores were asked.
    pub store_counters: StoreCounters,
    /// The fetcher profiles in force.
    pub profiles: Live<Profiles>,
    /// What a mint may name.
    pub policy: Live<MintPolicy>,
    /// Who may use the control API.
    pub clients: Live<Clients>,
    /// What is believed of presigned URLs.
    pub presigning: Live<Presigning>,
    /// Which host names are ours.
    pub hosts: Live<Hosts>,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Live<Vec<IpNet>>,
    /// How long links live.
    pub bounds: LinkBounds,
    /// Which links have ended early.
    pub revocations: Arc<Revocations>,
    /// Where large blocks lie; `None`: on the heap.
    pub arena: Option<Arena>,
    /// The bytes of hot objects.
    pub cache: Cache,
    /// Makes and lifts revocations.
    pub revoker: Revoker,
    /// Makes links.
    pub minter: Minter,
    /// Stores new assets.
    pub publisher: Publisher,
    /// The public front.
    pub edge: Edge,
    /// Where each request is written down.
    pub access_log: AccessLog,
}

/// Why a gateway did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The keys cannot seal.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The catalog cannot be used.
    #[error("catalog.url: {0}")]
    Catalog(#[from] CatalogError),
    /// The revocations could not be read, so revoked links would be served.
    #[error("the revocations could not be read from the catalog: {0}")]
    Revocations(#[from] RevokeError),
    /// A store cannot be opened.
    #[error("stores.{0}: {1}")]
    Store(StoreName, OriginError),
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The new certificates would be refused by clients, and those in force are not.
    #[error("{0} (a restart would take it nevertheless)")]
    Certificate(String),
    /// Certificates cannot come by ACME.
    #[error(transparent)]
    Acme(#[from] AcmeError),
    /// A host name is none.
    #[error("listen.hosts: {0}")]
    Host(#[from] BadHost),
    /// The access log cannot be written.
    #[error("log.access: {0}")]
    AccessLog(std::io::Error),
    /// The sockets that were handed over are not those of the settings.
    #[error(transparent)]
    Sockets(#[from] super::BadSockets),
    /// A socket could not be opened.
    #[error("{setting} = \"{address}\": {fault}")]
    Listen {
        /// The setting that names it.
        setting: &'static str,
        /// The address.
        address: std::net::SocketAddr,
        /// What the system said.
        fault: std::io::Error,
    },
}

/// What a reload can replace, built and checked as a whole before any of it is put in force.
pub(super) struct Replaceable {
    seals: Seals,
    stores: Stores,
    profiles: Profiles,
    policy: MintPolicy,
    clients: Clients,
    presigning: Presigning,
    hosts: Hosts,
    trusted_proxies: Vec<IpNet>,
}

impl Replaceable {
    pub(super) async fn build(loaded: &Loaded, counters: &StoreCounters) -> Result<Self, StartError> {
        let settings = &loaded.settings;
        let stores = open_stores(settings, counters).await.map_err(|(name, error)| StartError::Store(name, error))?;
        Ok(Self {
            seals: Seals::new(&loaded.keyring, settings.public_origin.clone())?,
            stores,
            policy: policy(settings, &loaded.profiles),
            profiles: loaded.profiles.clone(),
            clients: Clients::new(&settings.clients, settings.limits.control_requests_per_second),
            presigning: presigning(&settings.presigned),
            hosts: hosts(settings)?,
            trusted_proxies: settings.listen.trusted_proxies.clone(),
        })
    }
}

fn policy(settings: &Settings, profiles: &Profiles) -> MintPolicy {
    let active = settings.stores.iter().filter(|(_, store)| store.allow_active_content);
    MintPolicy {
        profiles: profiles.keys().cloned().collect(),
        active_content: active.map(|(name, _)| name.clone()).collect(),
    }
}

fn presigning(settings: &PresignedSettings) -> Presigning {
    Presigning {
        is_enabled: settings.enabled,
        clients: settings.clients.iter().cloned().collect(),
        rules: settings.rules,
        fetcher: settings.fetcher.clone(),
    }
}

fn hosts(settings: &Settings) -> Result<Hosts, BadHost> {
    let any = ["*".to_owned()];
    let further = match &settings.listen.hosts {
        HostNames::Any => &any[..],
        HostNames::Only(names) => names,
    };
    Hosts::new(&settings.public_origin, further, &settings.presigned.virtual_hosts)
}

impl Rooms {
    /// Builds every room. Revocations are loaded before anybody can be served.
    #[expect(clippy::too_many_lines, reason = "a list of the rooms, each made once from those before it")]
    pub async fn open(loaded: &Loaded, clock: Clock, access: Sink) -> Result<Self, StartError> {
        let (settings, store_counters) = (&loaded.settings, StoreCounters::default());
        let (bounds, metrics) = (settings.links, Arc::new(Metrics::new()));
        let built = Replaceable::build(loaded, &store_counters).await?;
        let catalog = Catalog::open(&settings.catalog, clock.clone()).await?;
        let access_log = AccessLog::start(access, ACCESS_QUEUE, &metrics).map_err(StartError::AccessLog)?;
        let (revocations, revoker) = load_revocations(&catalog, &clock).await?;
        let known = KnownObjects::new(catalog.clone(), clock.clone());
        let heads = Heads::new(settings.mint.fresh_for);
        let (arena, cache) = open_cache(settings.cache, &known, &catalog, &metrics);
        let (seals, stores, profiles) = (Live::new(built.seals), Live::new(built.stores), Live::new(built.profiles));
        let (policy, clients) = (Live::new(built.policy), Live::new(built.clients));
        let presigning = Live::new(built.presigning);
        let (hosts, trusted_proxies) = (Live::new(built.hosts), Live::new(built.trusted_proxies));
        let minter = Minter::new(
            MinterParts {
                clock: clock.clone(),
                stores: stores.clone(),
                seals: seals.clone(),
                policy: policy.clone(),
                bounds,
                revocations: Arc::clone(&revocations),
                heads: heads.clone(),
                known: known.clone(),
                cache: cache.clone(),
                catalog: catalog.clone(),
                metrics: Arc::clone(&metrics),
            },
            settings.mint,
        );
        let publisher = Publisher::new(minter.clone(), stores.clone(), settings.publish.clone(), Arc::clone(&metrics));
        let edge = Edge::new(EdgeParts {
            assets: Assets::new(AssetParts {
                clock: clock.clone(),
                seals: seals.clone(),
                bounds,
                presigning: presigning.clone(),
                revocations: Arc::clone(&revocations),
                profiles: profiles.clone(),
                stores: stores.clone(),
                policy: policy.clone(),
                heads,
                known,
                cache: cache.clone(),
                body_max: settings.limits.body_max,
            }),
            hosts: hosts.clone(),
            head_lines: settings.limits.connections.head_lines,
            trusted_proxies: trusted_proxies.clone(),
            rates: NetworkRates::per_second(settings.limits.requests_per_second),
            access_log: access_log.clone(),
            catalog: catalog.clone(),
            metrics: Arc::clone(&metrics),
            clock: clock.clone(),
        });
        Ok(Self {
            tls: Tls::open(loaded, clock.now())?,
            clock,
            metrics,
            catalog,
            seals,
            stores,
            store_counters,
            profiles,
            policy,
            clients,
            presigning,
            hosts,
            trusted_proxies,
            bounds,
            revocations,
            arena,
            cache,
            revoker,
            minter,
            publisher,
            edge,
            access_log,
        })
    }

    /// What the control API works with.
    pub(super) fn control_parts(&self) -> ControlParts {
        ControlParts {
            minter: self.minter.clone(),
            publisher: self.publisher.clone(),
            revoker: self.revoker.clone(),
            catalog: self.catalog.clone(),
            seals: self.seals.clone(),
            stores: self.stores.clone(),
            profiles: self.profiles.clone(),
            presigning: self.presigning.clone(),
            hosts: self.hosts.clone(),
            bounds: self.bounds,
            revocations: Arc::clone(&self.revocations),
            clients: self.clients.clone(),
            metrics: Arc::clone(&self.metrics),
            clock: self.clock.clone(),
        }
    }

    /// Puts what was built in force, all of it.
    pub(super) fn replace(&self, built: Replaceable) {
        self.seals.replace(built.seals);
        self.stores.replace(built.stores);
        self.profiles.replace(built.profiles);
        self.policy.replace(built.policy);
        self.clients.replace(built.clients);
        self.presigning.replace(built.presigning);
        self.hosts.replace(built.hosts);
        self.trusted_proxies.replace(built.trusted_proxies);
    }
}

async fn load_revocations(catalog: &Catalog, clock: &Clock) -> Result<(Arc<Revocations>, Revoker), RevokeError> {
    let revocations = Arc::new(Revocations::default());
    let revoker = Revoker::new(catalog.clone(), Arc::clone(&revocations), clock.clone());
    revoker.refresh().await?;
    Ok((revocations, revoker))
}

fn open_cache(
    settings: CacheSettings,
    known: &KnownObjects,
    catalog: &Catalog,
    metrics: &Arc<Metrics>,
) -> (Option<Arena>, Cache) {
    let arena = open_arena(settings);
    let on_wrong = forget_in(known.clone());
    let cache = Cache::new(settings, arena.clone(), catalog.clone(), Arc::clone(metrics), on_wrong);
    (arena, cache)
}

/// The memory for large blocks. A machine that cannot have it serves the same bytes, only slower.
fn open_arena(settings: CacheSettings) -> Option<Arena> {
    if !settings.zero_copy {
        return None;
    }
    let started = Arena::start(settings.memory.saturating_add(settings.in_flight));
    let told = |error: &std::io::Error| {
        tracing::warn!(%error, "large blocks cannot be sent without a copy on this machine, so they lie on the heap; cache.zero_copy = false says that this is meant");
    };
    started.inspect_err(told).ok()
}

/// A version whose bytes turned out to be others is read anew at its next mint.
fn forget_in(known: KnownObjects) -> OnWrongBytes {
    Box::new(move |source| {
        let id = ObjectId { store: source.store.clone(), key: source.key.clone(), version: source.version.clone() };
        let known = known.clone();
        tokio::spawn(async move { known.forget(&id).await });
    })
}

/// How many requests may wait for the access log's writer: about 10 MB when full.
const ACCESS_QUEUE: usize = 16_384;
