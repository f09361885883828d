//! `[fetchers.NAME]`: profiles of fetchers besides the built-in one, or changes to it (`[fetchers.meta]`).
//!
//! What is absent keeps the built-in value. A profile of another name starts without agents and networks, so it must say what its
//! fetcher is known by: one that nobody can meet would refuse every request, and show it only at the first real send.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use http::{HeaderName, Method};
use toml::Value;

use super::reading::{Reading, choice, duration, text};
use super::section::Section;
use crate::fetcher::{AgentRules, Contradiction, Mode, NetworkFault, NetworkList, NetworkReason, Profile, Require};
use crate::value::ProfileName;

/// One fetcher profile that the settings name.
#[derive(Clone, Debug)]
pub struct FetcherSettings {
    /// The profile, without what `networks_file` holds.
    pub profile: Profile,
    /// The file with the list of its networks; [`load`](super::load) reads it into the profile.
    pub networks_file: Option<PathBuf>,
}

/// Reads every `[fetchers.NAME]`.
pub(super) fn read(root: &mut Section<'_>) -> BTreeMap<ProfileName, FetcherSettings> {
    let found = root.each_named("fetchers", |name, section| match name.parse::<ProfileName>() {
        Ok(name) => Some((name.clone(), fetcher(section, name))),
        Err(fault) => {
            section.refuse(fault.to_string());
            None
        }
    });
    found.into_iter().collect()
}

/// The networks that a file's text lists, or a line for each fault. No line of the file is shown: it may be the wrong file.
pub(super) fn networks(text: &str) -> Result<NetworkList, Vec<String>> {
    NetworkList::parse(text).map_err(|faults| {
        let more = faults.0.len().saturating_sub(MOST_NETWORK_FAULTS);
        let mut lines: Vec<_> = faults.0.iter().take(MOST_NETWORK_FAULTS).map(network_fault).collect();
        if more > 0 {
            lines.push(format!("{more} more faults of this kind follow"));
        }
        lines
    })
}

fn network_fault(fault: &NetworkFault) -> String {
    let reason = match &fault.reason {
        NetworkReason::NotANetwork(_) => "this is not a network such as 192.0.2.0/24 or 2001:db8::/32".to_owned(),
        NetworkReason::BadDate(_) => "this is not a date such as 2026-08-22".to_owned(),
        other => other.to_string(),
    };
    format!("line {}: {reason}", fault.line)
}

fn fetcher(mut section: Section<'_>, name: ProfileName) -> FetcherSettings {
    let before = section.faults_so_far();
    let built_in = Profile::meta();
    let changes = built_in.name == name;
    let base = if changes {
        built_in.clone()
    } else {
        Profile { name, agents: AgentRules::default(), networks: None, ..built_in.clone() }
    };
    let networks_file = section.path("networks_file");
    let stale_after = if networks_file.is_some() { Profile::STALE_AFTER } else { base.stale_after };
    let profile = Profile {
        agents: agents(&mut section, changes).unwrap_or(base.agents),
        methods: items(&mut section, "methods", choice(METHODS)).map_or(base.methods, methods),
        forbidden_headers: items(&mut section, "forbid_headers", header).unwrap_or(base.forbidden_headers),
        require: section.read("require", choice(REQUIRES)).unwrap_or(base.require),
        mode: section.read("mode", choice(MODES)).unwrap_or(base.mode),
        stale_after: section.read("stale_after", duration(HOUR..=400 * DAY)).unwrap_or(stale_after),
        name: base.name,
        networks: base.networks,
    };
    // The file is not read yet; that there will be a list is enough to know.
    let listed = networks_file.as_ref().and(built_in.networks).or_else(|| profile.networks.clone());
    let whole = Profile { networks: listed, ..profile.clone() };
    if let (Some(fault), true) = (whole.contradiction(), section.faults_so_far() == before) {
        section.fault(place_of(fault), fault.to_string());
    }
    section.end();
    FetcherSettings { profile, networks_file }
}

const fn place_of(fault: Contradiction) -> &'static str {
    match fault {
        Contradiction::NoAgents | Contradiction::Nothing => "agents",
        Contradiction::NoNetworks => "networks_file",
        Contradiction::NoMethods => "methods",
    }
}

/// The rules for agents. Half of the built-in rules with half of one's own would be neither, so both lists come together.
fn agents(section: &mut Section<'_>, changes: bool) -> Option<AgentRules> {
    let include = items(section, "agents", pattern);
    let exclude = items(section, "exclude_agents", pattern);
    let missing = match (&include, &exclude) {
        (None, None) => return None,
        (Some(_), None) => Some(("agents", "exclude_agents")),
        (None, Some(_)) => Some(("exclude_agents", "agents")),
        (Some(_), Some(_)) => None,
    };
    if let (Some((written, other)), true) = (missing, changes) {
        section.fault(written, format!("replaces the built-in rules of this profile as a whole; write {other} too"));
    }
    let (include, exclude) = (include.unwrap_or_default(), exclude.unwrap_or_default());
    AgentRules::new(include.iter().map(String::as_str), exclude.iter().map(String::as_str)).ok()
}

fn items<T>(section: &mut Section<'_>, name: &'static str, how: impl Fn(&Value) -> Reading<T>) -> Option<Vec<T>> {
    section.list(name, how).map(|items| items.into_iter().map(|(_, item)| item).collect())
}

fn pattern(value: &Value) -> Reading<String> {
    let pattern = text(value)?;
    let fits = AgentRules::new([pattern], []).is_ok();
    let said = || format!("is 1 to {} printable ASCII characters, not all of them '*'", AgentRules::MAX_PATTERN);
    if fits { Ok(pattern.to_owned()) } else { Err(said()) }
}

fn methods(words: Vec<Word>) -> Vec<Method> {
    let method = |word| match word {
        Word::Get => Method::GET,
        Word::Head => Method::HEAD,
    };
    words.into_iter().map(method).collect()
}

/// A method that the public listener answers.
#[derive(Clone, Copy)]
enum Word {
    Get,
    Head,
}

fn header(value: &Value) -> Reading<HeaderName> {
    text(value)?.parse().map_err(|_| "is the name of a header, such as \"referer\"".to_owned())
}

const METHODS: &[(&str, Word)] = &[("GET", Word::Get), ("HEAD", Word::Head)];
const REQUIRES: &[(&str, Require)] =
    &[("any", Require::Any), ("all", Require::All), ("agent", Require::Agent), ("network", Require::Network)];
const MODES: &[(&str, Mode)] = &[("enforce", Mode::Enforce), ("observe", Mode::Observe), ("off", Mode::Off)];
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
/// A wrong file has a fault in every line.
const MOST_NETWORK_FAULTS: usize = 5;
