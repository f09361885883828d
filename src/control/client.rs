//! Our own systems as the control API knows them: who holds a key, and what it may touch.
//!
//! A presented key is hashed and compared with every client's hash, in time that does not depend on which one it is. Scopes
//! are plain: a store is named or not, a key begins with a prefix or not. Nothing normalises a key before it is compared.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::config::{Action, ClientKey, ClientSettings};
use crate::publish::KeyPrefix;
use crate::server::Bucket;
use crate::value::{ClientName, ObjectKey, Secret, StoreName};

/// One of our own systems: its name and its scope.
#[derive(Clone, Debug)]
pub struct Client {
    name: ClientName,
    stores: BTreeSet<StoreName>,
    /// Any key will do where there are none.
    prefixes: Vec<String>,
    actions: BTreeSet<Action>,
    /// How many requests it may send; its clones share it.
    bucket: Arc<Bucket>,
}

/// The client's scope does not cover this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutOfScope {
    /// The client may not do this at all.
    #[error("this client may not {}; its actions in the settings say what it may", .0.as_str())]
    Action(Action),
    /// The client may do this, but not to this store or key. It says neither which, nor whether they exist.
    #[error("this client may not touch this store or key; its stores and prefixes in the settings say what it may")]
    Object,
}

impl Client {
    /// What records and logs call it.
    pub const fn name(&self) -> &ClientName {
        &self.name
    }

    /// Whether it may do `action`. An administrator may do everything.
    pub fn may(&self, action: Action) -> Result<(), OutOfScope> {
        let allowed = self.is_admin() || self.actions.contains(&action);
        allowed.then_some(()).ok_or(OutOfScope::Action(action))
    }

    /// Whether `key` in `store` lies in its scope. This binds administrators too: their stores are as the settings list them.
    pub fn may_touch(&self, store: &StoreName, key: &ObjectKey) -> Result<(), OutOfScope> {
        // Some servers take `promo/../secret` for `secret`, so within prefixes a key has no dot segments.
        let climbs = key.as_str().split('/').any(|segment| matches!(segment, "." | ".."));
        let covers = |prefix: &String| !climbs && key.as_str().starts_with(prefix.as_str());
        let in_scope = self.stores.contains(store) && (self.prefixes.is_empty() || self.prefixes.iter().any(covers));
        in_scope.then_some(()).ok_or(OutOfScope::Object)
    }

    /// Whether all keys in `store` that begin with `prefix` lie in its scope.
    pub fn may_fill(&self, store: &StoreName, prefix: &KeyPrefix) -> Result<(), OutOfScope> {
        let covers = |ours: &String| prefix.as_str().starts_with(ours.as_str());
        let in_scope = self.stores.contains(store) && (self.prefixes.is_empty() || self.prefixes.iter().any(covers));
        in_scope.then_some(()).ok_or(OutOfScope::Object)
    }

    /// Whether it may send one more request now; if so, that counts.
    pub fn admit(&self) -> bool {
        self.bucket.admit()
    }

    /// Whether it sees what other clients made.
    pub fn is_admin(&self) -> bool {
        self.actions.contains(&Action::Admin)
    }

    /// Whether it sees what `owner` made.
    pub fn sees(&self, owner: &ClientName) -> bool {
        self.is_admin() || self.name == *owner
    }
}

/// All configured clients, by the hashes of their keys.
#[derive(Clone, Debug, Default)]
pub struct Clients(Vec<(Secret<[u8; 32]>, Arc<Client>)>);

impl Clients {
    /// The clients that the settings list, each with so many requests a second; 0 is no limit. Of two with one key the later wins; settings refuse such a pair before.
    pub fn new(settings: &[ClientSettings], requests_per_second: u32) -> Self {
        let entry = |settings: &ClientSettings| {
            let ClientSettings { name, key_hash, stores, prefixes, actions } = settings.clone();
            let bucket = Arc::new(Bucket::per_second(requests_per_second));
            (key_hash, Arc::new(Client { name, stores, prefixes, actions, bucket }))
        };
        Self(settings.iter().map(entry).collect())
    }

