//! How long a link lives, and why two mints in one window give the same URL.
//!
//! An expiry is rounded up to the edge of a window, so mints that are close in time end together; where that would
//! outlive `ttl_max`, it is rounded down. The grant's `issued` is the first second whose mint gives this expiry, so *every* field of the
//! grant is the same throughout a window, and so is the URL.

use std::time::Duration;

use crate::value::UnixTime;

/// The bounds that the settings put on every link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkBounds {
    ttl_min: Duration,
    ttl_default: Duration,
    ttl_max: Duration,
    window: Duration,
}

/// Why a set of bounds makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadBounds {
    /// A part of a second cannot be written into a link.
    #[error("give whole seconds, and at least one")]
    NotWholeSeconds,
    /// The order is wrong.
    #[error("ttl_min must be at most ttl_default, and that at most ttl_max")]
    Order,
    /// The expiry could not be rounded within the bounds.
    #[error("the window must be at most ttl_max - ttl_min, so that rounding keeps within both")]
    Window,
    /// Longer than a link may ever be.
    #[error("a link lives at most 7 days; a hall pass is short-lived")]
    TooLong,
}

/// A wish for a lifetime that the bounds do not allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "ask for a ttl between {} and {} in whole seconds; {} is not",
    humantime::format_duration(*.min), humantime::format_duration(*.max), humantime::format_duration(*.asked)
)]
pub struct BadTtl {
    /// What was asked for.
    pub asked: Duration,
    /// The shortest allowed.
    pub min: Duration,
    /// The longest allowed.
    pub max: Duration,
}

/// From when until when a link lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// The first second whose mint gives this expiry.
    pub issued: UnixTime,
    /// The first second at which the link is over.
    pub expires: UnixTime,
}

impl LinkBounds {
    /// Bounds that fit together, or the reason why these do not.
    pub fn new(
        ttl_min: Duration,
        ttl_default: Duration,
        ttl_max: Duration,
        window: Duration,
    ) -> Result<Self, BadBounds> {
        if [ttl_min, ttl_default, ttl_max, window].iter().any(|d| d.subsec_nanos() != 0 || d.is_zero()) {
            return Err(BadBounds::NotWholeSeconds);
        }
        if ttl_min > ttl_default || ttl_default > ttl_max {
            return Err(BadBounds::Order);
        }
        if ttl_max > LONGEST {
            return Err(BadBounds::TooLong);
        }
        if window > ttl_max.saturating_sub(ttl_min) {
            return Err(BadBounds::Window);
        }
        Ok(Self { ttl_min, ttl_default, ttl_max, window })
    }

    /// The longest a link may live.
    pub const fn ttl_max(&self) -> Duration {
        self.ttl_max
    }

    /// The longest that any link can still be believed, seen from any of our nodes' clocks.
    pub fn longest_life(&self) -> Duration {
        self.ttl_max + CLOCK_TOLERANCE
    }

    /// The same for links of which nobody knows the bounds: the longest that any settings allow.
    pub fn longest_life_of_any() -> Duration {
        LONGEST + CLOCK_TOLERANCE
    }

    /// How far apart the edges are that expiries are rounded to.
    pub const fn window(&self) -> Duration {
        self.window
    }

    /// The lifetime that a request means: its own wish, or the default. A wish out of bounds is an error, never a clamp.
    pub fn ttl(&self, asked: Option<Duration>) -> Result<Duration, BadTtl> {
        let ttl = asked.unwrap_or(self.ttl_default);
        if ttl < self.ttl_min || ttl > self.ttl_max || ttl.subsec_nanos() != 0 {
            return Err(BadTtl { asked: ttl, min: self.ttl_min, max: self.ttl_max });
        }
        Ok(ttl)
    }

    /// The validity of a link that is minted at `now` for `ttl` (one that [`LinkBounds::ttl`] gave).
    ///
    /// It lives for `[ttl, ttl + window)`; where that could pass `ttl_max`, for `(ttl_max - window, ttl_max]`.
    pub fn validity(&self, now: UnixTime, ttl: Duration) -> Validity {
        let window = self.window.as_secs();
        let (now, ttl, ttl_max) = (now.as_secs(), ttl.as_secs(), self.ttl_max.as_secs());
        let (issued, expires) = if ttl_max - ttl < window {
            let expires = (now + ttl_max) / window * window;
            (expires.saturating_sub(ttl_max), expires)
        } else {
            let expires = (now + ttl).next_multiple_of(window);
            ((expires + 1).saturating_sub(ttl + window), expires)
        };
        let time = |secs| UnixTime::from_secs(secs).unwrap_or(UnixTime::MAX);
        Validity { issued: time(issued), expires: time(expires) }
    }
}

