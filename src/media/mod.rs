//! What an asset is, and whether a template header would take it.
//!
//! Two halves that never meet in one function. *Inspect* turns bytes into [`Facts`], streaming, in bounded memory, reading headers
//! only: no allocation follows a size that the content declares. *Judge* turns facts and a request into a media type
//! ([`decide_type`]) and into findings ([`preflight()`]), and never sees a byte, so it can run again on facts of years ago.
//! This room is pure, panics on no input, and imports only `value`.

mod facts;
mod format;
mod inspect;
mod skim;

mod boxes;
mod jpeg;
mod magic;
mod markup;
mod movie;
mod office;
mod png;

mod decide;
mod header;
mod naming;
mod preflight;

pub use decide::{TypeDecision, TypeRefusal, decide_type, is_active};
pub use facts::{Colour, Detail, Facts, Moov, Movie, Picture, PictureHeader, Track, TrackKind};
pub use format::Format;
pub use header::{BadHeaderKind, HeaderKind};
pub use inspect::{GLIMPSE, Inspector, glimpse};
pub use naming::{extension_for, promised_by, stem_for};
pub use preflight::{Finding, Preflight, preflight};
pub use skim::{Skim, Skimmed};

#[cfg(test)]
mod samples;
