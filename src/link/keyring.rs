//! The keys that seal links, and how they come and go without losing one.
//!
//! A key is born `next`, so that every node knows it before any link is sealed with it; becomes `active`; then `accept`, which still opens what
//! it sealed; and ends `retired`, its secret gone. A keyring holds exactly one active key. One without, with a weak
//! key, or with a key under two names is never made: a gateway that fails open is worse than one that does not start.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use data_encoding::HEXLOWER;

use crate::value::{NoRandomness, Secret, UnixTime, is_weak, random_bytes};

/// The keys of one gateway: exactly one is active, none is weak, no two share an id or a secret.
#[derive(Clone, Debug)]
pub struct Keyring(Vec<Key>);

/// One key with its state.
#[derive(Clone, Debug)]
pub struct Key {
    /// What tokens call it.
    pub id: KeyId,
    /// What it may do.
    pub state: KeyState,
    /// When it entered that state.
    pub since: UnixTime,
    /// The 256 bits from which its sealing key is derived; gone once the key is retired.
    pub(super) secret: Option<Secret<[u8; 32]>>,
}

/// What a key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// Opens links (another node may seal with it already), seals none yet.
    Next,
    /// Seals and opens links.
    Active,
    /// Opens links until that time.
    Accept {
        /// From this second on the key is as good as retired: no link of it can still be valid.
        until: UnixTime,
    },
    /// Does nothing any more.
    Retired,
}

impl KeyState {
    /// The word that the keyring file uses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Active => "active",
            Self::Accept { .. } => "accept",
            Self::Retired => "retired",
        }
    }

    /// Whether links sealed with such a key are believed at `now`.
    pub fn opens_at(self, now: UnixTime) -> bool {
        match self {
            Self::Next | Self::Active => true,
            Self::Accept { until } => now < until,
            Self::Retired => false,
        }
    }
}

/// Four random bytes that name a key, written as 8 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(pub(super) [u8; 4]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for KeyId {
    type Err = KeyFault;

    fn from_str(text: &str) -> Result<Self, KeyFault> {
        let bytes = HEXLOWER.decode(text.as_bytes()).map_err(|_| KeyFault::BadId)?;
        bytes.try_into().map(Self).map_err(|_| KeyFault::BadId)
    }
}

/// Why a set of keys cannot be a keyring.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// There is no key that seals.
    #[error("no key is active; make a keyring with `hallpass keys generate`")]
    NoActive,
    /// Two keys are in a state that only one can be in.
    #[error("two keys are {0}; exactly one can be")]
    Two(&'static str),
    /// One id names two keys.
    #[error("key id {0} stands there twice")]
    SameId(KeyId),
    /// One secret has two ids.
    #[error("keys {0} and {1} are the same key; retire one")]
    SameSecret(KeyId, KeyId),
    /// The secret has a pattern, or everybody can read it in some documentation.
    #[error("key {0} is weak: it is a pattern or known from documentation; make one with `hallpass keys rotate`")]
    Weak(KeyId),
    /// A key that should open links has no secret.
    #[error("key {0} has no secret; only a retired key has none")]
    NoSecret(KeyId),
    /// The text is not a key id.
    #[error("a key id is 8 hexadecimal digits in lower case")]
    BadId,
}

/// What a rotation did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// A new key was added; it can become active at that time.
    Added {
        /// The new key.
        id: KeyId,
        /// When the next rotation can make it active.
        ready: UnixTime,
    },
    /// The key that was next is now active.
    Activated {
        /// The key that seals from now on.
        id: KeyId,
        /// The key that sealed until now.
        old: KeyId,
        /// Until when the old one still opens links.
        until: UnixTime,
    },
}

/// Why nothing was rotated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RotationError {
    /// Other nodes may not know the next key yet.
    #[error("key {id} can become active at {ready}, once every node has had time to read it; run this again then")]
    TooEarly {
        /// The key that is next.
        id: KeyId,
        /// When it can become active.
        ready: UnixTime,
    },
    /// No key could be made.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
}

impl Keyring {
    /// A keyring of these keys, or all reasons why they cannot be one.
    pub fn new(keys: Vec<Key>) -> Result<Self, Vec<KeyFault>> {
        let mut faults: Vec<_> = keys.iter().filter_map(weakness).collect();
        for (at, key) in keys.iter().enumerate() {
            let twin =
                |same: &dyn Fn(&Key) -> bool| keys.iter().take(at).find(|other| same(other)).map(|other| other.id);
            faults.extend(twin(&|other| other.id == key.id).map(KeyFault::SameId));
            faults.extend(twin(&|other| same_secret(other, key)).map(|other| KeyFault::SameSecret(other, key.id)));
        }
        let count = |state: KeyState| keys.iter().filter(|key| key.state == state).count();
        if count(KeyState::Active) == 0 {
            faults.push(KeyFault::NoActive);
        }
        for state in [KeyState::Active, KeyState::Next] {
            if count(state) > 1 {
                faults.push(KeyFault::Two(state.as_str()));
            }
        }
        if faults.is_empty() { Ok(Self(keys)) } else { Err(faults) }
    }

    /// A keyring with one fresh key, active at once.
    pub fn generate(now: UnixTime) -> Result<Self, NoRandomness> {
        Ok(Self(vec![Key::fresh(KeyState::Active, now)?]))
    }

    /// All keys, in the order of the file.
    pub fn keys(&self) -> &[Key] {
        &self.0
    }

