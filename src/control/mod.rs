//! The API for our own systems: mint, publish, look, revoke, inspect.
//!
//! A handler gets its client only as a `May` of the action it names, and that exists only after the key was
//! matched and the action found among the client's; the body is read afterwards. Everything that can go wrong leaves as a
//! problem (RFC 9457) through the one table in `problems`. Link URLs are credentials: they are in the answer to a mint, and nowhere else.
//!
//! Imports `value`, `telemetry`, `http`, `media`, `fetcher`, `link`, `server`, `origin`, `catalog`, `mint`, `publish`, `config` and `asset`.

mod client;
mod parts;
mod router;

mod account;
mod caller;
mod json_body;
mod problems;
mod written;

mod inspection;
mod link_answer;
mod link_request;
mod link_story;
mod links;
mod object_answer;
mod object_request;
mod objects;
mod revocation_words;
mod revocations;

mod openapi;

pub use client::{Client, Clients, OutOfScope};
pub use inspection::InspectAnswer;
pub use link_answer::LinkAnswer;
pub use object_answer::ObjectAnswer;
pub use parts::ControlParts;
pub use router::router;
