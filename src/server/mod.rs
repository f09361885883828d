//! Sockets: the one accept loop that serves every listener, and its orderly end.
//!
//! Whatever answers requests (plain functions over hyper in public, axum routers inside) is a service made per connection; what happens to the
//! connection itself is decided here alone. Every connection has a place before it is accepted, a time limit for its head, and an
//! ending with a name. A panic ends the connection it happened in and nothing else. This room imports `value`, `telemetry`, `fetcher` (networks of clients) and `arena`.

mod connection;
mod drain;
mod ending;
mod fair;
mod flood;
mod lane;
mod limits;
mod listener;
mod opening;
mod places;
mod proxy_header;
mod pulse;
mod rate;
mod serve;
mod socket;
mod streams;
mod tls_io;
mod turnstile;
mod watch;

pub use drain::{Drain, DrainReport};
pub use ending::Ending;
pub use hyper_util::service::TowerToHyperService;
pub use limits::ConnectionLimits;
pub use listener::Listener;
pub use rate::{Bucket, NetworkRates};
pub use serve::{PeerInfo, serve};
