//! Counters by label that the hot path may touch: found without a lock and without memory.
//!
//! A family of the client library takes a read lock and hashes for every lookup. Labels known to the program are few and `'static`, so a
//! short array of slots, each written once, is searched instead. The array is also the bound: when it is full, whatever else
//! comes is counted as `other`, so no mistake of a caller can make the number of series grow.

use std::sync::OnceLock;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

/// The values of a series' labels, in the order of the family's names.
pub(super) type Values<const N: usize> = [&'static str; N];

/// The series of one family: its label names, then one pair of name and value each.
pub(super) type Series = Family<Vec<(&'static str, String)>, Counter>;

/// Counters of one family by `N` labels, beneath labels that are fixed for all of them.
#[derive(Debug)]
pub(super) struct Counters<const N: usize> {
    series: Series,
    fixed: Vec<(&'static str, String)>,
    names: Values<N>,
    slots: [OnceLock<(Values<N>, Counter)>; SLOTS],
    /// What found no slot.
    other: OnceLock<Counter>,
}

impl<const N: usize> Counters<N> {
    pub(super) fn new(series: Series, fixed: Vec<(&'static str, String)>, names: Values<N>) -> Self {
        Self { series, fixed, names, slots: [const { OnceLock::new() }; SLOTS], other: OnceLock::new() }
    }

    /// The counter of these values; the first call for them makes it.
    pub(super) fn at(&self, values: Values<N>) -> &Counter {
        for slot in &self.slots {
            let (held, counter) = slot.get_or_init(|| (values, self.make(values)));
            if *held == values {
                return counter;
            }
        }
        self.other.get_or_init(|| self.make(["other"; N]))
    }

    fn make(&self, values: Values<N>) -> Counter {
        let own = self.names.into_iter().zip(values).map(|(name, value)| (name, value.to_owned()));
        self.series.get_or_create_owned(&self.fixed.iter().cloned().chain(own).collect())
    }
}

/// How many series a family may have beneath its fixed labels. The largest, the verdicts of one profile, has 5 agents x 4 networks x 3
/// verdicts, of which fewer than 40 can occur.
const SLOTS: usize = 64;

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text;
    use prometheus_client::registry::Registry;

    use super::*;

    fn count(series: &Series) -> usize {
        let (mut registry, mut page) = (Registry::default(), String::new());
        registry.register("x", "x", series.clone());
        text::encode(&mut page, &registry).unwrap();
        page.lines().filter(|line| line.starts_with("x_total")).count()
    }

    #[test]
    fn equal_values_share_a_counter_and_others_do_not() {
        let counters = Counters::new(Series::default(), vec![("store", "media".to_owned())], ["outcome"]);
        counters.at(["read"]).inc();
        counters.at([String::from("read").leak()]).inc();
        counters.at(["failed"]).inc();
        assert_eq!((counters.at(["read"]).get(), counters.at(["failed"]).get()), (2, 1));
        assert_eq!(count(&counters.series), 2);
    }

    #[test]
    fn the_number_of_series_is_bounded() {
        let counters = Counters::new(Series::default(), vec![], ["reason"]);
        for number in 0..1000 {
            counters.at([number.to_string().leak()]).inc();
        }
        assert_eq!(count(&counters.series), SLOTS + 1);
        assert_eq!(counters.at(["1234"]).get(), 1000 - SLOTS as u64);
    }

    #[test]
    fn threads_that_race_for_a_new_series_lose_no_count() {
        let counters = Counters::new(Series::default(), vec![], ["reason"]);
        let labels = ["a", "b", "c", "d", "e"];
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1000).for_each(|n| _ = counters.at([labels[n % 5]]).inc()));
            }
        });
        assert!(labels.iter().all(|label| counters.at([label]).get() == 800));
    }
}
