//! Links that have opened lately: what stands behind a path, so that a hot link costs no cryptography.
//!
//! A memo answers one question, which has one answer for ever: what does this exact path open to, under these keys? Nothing that can
//! change is in it. Key state, time, revocation and profile are judged for every request, with a memo or without.
//!
//! Only what a seal of ours has vouched for comes in, so nobody fills it with inventions. It has a fixed number of places, and a path has
//! one of them: who comes later takes the place. Other keys (a reload) find nothing of the old ones.

use std::sync::{Arc, Weak};

use arc_swap::ArcSwapOption;

use super::face::Face;
use crate::link::{OpenedGrant, Seals};
use crate::value::UnixTime;

/// What lately opened links say.
pub(super) struct Memo(Box<[ArcSwapOption<Remembered>]>);

/// What a path opened to.
#[derive(Clone, Debug)]
pub(super) struct Opened {
    pub(super) grant: Arc<OpenedGrant>,
    pub(super) face: Arc<Face>,
}

struct Remembered {
    /// All of it: the seal is bound to the name segment too.
    path: Box<str>,
    /// The keys that opened it. A memo must not keep the secrets of retired ones alive.
    seals: Weak<Seals>,
    opened: Opened,
}

impl Memo {
    /// How many links are remembered. With the head of its answers a link takes 3 to 6 KB, since none is longer than 1,024 characters; so
    /// all of them take 12 MB at most.
    pub(super) const PLACES: usize = 2048;

    /// An empty memo.
    pub(super) fn new() -> Self {
        Self((0..Self::PLACES).map(|_| ArcSwapOption::empty()).collect())
    }

    /// What `path` opened to under these very keys, if that is remembered and its key still opens links.
    pub(super) fn recall(&self, path: &str, seals: &Arc<Seals>, now: UnixTime) -> Option<Opened> {
        let place = self.place(path)?.load();
        let found = place.as_ref().filter(|found| *found.path == *path)?;
        let is_of_these = std::ptr::eq(found.seals.as_ptr(), Arc::as_ptr(seals));
        (is_of_these && seals.opens_with(found.opened.grant.key(), now)).then(|| found.opened.clone())
    }

    /// Remembers what `path` opened to under these keys.
    pub(super) fn remember(&self, path: &str, seals: &Arc<Seals>, opened: &Opened) {
        if let Some(place) = self.place(path) {
            let (path, seals) = (path.into(), Arc::downgrade(seals));
            place.store(Some(Arc::new(Remembered { path, seals, opened: opened.clone() })));
        }
    }

    /// How many links are remembered.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.0.iter().filter(|place| place.load().is_some()).count()
    }

    /// The place of a path follows from the end of its token, which is the seal's tag: as good as random, and in nobody's hand without a key.
    fn place(&self, path: &str) -> Option<&ArcSwapOption<Remembered>> {
        let (token, _) = path.rsplit_once('/')?;
        let tag = token.as_bytes().iter().rev().take(TAG_DIGITS);
        // FNV-1a.
        let mixed =
            tag.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3));
        self.0.get(usize::try_from(mixed % Self::PLACES as u64).ok()?)
    }
}

/// How many digits of the seal's tag choose the place.
const TAG_DIGITS: usize = 16;
