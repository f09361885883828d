//! What is done every few seconds beside the serving: nothing here is waited for by a request.

use std::time::Duration;

use super::Rooms;

/// Picks up revocations that another process wrote into the catalog, such as `hallpass revoke` in a shell. Those that came
/// through this process's own API are in force at once.
pub(super) async fn follow_revocations(rooms: Rooms) {
    let mut seen = None;
    let mut ticks = tokio::time::interval(REVOCATIONS_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let state = match rooms.catalog.revocations_state().await {
            Ok(state) if seen != Some(state) => state,
            Ok(_) => continue,
            Err(error) => {
                tracing::warn!(%error, "the catalog could not be asked for new revocations");
                continue;
            }
        };
        match rooms.revoker.refresh().await {
            Ok(()) => seen = Some(state),
            Err(error) => tracing::error!(%error, "new revocations could not be read; they are not in force yet"),
        }
    }
}

/// Looks after the cache, and forgets who was quiet: slow readers are cut when memory is short, and what was prewarmed for a link that is over has no claim any more.
pub(super) async fn tend_cache(rooms: Rooms) {
    let mut seen = None;
    let mut ticks = tokio::time::interval(CACHE_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let count = Some(rooms.revocations.changes());
        let is_news = std::mem::replace(&mut seen, count) != count;
        let now = rooms.clock.now();
        rooms.cache.tick(now);
        rooms.edge.rates().forget_the_quiet();
        if is_news {
            rooms.revocations.ask(|set| rooms.cache.revoked(set));
        }
    }
}

/// How often the cache is looked after.
const CACHE_EVERY: Duration = Duration::from_secs(1);
/// How long a revocation by another process may take to be in force here.
const REVOCATIONS_EVERY: Duration = Duration::from_secs(1);
