//! `[presigned]`: whether presigned S3 URLs are served, how long they may live, and whose access keys sign them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use toml::Value;

use super::clients::{self, RESERVED};
use super::fetchers::FetcherSettings;
use super::listen::HostNames;
use super::reading::{Reading, flag, parsed, text, whole_seconds};
use super::secret_access_key::SecretAccessKey;
use super::section::Section;
use crate::fetcher::Profile;
use crate::link::PublicOrigin;
use crate::presign::{AccessKeyId, PresignClient, PresignRules};
use crate::value::{ClientName, ProfileName, Secret, StoreName};

/// How presigned S3 URLs are served.
#[derive(Clone, Debug)]
pub struct PresignedSettings {
    /// Whether they are served at all. Default no.
    pub enabled: bool,
    /// How long they may live. Default 15 min to 1 h.
    pub rules: PresignRules,
    /// Who may fetch them. Default the built-in profile.
    pub fetcher: ProfileName,
    /// The hosts that are a store's own, each lower case and with its port where that is not the usual one. Default none.
    pub virtual_hosts: BTreeMap<String, StoreName>,
    /// Whose signatures are believed.
    pub clients: Vec<PresignClient>,
}

/// What other sections say that this one must agree with.
pub(super) struct Others<'a> {
    pub(super) stores: &'a BTreeSet<StoreName>,
    pub(super) fetchers: &'a BTreeMap<ProfileName, FetcherSettings>,
    pub(super) public_origin: Option<&'a PublicOrigin>,
    pub(super) hosts: &'a HostNames,
}

/// Reads `[presigned]`.
pub(super) fn read(mut section: Section<'_>, others: &Others<'_>) -> PresignedSettings {
    let enabled = section.read("enabled", flag).unwrap_or(false);
    let rules = rules(&mut section);
    let fetcher = fetcher(&mut section, others.fetchers);
    let virtual_hosts = virtual_hosts(&mut section, others);
    let before = section.faults_so_far();
    let mut seen = BTreeSet::new();
    let clients = section.each("clients", |section| client(section, others.stores, &mut seen));
    if enabled && clients.is_empty() && section.faults_so_far() == before {
        section.fault(
            "clients",
            "is empty, so no URL could be believed; run `hallpass keys presigner NAME` and append what it prints",
        );
    }
    section.end();
    PresignedSettings { enabled, rules, fetcher, virtual_hosts, clients }
}

fn rules(section: &mut Section<'_>) -> PresignRules {
    let before = section.faults_so_far();
    let usual = PresignRules::default();
    let span = || whole_seconds(Duration::from_secs(1)..=PresignRules::LONGEST);
    let (min, max) = (section.read("expires_min", span()), section.read("expires_max", span()));
    let rules =
        PresignRules { expires_min: min.unwrap_or(usual.expires_min), expires_max: max.unwrap_or(usual.expires_max) };
    if rules.expires_min > rules.expires_max && section.faults_so_far() == before {
        let place = if max.is_none() { "expires_min" } else { "expires_max" };
        let [min, max] = [rules.expires_min, rules.expires_max].map(humantime::format_duration);
        section.fault(
            place,
            format!("expires_min must be at most expires_max; with the defaults, they are {min} and {max}"),
        );
    }
    rules
}

fn fetcher(section: &mut Section<'_>, known: &BTreeMap<ProfileName, FetcherSettings>) -> ProfileName {
    let built_in = Profile::meta().name;
    let named = section.read("fetcher", parsed::<ProfileName>);
    if named.as_ref().is_some_and(|name| *name != built_in && !known.contains_key(name)) {
        section.fault("fetcher", "there is no fetcher profile of that name; add its [fetchers.NAME], or use \"meta\"");
    }
    named.unwrap_or(built_in)
}

fn virtual_hosts(section: &mut Section<'_>, others: &Others<'_>) -> BTreeMap<String, StoreName> {
    let mut hosts = BTreeMap::new();
    for (place, host, store) in section.pairs("virtual_hosts", parsed::<StoreName>) {
        if !is_host(&host) {
            section.fault_at(
                place,
                "is a lower-case host name with its port, if it is not the usual one, such as \"promo.example.com\"",
            );
        } else if others.public_origin.is_some_and(|origin| origin.authority() == host) {
            section.fault_at(place, "is the host of public_origin, where stores are named in the path; use another");
        } else if matches!(others.hosts, HostNames::Only(hosts) if hosts.contains(&host)) {
            section.fault_at(
                place,
                "is in listen.hosts too, where our own links are served; a host is for them or for one store, so remove it here or there",
            );
        } else if !others.stores.contains(&store) {
            section.fault_at(place, "there is no store of that name; add its [stores.NAME] or remove it here");
        } else {
            hosts.insert(host, store);
        }
    }
    hosts
}

/// A host as requests carry it: the usual ports are not written.
fn is_host(host: &str) -> bool {
    let usual = host.ends_with(":80") || host.ends_with(":443");
    !usual && format!("https://{host}").parse::<PublicOrigin>().is_ok()
}

fn client(
    mut section: Section<'_>,
    stores: &BTreeSet<StoreName>,
    seen: &mut BTreeSet<AccessKeyId>,
) -> Option<PresignClient> {
    let name = section.need("name", "write what the client is called", parsed::<ClientName>);
    let access_key_id = section.need("access_key_id", HINT, access_key_id);
    let secret = section.private("secret_access_key", "secret_access_key_file", HINT, secret);
    let stores = clients::scope(&mut section, stores);
    let prefixes = clients::prefixes(&mut section);
    if name.as_ref().is_some_and(|name| name.as_str() == RESERVED) {
        section.fault("name", "is what records call whoever sits at the shell; choose another");
    }
    if access_key_id.as_ref().is_some_and(|id| !seen.insert(id.clone())) {
        section.fault(
            "access_key_id",
            "is that of another client too; make each its own with `hallpass keys presigner NAME`",
        );
    }
    section.end();
    Some(PresignClient { name: name?, access_key_id: access_key_id?, secret: secret?, stores, prefixes })
}

fn access_key_id(value: &Value) -> Reading<AccessKeyId> {
    let id = text(value)?.parse::<AccessKeyId>().ok().filter(AccessKeyId::is_ours);
    id.ok_or_else(|| "is HPAK and 16 characters of A-Z and 2-7, as `hallpass keys presigner NAME` prints it".to_owned())
}

fn secret(value: &Value) -> Reading<Secret<String>> {
    let read = SecretAccessKey::parse(value.as_str().unwrap_or_default());
    read.map(SecretAccessKey::into_secret).map_err(|fault| fault.to_string())
}

const HINT: &str = "run `hallpass keys presigner NAME`";
