//! How fast a reader takes what it is given.
//!
//! The clock runs from the moment it is handed something until it comes for more, so time that a body waits for its store is not the
//! reader's. Only the last bytes count: one that was fast for a gigabyte and then stops is as slow as one that never began.

use std::time::Duration;

use tokio::time::Instant;

/// The pace of one reader.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// Bytes handed to it lately.
    given: u64,
    /// How long it took over them, save for the running gap.
    taken: Duration,
    /// How long it took over everything, save for the running gap.
    age: Duration,
    /// Since when it has been busy with what it was given; `None` while it waits for us.
    busy_since: Option<Instant>,
}

impl Pace {
    /// It was handed so many bytes.
    pub(super) fn gave(&mut self, bytes: u64, now: Instant) {
        self.given = self.given.saturating_add(bytes);
        self.wait(now);
    }

    /// From now on it is waited for, if it was not already.
    pub(super) fn wait(&mut self, now: Instant) {
        self.busy_since.get_or_insert(now);
    }

    /// It came for more.
    pub(super) fn asked(&mut self, now: Instant) {
        let gap = self.gap(now);
        self.taken += gap;
        self.age += gap;
        self.busy_since = None;
        if self.given > LATELY {
            let taken = self.taken.as_nanos() * u128::from(LATELY) / u128::from(self.given);
            self.taken = Duration::from_nanos(u64::try_from(taken).unwrap_or(u64::MAX));
            self.given = LATELY;
        }
    }

    /// Its bytes per second, once it has had long enough to be judged.
    pub(super) fn rate(&self, now: Instant) -> Option<u64> {
        let gap = self.gap(now);
        if self.age + gap < JUDGED_AFTER {
            return None;
        }
        let micros = (self.taken + gap).as_micros().max(1);
        Some(u64::try_from(u128::from(self.given) * 1_000_000 / micros).unwrap_or(u64::MAX))
    }

    fn gap(&self, now: Instant) -> Duration {
        self.busy_since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }
}

/// How much of a reader's time says something about its rate.
const JUDGED_AFTER: Duration = Duration::from_secs(2);
/// How many bytes are remembered at most. A connection's write queue takes 400 KiB without a reader; it must not count for much.
const LATELY: u64 = 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    /// What happens to a reader, or what its rate must be by now.
    #[derive(Clone, Copy)]
    enum Step {
        Gave(u64),
        Asked,
        /// Milliseconds pass.
        Pass(u64),
        Unjudged,
        Rate(u64),
        Above(u64),
        Below(u64),
    }
    use Step::{Above, Asked, Below, Gave, Pass, Rate, Unjudged};

    fn walk(name: &str, steps: impl IntoIterator<Item = Step>) {
        let (mut pace, mut now) = (Pace::default(), Instant::now());
        for (number, step) in steps.into_iter().enumerate() {
            let rate = pace.rate(now);
            let holds = match step {
                Gave(bytes) => {
                    pace.gave(bytes, now);
                    true
                }
                Asked => {
                    pace.asked(now);
                    true
                }
                Pass(millis) => {
                    now += Duration::from_millis(millis);
                    true
                }
                Unjudged => rate.is_none(),
                Rate(exactly) => rate == Some(exactly),
                Above(least) => rate.is_some_and(|rate| rate > least),
                Below(most) => rate.is_some_and(|rate| rate < most),
            };
            assert!(holds, "{name}, step {number}: {rate:?}");
        }
    }

    #[test]
    fn only_the_readers_own_time_counts_and_the_running_gap_does_too() {
        let store = [Gave(6000), Pass(1000), Asked, Pass(3_600_000), Unjudged, Gave(0), Pass(2000), Rate(2000)];
        for (name, steps) in [
            ("nothing given", &[Pass(99_000), Unjudged][..]),
            ("young", &[Gave(4000), Pass(1999), Unjudged, Pass(1), Rate(2000), Pass(6000), Rate(500)]),
            ("the store is waited for", &store),
            ("asked without need", &[Gave(4000), Pass(2000), Asked, Pass(9000), Asked, Rate(2000)]),
            ("given while busy", &[Gave(1), Pass(1000), Gave(2), Pass(1000), Gave(3), Pass(1000), Rate(2)]),
            ("bursts without any time", &[Gave(u64::MAX), Asked, Gave(u64::MAX), Asked, Unjudged]),
        ] {
            walk(name, steps.iter().copied());
        }
    }

    #[test]
    fn a_reader_that_was_fast_and_stops_is_soon_slow() {
        let fast = (0..4000).flat_map(|_| [Gave(256 * 1024), Pass(1), Asked]);
        let stops = [Above(200 * 1024 * 1000), Gave(1), Pass(33_000), Below(32 * 1024)];
        walk("a gigabyte in four seconds", fast.chain(stops));
    }

    #[test]
    fn a_steady_reader_keeps_its_rate_and_a_short_last_chunk_costs_it_little() {
        // 40 KiB each second; before the last chunk the queue drains for ten seconds.
        let steady = (0..20).flat_map(|_| [Gave(256 * 1024), Pass(6400), Asked]);
        let last = [Rate(40 * 1024), Gave(1000), Pass(10_000), Above(28 * 1024)];
        walk("steady", steady.chain(last));
    }
}
