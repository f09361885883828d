//! How metrics are entered into the registry, and the shapes they have in it.
//!
//! A family is entered once, when the registry is made; what counts holds a clone of it, which shares its numbers.

use std::sync::atomic::AtomicU64;

use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Metric, Registry};

use super::counters::Counters;

/// A registry that hands back what it enters.
pub(super) struct Book(pub(super) Registry);

impl Book {
    pub(super) fn enter<M: Metric + Clone + Default>(&mut self, name: &'static str, help: &'static str) -> M {
        let metric = M::default();
        self.0.register(name, help, metric.clone());
        metric
    }

    pub(super) fn counters(&mut self, name: &'static str, help: &'static str, label: &'static str) -> Counters<1> {
        Counters::new(self.enter(name, help), Vec::new(), [label])
    }
}

/// The one label of a series.
pub(super) fn named(label: &'static str, name: &str) -> Named {
    vec![(label, name.to_owned())]
}

/// A label and its value.
pub(super) type Named = Vec<(&'static str, String)>;
/// A gauge of seconds.
pub(super) type Seconds = Gauge<f64, AtomicU64>;
