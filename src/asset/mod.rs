//! The story of one asset request: believe, admit, locate, decide, open, reply.
//!
//! *Believe* turns a path into a `VerifiedGrant` (seal, time, revocation); *admit* turns that and the fetcher into a [`Permit`];
//! *locate* says what the representation is, *decide* (in `http`) what the request deserves, *open* fetches exactly the bytes
//! needed, *reply* writes the head. Everything that reads bytes takes a permit, so the wrong order does not compile, and a 304, a
//! 412 or a 416 reads nothing.

mod believe;
mod face;
mod memo;
mod permit;

mod locate;
mod open;
mod reply;

mod body;
mod delivery;

mod error;
mod service;

pub use body::AssetBody;
pub use delivery::{Cut, DeliveryError};
pub use error::{
    AssetError, BAD_REQUEST, METHOD_NOT_ALLOWED, MISDIRECTED, NOT_FOUND, NOT_IMPLEMENTED, ORIGIN_FAILED, OVERLOADED,
};
pub use permit::Permit;
pub use service::{AssetParts, AssetRequest, Assets, Story};
