//! Sockets: the one accept loop that serves every listener, and its orderly end.
//!
//! Whatever answers requests (plain functions over hyper in public, axum routers inside) is a service made per connection; what happens to the
//! connection itself is decided here alone: who may have one, how it is opened, what it may take and for how long, and how it ended. A panic
//! ends what it happened in (a request, a stream, else the connection) and nothing else. This room imports `value`, `telemetry`, `fetcher` (networks of clients) and `arena`.

mod connection;
mod drain;
mod ending;
mod fair;
mod flood;
mod lane;
mod limits;
mod listener;
mod manners;
mod opening;
mod places;
mod proxy_header;
mod pulse;
mod rate;
mod serve;
mod socket;
mod streams;
mod talk;
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
