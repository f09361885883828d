//! The three routes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ::http::StatusCode;
use ::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::extract::State;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;

use super::Readiness;
use super::cache::CacheTold;
use super::certificates::{self, Serving};
use super::checks::{Check, Checks};
use super::origin::Told;
use crate::cache::Cache;
use crate::catalog::Catalog;
use crate::fetcher::Profiles;
use crate::origin::{StoreCounters, Stores};
use crate::telemetry::{CONTENT_TYPE as OPEN_METRICS, Metrics};
use crate::value::{Clock, Live};

/// What operators may ask after.
pub struct OpsParts {
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Whether this process still wants requests.
    pub readiness: Readiness,
    /// The catalog, which must answer.
    pub catalog: Catalog,
    /// The bytes of hot objects.
    pub cache: Cache,
    /// The stores in force, of which one must answer.
    pub stores: Live<Stores>,
    /// What those stores were asked.
    pub store_counters: StoreCounters,
    /// The fetcher profiles in force, whose network lists age.
    pub profiles: Live<Profiles>,
    /// The certificates in force, which expire.
    pub serving: Serving,
    /// The clock.
    pub clock: Clock,
}

struct Ops {
    parts: OpsParts,
    checks: Checks,
    stores_told: Told,
    cache_told: CacheTold,
    /// How many of the catalog's lost records are in the metrics already.
    lost: AtomicU64,
}

/// Liveness, readiness and metrics.
pub fn router(parts: OpsParts) -> Router {
    let ops = Ops {
        parts,
        checks: Checks::default(),
        stores_told: Told::default(),
        cache_told: CacheTold::default(),
        lost: AtomicU64::new(0),
    };
    Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(Arc::new(ops))
}

/// That this answers is all there is to say.
async fn livez() -> impl IntoResponse {
    ([(CACHE_CONTROL, "no-store")], "ok")
}

async fn readyz(State(ops): State<Arc<Ops>>) -> impl IntoResponse {
    let stores = ops.parts.stores.keep();
    let draining = ops.parts.readiness.is_stopped();
    let outcome = ops.checks.look(&ops.parts.catalog, &stores).await;
    let ready = !draining && outcome.is_ready();
    let process = Check::of("process".to_owned(), draining.then_some("draining"));
    let checks: Vec<Check> = std::iter::once(process).chain(outcome.into_checks()).collect();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, [(CACHE_CONTROL, "no-store")], Json(json!({ "ready": ready, "checks": checks })))
}

async fn metrics(State(ops): State<Arc<Ops>>) -> impl IntoResponse {
    ops.refresh();
    ([(CONTENT_TYPE, OPEN_METRICS), (CACHE_CONTROL, "no-store")], ops.parts.metrics.encode())
}

impl Ops {
    /// Takes over what other rooms count by themselves.
    fn refresh(&self) {
        let metrics = &self.parts.metrics;
        let catalog = self.parts.catalog.counters();
        metrics.catalog_write_lag(catalog.lag);
        let told = self.lost.fetch_max(catalog.dropped, Ordering::Relaxed);
        metrics.fetch_records_dropped(catalog.dropped.saturating_sub(told));
        self.stores_told.add(&self.parts.store_counters, metrics);
        self.cache_told.publish(metrics, &self.parts.cache.state());
        let now = self.parts.clock.now();
        certificates::publish(&self.parts.serving, metrics, now);
        for (name, profile) in self.parts.profiles.get().iter() {
            if let Some(list) = &profile.networks {
                metrics.profile(name.as_str()).list_age(list.age(now));
            }
        }
    }
}
