//! Clients that others wrote, against the gateway as it stands on port 443: TLS, HTTP/2, and what browsers and players do with it.

mod browser;
mod curl;
mod hostile_streams;
mod player;
mod scanners;
mod streams;
