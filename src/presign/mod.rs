//! Presigned S3 URLs: what one claims, whether the signature of one of our own access keys bears it out, and when it is believed.
//!
//! The way is a request -> [`open`] -> [`OpenedUrl`] -> [`OpenedUrl::judge`] -> [`VerifiedUrl`], as it is for our own links. Each step is the
//! only maker of the type that the next one takes, so a URL cannot be obeyed before its form, its signature, its scope, its time and its
//! revocation were checked. [`open`] itself goes from a [`Claim`], whose form is right, to what one of our keys signed.
//!
//! What is signed is what was sent, byte for byte: path and query must be written in the one canonical way, so that no two URLs mean
//! the same request and nothing in one is left out of its signature.
//!
//! This room is pure: time, clients and revocations are arguments, and nothing is logged.

mod cache_control;
mod canonical;
mod claim;
mod clients;
mod credential;
mod denial;
mod disposition;
mod lifetime;
mod open;
mod overrides;
mod query;
mod rules;
#[cfg(test)]
mod samples;
mod sign;
mod verified;

pub use cache_control::{BadCacheControl, CacheControlOverride};
pub use claim::{Claim, SignedRequest};
pub use clients::{PresignClient, PresignClients};
pub use credential::{AccessKeyId, NotAnAccessKeyId};
pub use denial::{Disbelief, PresignDenial, PresignFault};
pub use disposition::{BadDisposition, DispositionOverride};
pub use lifetime::Lifetime;
pub use open::{Addressing, OpenedUrl, PresignedRequest, open};
pub use overrides::Overrides;
pub use query::is_presigned;
pub use rules::{Parameters, Payload, PresignRules, SigV4Rules};
pub use verified::VerifiedUrl;
