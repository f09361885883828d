//! How many requests a client may send in a second: token buckets, one for each client network or each client key.
//!
//! A bucket holds two seconds' worth, so a burst passes and a flood does not. Asking costs a hash and a few atomic operations and takes no
//! heap memory, but for a network's first request. Networks and not addresses are counted: whoever has a /48 of IPv6 has more addresses than
//! any table holds. What was quiet for long enough to have a full bucket is forgotten, so a table holds about two seconds of clients.

use std::net::IpAddr;
use std::num::NonZeroU32;

use governor::clock::MonotonicClock;
use governor::state::keyed::DashMapStateStore;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

use crate::fetcher::ClientNetwork;

/// The buckets of all client networks.
#[derive(Debug)]
pub struct NetworkRates(Option<RateLimiter<ClientNetwork, DashMapStateStore<ClientNetwork>, MonotonicClock>>);

impl NetworkRates {
    /// So many requests a second for each network; 0 is no limit.
    pub fn per_second(requests: u32) -> Self {
        Self(quota(requests).map(|quota| RateLimiter::dashmap_with_clock(quota, MonotonicClock)))
    }

    /// Whether one more request of `client` may pass; if so, it counts.
    pub fn admit(&self, client: IpAddr) -> bool {
        self.0.as_ref().is_none_or(|buckets| buckets.check_key(&ClientNetwork::of(client)).is_ok())
    }

    /// Forgets the networks whose buckets are full again. It is to be called every second or so.
    pub fn forget_the_quiet(&self) {
        if let Some(buckets) = &self.0 {
            buckets.retain_recent();
            if buckets.len() < WORTH_SHRINKING {
                buckets.shrink_to_fit();
            }
        }
    }

    /// How many networks have a bucket.
    pub fn networks(&self) -> usize {
        self.0.as_ref().map_or(0, RateLimiter::len)
    }
}

/// The bucket of one client.
#[derive(Debug)]
pub struct Bucket(Option<RateLimiter<NotKeyed, InMemoryState, MonotonicClock>>);

impl Bucket {
    /// So many requests a second; 0 is no limit.
    pub fn per_second(requests: u32) -> Self {
        Self(quota(requests).map(|quota| RateLimiter::direct_with_clock(quota, MonotonicClock)))
    }

    /// Whether one more request may pass; if so, it counts.
    pub fn admit(&self) -> bool {
        self.0.as_ref().is_none_or(|bucket| bucket.check().is_ok())
    }
}

/// A rate of so many a second, with a burst of two seconds' worth; none for 0.
fn quota(requests: u32) -> Option<Quota> {
    let rate = NonZeroU32::new(requests)?;
    Some(Quota::per_second(rate).allow_burst(rate.saturating_add(requests)))
}

/// A table that is nearly empty gives its memory back; one in use would only take it again.
const WORTH_SHRINKING: usize = 64;

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    /// How many of `asked` requests are admitted, and how many may be: two seconds' worth, and what was refilled meanwhile.
    fn admitted(asked: u32, rate: u32, admit: impl Fn() -> bool) -> (u32, std::ops::RangeInclusive<u32>) {
        let began = Instant::now();
        let admitted = (0..asked).filter(|_| admit()).count();
        let refilled = u32::try_from(began.elapsed().as_millis()).unwrap() * rate / 1000 + 1;
        (u32::try_from(admitted).unwrap(), 2 * rate..=2 * rate + refilled)
    }

    #[test]
    fn two_seconds_worth_passes_at_once_and_other_networks_do_not_notice() {
        let rates = NetworkRates::per_second(50);
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let (count, allowed) = admitted(500, 50, || rates.admit(ip("192.0.2.1")));
        assert!(allowed.contains(&count), "{count} {allowed:?}");
        assert!(rates.admit(ip("192.0.3.1")));
        let bucket = Bucket::per_second(50);
        let (count, allowed) = admitted(500, 50, || bucket.admit());
        assert!(allowed.contains(&count), "{count} {allowed:?}");
    }

    #[test]
    fn zero_is_no_limit() {
        let (rates, bucket) = (NetworkRates::per_second(0), Bucket::per_second(0));
        assert!((0..100_000).all(|_| rates.admit([192, 0, 2, 1].into()) && bucket.admit()));
        assert_eq!(rates.networks(), 0);
    }

    #[test]
    fn networks_that_were_quiet_are_forgotten_and_busy_ones_are_not() {
        let rates = NetworkRates::per_second(1000);
        for third in 0..=255 {
            for second in 0..16 {
                assert!(rates.admit([10, second, third, 1].into()));
            }
        }
        assert_eq!(rates.networks(), 4096);
        std::thread::sleep(Duration::from_millis(20));
        // A minute's debt, as far as the bucket goes.
        while rates.admit([192, 0, 2, 1].into()) {}
        rates.forget_the_quiet();
        assert_eq!(rates.networks(), 1, "only the busy one is left");
        assert!((0..500).filter(|_| rates.admit([192, 0, 2, 2].into())).count() < 500, "its bucket is still empty");
    }
}
