//! The settings as meant: one small struct per concern, and the one way from text to them.
//!
//! [`Settings::from_toml`] opens nothing, so it can be given anything. Every section is read, whatever is wrong with the others;
//! settings are made only where nothing is.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::Table;
use toml::de::DeTable;

use super::clients::{self, ClientSettings};
use super::environment::Overrides;
use super::fault::{Fault, Faults};
use super::fetchers::{self, FetcherSettings};
use super::limits::{self, LimitSettings};
use super::listen::{self, ListenSettings};
use super::presigned::{self, Others, PresignedSettings};
use super::records::{self, LogSettings};
use super::section::{Context, Section};
use super::stores::{self, StoreSettings};
use super::tls::{self, CertificateFiles, TlsSettings};
use crate::cache::CacheSettings;
use crate::catalog::CatalogSettings;
use crate::link::{LinkBounds, PublicOrigin};
use crate::mint::MintSettings;
use crate::origin::RetryPolicy;
use crate::publish::PublishSettings;
use crate::value::{ProfileName, StoreName};

/// Everything that the settings file and the environment say.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What links begin with; bound into every seal.
    pub public_origin: PublicOrigin,
    /// Where we listen.
    pub listen: ListenSettings,
    /// How the public listener speaks TLS; `None`: plain HTTP.
    pub tls: Option<TlsSettings>,
    /// The certificates of the control listener; none: plain HTTP.
    pub control_certificates: Vec<CertificateFiles>,
    /// The keyring's file.
    pub keyring_file: PathBuf,
    /// Who may use the control API.
    pub clients: Vec<ClientSettings>,
    /// Presigned S3 URLs: whether they are served, and who signs them.
    pub presigned: PresignedSettings,
    /// The private storages, at least one.
    pub stores: BTreeMap<StoreName, StoreSettings>,
    /// How long a store is waited for, and how often it is asked again.
    pub origin: RetryPolicy,
    /// How long links live.
    pub links: LinkBounds,
    /// How much memory bytes may take, and who is waited for.
    pub cache: CacheSettings,
    /// Where the catalog lies, and how long it remembers.
    pub catalog: CatalogSettings,
    /// The bounds of a mint.
    pub mint: MintSettings,
    /// The bounds of publishing.
    pub publish: PublishSettings,
    /// The bounds of the public listener.
    pub limits: LimitSettings,
    /// The fetcher profiles that the settings name; the built-in one is not among them unless they change it.
    pub fetchers: BTreeMap<ProfileName, FetcherSettings>,
    /// What is logged, and where to.
    pub log: LogSettings,
}

impl Settings {
    /// The settings that `text` means, with the `HALLPASS_` variables of `environment` over it. Relative paths begin in `base_dir`.
    ///
    /// It opens nothing: a setting that names a secret's file is a fault here, and [`load`](super::load()) reads it.
    pub fn from_toml(text: &str, environment: &BTreeMap<String, String>, base_dir: &Path) -> Result<Self, Faults> {
        let read_secret = |_: &Path| Err("names a file, and no file is read here".to_owned());
        let context = Context {
            base_dir: base_dir.to_owned(),
            read_secret: &read_secret,
            read_private: &read_secret,
            inline_secrets: RefCell::default(),
        };
        let draft = Draft::new(text, environment, &context);
        Faults::none_or(draft.faults, draft.settings)
    }
}

/// Settings with their faults, before anybody asked whether there are any.
pub(super) struct Draft {
    /// Whole only if there are no faults.
    pub(super) settings: Option<Settings>,
    /// What else can be looked at in spite of faults: the keyring's file, the profiles, the certificates.
    pub(super) keyring_file: Option<PathBuf>,
    pub(super) fetchers: BTreeMap<ProfileName, FetcherSettings>,
    pub(super) tls: Option<TlsSettings>,
    pub(super) control_certificates: Vec<CertificateFiles>,
    /// The key paths of the secrets that stand in the settings file itself.
    pub(super) inline_secrets: Vec<String>,
    pub(super) faults: Vec<Fault>,
}

