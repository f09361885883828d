//! Whether this process still wants requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether this process still wants requests: yes until [`Readiness::stop`], and never again after it. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<AtomicBool>);

impl Readiness {
    /// It does.
    pub fn new() -> Self {
        Self::default()
    }

    /// It does no more: balancers that ask from now on will send new requests elsewhere.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it has been stopped.
    pub fn is_stopped(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
