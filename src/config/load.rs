//! The settings from their files: what the pure core names is opened here, and nowhere else.
//!
//! Faults of the text and of the files it names come out together. A keyring that group or world can read is a fault: whoever can
//! read it can make links.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::certificates::{self, LoadedTls};
use super::environment::is_ours;
use super::fault::{Fault, Faults};
use super::fetchers::{self, FetcherSettings};
use super::files::{absent, is_exposed, read, read_private};
use super::listen;
use super::section::Context;
use super::settings::{Draft, Settings};
use crate::fetcher::{NetworkList, Profile};
use crate::link::Keyring;
use crate::value::ProfileName;

/// Settings, and what the files hold that they name.
#[derive(Debug)]
pub struct Loaded {
    /// The settings as meant.
    pub settings: Settings,
    /// The keys that seal links.
    pub keyring: Keyring,
    /// Every fetcher profile with its networks: the built-in one, and those that the settings name.
    pub profiles: BTreeMap<ProfileName, Profile>,
    /// The certificates with their keys, and whom they are examined against.
    pub tls: LoadedTls,
    /// Every file that was read: a change of one is a change of the settings.
    pub files: Vec<PathBuf>,
    /// What stops nothing, and should be mended.
    pub warnings: Vec<Fault>,
}

/// Loads the settings from the file at `path`, the process's environment and every file that they name. It blocks shortly.
pub fn load(path: &Path) -> Result<Loaded, Faults> {
    let (mut draft, mut files) = draft(path);
    let keyring = draft.keyring_file.as_deref().and_then(|file| keyring(file, &mut draft.faults));
    files.extend(draft.keyring_file.clone());
    let mut profiles = BTreeMap::from([Profile::meta()].map(|profile| (profile.name.clone(), profile)));
    for (name, fetcher) in &draft.fetchers {
        files.extend(fetcher.networks_file.clone());
        profiles.insert(name.clone(), profile(fetcher, &mut draft.faults));
    }
    files.extend(certificates::files(draft.tls.as_ref(), &draft.control_certificates));
    let tls = certificates::load(draft.tls.as_ref(), &draft.control_certificates, &mut draft.faults);
    let warnings = exposed(path, draft.inline_secrets);
    let both = draft.settings.zip(keyring);
    let (settings, keyring) = Faults::none_or(draft.faults, both)?;
    Ok(Loaded { settings, keyring, profiles, tls, files, warnings })
}

/// Loads the settings alone, for commands that must work before there is a keyring.
pub fn load_settings(path: &Path) -> Result<Settings, Faults> {
    let (draft, _) = draft(path);
    Faults::none_or(draft.faults, draft.settings)
}

/// Where the settings at `path` have the ops listener, whatever else is wrong with them: the gateway that is asked there may run on by older ones. It
/// blocks shortly.
pub fn load_ops_address(path: &Path) -> Result<SocketAddr, String> {
    listen::ops_alone(&read(path)?, &environment(&mut Vec::new()))
}

/// A warning for each secret that is written in the settings file itself, where others can read that. It is no fault: settings of containers are often
/// mounted for everybody to read, and a gateway that ran with them yesterday must start today.
fn exposed(path: &Path, inline_secrets: Vec<String>) -> Vec<Fault> {
    if inline_secrets.is_empty() || !is_exposed(path) {
        return Vec::new();
    }
    let shown = path.display();
    let warning = |place: String| {
        let name = place.rsplit('.').next().unwrap_or_default();
        let problem = format!(
            "is a secret in {shown}, which others than its owner can read; run chmod 600 {shown}, or name a file of its \
             own in {name}_file"
        );
        Fault::new(place, problem)
    };
    inline_secrets.into_iter().map(warning).collect()
}

fn draft(path: &Path) -> (Draft, Vec<PathBuf>) {
    let mut faults = Vec::new();
    let environment = environment(&mut faults);
    let files = RefCell::new(vec![path.to_owned()]);
    let read_secret = |file: &Path| {
        files.borrow_mut().push(file.to_owned());
        read(file).map(|text| text.trim_end_matches(['\r', '\n']).to_owned())
    };
    let read_private = |file: &Path| {
        files.borrow_mut().push(file.to_owned());
        read_private(file, || absent(file)).map(|text| text.trim_end_matches(['\r', '\n']).to_owned())
    };
    let mut draft = match read(path) {
        Ok(text) => {
            let base_dir = path.parent().unwrap_or(Path::new("")).to_owned();
            let context = Context {
                base_dir,
                read_secret: &read_secret,
                read_private: &read_private,
                inline_secrets: RefCell::default(),
            };
            Draft::new(&text, &environment, &context)
        }
        Err(problem) => Draft::of(vec![Fault::new(path.display().to_string(), problem)]),
    };
    draft.faults.extend(faults);
    (draft, files.into_inner())
}

/// Our variables of the process's environment.
fn environment(faults: &mut Vec<Fault>) -> BTreeMap<String, String> {
    let mut ours = BTreeMap::new();
    for (name, value) in std::env::vars_os() {
        let Some(name) = name.to_str().filter(|name| is_ours(name)) else { continue };
        match value.into_string() {
            Ok(value) => _ = ours.insert(name.to_owned(), value),
            Err(_) => faults.push(Fault::new(name, "is not UTF-8; write it anew")),
        }
    }
    ours
}

/// The profile with the networks that its file lists.
fn profile(fetcher: &FetcherSettings, faults: &mut Vec<Fault>) -> Profile {
    let mut profile = fetcher.profile.clone();
    let Some(file) = &fetcher.networks_file else { return profile };
    let place = format!("fetchers.{}.networks_file", profile.name);
    match read(file).map_err(|problem| vec![problem]).and_then(|text| networks(file, &text)) {
        Ok(list) => profile.networks = Some(Arc::new(list)),
        Err(problems) => faults.extend(problems.into_iter().map(|problem| Fault::new(place.as_str(), problem))),
    }
    profile
}

fn networks(file: &Path, text: &str) -> Result<NetworkList, Vec<String>> {
    let named = |problem: &String| format!("{}: {problem}", file.display());
    fetchers::networks(text).map_err(|problems| problems.iter().map(named).collect())
}

fn keyring(file: &Path, faults: &mut Vec<Fault>) -> Option<Keyring> {
    let mut fault = |problem: String| faults.push(Fault::new("keyring.file", problem));
    match read_keyring(file) {
        Ok(keyring) => Some(keyring),
        Err(problems) => {
            problems.into_iter().for_each(&mut fault);
            None
        }
    }
}

/// Reads the keyring in `file`, which nobody but its owner may be able to read; else all that is wrong with it, in plain words.
pub fn read_keyring(file: &Path) -> Result<Keyring, Vec<String>> {
    let shown = file.display();
    let missing = || format!("{shown} does not exist; make it with `hallpass keys generate --file {shown}`");
    let text = read_private(file, missing).map_err(|problem| vec![problem])?;
    Keyring::parse(&text).map_err(|faults| faults.iter().map(|fault| format!("{shown}: {fault}")).collect())
}
