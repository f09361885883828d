//! All metrics of the program, by the names that operators build dashboards on.
//!
//! Callers say what happened (`metrics.request("served")`) and never see the registry. Where a label is a name from the settings, they
//! hold a handle for that name, so that nothing on the hot path allocates or locks. A label is a word of the program or a name of the
//! settings, never text from a request.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::book::{Book, Named, Seconds, named};
use super::counters::{Counters, Series};
use super::handles::{ListenerMetrics, ProfileMetrics, StoreMetrics};
use super::histogram::SecondsHistogram;

/// The registry and everything in it. One for the process; share it in an `Arc`.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Counters<1>,
    denials: Counters<1>,
    mints: Counters<1>,
    publishes: Counters<1>,
    reloads: Counters<1>,
    acme_events: Counters<1>,
    certificate_days: Family<Named, Gauge>,
    upgrades_failed: Counter,
    verdicts: Series,
    origin_reads: Series,
    origin_bytes: Series,
    connection_endings: Series,
    connection_waits: Series,
    connection_refusals: Series,
    handshakes: Series,
    accept_errors: Series,
    zero_copy_bytes: Series,
    lookups: Counters<1>,
    flights: Counters<1>,
    overload_refusals: Counters<1>,
    connections: Family<Named, Gauge>,
    cache_bytes: Family<Named, Gauge>,
    cache_blocks: Family<Named, Gauge>,
    network_list_age: Family<Named, Seconds>,
    body_bytes: Counter,
    left_behind: Counter,
    bodies_cut: Counter,
    cache_evictions: Counter,
    prewarm_drops: Counter,
    verification_failures: Counter,
    unverified_blocks: Counter,
    fetch_records_dropped: Counter,
    access_records_dropped: Counter,
    catalog_write_lag: Seconds,
    first_byte: SecondsHistogram,
    /// The handles that were made, found again without a lock. The settings bound how many there are.
    profiles: ArcSwap<Vec<(Box<str>, Arc<ProfileMetrics>)>>,
}

impl Metrics {
    /// A fresh registry in which everything is zero.
    pub fn new() -> Self {
        let mut book = Book(Registry::with_prefix("hallpass"));
        Self {
            requests: book.counters("requests", "Requests on the public listener, by outcome", "outcome"),
            denials: book.counters("denials", "Links not believed and fetchers not admitted, by reason", "reason"),
            mints: book.counters("mints", "Links asked for, by outcome", "outcome"),
            publishes: book.counters("publishes", "Assets sent to be published, by outcome", "outcome"),
            reloads: book.counters("reloads", "Reloads of settings, by result", "result"),
            acme_events: book.counters("acme_events", "What ACME brought, or failed to bring", "event"),
            certificate_days: book.enter(
                "certificate_days",
                "Whole days until a certificate expires, negative once it has; by its first name and its key",
            ),
            upgrades_failed: book.enter("upgrades_failed", "Upgrades in which the new process did not come to serve"),
            lookups: book.counters(
                "cache_lookups",
                "Bodies opened, by what of them was in memory: hit, partial, miss, or joined to a running flight",
                "result",
            ),
            flights: book.counters("flights", "Reads of missing blocks from a store, by ending", "ending"),
            overload_refusals: book.counters(
                "overload_refusals",
                "Requests refused because a limit was reached, by that limit",
                "limit",
            ),
            verdicts: book.enter("fetcher_verdicts", "Judgements of requests by a fetcher profile"),
            origin_reads: book.enter("origin_reads", "Reads from a store, by outcome"),
            origin_bytes: book.enter("origin_bytes", "Bytes read from a store"),
            connection_endings: book.enter("connection_endings", "Connections that ended, by how"),
            connection_waits: book
                .enter("connection_waits", "Times a listener stopped accepting at its connection limit"),
            connection_refusals: book.enter("connection_refusals", "Connections that were closed at once, by the limit"),
            handshakes: book.enter("tls_handshakes", "TLS handshakes, by whether they were full or resumed"),
            accept_errors: book.enter("accept_errors", "Connections that could not be accepted"),
            zero_copy_bytes: book.enter("zero_copy_bytes", "Bytes sent from block memory without a copy"),
            connections: book.enter("connections", "Open connections"),
            cache_bytes: book.enter("cache_bytes", "Bytes of blocks in memory, by state"),
            cache_blocks: book.enter("cache_blocks", "Blocks in memory, by state"),
            network_list_age: book.enter("network_list_age_seconds", "Age of a fetcher profile's network list"),
            body_bytes: book.enter("body_bytes", "Bytes of asset bodies sent"),
            left_behind: book
                .enter("cache_left_behind", "Bodies that fell out of a flight's window and read on by themselves"),
            bodies_cut: book
                .enter("bodies_cut", "Bodies cut because their readers were too slow while memory was short"),
            cache_evictions: book.enter("cache_evictions", "Blocks that made room for others"),
            prewarm_drops: book.enter(
                "prewarm_drops",
                "Objects that were minted and lost their place in memory, or got none, before they were fetched",
            ),
            verification_failures: book
                .enter("verification_failures", "Blocks or bodies that did not match their fingerprint"),
            unverified_blocks: book.enter(
                "unverified_blocks",
                "Blocks that were read for presigned links and compared with nothing, for nobody knew their fingerprint",
            ),
            fetch_records_dropped: book.enter(
                "fetch_records_dropped",
                "Records of fetches, mints and objects that the catalog could not take",
            ),
            access_records_dropped: book.enter("access_records_dropped", "Access log lines that were not written"),
            catalog_write_lag: book
                .enter("catalog_write_lag_seconds", "How long the oldest record of the last written batch had waited, or one that waits now, if that is longer"),
            first_byte: book.enter("first_byte_seconds", "Time from a request's head to the first byte of its answer"),
            profiles: ArcSwap::default(),
            registry: book.0,
        }
    }

