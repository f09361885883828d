//! Settings that can be replaced while everything runs.

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};

/// A value that a reload replaces as a whole: keys, stores, clients, profiles.
///
/// Clones share it. Whoever reads it keeps what it got until it is done, so one request never sees two of them.
#[derive(Debug)]
pub struct Live<T>(Arc<ArcSwap<T>>);

impl<T> Live<T> {
    /// Starts with `value`.
    pub fn new(value: T) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(value)))
    }

    /// The value in force, for a look that holds no await.
    pub fn get(&self) -> Guard<Arc<T>> {
        self.0.load()
    }

    /// The value in force, to keep.
    pub fn keep(&self) -> Arc<T> {
        self.0.load_full()
    }

    /// Puts another value in force.
    pub fn replace(&self, value: T) {
        self.0.store(Arc::new(value));
    }
}

impl<T> Clone for Live<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_keeps_what_it_got_and_the_next_one_gets_the_new() {
        let live = Live::new(1);
        let twin = live.clone();
        let kept = live.keep();
        twin.replace(2);
        assert_eq!((*kept, **live.get()), (1, 2));
    }
}