impl Default for LinkBounds {
    /// 15 to 30 minutes, 20 where nothing is said, in windows of 5.
    fn default() -> Self {
        let minutes = |n: u64| Duration::from_secs(n * 60);
        Self { ttl_min: minutes(15), ttl_default: minutes(20), ttl_max: minutes(30), window: minutes(5) }
    }
}

/// How far apart the clocks of two of our nodes may be.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(60);
/// No setting may let a link live longer: Amazon S3 stops at 7 days too.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn at(n: u64) -> UnixTime {
        UnixTime::from_secs(n).unwrap()
    }

    prop_compose! {
        fn any_bounds()(min in 1..5000_u64, more in 1..5000_u64)(
            min in Just(min), max in Just(min + more), window in 1..=more, ttl in min..=min + more
        ) -> (LinkBounds, u64) {
            (LinkBounds::new(secs(min), secs(ttl), secs(max), secs(window)).unwrap(), ttl)
        }
    }

    proptest! {
        #[test]
        fn a_link_lives_as_long_as_promised((bounds, ttl) in any_bounds(), now in 10_000..4_000_000_000_u64) {
            let given = bounds.validity(at(now), secs(ttl));
            let lives = given.expires.as_secs() - now;
            let (max, window) = (bounds.ttl_max.as_secs(), bounds.window.as_secs());
            if max - ttl < window {
                prop_assert!(lives > max - window && lives <= max, "{lives}");
            } else {
                prop_assert!(lives >= ttl && lives < ttl + window, "{lives}");
            }
            prop_assert!(lives >= bounds.ttl_min.as_secs() && lives <= max);
            prop_assert_eq!(given.expires.as_secs() % window, 0);
        }

        #[test]
        fn every_second_of_a_window_gives_the_same_validity((bounds, ttl) in any_bounds(), now in 10_000..4_000_000_000_u64) {
            let given = bounds.validity(at(now), secs(ttl));
            let (issued, window) = (given.issued.as_secs(), bounds.window.as_secs());
            prop_assert!(issued <= now && now < issued + window);
            prop_assert_eq!(bounds.validity(given.issued, secs(ttl)), given);
            prop_assert_eq!(bounds.validity(at(issued + window - 1), secs(ttl)), given);
            prop_assert_ne!(bounds.validity(at(issued + window), secs(ttl)).expires, given.expires);
            prop_assert_ne!(bounds.validity(at(issued - 1), secs(ttl)).expires, given.expires);
        }
    }

    #[test]
    fn the_end_of_time_and_its_beginning_do_not_panic() {
        let bounds = LinkBounds::default();
        assert_eq!(bounds.validity(UnixTime::MAX, secs(1200)).expires, UnixTime::MAX);
        assert_eq!(bounds.validity(UnixTime::EPOCH, secs(1200)).issued, UnixTime::EPOCH);
    }

    #[test]
    fn a_wish_out_of_bounds_is_an_error_not_a_clamp() {
        let bounds = LinkBounds::default();
        assert_eq!(bounds.ttl(None), Ok(secs(1200)));
        assert_eq!(bounds.ttl(Some(secs(900))), Ok(secs(900)));
        for asked in [Duration::ZERO, secs(899), secs(1801), Duration::from_millis(1_000_500), Duration::MAX] {
            assert!(bounds.ttl(Some(asked)).is_err(), "{asked:?}");
        }
        let said = bounds.ttl(Some(secs(60))).unwrap_err().to_string();
        assert_eq!(said, "ask for a ttl between 15m and 30m in whole seconds; 1m is not");
    }

    #[test]
    fn bounds_that_contradict_each_other_are_refused() {
        let new = |min, default, max, window| LinkBounds::new(secs(min), secs(default), secs(max), secs(window));
        assert_eq!(new(900, 1200, 1800, 900).map(|b| b.window()), Ok(secs(900)));
        assert_eq!(new(900, 1200, 1800, 901), Err(BadBounds::Window));
        assert_eq!(new(900, 800, 1800, 300), Err(BadBounds::Order));
        assert_eq!(new(900, 1900, 1800, 300), Err(BadBounds::Order));
        assert_eq!(new(900, 1200, 1800, 0), Err(BadBounds::NotWholeSeconds));
        assert_eq!(new(900, 1200, 8 * 86_400, 300), Err(BadBounds::TooLong));
    }
}
