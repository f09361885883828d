//! The bytes of hot objects: verified, shared, and bounded in memory.
//!
//! Content lies in blocks of 256 KiB, keyed by fingerprint, so equal bytes under two keys are held once. A block is compared with its
//! manifest before any of it is sent or kept. Only what nobody has read as a whole yet has no fingerprint (presigned links reach such objects):
//! its blocks are keyed by the object's version, the store is believed, and they are counted as unverified. The room carries bytes, never permission: whoever asks it has judged its request already.
//!
//! What always holds: every byte of block memory is counted once, from the moment it is taken until its last holder lets go of it; room is made before
//! it is taken; and past a ceiling there is an error, never growth.

mod bodies;
#[expect(clippy::module_inception, reason = "the room's main type has the room's name")]
mod cache;
mod came;
mod error;
mod flight;
mod flights;
mod index;
mod intake;
mod manifest;
mod manifests;
mod memory;
mod pace;
mod pilot;
mod reader;
mod settings;
mod source;
#[cfg(test)]
mod tests;

pub use bodies::BodyMeter;
pub use cache::{Cache, CacheState, OnWrongBytes};
pub use came::{Came, Found};
pub use error::ReadError;
pub use index::{BlockKey, Claim, ClaimLink, ContentId, Hoard, Index, Share, Usage};
pub use intake::{Berth, Intake};
pub use manifest::{Manifest, ManifestBuilder, block_count, block_length};
pub use memory::{Blank, Block, Charge, Ledger, NoRoom};
pub use reader::Reader;
pub use settings::CacheSettings;
pub use source::Source;

use bodies::Bodies;
use manifests::Manifests;

/// The bytes of a full block. The last one of a content may be shorter.
pub const BLOCK: usize = 256 * 1024;
