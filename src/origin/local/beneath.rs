//! Opening files beneath the root, and nowhere else.
//!
//! The root is opened once and held: the store is that directory, even if its path comes to mean another one later. A kernel
//! that cannot keep us beneath it is an error when the store is opened, never a reason to check paths ourselves.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fd::OwnedFd;
use rustix::fs::{self, Mode, OFlags, ResolveFlags};
use rustix::io::{Errno, retry_on_intr};

use super::Stamp;
use crate::origin::OriginError;
use crate::value::ObjectKey;

/// The directory that a local store is.
#[derive(Debug)]
pub(super) struct Root(OwnedFd);

impl Root {
    /// Opens the directory at `path`, and proves that the kernel can keep us beneath it.
    pub(super) fn open(path: &Path) -> Result<Self, OriginError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = retry_on_intr(|| fs::open(path, flags, Mode::empty()));
        let root = Self(opened.map_err(|errno| root_fault(path, errno))?);
        root.probe()?;
        Ok(root)
    }

    /// Whether the directory can still be entered.
    pub(super) fn probe(&self) -> Result<(), OriginError> {
        let opened = self.beneath(".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC);
        let directory = opened.map_err(|errno| match errno {
            Errno::NOSYS => failed("this kernel has no openat2; a local store needs Linux 5.6 or later"),
            Errno::PERM => {
                failed("openat2 is not permitted here, perhaps by a seccomp profile; a local store needs it")
            }
            other => fault(other),
        })?;
        // A deleted directory can be opened for ever, but it is empty and stays so.
        let links = File::from(directory).metadata().map_err(|error| io_fault(&error))?.nlink();
        if links == 0 { Err(failed("the root directory was deleted")) } else { Ok(()) }
    }

    /// The regular file at `key`, open, and what it looked like then.
    pub(super) fn file(&self, key: &ObjectKey) -> Result<(File, Stamp), OriginError> {
        addressable(key)?;
        // O_NONBLOCK: opening a FIFO must not wait for its writer. O_NOCTTY: nor may a terminal become ours.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = File::from(self.beneath(key.as_str(), flags).map_err(fault)?);
        let stamp = Stamp::of(&file)?.ok_or(OriginError::Unaddressable("it is not a regular file"))?;
        Ok((file, stamp))
    }

    /// The directory that `key` lies in, and the key's last segment. Directories on the way that do not exist are made.
    pub(super) fn folder<'k>(&self, key: &'k ObjectKey) -> Result<(OwnedFd, &'k str), OriginError> {
        addressable(key)?;
        let (path, name) = key.as_str().rsplit_once('/').unwrap_or((".", key.as_str()));
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = match self.beneath(path, flags) {
            Err(Errno::NOENT) => self.make(path).and_then(|()| self.beneath(path, flags)),
            other => other,
        };
        Ok((opened.map_err(path_fault)?, name))
    }

    /// Makes each directory of `path` that does not exist, in one that lies beneath the root; so none is made elsewhere.
    fn make(&self, path: &str) -> Result<(), Errno> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let ends = path.match_indices('/').map(|(end, _)| end).chain([path.len()]);
        for so_far in ends.filter_map(|end| path.get(..end)) {
            let (above, name) = so_far.rsplit_once('/').unwrap_or((".", so_far));
            let above = self.beneath(above, flags)?;
            match retry_on_intr(|| fs::mkdirat(&above, name, Mode::from_raw_mode(0o755))) {
                Ok(()) => fs::fsync(&above)?,
                Err(Errno::EXIST) => {}
                Err(errno) => return Err(errno),
            }
        }
        Ok(())
    }

    /// What lies at `path`, opened so that nothing leads out of the root.
    pub(super) fn beneath(&self, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        retry_on_intr(|| fs::openat2(&self.0, path, flags, Mode::empty(), resolve))
    }
}

