//! The story of one asset request: believe, admit, locate, decide, open, reply.
//!
//! *Believe* turns a link's path (seal, time, revocation) or a presigned URL (form, signature, scope, time, revocation) into a [`Warrant`];
//! *admit* turns that and the fetcher into a [`Permit`]; *locate* says what the representation is: a grant names it, a presigned URL leads to
//! what lies in the store now; *decide* (in `http`) what the request deserves, *open* fetches exactly the bytes
//! needed, *reply* writes the head. Everything that reads bytes takes a permit, so the wrong order does not compile, and a 304, a
//! 412 or a 416 reads nothing.

mod believe;
mod memo;
mod permit;
mod presigned;
mod warrant;

mod locate;
mod open;
mod reply;
mod representation;
mod resolve;

mod body;
mod delivery;

mod error;
mod s3_error;
mod service;

pub use body::AssetBody;
pub use delivery::{Cut, DeliveryError};
pub use error::{
    AssetError, BAD_REQUEST, METHOD_NOT_ALLOWED, MISDIRECTED, NOT_FOUND, NOT_IMPLEMENTED, ORIGIN_FAILED, OVERLOADED,
};
pub use permit::Permit;
pub use presigned::Presigning;
pub use s3_error::in_s3_words;
pub use service::{AssetParts, AssetRequest, Assets, PresignedTarget, Story, Target};
pub use warrant::Warrant;
