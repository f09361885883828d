//! Links that have opened lately: what stands behind a name, so that a hot link costs no cryptography.
//!
//! A memo answers one question, which has one answer for ever: what does this exact name open to, under these keys? Nothing that can
//! change is in it. Key state, time, revocation and profile are judged for every request, with a memo or without.
//!
//! Only what a seal or a signature of ours has vouched for comes in, so nobody fills it with inventions. It has a fixed number of places, and
//! a name has one of them: who comes later takes the place. Other keys (a reload) find nothing of the old ones.

use std::sync::{Arc, Weak};

use arc_swap::ArcSwapOption;

/// What lately opened links say: `V` under keys `K`.
pub(super) struct Memo<K, V>(Box<[ArcSwapOption<Remembered<K, V>>]>);

/// All of what was opened, part by part. What opens to something else when one of them changes is a part.
pub(super) type Name<'a> = [&'a str; 4];

struct Remembered<K, V> {
    name: [Box<str>; 4],
    /// The keys that opened it. A memo must not keep the secrets of retired ones alive.
    keys: Weak<K>,
    opened: V,
}

impl<K, V: Clone> Memo<K, V> {
    /// How many links are remembered. With the head of its answers a link takes 3 to 6 KB; none whose name is longer than [`LONGEST`] is remembered,
    /// so all of them take 20 MB at most.
    pub(super) const PLACES: usize = 2048;

    /// An empty memo.
    pub(super) fn new() -> Self {
        Self((0..Self::PLACES).map(|_| ArcSwapOption::empty()).collect())
    }

    /// What `name` opened to under these very keys, if that is remembered. `tag` is the seal or the signature in it.
    pub(super) fn recall(&self, name: Name<'_>, tag: &str, keys: &Arc<K>) -> Option<V> {
        let place = self.place(tag)?.load();
        let is_named = |found: &Remembered<K, V>| found.name.iter().zip(name).all(|(mine, other)| **mine == *other);
        let found = place.as_ref().filter(|found| is_named(found))?;
        std::ptr::eq(found.keys.as_ptr(), Arc::as_ptr(keys)).then(|| found.opened.clone())
    }

    /// Remembers what `name` opened to under these keys.
    pub(super) fn remember(&self, name: Name<'_>, tag: &str, keys: &Arc<K>, opened: V) {
        let length: usize = name.iter().map(|part| part.len()).sum();
        if let Some(place) = self.place(tag).filter(|_| length <= LONGEST) {
            place.store(Some(Arc::new(Remembered { name: name.map(Into::into), keys: Arc::downgrade(keys), opened })));
        }
    }

    /// How many links are remembered.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.0.iter().filter(|place| place.load().is_some()).count()
    }

    /// The place follows from the end of the tag, which is as good as random, and in nobody's hand without a key.
    fn place(&self, tag: &str) -> Option<&ArcSwapOption<Remembered<K, V>>> {
        let digits = tag.as_bytes().iter().rev().take(TAG_DIGITS);
        // FNV-1a.
        let mixed = digits
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3));
        self.0.get(usize::try_from(mixed % Self::PLACES as u64).ok()?)
    }
}

/// The longest name that is remembered, in bytes. A link of ours has at most 1,024; a presigned URL that is longer is signed again each time.
const LONGEST: usize = 3072;
/// How many digits of the tag choose the place.
const TAG_DIGITS: usize = 16;
