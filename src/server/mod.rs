//! Sockets: the one accept loop that serves every listener, and its orderly end.
//!
//! Whatever answers requests (plain functions over hyper in public, axum routers inside) is a service made per connection; what happens to the
//! connection itself is decided here alone. Every connection has a place before it is accepted, a time limit for its head, and an
//! ending with a name. A panic ends the connection it happened in and nothing else. This room imports `value`, `telemetry` and `arena`.

mod connection;
mod drain;
mod fair;
mod head_clock;
mod lane;
mod listener;
mod rate;
mod serve;

pub use connection::Ending;
pub use drain::{Drain, DrainReport};
pub use hyper_util::service::TowerToHyperService;
pub use listener::Listener;
pub use rate::{Bucket, Network, NetworkRates};
pub use serve::{ConnectionLimits, PeerInfo, serve};