    /// Whose key `presented` is. All clients are compared, also after one has matched.
    pub fn holder_of(&self, presented: &str) -> Option<Arc<Client>> {
        let hash = ClientKey::parse(presented).ok()?.hash();
        let same = |found, (known, client): &(Secret<[u8; 32]>, Arc<Client>)| {
            if known.matches(&hash) { Some(Arc::clone(client)) } else { found }
        };
        self.0.iter().fold(None, same)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A client's settings and the key that goes with them, whose 52 digits are all `digit`.
    fn settings(name: &str, digit: char, prefixes: &[&str], actions: &[Action]) -> (String, ClientSettings) {
        let key = format!("hpk_{}a", digit.to_string().repeat(51));
        let settings = ClientSettings {
            name: name.parse().unwrap(),
            key_hash: ClientKey::parse(&key).unwrap().hash(),
            stores: ["media".parse().unwrap()].into(),
            prefixes: prefixes.iter().map(ToString::to_string).collect(),
            actions: actions.iter().copied().collect(),
        };
        (key, settings)
    }

    fn client(prefixes: &[&str], actions: &[Action]) -> Arc<Client> {
        let (key, settings) = settings("billing", 'b', prefixes, actions);
        Clients::new(&[settings], 0).holder_of(&key).unwrap()
    }

    #[test]
    fn a_scope_is_a_store_and_the_beginning_of_a_key() {
        let scoped = client(&["promo/", "logos/"], &[Action::Mint]);
        let open = client(&[], &[Action::Mint]);
        for (store, key, in_scope, in_store) in [
            ("media", "promo/a.jpg", true, true),
            ("media", "logos/", true, true),
            ("media", "promo-secret/a.jpg", false, true),
            ("media", "promo", false, true),
            ("media", "Promo/a.jpg", false, true),
            ("media", "/promo/a.jpg", false, true),
            ("media", "x/promo/a.jpg", false, true),
            ("private", "promo/a.jpg", false, false),
        ] {
            let (store, object) = (store.parse().unwrap(), key.parse().unwrap());
            assert_eq!(scoped.may_touch(&store, &object).is_ok(), in_scope, "{key}");
            assert_eq!(open.may_touch(&store, &object).is_ok(), in_store, "{key}");
        }
    }

    #[test]
    fn a_prefix_is_filled_only_where_every_key_under_it_may_be_touched() {
        let scoped = client(&["promo/", "logos/a"], &[Action::Publish]);
        let open = client(&[], &[Action::Publish]);
        for (store, prefix, in_scope, in_store) in [
            ("media", "promo/", true, true),
            ("media", "promo/2026/", true, true),
            ("media", "logos/abc/", true, true),
            ("media", "logos/", false, true),
            ("media", "promo-secret/", false, true),
            ("media", "", false, true),
            ("private", "promo/", false, false),
        ] {
            let (store, prefix) = (store.parse().unwrap(), prefix.parse().unwrap());
            assert_eq!(scoped.may_fill(&store, &prefix).is_ok(), in_scope, "{prefix}");
            assert_eq!(open.may_fill(&store, &prefix).is_ok(), in_store, "{prefix}");
        }
    }

    #[test]
    fn an_action_that_is_not_listed_is_refused_and_admin_has_them_all() {
        let minter = client(&[], &[Action::Mint]);
        assert_eq!(minter.may(Action::Mint), Ok(()));
        assert_eq!(minter.may(Action::Revoke), Err(OutOfScope::Action(Action::Revoke)));
        assert!(!minter.sees(&"other".parse().unwrap()) && minter.sees(&"billing".parse().unwrap()));
        let admin = client(&[], &[Action::Admin]);
        assert!(Action::ALL.into_iter().all(|action| admin.may(action).is_ok()));
        assert!(admin.sees(&"other".parse().unwrap()));
        assert_eq!(admin.may_touch(&"private".parse().unwrap(), &"a".parse().unwrap()), Err(OutOfScope::Object));
    }

    #[test]
    fn each_key_finds_its_own_client_and_nothing_else_finds_any() {
        let (one_key, one) = settings("one", 'b', &[], &[Action::Mint]);
        let (two_key, two) = settings("two", 'c', &[], &[Action::Mint]);
        let clients = Clients::new(&[one, two], 0);
        let name = |key: &str| clients.holder_of(key).map(|client| client.name().to_string());
        assert_eq!((name(&one_key).as_deref(), name(&two_key).as_deref()), (Some("one"), Some("two")));
        let stranger = format!("hpk_{}a", "d".repeat(51));
        for key in [
            "",
            "hpk_",
            &stranger,
            &one_key.to_uppercase(),
            &one_key[4..],
            &format!("{one_key}a"),
            &format!(" {one_key}"),
        ] {
            assert_eq!(name(key), None, "{key}");
        }
    }
}
