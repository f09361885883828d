//! RFC 9110 to the letter, for GET and HEAD of one representation whose metadata is known.
//!
//! *Locate, decide, open*: the caller finds out what the representation is ([`Validators`]), this room decides what the request
//! deserves ([`decide`]), and only then does anybody touch bytes. So a 304, a 412 and a 416 read none. The other items write
//! the fields that such answers carry.
//!
//! This room is pure: it awaits nothing, opens nothing, reads no clock, and imports only `value`. No request makes it panic,
//! and a request without conditions and ranges costs it no allocation.

mod decision;
mod entity_tag;
mod http_date;
mod range;

mod content_range;
mod disposition;
mod multipart;
mod problem;

mod field;

pub use content_range::{content_range, content_range_unsatisfied};
pub use decision::{Decision, Retrieval, Validators, decide};
pub use disposition::{Disposition, content_disposition};
pub use entity_tag::{BadEntityTag, EntityTag};
pub use http_date::{BadHttpDate, HttpDate};
pub use multipart::{BadBoundary, Multipart, Part};
pub use problem::{Problem, ProblemKind};
