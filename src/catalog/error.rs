//! What can go wrong with the catalog. The first four stop a start; the others are answers to one call.

use std::path::PathBuf;

/// Why the catalog could not be opened, or could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// The setting `catalog.url` names no database that this build can use.
    #[error("catalog.url: {0}; write sqlite://PATH, such as sqlite://hallpass.db")]
    Url(&'static str),
    /// The database's file cannot be made or used.
    #[error("the catalog {} cannot be opened: {reason}", path.display())]
    CannotOpen {
        /// The file, as an absolute path.
        path: PathBuf,
        /// What stands in the way, and what to do.
        reason: String,
    },
    /// The file is no SQLite database, or a broken one.
    #[error(
        "the catalog {} is damaged ({reason}): put a backup in its place, or move it away to start an empty one, which forgets \
         all revocations",
        path.display()
    )]
    Damaged {
        /// The file, as an absolute path.
        path: PathBuf,
        /// What the database said.
        reason: String,
    },
    /// A newer release of Hallpass wrote this catalog.
    #[error("the catalog {} has schema {found}, this release knows up to {known}: start the newer release", path.display())]
    TooNew {
        /// The file, as an absolute path.
        path: PathBuf,
        /// The schema found in the file.
        found: i64,
        /// The newest schema that this build knows.
        known: i64,
    },
    /// A text is longer than its column takes.
    #[error("{what} has at most {max} bytes, this one has {found}")]
    TooLong {
        /// Which text.
        what: &'static str,
        /// Its limit, in bytes.
        max: usize,
        /// Its length, in bytes.
        found: usize,
    },
    /// A row holds what no release wrote there.
    #[error("the catalog's column {0} holds a value that cannot be read")]
    Unreadable(&'static str),
    /// The database refused. The transaction was rolled back as a whole.
    #[error("the catalog's database failed: {0}")]
    Database(#[from] sqlx::Error),
    /// No answer in time. The change may still be made; asking again is safe.
    #[error("the catalog did not answer in time; the change may or may not be made, asking again is safe")]
    Late,
    /// The catalog was closed.
    #[error("the catalog is closed")]
    Closed,
}