    /// Counts a request on the public listener.
    pub fn request(&self, outcome: &'static str) {
        self.requests.at([outcome]).inc();
    }

    /// Counts a link that was not believed, or whose fetcher was not admitted.
    pub fn denial(&self, reason: &'static str) {
        self.denials.at([reason]).inc();
    }

    /// Counts an asked-for link.
    pub fn mint(&self, outcome: &'static str) {
        self.mints.at([outcome]).inc();
    }

    /// Counts an asset that was sent to be published.
    pub fn publish(&self, outcome: &'static str) {
        self.publishes.at([outcome]).inc();
    }

    /// Counts a reload of settings.
    pub fn reload(&self, result: &'static str) {
        self.reloads.at([result]).inc();
    }

    /// Counts what came by ACME, or did not.
    pub fn acme_event(&self, event: &'static str) {
        self.acme_events.at([event]).inc();
    }

    /// Sets how many days each certificate is still valid, by listener, first name and kind of key. Those that are gone have no series any more.
    pub fn certificate_days(&self, all: impl IntoIterator<Item = ([String; 3], i64)>) {
        let keys = ["listener", "name", "key"];
        self.certificate_days.clear();
        for (labels, days) in all {
            let labels: Named = keys.into_iter().zip(labels).collect();
            self.certificate_days.get_or_create_owned(&labels).set(days);
        }
    }

    /// Counts an upgrade in which the new process did not come to serve.
    pub fn upgrade_failed(&self) {
        self.upgrades_failed.inc();
    }

    /// Counts bytes of asset bodies that left.
    pub fn body_bytes(&self, bytes: u64) {
        self.body_bytes.inc_by(bytes);
    }

    /// Observes the time from a request's head to the first byte of its answer.
    pub fn first_byte(&self, took: Duration) {
        self.first_byte.observe(took);
    }

    /// Counts a block or body that did not match its fingerprint.
    pub fn verification_failure(&self) {
        self.verification_failures.inc();
    }

    /// Counts a block that was compared with nothing.
    pub fn unverified_block(&self) {
        self.unverified_blocks.inc();
    }

    /// Counts a body by what of it was in memory when it was opened.
    pub fn cache_lookup(&self, result: &'static str) {
        self.lookups.at([result]).inc();
    }

    /// Counts a read of missing blocks that ended, and how.
    pub fn flight(&self, ending: &'static str) {
        self.flights.at([ending]).inc();
    }

    /// Counts a body that fell out of a flight's window.
    pub fn left_behind(&self) {
        self.left_behind.inc();
    }

