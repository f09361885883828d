//! `[[control.clients]]`: which of our own systems may mint, and for what.

use std::collections::BTreeSet;

use data_encoding::HEXLOWER_PERMISSIVE;
use toml::Value;

use super::reading::{Reading, choice, parsed, text};
use super::section::Section;
use super::tls::{self, CertificateFiles};
use crate::value::{ClientName, ObjectKey, Secret, StoreName};

/// One of our own systems, and its scope.
#[derive(Clone, Debug)]
pub struct ClientSettings {
    /// What records and logs call it.
    pub name: ClientName,
    /// BLAKE3-256 of its key's whole text; see [`ClientKey::hash`](super::ClientKey::hash).
    pub key_hash: Secret<[u8; 32]>,
    /// The stores it may name, at least one.
    pub stores: BTreeSet<StoreName>,
    /// Object keys must begin with one of these, each ending in `/`; any key will do where the list is empty.
    pub prefixes: Vec<String>,
    /// What it may do.
    pub actions: BTreeSet<Action>,
}

/// What a client may do on the control API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Action {
    /// Make links.
    Mint,
    /// See its own links and their fetches.
    Read,
    /// End links early.
    Revoke,
    /// Announce assets.
    Publish,
    /// See and end other clients' links too.
    Admin,
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Mint, Self::Read, Self::Revoke, Self::Publish, Self::Admin];

    /// The word that the settings use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mint => "mint",
            Self::Read => "read",
            Self::Revoke => "revoke",
            Self::Publish => "publish",
            Self::Admin => "admin",
        }
    }
}

/// What `[control]` says.
pub(super) struct Control {
    pub(super) clients: Vec<ClientSettings>,
    pub(super) certificates: Vec<CertificateFiles>,
}

/// Reads `[control]`. `stores` are the names that the settings give to stores.
pub(super) fn read(mut section: Section<'_>, stores: &BTreeSet<StoreName>) -> Control {
    let mut seen = Seen::default();
    let clients = section.each("clients", |section| client(section, stores, &mut seen));
    let certificates = tls::certificates(&mut section);
    section.end();
    Control { clients, certificates }
}

/// What earlier clients had, which no later one may have too.
#[derive(Default)]
struct Seen {
    names: BTreeSet<ClientName>,
    hashes: Vec<Secret<[u8; 32]>>,
}

fn client(mut section: Section<'_>, stores: &BTreeSet<StoreName>, seen: &mut Seen) -> Option<ClientSettings> {
    let name = section.need("name", "write what the client is called", parsed::<ClientName>);
    let key_hash = section.secret("key_blake3", "key_blake3_file", "run `hallpass keys client NAME`", key_hash);
    let scope = scope(&mut section, stores);
    let prefixes = prefixes(&mut section);
    let words = Action::ALL.map(|action| (action.as_str(), action));
    let empty = "is empty, so the client could do nothing; remove it for mint, read and revoke";
    let actions = section.filled("actions", empty, choice(&words));
    if name.as_ref().is_some_and(|name| !seen.names.insert(name.clone())) {
        section.fault("name", "is the name of another client too; give each its own");
    }
    if name.as_ref().is_some_and(|name| name.as_str() == RESERVED) {
        section.fault("name", "is what records call whoever sits at the shell; choose another");
    }
    if key_hash.as_ref().is_some_and(|hash| seen.hashes.iter().any(|other| other.matches(hash))) {
        section.fault(
            "key_blake3",
            "is the key of another client too; make each its own with `hallpass keys client NAME`",
        );
    }
    seen.hashes.extend(key_hash.clone());
    section.end();
    let actions = actions.map_or(DEFAULT_ACTIONS.into(), |list| list.into_iter().map(|(_, action)| action).collect());
    Some(ClientSettings { name: name?, key_hash: key_hash?, stores: scope, prefixes, actions })
}

/// The stores that a client may use.
pub(super) fn scope(section: &mut Section<'_>, stores: &BTreeSet<StoreName>) -> BTreeSet<StoreName> {
    let empty = "is empty, so the client could do nothing; list the stores that it may use";
    let Some(named) = section.filled("stores", empty, parsed::<StoreName>) else {
        section.fault("stores", "is missing; list the stores that the client may use");
        return BTreeSet::new();
    };
    for (place, _) in named.iter().filter(|(_, name)| !stores.contains(name)) {
        section.fault_at(place, "there is no store of that name; add its [stores.NAME] or remove it here");
    }
    named.into_iter().map(|(_, name)| name).collect()
}

/// What the keys that a client may use begin with; none: all of them.
pub(super) fn prefixes(section: &mut Section<'_>) -> Vec<String> {
    let empty = "is empty; remove it to allow every key of the stores, or name what is allowed";
    let prefixes = section.filled("prefixes", empty, prefix);
    prefixes.unwrap_or_default().into_iter().map(|(_, prefix)| prefix).collect()
}

fn key_hash(value: &Value) -> Reading<Secret<[u8; 32]>> {
    let bytes = value.as_str().and_then(|text| HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok());
    let hash = bytes.and_then(|bytes| bytes.try_into().ok()).map(Secret::new);
    hash.ok_or_else(|| {
        "is the BLAKE3 of the client's key in 64 hexadecimal digits; `hallpass keys client NAME` prints both".to_owned()
    })
}

/// Without the slash at its end, `promo` would open `promo-secret/` too.
fn prefix(value: &Value) -> Reading<String> {
    let prefix = text(value)?;
    let key = prefix.parse::<ObjectKey>().map_err(|fault| fault.to_string())?;
    if !prefix.ends_with('/') || prefix == "/" {
        return Err("is the beginning of object keys and ends with '/', such as \"promos/\"".to_owned());
    }
    Ok(key.as_str().to_owned())
}

const DEFAULT_ACTIONS: [Action; 3] = [Action::Mint, Action::Read, Action::Revoke];

/// The name of the commands' own records.
pub(super) const RESERVED: &str = "shell";
