//! Minting: from a request for a link to the link itself, and back.
//!
//! A link is minted only for bytes that were read, hashed, sniffed and checked. [`Minter`] tells that story; [`KnownObjects`] remembers
//! what was read, so that it is read once; [`Revoker`] ends links early; [`inspect()`] says what a link would be worth today.
//!
//! It imports the rooms whose meeting a mint is: `link`, `media`, `fetcher`, `origin`, `catalog` and `telemetry`.

mod check;
mod error;
mod examination;
mod heads;
mod inspect;
mod known;
mod minter;
mod reading;
mod request;
mod revoker;

pub use check::Judged;
pub use error::{MintError, ReadFailure};
pub use examination::Examination;
pub use heads::{HeadFailure, Heads};
pub use inspect::{Inspected, Inspection, Judge, LinkState, inspect};
pub use known::{Known, KnownObjects, ObjectId};
pub use minter::{MintPolicy, MintSettings, Minter, MinterParts};
pub use request::{MintRequest, MintWarning, Minted};
pub use revoker::{RevokeError, Revoker};
