//! Watches a gateway's memory while it is under load, five times a second.
//!
//! Its ceiling grows with open connections, so what each of them may have is taken off before the highest value is kept.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::process::tree;
use crate::support::KIB;
use crate::support::memory::resident;

#[derive(Default)]
struct Seen {
    connections: AtomicU64,
    highest: AtomicU64,
    highest_judged: AtomicU64,
    ended: AtomicBool,
}

pub struct Watch {
    seen: Arc<Seen>,
    watching: Option<JoinHandle<()>>,
}

impl Watch {
    pub fn start(pid: u32) -> Self {
        let seen = Arc::new(Seen::default());
        let shared = Arc::clone(&seen);
        let watch = move || {
            while !shared.ended.load(Ordering::Relaxed) {
                let now = resident(&tree(pid));
                let allowed = shared.connections.load(Ordering::Relaxed) * PER_CONNECTION;
                shared.highest.fetch_max(now, Ordering::Relaxed);
                shared.highest_judged.fetch_max(now.saturating_sub(allowed), Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(200));
            }
        };
        Self { seen, watching: Some(std::thread::spawn(watch)) }
    }

    /// How many connections are about to be open.
    pub fn expect_connections(&self, many: u64) {
        self.seen.connections.store(many, Ordering::Relaxed);
    }

    /// The most that was resident.
    pub fn highest(&self) -> u64 {
        self.seen.highest.load(Ordering::Relaxed)
    }

    /// The most that was resident, without what open connections may have.
    pub fn highest_judged(&self) -> u64 {
        self.seen.highest_judged.load(Ordering::Relaxed)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.seen.ended.store(true, Ordering::Relaxed);
        if let Some(watching) = self.watching.take() {
            let _ = watching.join();
        }
    }
}

/// What an open connection may have.
const PER_CONNECTION: u64 = 32 * KIB;
