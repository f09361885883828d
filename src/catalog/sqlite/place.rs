//! Where the database lies: reading the URL, making the file, and saying in plain words what is wrong with it.

use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::catalog::CatalogError;

/// A SQLite database's place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A file, by its absolute path, which no working directory can move and no `file:` can turn into a URI.
    File(PathBuf),
    /// A database in memory, by a name that is unique in this process.
    Memory(String),
}

/// Which file a path meant when it was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Identity {
    Memory,
    File { device: u64, inode: u64 },
}

impl Place {
    pub(super) fn from_url(url: &str) -> Result<Self, CatalogError> {
        let rest = url.strip_prefix("sqlite:").ok_or(CatalogError::Url(match url.split(':').next() {
            Some("postgres" | "postgresql") => "PostgreSQL is not supported yet",
            _ => "only SQLite is supported",
        }))?;
        match rest.strip_prefix("//").unwrap_or(rest) {
            ":memory:" => {
                let number = MEMORY_NUMBER.fetch_add(1, Ordering::Relaxed);
                // A leading slash makes SQLite's memdb share it between connections.
                Ok(Self::Memory(format!("/hallpass-{number}")))
            }
            "" => Err(CatalogError::Url("the path is missing")),
            path if path.contains('?') => Err(CatalogError::Url("parameters after '?' are not supported")),
            path if path.contains('\0') => Err(CatalogError::Url("a path cannot contain a NUL character")),
            path => std::path::absolute(path).map(Self::File).map_err(|_| CatalogError::Url("the path is not usable")),
        }
    }

    /// Makes an empty file with mode 0600 where there is none. SQLite gives its log and index the same mode.
    pub(super) fn prepare(&self) -> Result<(), CatalogError> {
        let Self::File(path) = self else { return Ok(()) };
        self.must_fit()?;
        let parent = path.parent().unwrap_or(Path::new("/"));
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
            // The new name must survive a power cut as the first revocation in the file does.
            Ok(_) => File::open(parent).and_then(|dir| dir.sync_all()).or_else(|error| self.cannot(error.to_string())),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
            Err(error) => self.cannot(error.to_string()),
        }
    }

    /// Refuses a path at which no file can be: without a directory, or a directory itself.
    fn must_fit(&self) -> Result<(), CatalogError> {
        let parent = self.path().parent().unwrap_or(Path::new("/"));
        if !parent.is_dir() {
            return self.cannot(format!("the directory {} does not exist; make it first", parent.display()));
        }
        if self.path().is_dir() {
            return self.cannot("it is a directory; name a file in it".to_owned());
        }
        Ok(())
    }

    /// Whether there is a file to look into.
    pub(super) fn is_made(&self) -> Result<bool, CatalogError> {
        let Self::File(path) = self else { return Ok(false) };
        self.must_fit()?;
        path.try_exists().or_else(|error| self.cannot(error.to_string()))
    }

    /// Which file is there now.
    pub(super) async fn identity(&self) -> Result<Identity, CatalogError> {
        let Self::File(path) = self else { return Ok(Identity::Memory) };
        match tokio::fs::metadata(path).await {
            Ok(file) => Ok(Identity::File { device: file.dev(), inode: file.ino() }),
            Err(error) => self.cannot(error.to_string()),
        }
    }

    /// Refuses when the file is no longer the one that was opened. SQLite would go on writing to a file without a name, and
    /// all that it commits there is gone at the next start.
    pub(super) async fn must_still_be(&self, opened: Identity) -> Result<(), CatalogError> {
        if self.identity().await? == opened {
            return Ok(());
        }
        self.cannot("another file was put in its place while it was in use; restart to use that one".to_owned())
    }

    /// The error of opening, in words that say what to do.
    pub(super) fn explain(&self, error: sqlx::Error) -> CatalogError {
        let Self::File(path) = self else { return CatalogError::Database(error) };
        let code = error
            .as_database_error()
            .and_then(sqlx::error::DatabaseError::code)
            .and_then(|code| code.parse::<i32>().ok());
        let (path, reason) = (path.clone(), error.to_string());
        // The low byte is the primary code, the rest says more (https://www.sqlite.org/rescode.html).
        match code.map(|code| code & 0xff) {
            Some(SQLITE_CORRUPT | SQLITE_NOTADB) => CatalogError::Damaged { path, reason },
            _ => CatalogError::CannotOpen { path, reason },
        }
    }

    pub(super) fn cannot<T>(&self, reason: String) -> Result<T, CatalogError> {
        Err(CatalogError::CannotOpen { path: self.path().to_owned(), reason })
    }

    pub(super) fn path(&self) -> &Path {
        match self {
            Self::File(path) => path,
            Self::Memory(name) => Path::new(name),
        }
    }
}

static MEMORY_NUMBER: AtomicU64 = AtomicU64::new(0);
const SQLITE_CORRUPT: i32 = 11;
const SQLITE_NOTADB: i32 = 26;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_a_file_taken_literally() {
        let here = std::env::current_dir().unwrap();
        for (url, path) in [
            ("sqlite:///var/lib/a.db", PathBuf::from("/var/lib/a.db")),
            ("sqlite://a.db", here.join("a.db")),
            ("sqlite:a.db", here.join("a.db")),
            ("sqlite:///tmp/a%20b#c.db", PathBuf::from("/tmp/a%20b#c.db")),
            ("sqlite://file:a.db", here.join("file:a.db")),
        ] {
            assert_eq!(Place::from_url(url).unwrap(), Place::File(path), "{url}");
        }
    }

    #[test]
    fn every_database_in_memory_is_another_one() {
        let (one, two) = (Place::from_url("sqlite::memory:").unwrap(), Place::from_url("sqlite://:memory:").unwrap());
        assert!(matches!((&one, &two), (Place::Memory(_), Place::Memory(_))));
        assert_ne!(one, two);
    }

    #[test]
    fn a_url_that_names_no_sqlite_file_is_refused_with_the_reason() {
        for (url, reason) in [
            ("", "only SQLite is supported"),
            ("hallpass.db", "only SQLite is supported"),
            ("postgres://db/x", "PostgreSQL is not supported yet"),
            ("postgresql://db/x", "PostgreSQL is not supported yet"),
            ("sqlite:", "the path is missing"),
            ("sqlite://", "the path is missing"),
            ("sqlite://a.db?mode=rwc", "parameters after '?' are not supported"),
            ("sqlite://a\0.db", "a path cannot contain a NUL character"),
        ] {
            match Place::from_url(url) {
                Err(CatalogError::Url(said)) => assert_eq!(said, reason, "{url}"),
                other => panic!("{url}: {other:?}"),
            }
        }
    }
}
