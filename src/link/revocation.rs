//! Links that end before their time.
//!
//! Every accepted request asks this set, and every running body asks it again when it has changed, so both questions are cheap: a
//! handful of hash look-ups, and one atomic load.

use std::collections::HashSet;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

use super::{KeyFault, KeyId, LinkId};
use crate::value::{BadLabel, BadObjectKey, ClientName, Fingerprint, ObjectKey, StoreName, UnixTime};

/// What one revocation ends.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Revocation {
    /// One link.
    Link(LinkId),
    /// Every link to an object, whatever its version.
    Object(StoreName, ObjectKey),
    /// Every link to these bytes, whatever they are called.
    Fingerprint(Fingerprint),
    /// Every link sealed with a key.
    Key(KeyId),
    /// Every link that a client minted.
    Client(ClientName),
    /// Every link issued before a time.
    IssuedBefore(UnixTime),
}

impl Revocation {
    /// Whether it lapses by itself once every link it can mean has expired. What stands until it is lifted also forbids new mints.
    pub const fn lapses(&self) -> bool {
        matches!(self, Self::Link(_) | Self::IssuedBefore(_))
    }

    /// The word for what is ended, as the API, the command line and the catalog have it.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Link(_) => "link",
            Self::Object(..) => "object",
            Self::Fingerprint(_) => "fingerprint",
            Self::Key(_) => "key",
            Self::Client(_) => "client",
            Self::IssuedBefore(_) => "issued_before",
        }
    }

    /// Which one is ended, as text; an object as `store/key`.
    pub fn value(&self) -> String {
        match self {
            Self::Link(id) => id.to_string(),
            Self::Object(store, key) => format!("{store}/{key}"),
            Self::Fingerprint(fingerprint) => fingerprint.to_string(),
            Self::Key(id) => id.to_string(),
            Self::Client(name) => name.to_string(),
            Self::IssuedBefore(time) => time.to_string(),
        }
    }

    /// Reads what [`Revocation::kind`] and [`Revocation::value`] wrote; the error says what the value should look like.
    pub fn parse(kind: &str, value: &str) -> Result<Self, String> {
        let said = |error: &dyn fmt::Display| error.to_string();
        match kind {
            "link" => value.parse().map(Self::Link).map_err(|e| said(&e)),
            "object" => parse_object(value),
            "fingerprint" => value.parse().map(Self::Fingerprint).map_err(|e| said(&e)),
            "key" => value.parse().map(Self::Key).map_err(|e: KeyFault| said(&e)),
            "client" => value.parse().map(Self::Client).map_err(|e| said(&e)),
            "issued_before" => UnixTime::parse_rfc3339(value)
                .map(Self::IssuedBefore)
                .ok_or_else(|| "a time is written like 2026-11-21T10:20:00Z".to_owned()),
            _ => Err("a revocation names one of link, object, fingerprint, key, client, issued_before".to_owned()),
        }
    }
}

fn parse_object(value: &str) -> Result<Revocation, String> {
    let (store, key) = value.split_once('/').ok_or("an object is written STORE/KEY")?;
    let store = store.parse().map_err(|e: BadLabel| e.to_string())?;
    let key = key.parse().map_err(|e: BadObjectKey| e.to_string())?;
    Ok(Revocation::Object(store, key))
}

/// What of a link a revocation can name.
#[derive(Clone, Copy, Debug)]
pub struct Revocable<'a> {
    /// What logs call the link.
    pub id: LinkId,
    /// The key that sealed it; `None` where none of the keyring did.
    pub key: Option<KeyId>,
    /// The store it leads to.
    pub store: &'a StoreName,
    /// The object it leads to.
    pub object: &'a ObjectKey,
    /// The bytes it leads to, where they are known.
    pub fingerprint: Option<Fingerprint>,
    /// Who made it.
    pub client: &'a ClientName,
    /// When it was made.
    pub issued: UnixTime,
}

/// All revocations in force.
#[derive(Clone, Debug, Default)]
pub struct RevocationSet {
    each: HashSet<Revocation>,
    /// The latest of the `IssuedBefore` times; the others add nothing.
    issued_before: Option<UnixTime>,
}

impl FromIterator<Revocation> for RevocationSet {
    fn from_iter<I: IntoIterator<Item = Revocation>>(all: I) -> Self {
        let mut set = Self::default();
        for one in all {
            set.insert(one);
        }
        set
    }
}

impl RevocationSet {
    /// Adds one.
    pub fn insert(&mut self, revocation: Revocation) {
        if let Revocation::IssuedBefore(time) = revocation {
            self.issued_before = self.issued_before.max(Some(time));
        } else {
            self.each.insert(revocation);
        }
    }

