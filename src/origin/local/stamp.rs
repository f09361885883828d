//! What tells one state of a file from the next: its inode, its size, and when its content changed, to the nanosecond.
//!
//! A rewrite that keeps all three (same length, within one tick of the kernel's clock, or with the time set back) is not seen
//! here; the manifest's check of every block is what stops those bytes. The time of status change (`ctime`) is left out on
//! purpose: a `chmod` or a backup's hard link would make links to unchanged bytes fail.

use std::fmt;
use std::fs::File;
use std::os::unix::fs::MetadataExt;

use super::beneath::io_fault;
use crate::origin::{ObjectMeta, OriginError};
use crate::value::{BadVersion, ObjectVersion, UnixTime};

/// One state of a regular file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    inode: u64,
    size: u64,
    /// Seconds since the epoch, and nanoseconds within that second.
    modified: (i64, i64),
}

impl Stamp {
    /// The state of an open file now; `None` when it is not a regular one.
    pub(super) fn of(file: &File) -> Result<Option<Self>, OriginError> {
        let said = file.metadata().map_err(|error| io_fault(&error))?;
        let stamp = Self { inode: said.ino(), size: said.len(), modified: (said.mtime(), said.mtime_nsec()) };
        Ok(said.is_file().then_some(stamp))
    }

    /// The length in bytes.
    pub(super) fn length(&self) -> u64 {
        self.size
    }

    /// Whether this is the state that `version` names.
    pub(super) fn is(&self, version: &ObjectVersion) -> bool {
        self.to_string() == version.as_str()
    }

    /// The state as a store's answer. A file system holds neither media type nor coding.
    pub(super) fn meta(&self) -> Result<ObjectMeta, OriginError> {
        let secs = u64::try_from(self.modified.0).unwrap_or_default();
        let last_modified = UnixTime::from_secs(secs).unwrap_or(UnixTime::MAX);
        let version = self.to_string().parse().map_err(|bad: BadVersion| OriginError::Failed(bad.to_string()))?;
        Ok(ObjectMeta { version, length: self.size, last_modified, media_type: None, content_encoding: None })
    }
}

impl fmt::Display for Stamp {
    /// The state as the text of a version.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (secs, nanos) = self.modified;
        write!(f, "f:{:x}-{:x}-{secs}.{nanos:09}", self.inode, self.size)
    }
}
