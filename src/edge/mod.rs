//! The public front: what the world sees.
//!
//! [`Edge`] checks that a request is well framed, meant for us and of a method that we serve; routes it; and accounts for it at its true
//! end, when the last byte has left or the fetcher has. It never fails: whatever happens inside becomes an answer or an
//! aborted connection, and a line in the log.

mod account;
mod front;
mod gate;

pub use account::AccountedBody;
pub use front::{Edge, EdgeParts};