    /// Takes the step that is due: adds a next key, or makes the next one active once it is `propagation` old. The key that was
    /// active opens links for `accept_for` more, which must be the longest that one of its links can live.
    pub fn rotate(
        &self,
        now: UnixTime,
        propagation: Duration,
        accept_for: Duration,
    ) -> Result<(Self, Rotation), RotationError> {
        let mut keys: Vec<_> = self.0.iter().map(|key| key.lapsed(now)).collect();
        let Some(next) = keys.iter().find(|key| key.state == KeyState::Next) else {
            let key = Key::fresh(KeyState::Next, now)?;
            let added = Rotation::Added { id: key.id, ready: now.plus(propagation) };
            keys.push(key);
            return Ok((Self(keys), added));
        };
        let (id, ready) = (next.id, next.since.plus(propagation));
        if now < ready {
            return Err(RotationError::TooEarly { id, ready });
        }
        let until = now.plus(accept_for);
        let mut old = id;
        for key in &mut keys {
            match key.state {
                KeyState::Active => {
                    old = key.id;
                    (key.state, key.since) = (KeyState::Accept { until }, now);
                }
                KeyState::Next => (key.state, key.since) = (KeyState::Active, now),
                KeyState::Accept { .. } | KeyState::Retired => {}
            }
        }
        Ok((Self(keys), Rotation::Activated { id, old, until }))
    }
}

impl Key {
    fn fresh(state: KeyState, now: UnixTime) -> Result<Self, NoRandomness> {
        let secret = Some(Secret::new(random_bytes()?));
        Ok(Self { id: KeyId(random_bytes()?), state, since: now, secret })
    }

    /// The same key, retired and without its secret if its time is over.
    fn lapsed(&self, now: UnixTime) -> Self {
        if self.state.opens_at(now) {
            return self.clone();
        }
        let since = match self.state {
            KeyState::Accept { until } => until,
            _ => self.since,
        };
        Self { id: self.id, state: KeyState::Retired, since, secret: None }
    }
}

fn same_secret(a: &Key, b: &Key) -> bool {
    matches!((&a.secret, &b.secret), (Some(a), Some(b)) if a.matches(b))
}

fn weakness(key: &Key) -> Option<KeyFault> {
    match &key.secret {
        None if key.state == KeyState::Retired => None,
        None => Some(KeyFault::NoSecret(key.id)),
        Some(secret) => is_weak(secret.expose()).then_some(KeyFault::Weak(key.id)),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    fn at(secs: u64) -> UnixTime {
        UnixTime::from_secs(secs).unwrap()
    }

    /// A key whose secret depends on `n` alone.
    pub(in crate::link) fn key(n: u8, state: KeyState) -> Key {
        let secret = *blake3::hash(&[n]).as_bytes();
        Key { id: KeyId([n; 4]), state, since: at(0), secret: Some(Secret::new(secret)) }
    }

    fn faults(keys: Vec<Key>) -> Vec<KeyFault> {
        Keyring::new(keys).unwrap_err()
    }

    #[test]
    fn a_keyring_that_could_fail_open_is_never_made() {
        assert_eq!(faults(vec![]), [KeyFault::NoActive]);
        assert_eq!(faults(vec![key(1, KeyState::Next)]), [KeyFault::NoActive]);
        assert_eq!(faults(vec![key(1, KeyState::Active), key(2, KeyState::Active)]), [KeyFault::Two("active")]);
        assert_eq!(faults(vec![Key { secret: None, ..key(1, KeyState::Active) }]), [KeyFault::NoSecret(KeyId([1; 4]))]);
        let same_id = Key { id: KeyId([1; 4]), ..key(2, KeyState::Next) };
        assert_eq!(faults(vec![key(1, KeyState::Active), same_id]), [KeyFault::SameId(KeyId([1; 4]))]);
        let same_secret = Key { id: KeyId([9; 4]), ..key(1, KeyState::Next) };
        let both = KeyFault::SameSecret(KeyId([1; 4]), KeyId([9; 4]));
        assert_eq!(faults(vec![key(1, KeyState::Active), same_secret]), [both]);
    }

    #[test]
    fn weak_keys_are_refused() {
        let mut counting = [0; 32];
        for (n, byte) in (0..).zip(counting.iter_mut()) {
            *byte = n;
        }
        let mut rfc_8452 = [0; 32];
        rfc_8452[0] = 1;
        for secret in [[0; 32], [0xff; 32], counting, rfc_8452, *b"change-me-change-me-change-me-32", [7; 32]] {
            let weak = Key { secret: Some(Secret::new(secret)), ..key(1, KeyState::Active) };
            assert_eq!(faults(vec![weak]), [KeyFault::Weak(KeyId([1; 4]))], "{secret:?}");
        }
    }

    #[test]
    fn a_rotation_lets_every_node_learn_the_key_and_every_link_end() {
        let (propagation, accept_for) = (Duration::from_secs(300), Duration::from_secs(1860));
        let first = Keyring::new(vec![key(1, KeyState::Active)]).unwrap();
        let (second, added) = first.rotate(at(1000), propagation, accept_for).unwrap();
        let Rotation::Added { id, ready } = added else { panic!("{added:?}") };
        assert_eq!(ready, at(1300));
        let early = second.rotate(at(1299), propagation, accept_for).unwrap_err();
        assert_eq!(early, RotationError::TooEarly { id, ready });
        let (third, done) = second.rotate(at(1300), propagation, accept_for).unwrap();
        assert_eq!(done, Rotation::Activated { id, old: KeyId([1; 4]), until: at(3160) });
        assert!(third.keys()[0].state.opens_at(at(3159)));
        assert!(!third.keys()[0].state.opens_at(at(3160)));
        let (fourth, _) = third.rotate(at(3160), propagation, accept_for).unwrap();
        assert_eq!(fourth.keys()[0].state, KeyState::Retired);
        assert!(fourth.keys()[0].secret.is_none());
        assert!(Keyring::new(fourth.keys().to_vec()).is_ok());
    }
}