impl Draft {
    pub(super) fn new(text: &str, environment: &BTreeMap<String, String>, context: &Context<'_>) -> Self {
        let mut faults = Vec::new();
        let Some(mut table) = parse(text, &mut faults) else { return Self::of(faults) };
        let overrides = Overrides::apply(environment, &mut table, &mut faults);
        let mut draft = Self::read(table, context, faults);
        overrides.name_sources(&mut draft.faults);
        draft.inline_secrets.retain(|place| overrides.source(place).is_none());
        draft
    }

    pub(super) fn of(faults: Vec<Fault>) -> Self {
        Self {
            settings: None,
            keyring_file: None,
            fetchers: BTreeMap::new(),
            tls: None,
            control_certificates: Vec::new(),
            inline_secrets: Vec::new(),
            faults,
        }
    }

    fn read(table: Table, context: &Context<'_>, mut faults: Vec<Fault>) -> Self {
        let mut root = Section::root(table, context, &mut faults);
        let public_origin = listen::public_origin(&mut root);
        let listen = listen::read(root.section("listen"));
        let tls = tls::read(&mut root, public_origin.as_ref());
        let keyring_file = keyring_file(root.section("keyring"));
        let stores = stores::read(&mut root);
        let control = clients::read(root.section("control"), &stores.names);
        listen::guard_control(&mut root, &listen, !control.certificates.is_empty());
        let origin = stores::retries(root.section("origin"));
        let links = limits::links(root.section("links"));
        let cache = limits::cache(root.section("cache"));
        let catalog = records::catalog(root.section("catalog"));
        let mint = limits::mint(root.section("mint"));
        let publish = limits::publish(root.section("publish"));
        let limits = limits::limits(root.section("limits"));
        let fetchers = fetchers::read(&mut root);
        let others = Others {
            stores: &stores.names,
            fetchers: &fetchers,
            public_origin: public_origin.as_ref(),
            hosts: &listen.hosts,
        };
        let presigned = presigned::read(root.section("presigned"), &others);
        let log = records::log(root.section("log"));
        root.end();
        let settings = public_origin.map(|public_origin| Settings {
            public_origin,
            listen,
            tls: tls.clone(),
            control_certificates: control.certificates.clone(),
            keyring_file: keyring_file.clone(),
            clients: control.clients,
            presigned,
            stores: stores.settings,
            origin,
            links,
            cache,
            catalog,
            mint,
            publish,
            limits,
            fetchers: fetchers.clone(),
            log,
        });
        Self {
            settings,
            keyring_file: Some(keyring_file),
            fetchers,
            tls,
            control_certificates: control.certificates,
            inline_secrets: context.inline_secrets.take(),
            faults,
        }
    }
}

/// The text as a table. Where it is not TOML, each fault is named by its line; the line itself may hold a secret.
fn parse(text: &str, faults: &mut Vec<Fault>) -> Option<Table> {
    let (_, mut errors) = DeTable::parse_recoverable(text);
    errors.sort_by_key(|error| error.span().map(|span| span.start));
    for error in errors.iter().take(MOST_SYNTAX_FAULTS) {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.bytes().filter(|&byte| byte == b'\n').count() + 1;
        faults.push(Fault::new(format!("line {line}"), format!("this is not TOML: {}", error.message())));
    }
    if !errors.is_empty() {
        return None;
    }
    text.parse().map_err(|_| faults.push(Fault::new("the settings", "this is not TOML"))).ok()
}

fn keyring_file(mut section: Section<'_>) -> PathBuf {
    let file = section.path("file").unwrap_or_else(|| section.base_dir().join("keys.toml"));
    section.end();
    file
}

/// One slip can make many faults of syntax; the first ones tell it.
const MOST_SYNTAX_FAULTS: usize = 8;
