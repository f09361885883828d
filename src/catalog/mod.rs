//! What must survive a restart: known objects, manifests, minted links, revocations and fetches.
//!
//! One [`Catalog`] stands before one database. Everything that writes goes through one writer task, so writes have one order
//! and never wait for each other's locks; reads use a small pool of read-only connections. Two promises, and they differ:
//! a *revocation* is on the disk before its answer; *mints and fetches* are queued, written in batches, and counted when they
//! cannot be kept. Nobody waits until a record is written, so a failing disk shows in [`CatalogCounters`] and the log. A mint may wait until
//! its record has room, as long as the database is only slow; once it is known to be stuck, nobody waits for it.
//!
//! May import `value` only. The SQL of a backend lives in that backend's folder; PostgreSQL will come as a second one.

mod batch;
mod error;
mod handle;
mod mints;
mod queue;
mod record;
mod settings;
mod sqlite;
mod writer;

pub use error::CatalogError;
pub use handle::{Catalog, CatalogLook};
pub use queue::CatalogCounters;
pub use record::{
    FetchRecord, KnownObject, Lifted, LinkRecord, MintRecord, NewRevocation, Pruned, RevocationRecord,
    RevocationsState, WhichRevocations,
};
pub use settings::CatalogSettings;
