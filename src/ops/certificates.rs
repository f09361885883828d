//! How long the certificates in force are still valid, taken over into the metrics.

use std::sync::Arc;

use crate::telemetry::Metrics;
use crate::tls::Resolver;
use crate::value::UnixTime;

/// What listeners serve from, by the listener's name.
pub type Serving = Vec<(&'static str, Arc<Resolver>)>;

/// Sets the days that each certificate in force has left.
pub(super) fn publish(serving: &Serving, metrics: &Metrics, now: UnixTime) {
    let facts = serving
        .iter()
        .flat_map(|(listener, resolver)| resolver.facts().into_iter().map(move |facts| (listener, facts)));
    metrics.certificate_days(facts.map(|(listener, facts)| {
        let labels = [(*listener).to_owned(), facts.name().to_owned(), facts.key.word().to_owned()];
        (labels, facts.days_left(now))
    }));
}