    /// The revocation that ends this link, if there is one.
    pub fn ending(&self, link: &Revocable<'_>) -> Option<Revocation> {
        if let Some(time) = self.issued_before.filter(|&time| link.issued < time) {
            return Some(Revocation::IssuedBefore(time));
        }
        if self.each.is_empty() {
            return None;
        }
        self.standing(link).or_else(|| self.find(Revocation::Link(link.id)))
    }

    /// The revocation that forbids to make any link like this one, if there is one.
    pub fn standing(&self, link: &Revocable<'_>) -> Option<Revocation> {
        let named = link.fingerprint.and_then(|fingerprint| self.find(Revocation::Fingerprint(fingerprint)));
        named
            .or_else(|| self.find(Revocation::Object(link.store.clone(), link.object.clone())))
            .or_else(|| self.find(Revocation::Client(link.client.clone())))
            .or_else(|| link.key.and_then(|key| self.find(Revocation::Key(key))))
    }

    /// The first of these that is in force.
    pub fn first_of(&self, mut revocations: impl Iterator<Item = Revocation>) -> Option<Revocation> {
        revocations.find_map(|revocation| self.find(revocation))
    }

    fn find(&self, revocation: Revocation) -> Option<Revocation> {
        self.each.contains(&revocation).then_some(revocation)
    }
}

/// The revocations in force, shared by all who must obey them.
#[derive(Debug, Default)]
pub struct Revocations {
    set: RwLock<RevocationSet>,
    /// Counts the changes, so that a running body can see cheaply whether to ask again.
    changes: AtomicU64,
}

impl Revocations {
    /// Puts another set in force.
    pub fn replace(&self, set: RevocationSet) {
        self.change(|now| *now = set);
    }

    /// Adds one revocation.
    pub fn insert(&self, revocation: Revocation) {
        self.change(|now| now.insert(revocation));
    }

    /// Asks the set in force.
    pub fn ask<T>(&self, question: impl FnOnce(&RevocationSet) -> T) -> T {
        question(&self.set.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// How often the set has changed.
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    fn change(&self, change: impl FnOnce(&mut RevocationSet)) {
        change(&mut self.set.write().unwrap_or_else(PoisonError::into_inner));
        self.changes.fetch_add(1, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::grant::tests::sample;

    #[test]
    fn each_kind_of_revocation_ends_just_what_it_names() {
        let (id, other_id): (LinkId, LinkId) =
            ("lnk_aaaaaaaaaaaaaaaa".parse().unwrap(), "lnk_bbbbbbbbbbbbbbbb".parse().unwrap());
        let (key, other_key) = (KeyId([1; 4]), KeyId([2; 4]));
        let grant = sample();
        let after = UnixTime::from_secs(grant.issued.as_secs() + 1).unwrap();
        let object = |name: &str| Revocation::Object(grant.store.clone(), name.parse().unwrap());
        for (revocation, ends) in [
            (Revocation::Link(id), true),
            (Revocation::Link(other_id), false),
            (object("promo/hero.jpg"), true),
            (object("promo/hero.jpg2"), false),
            (Revocation::Fingerprint(grant.fingerprint), true),
            (Revocation::Fingerprint(Fingerprint::of(b"x")), false),
            (Revocation::Key(key), true),
            (Revocation::Key(other_key), false),
            (Revocation::Client(grant.client.clone()), true),
            (Revocation::Client("other".parse().unwrap()), false),
            (Revocation::IssuedBefore(after), true),
            (Revocation::IssuedBefore(grant.issued), false),
        ] {
            assert_eq!(Revocation::parse(revocation.kind(), &revocation.value()), Ok(revocation.clone()));
            let set: RevocationSet = [revocation.clone()].into_iter().collect();
            let link = grant.revocable(id, key);
            assert_eq!(set.ending(&link), ends.then(|| revocation.clone()), "{revocation:?}");
            let stands = set.standing(&link).is_some();
            assert_eq!(stands, ends && !revocation.lapses(), "{revocation:?}");
        }
    }

    #[test]
    fn a_change_can_be_seen() {
        let revocations = Revocations::default();
        let before = revocations.changes();
        let (key, grant) = (KeyId([1; 4]), sample());
        let link = grant.revocable("lnk_aaaaaaaaaaaaaaaa".parse().unwrap(), key);
        revocations.insert(Revocation::Key(key));
        assert_ne!(revocations.changes(), before);
        assert!(revocations.ask(|set| set.standing(&link)).is_some());
        assert!(revocations.ask(|set| set.standing(&Revocable { key: None, ..link })).is_none());
        revocations.replace(RevocationSet::default());
        assert!(revocations.ask(|set| set.standing(&link)).is_none());
    }
}
