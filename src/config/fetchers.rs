//! `[fetchers.NAME]`: profiles of fetchers besides the built-in one, or changes to it (`[fetchers.meta]`).
//!
//! What is absent keeps the built-in value. A profile of another name starts from nothing, so it must say what the fetcher is known by.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use toml::Value;

use super::reading::{Reading, choice, duration, owned, text};
use super::section::Section;
use crate::value::ProfileName;

/// What the settings say of one fetcher profile; `None` is the built-in value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FetcherSettings {
    /// How its agents begin.
    pub agents: Option<Vec<String>>,
    /// What no agent of it contains.
    pub exclude_agents: Option<Vec<String>>,
    /// The file with its networks.
    pub networks_file: Option<PathBuf>,
    /// The methods it uses.
    pub methods: Option<Vec<String>>,
    /// Headers it never sends, in lower case, besides `cookie` and `authorization`.
    pub forbid_headers: Option<Vec<String>>,
    /// What must be known of it.
    pub require: Option<FetcherRequire>,
    /// What a refusal does.
    pub mode: Option<FetcherMode>,
    /// How old a network list may be before it says nothing.
    pub stale_after: Option<Duration>,
}

/// What must be a fetcher's own for it to be admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetcherRequire {
    /// Agent or network.
    Any,
    /// Agent and network.
    All,
    /// The agent.
    Agent,
    /// The network.
    Network,
}

/// What a refusal does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetcherMode {
    /// It is answered with 403.
    Enforce,
    /// It is counted and logged.
    Observe,
    /// Nothing is judged.
    Off,
}

/// Reads every `[fetchers.NAME]`.
pub(super) fn read(root: &mut Section<'_>) -> BTreeMap<ProfileName, FetcherSettings> {
    let found = root.each_named("fetchers", |name, section| match name.parse::<ProfileName>() {
        Ok(name) => Some((name.clone(), profile(section, name.as_str() == BUILT_IN))),
        Err(fault) => {
            section.refuse(fault.to_string());
            None
        }
    });
    found.into_iter().collect()
}

fn profile(mut section: Section<'_>, built_in: bool) -> FetcherSettings {
    let before = section.faults_so_far();
    let settings = FetcherSettings {
        agents: items(&mut section, "agents", owned),
        exclude_agents: items(&mut section, "exclude_agents", owned),
        networks_file: section.path("networks_file"),
        methods: items(&mut section, "methods", method),
        forbid_headers: items(&mut section, "forbid_headers", header),
        require: section.read("require", choice(REQUIRES)),
        mode: section.read("mode", choice(MODES)),
        stale_after: section.read("stale_after", duration(HOUR..=400 * DAY)),
    };
    if !built_in && section.faults_so_far() == before {
        must_be_knowable(&mut section, &settings);
    }
    section.end();
    settings
}

/// A profile that nobody can meet would refuse every request, at the first real send.
fn must_be_knowable(section: &mut Section<'_>, settings: &FetcherSettings) {
    let agents = settings.agents.as_ref().is_some_and(|agents| !agents.is_empty());
    let networks = settings.networks_file.is_some();
    let require = settings.require.unwrap_or(FetcherRequire::Any);
    if settings.mode == Some(FetcherMode::Off) {
        return;
    }
    if !agents && (matches!(require, FetcherRequire::All | FetcherRequire::Agent)) {
        section.fault("agents", "is missing, but require asks for the agent; list how its agents begin");
    }
    if !networks && (matches!(require, FetcherRequire::All | FetcherRequire::Network)) {
        section.fault("networks_file", "is missing, but require asks for the network; name a file of networks");
    }
    if !agents && !networks && require == FetcherRequire::Any {
        section.fault("agents", "is missing, and so is networks_file; say at least one of them, or nobody is admitted");
    }
}

fn items(
    section: &mut Section<'_>,
    name: &'static str,
    how: impl Fn(&Value) -> Reading<String>,
) -> Option<Vec<String>> {
    section.list(name, how).map(|items| items.into_iter().map(|(_, item)| item).collect())
}

fn method(value: &Value) -> Reading<String> {
    choice(&[("GET", "GET"), ("HEAD", "HEAD")])(value).map(str::to_owned)
}

fn header(value: &Value) -> Reading<String> {
    let name = text(value)?.parse::<http::HeaderName>();
    name.map(|name| name.as_str().to_owned()).map_err(|_| "is the name of a header, such as \"referer\"".to_owned())
}

/// The profile that ships with us.
const BUILT_IN: &str = "meta";
const REQUIRES: &[(&str, FetcherRequire)] = &[
    ("any", FetcherRequire::Any),
    ("all", FetcherRequire::All),
    ("agent", FetcherRequire::Agent),
    ("network", FetcherRequire::Network),
];
const MODES: &[(&str, FetcherMode)] =
    &[("enforce", FetcherMode::Enforce), ("observe", FetcherMode::Observe), ("off", FetcherMode::Off)];
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
