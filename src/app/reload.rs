//! New settings while everything runs: keys, clients, networks, profiles and stores.
//!
//! New settings are read and built as a whole before any of them is put in force, so a bad file changes nothing and says so. What
//! cannot change without a restart is named, not silently kept.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::rooms::Replaceable;
use super::{Rooms, StartError};
use crate::config::{Fault, Faults, Loaded, Settings, load};
use crate::tls::AcmeSettings;

/// Reloads the settings of a running gateway.
pub struct Reloader {
    path: PathBuf,
    rooms: Rooms,
    started_with: Settings,
    watch: Watch,
}

/// The files of the settings, as they were before they were read: a change while they are being read is then seen as one.
#[derive(Clone, Debug)]
pub struct Watch(BTreeMap<PathBuf, Option<blake3::Hash>>);

impl Watch {
    /// Looks at these files.
    pub fn over(files: &[PathBuf]) -> Self {
        Self(files.iter().map(|file| (file.clone(), content(file))).collect())
    }

    fn has_changed(&self) -> bool {
        self.0.iter().any(|(file, seen)| content(file) != *seen)
    }

    /// The same for another list of files; those that were looked at before keep what was seen.
    fn moved_to(&self, files: &[PathBuf]) -> Self {
        let seen = |file: &PathBuf| self.0.get(file).copied().unwrap_or_else(|| content(file));
        Self(files.iter().map(|file| (file.clone(), seen(file))).collect())
    }

    fn again(&self) -> Self {
        Self(self.0.keys().map(|file| (file.clone(), content(file))).collect())
    }
}

/// Why the old settings stay in force.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// The new settings have faults.
    #[error("{0}")]
    Settings(#[from] Faults),
    /// The new settings are well written and cannot be built.
    #[error("{0}")]
    Build(#[from] StartError),
}

impl Reloader {
    /// A reloader for `rooms`, which were built from what was loaded from `path` and watched from then on.
    pub fn new(path: &Path, loaded: &Loaded, watch: Watch, rooms: Rooms) -> Self {
        Self { path: path.to_owned(), rooms, started_with: loaded.settings.clone(), watch }
    }

    /// Whether a file of the settings has changed since they were last read.
    pub fn has_changed(&self) -> bool {
        self.watch.has_changed()
    }

    /// Reads the settings anew and puts them in force, or leaves the old ones as they are. It names the settings that wait for a restart.
    pub async fn reload(&mut self) -> Result<Vec<&'static str>, ReloadError> {
        self.watch = self.watch.again();
        let mut loaded = load(&self.path)?;
        self.watch = self.watch.moved_to(&loaded.files);
        let waiting = waiting(&self.started_with, &loaded.settings);
        // Links of the old origin would all be denied by seals of a new one.
        loaded.settings.public_origin.clone_from(&self.started_with.public_origin);
        // Named above as waiting, so that none of them is half in force.
        loaded.settings.limits = self.started_with.limits;
        let built = Replaceable::build(&loaded, &self.rooms.store_counters).await?;
        self.rooms.tls.check(&loaded, self.rooms.clock.now())?;
        self.rooms.replace(built);
        self.rooms.tls.replace(&loaded, self.rooms.clock.now());
        tell_warnings(&loaded);
        Ok(waiting)
    }

    /// Reloads, and tells the log how it went; and the caller, whether the new settings are in force.
    pub async fn reload_and_tell(&mut self) -> bool {
        let done = self.reload().await;
        let is_done = done.is_ok();
        match done {
            Ok(waiting) => {
                self.rooms.metrics.reload("done");
                tracing::info!("new settings are in force");
                for setting in waiting {
                    tracing::warn!(setting, "this setting has changed and waits for a restart");
                }
            }
            Err(error) => {
                self.rooms.metrics.reload("refused");
                tracing::error!("the new settings have faults, and the old ones stay in force:\n{error}");
            }
        }
        is_done
    }
}

/// Tells the log what stops no start and should be mended.
pub fn tell_warnings(loaded: &Loaded) {
    for Fault { place, problem } in &loaded.warnings {
        tracing::warn!(setting = place, "{problem}");
    }
}

/// The settings that have changed and are read only at the start.
fn waiting(old: &Settings, new: &Settings) -> Vec<&'static str> {
    let changed = [
        ("public_origin", old.public_origin != new.public_origin),
        ("listen.public", old.listen.public != new.listen.public),
        ("listen.control", old.listen.control != new.listen.control),
        ("listen.ops", old.listen.ops != new.listen.ops),
        ("listen.proxy_protocol", old.listen.proxy_protocol != new.listen.proxy_protocol),
        ("tls", old.tls.is_some() != new.tls.is_some()),
        ("tls.acme", acme(old) != acme(new)),
        ("control.certificates", old.control_certificates.is_empty() != new.control_certificates.is_empty()),
        ("links", old.links != new.links),
        ("mint", old.mint != new.mint),
        ("publish", old.publish != new.publish),
        ("limits", old.limits != new.limits),
        ("cache", old.cache != new.cache),
        ("catalog", old.catalog != new.catalog),
        ("log", old.log != new.log),
    ];
    changed.into_iter().filter(|(_, differs)| *differs).map(|(setting, _)| setting).collect()
}

/// What ACME is set up with. Whether there is TLS at all is told by itself.
fn acme(settings: &Settings) -> Option<(&AcmeSettings, Option<&PathBuf>)> {
    let tls = settings.tls.as_ref()?;
    tls.acme.as_ref().map(|acme| (acme, tls.acme_roots.as_ref()))
}

/// A digest and not a time: a file that is replaced twice within one tick of its clock is still seen, and one that is only touched is not.
fn content(file: &Path) -> Option<blake3::Hash> {
    std::fs::read(file).ok().map(|bytes| blake3::hash(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_only_at_the_start_is_named_when_it_changes() {
        let read = |more: &str| {
            let text = format!("public_origin = 'https://a'\nstores.media = {{ kind = 'local', root = 'm' }}\n{more}");
            Settings::from_toml(&text, &BTreeMap::new(), Path::new("/")).unwrap()
        };
        let old = read("");
        assert!(waiting(&old, &read("stores.more = { kind = 'local', root = 'n' }")).is_empty());
        for (more, named) in [
            ("listen.public = '127.0.0.1:1'", "listen.public"),
            ("listen.trusted_proxies = ['10.0.0.0/8']\nlisten.proxy_protocol = ['public']", "listen.proxy_protocol"),
            ("control.certificates = [{ chain = 'c', key = 'k' }]", "control.certificates"),
            ("tls.certificates = [{ chain = 'c', key = 'k' }]", "tls"),
            ("links.ttl_max = '40m'", "links"),
            ("mint.first_reads = 3", "mint"),
            ("publish.at_once = 3", "publish"),
            ("limits.drain = '1s'", "limits"),
            ("cache.memory = '1GiB'", "cache"),
            ("cache.min_rate = 0", "cache"),
            ("catalog.link_days = 1", "catalog"),
            ("log.access = 'off'", "log"),
        ] {
            assert_eq!(waiting(&old, &read(more)), [named], "{more}");
        }
    }
}
