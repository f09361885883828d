//! One after the other for each key, and nobody behind a stranger.
//!
//! Those who publish the same bytes store them one after the other, so all but the first find them there. With a server that ignores
//! conditions, that is what keeps them from overwriting each other.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::value::{ObjectKey, StoreName};

/// The keys that are being stored under.
#[derive(Debug, Default)]
pub(super) struct Lanes(Mutex<HashMap<(StoreName, ObjectKey), Weak<Lane>>>);

/// Whoever holds it stores under its key alone.
pub(super) type Lane = tokio::sync::Mutex<()>;

impl Lanes {
    /// The lane of this key, shared by all who have it at the same time.
    pub(super) fn of(&self, store: &StoreName, key: &ObjectKey) -> Arc<Lane> {
        let mut lanes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // No more are left than there are uploads at once.
        lanes.retain(|_, lane| lane.strong_count() > 0);
        let place = lanes.entry((store.clone(), key.clone())).or_default();
        place.upgrade().unwrap_or_else(|| {
            let lane = Arc::default();
            *place = Arc::downgrade(&lane);
            lane
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_one_lane_and_no_other_key_waits_in_it() {
        let (lanes, store): (_, StoreName) = (Lanes::default(), "media".parse().unwrap());
        let key = |name: &str| name.parse().unwrap();
        let lane = lanes.of(&store, &key("a"));
        let _held = lane.try_lock().unwrap();
        assert!(Arc::ptr_eq(&lane, &lanes.of(&store, &key("a"))));
        for n in 0..1000 {
            assert!(lanes.of(&store, &key(&n.to_string())).try_lock().is_ok(), "{n}");
        }
        assert!(lanes.of(&"other".parse().unwrap(), &key("a")).try_lock().is_ok());
        assert!(lanes.0.lock().unwrap().len() <= 2, "what nobody holds is forgotten");
    }
}
