//! The nouns that every other room shares: time, secrets, digests, names, keys and spans.
//!
//! Each type here can only be made from a value that was checked, so that no other room needs to check it again.
//! This room is pure: it awaits nothing, opens nothing, and imports no other room.

mod base32;
mod clock;
mod digest;
mod key;
mod label;
mod live;
mod media_type;
mod random;
mod secret;
mod span;

pub use base32::BASE32;
pub use clock::{Clock, UnixTime};
pub use digest::{Fingerprint, NotADigest, Sha256, VersionId};
pub use key::{BadObjectKey, BadVersion, ObjectKey, ObjectVersion};
pub use label::{BadLabel, ClientName, ProfileName, StoreName};
pub use live::Live;
pub use media_type::{BadFileName, BadMediaType, FileName, MediaType};
pub use random::{NoRandomness, is_weak, random_bytes};
pub use secret::Secret;
pub use span::ByteSpan;