/// Whether the key has one spelling as a path: a file system would read `a//b`, `a/./b` and `a/b` as one.
fn addressable(key: &ObjectKey) -> Result<(), OriginError> {
    for segment in key.as_str().split('/') {
        match segment {
            "" => return Err(OriginError::Unaddressable("it begins or ends with '/', or has '//' in it")),
            "." | ".." => return Err(OriginError::Unaddressable("one of its segments is '.' or '..'")),
            long if long.len() > SEGMENT_MAX => {
                return Err(OriginError::Unaddressable("one of its segments is longer than 255 bytes"));
            }
            _ => {}
        }
    }
    Ok(())
}

/// What a failure on the way to a new object means: the object is not there, so nothing can be "not found".
fn path_fault(errno: Errno) -> OriginError {
    match errno {
        Errno::NOTDIR => OriginError::Unaddressable("a part of its path is a file, so nothing can lie beneath it"),
        Errno::NOENT => OriginError::Unavailable("a directory on its path was removed meanwhile".into()),
        other => fault(other),
    }
}

/// What a failed system call beneath the root means.
pub(super) fn fault(errno: Errno) -> OriginError {
    match errno {
        Errno::NOENT | Errno::NOTDIR => OriginError::NotFound,
        Errno::XDEV => OriginError::Unaddressable("a symbolic link on its path leads out of the store"),
        Errno::LOOP => OriginError::Unaddressable("there are too many symbolic links on its path"),
        Errno::NAMETOOLONG => OriginError::Unaddressable("its path is longer than the file system takes"),
        // What opening a socket, or a device without a driver, says.
        Errno::NXIO | Errno::NODEV => OriginError::Unaddressable("it is not a regular file"),
        Errno::INVAL | Errno::ILSEQ => OriginError::Unaddressable("the file system does not take its characters"),
        Errno::ACCESS | Errno::PERM => OriginError::Denied(format!("the file system says {errno}")),
        // AGAIN: something on the path was renamed while the kernel walked it. The others: we are out of something.
        Errno::AGAIN | Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::NOBUFS | Errno::INTR | Errno::STALE => {
            OriginError::Unavailable(format!("the file system says {errno}"))
        }
        other => OriginError::Failed(format!("the file system says {other}")),
    }
}

/// The same for the standard library's error.
pub(super) fn io_fault(error: &io::Error) -> OriginError {
    match Errno::from_io_error(error) {
        Some(errno) => fault(errno),
        None => OriginError::Failed(format!("the file system says {error}")),
    }
}

fn root_fault(path: &Path, errno: Errno) -> OriginError {
    let said = format!("the root {} cannot be opened: {errno}", path.display());
    if errno == Errno::ACCESS { OriginError::Denied(said) } else { OriginError::Failed(said) }
}

fn failed(said: &str) -> OriginError {
    OriginError::Failed(said.into())
}

/// The longest file name on Linux, in bytes (`NAME_MAX`).
const SEGMENT_MAX: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_with_more_than_one_spelling_have_no_path() {
        for key in
            ["/a", "a/", "a//b", "/", "//", ".", "..", "a/..", "../a", "a/./b", &format!("a/{}", "b".repeat(256))]
        {
            let said = addressable(&key.parse().unwrap());
            assert!(matches!(said, Err(OriginError::Unaddressable(_))), "{key}: {said:?}");
        }
        for key in ["a", "a/b", "...", ".hidden", "a/..b/c..", " +%=?#&'()", "größe/😀", "a\\..\\b"] {
            assert_eq!(addressable(&key.parse().unwrap()), Ok(()), "{key}");
        }
    }

    #[test]
    fn a_root_that_is_no_directory_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let said = Root::open(file.path()).unwrap_err().to_string();
        assert!(said.contains(&file.path().display().to_string()) && said.contains("Not a directory"), "{said}");
        assert!(matches!(Root::open(Path::new("/nonexistent/root")), Err(OriginError::Failed(_))));
    }

    #[test]
    fn a_deleted_root_fails_the_probe() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::open(dir.path()).unwrap();
        assert_eq!(root.probe(), Ok(()));
        drop(dir);
        assert!(root.probe().is_err());
    }

    #[test]
    fn running_out_of_files_is_transient_and_a_bad_disk_is_not() {
        assert!(fault(Errno::MFILE).is_transient());
        assert!(fault(Errno::AGAIN).is_transient());
        assert!(!fault(Errno::IO).is_transient());
    }
}