    /// Counts a request that was refused because this limit was reached.
    pub fn overload_refusal(&self, limit: &'static str) {
        self.overload_refusals.at([limit]).inc();
    }

    /// Counts a body that was cut because its reader was too slow while memory was short.
    pub fn bodies_cut(&self) {
        self.bodies_cut.inc();
    }

    /// Sets what the blocks of one state take, in bytes, and how many they are.
    pub fn cache_state(&self, state: &'static str, bytes: u64, blocks: u64) {
        for (family, value) in [(&self.cache_bytes, bytes), (&self.cache_blocks, blocks)] {
            // More than the gauge can hold is more than any memory.
            family.get_or_create_owned(&named("state", state)).set(i64::try_from(value).unwrap_or(i64::MAX));
        }
    }

    /// Counts blocks that made room for others.
    pub fn cache_evictions(&self, blocks: u64) {
        self.cache_evictions.inc_by(blocks);
    }

    /// Counts minted objects that lost their place in memory, or got none, before they were fetched.
    pub fn prewarm_drops(&self, objects: u64) {
        self.prewarm_drops.inc_by(objects);
    }

    /// Counts records of fetches, mints and objects that the catalog could not take.
    pub fn fetch_records_dropped(&self, records: u64) {
        self.fetch_records_dropped.inc_by(records);
    }

    /// Sets how long the oldest record of the catalog's last written batch had waited, or one that waits now, if that is longer.
    pub fn catalog_write_lag(&self, lag: Duration) {
        self.catalog_write_lag.set(lag.as_secs_f64());
    }

    /// The counter of access log lines that were not written.
    pub(super) fn access_records_dropped(&self) -> Counter {
        self.access_records_dropped.clone()
    }

    /// The handle for a fetcher profile; `name` comes from the settings. Handles of one name share their counts.
    pub fn profile(&self, name: &str) -> Arc<ProfileMetrics> {
        let made = self.profiles.load();
        if let Some((_, handle)) = made.iter().find(|(held, _)| **held == *name) {
            return Arc::clone(handle);
        }
        let verdicts = Counters::new(self.verdicts.clone(), named("profile", name), ["agent", "network", "verdict"]);
        let list_age = self.network_list_age.get_or_create_owned(&named("profile", name));
        let handle = Arc::new(ProfileMetrics { verdicts, list_age });
        self.profiles.rcu(|made| {
            let mut more = made.as_ref().clone();
            more.push((name.into(), Arc::clone(&handle)));
            more
        });
        handle
    }

    /// The handle for a store; `name` comes from the settings. Handles of one name share their counts.
    pub fn store(&self, name: &str) -> StoreMetrics {
        StoreMetrics {
            reads: Counters::new(self.origin_reads.clone(), named("store", name), ["outcome"]),
            bytes: self.origin_bytes.get_or_create_owned(&named("store", name)),
        }
    }

    /// The handle for a listener. Handles of one name share their counts.
    pub fn listener(&self, name: &'static str) -> ListenerMetrics {
        let labels = named("listener", name);
        ListenerMetrics {
            open: self.connections.get_or_create_owned(&labels),
            waits: self.connection_waits.get_or_create_owned(&labels),
            accept_errors: self.accept_errors.get_or_create_owned(&labels),
            zero_copy_bytes: self.zero_copy_bytes.get_or_create_owned(&labels),
            refusals: Counters::new(self.connection_refusals.clone(), labels.clone(), ["limit"]),
            handshakes: Counters::new(self.handshakes.clone(), labels.clone(), ["kind"]),
            endings: Counters::new(self.connection_endings.clone(), labels, ["ending"]),
        }
    }

    /// Everything, in the `OpenMetrics` text format; its media type is [`CONTENT_TYPE`].
    pub fn encode(&self) -> String {
        let mut page = String::with_capacity(PAGE);
        match text::encode(&mut page, &self.registry) {
            Ok(()) => page,
            Err(std::fmt::Error) => String::new(),
        }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

/// The media type of [`Metrics::encode`] (`OpenMetrics` 1.0.0, "Overall Structure").
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Where a page begins, in bytes; a busy gateway's has about ten thousand.
const PAGE: usize = 16 * 1024;

#[cfg(test)]
mod tests;
