//! Liveness, readiness and metrics, on a listener of their own that the world never sees.
//!
//! None of it needs a key, so none of it tells a name of an object, a client or a link: stores and profiles are named as the
//! settings name them, and what a store said stays in the log. Nor can asking often hurt: what is asked of others is remembered for a while.
//!
//! Imports `value`, `telemetry`, `tls`, `fetcher`, `origin`, `catalog` and `cache`.

mod cache;
mod certificates;
mod checks;
mod origin;
mod readiness;
mod router;

pub use certificates::Serving;
pub use readiness::Readiness;
pub use router::{OpsParts, router};
