//! Wall time, and a clock that tests can hold.
//!
//! Grants speak of wall time in whole seconds ([`UnixTime`]); deadlines and durations use [`std::time::Instant`]. The two
//! types never mix. Pure rooms take the time as an argument; only the outer rooms hold a [`Clock`].

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

/// Seconds since 1970-01-01T00:00:00Z, between then and the end of the year 9999.
///
/// The upper bound is what RFC 3339 and HTTP dates can write, so formatting never fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime(u64);

impl UnixTime {
    /// 9999-12-31T23:59:59Z.
    pub const MAX: Self = Self(253_402_300_799);
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self(0);

    /// The time `secs` seconds after the epoch; `None` past [`UnixTime::MAX`].
    pub const fn from_secs(secs: u64) -> Option<Self> {
        if secs <= Self::MAX.0 { Some(Self(secs)) } else { None }
    }

    /// Whole seconds since the epoch.
    pub const fn as_secs(self) -> u64 {
        self.0
    }

    /// The time of a file system's or library's `SystemTime`, rounded down; before the epoch it is the epoch, past the
    /// year 9999 it is [`UnixTime::MAX`].
    pub fn from_system(time: SystemTime) -> Self {
        let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self(since.as_secs().min(Self::MAX.0))
    }

    /// The same time as the standard library's type.
    pub fn to_system(self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(self.0)
    }

    /// `self` plus the whole seconds of `span`; it stops at [`UnixTime::MAX`], which no link can outlive anyway.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(span.as_secs()).min(Self::MAX.0))
    }

    /// `self` minus the whole seconds of `span`; it stops at the epoch.
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(span.as_secs()))
    }

    /// How long it is from `self` until `later`; zero when `later` has passed.
    pub fn until(self, later: Self) -> Duration {
        Duration::from_secs(later.0.saturating_sub(self.0))
    }

    /// Reads an RFC 3339 time in UTC such as `2026-11-21T10:20:00Z`; `None` when it is not one.
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        humantime::parse_rfc3339(text).ok().map(Self::from_system)
    }
}

impl fmt::Display for UnixTime {
    /// RFC 3339 in UTC, to the second.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_rfc3339_seconds(self.to_system()).fmt(f)
    }
}

impl serde::Serialize for UnixTime {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Where the time comes from: the machine, or a test's hand.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    /// Milliseconds since the epoch.
    Held(Arc<AtomicU64>),
}

impl Clock {
    /// The machine's clock.
    pub const fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands at `now` until [`Clock::advance`] or [`Clock::set`] moves it; clones move together.
    pub fn held_at(now: UnixTime) -> Self {
        Self(Source::Held(Arc::new(AtomicU64::new(now.as_secs() * 1000))))
    }

    /// The wall time, in whole seconds, rounded down.
    pub fn now(&self) -> UnixTime {
        UnixTime((self.now_millis() / 1000).min(UnixTime::MAX.0))
    }

    /// Milliseconds since the epoch, for logs and records.
    pub fn now_millis(&self) -> u64 {
        match &self.0 {
            Source::System => system_millis(),
            Source::Held(millis) => millis.load(Ordering::Relaxed),
        }
    }

    /// Moves a held clock forward; the machine's clock stays as it is.
    pub fn advance(&self, by: Duration) {
        if let Source::Held(millis) = &self.0 {
            let by = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
            millis.fetch_add(by, Ordering::Relaxed);
        }
    }

    /// Sets a held clock, forward or back; the machine's clock stays as it is.
    pub fn set(&self, now: UnixTime) {
        if let Source::Held(millis) = &self.0 {
            millis.store(now.as_secs() * 1000, Ordering::Relaxed);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the clock that everything else must ask")]
fn system_millis() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_print_and_read_as_rfc_3339() {
        let time = UnixTime::from_secs(1_795_256_400).unwrap();
        assert_eq!(time.to_string(), "2026-11-21T10:20:00Z");
        assert_eq!(UnixTime::parse_rfc3339("2026-11-21T10:20:00Z"), Some(time));
        assert_eq!(UnixTime::parse_rfc3339("yesterday"), None);
        assert_eq!(UnixTime::MAX.to_string(), "9999-12-31T23:59:59Z");
    }

    #[test]
    fn arithmetic_stops_at_the_edges_of_time() {
        assert_eq!(UnixTime::from_secs(UnixTime::MAX.as_secs() + 1), None);
        assert_eq!(UnixTime::MAX.plus(Duration::MAX), UnixTime::MAX);
        assert_eq!(UnixTime::EPOCH.minus(Duration::from_secs(1)), UnixTime::EPOCH);
        assert_eq!(UnixTime::MAX.until(UnixTime::EPOCH), Duration::ZERO);
    }

    #[test]
    fn a_held_clock_moves_only_by_hand_and_its_clones_with_it() {
        let clock = Clock::held_at(UnixTime::from_secs(100).unwrap());
        let twin = clock.clone();
        clock.advance(Duration::from_millis(1500));
        assert_eq!(twin.now().as_secs(), 101);
        twin.set(UnixTime::from_secs(50).unwrap());
        assert_eq!(clock.now().as_secs(), 50);
    }
}
