//! Publishing: bytes that nobody stored yet become an object under a name of their own, and a link to it.
//!
//! What is published is never overwritten: its key carries its fingerprint, and the store is asked to create it only where nothing lies. The
//! bytes go to a file that has no name, so it is gone however an upload ends; they are checked before anything is stored; and the link is
//! minted from what the store then holds, by the ordinary minter, so it is for what really lies there.
//!
//! It is a room of its own above `mint`: a publish needs nearly all of a mint, and a mint nothing of a publish. Serving needs neither
//! this room nor the right to write to a store.

mod error;
mod lanes;
mod publisher;
mod request;
mod spool;

pub use error::{PublishError, UploadError};
pub use publisher::Publisher;
pub use request::{BadPrefix, KeyPrefix, PublishRequest, Published};
pub use spool::PublishSettings;
