//! A new file in the store: written beside its place, made durable, and linked in only where nothing lies.
//!
//! The place is decided by `linkat`, which the kernel does in one step and which never replaces a name: a file, a directory or a symbolic link
//! that is there already stays. The file under its passing name lies in the same directory, so it is on the same file system, and it
//! is removed however this ends. Only a crash leaves one; its name begins with a dot and tells what made it.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;

use data_encoding::HEXLOWER;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{self, AtFlags, Mode, OFlags};
use rustix::io::{Errno, retry_on_intr};

use super::beneath::{Root, fault, io_fault};
use crate::origin::file_body::{PIECE, Unreadable};
use crate::origin::{CreateError, NewObject, OriginError};
use crate::value::{ObjectKey, random_bytes};

/// Creates `key` beneath `root` with the bytes of `object`.
pub(super) fn create(root: &Root, key: &ObjectKey, object: &NewObject) -> Result<(), CreateError> {
    let (folder, name) = root.folder(key)?;
    // Asked first so that no copy is made in vain; what decides is the link.
    if fs::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW).is_ok() {
        return Err(CreateError::Exists);
    }
    let passing = Passing::new(folder.as_fd())?;
    let mut file = File::from(passing.open()?);
    copy(object, &mut file)?;
    file.sync_all().map_err(|error| io_fault(&error))?;
    match retry_on_intr(|| fs::linkat(&folder, &passing.name, &folder, name, AtFlags::empty())) {
        Ok(()) => {}
        Err(Errno::EXIST) => return Err(CreateError::Exists),
        Err(errno) => return Err(fault(errno).into()),
    }
    drop(passing);
    Ok(fs::fsync(&folder).map_err(fault)?)
}

/// Copies the bytes by position: another try may be reading them too.
fn copy(object: &NewObject, to: &mut File) -> Result<(), OriginError> {
    let (mut at, mut piece) = (0, vec![0; PIECE]);
    while at < object.length {
        let left = usize::try_from(object.length - at).unwrap_or(usize::MAX);
        piece.truncate(left);
        object.file.read_exact_at(&mut piece, at).map_err(|error| OriginError::from(&Unreadable(error)))?;
        to.write_all(&piece).map_err(|error| io_fault(&error))?;
        at += u64::try_from(piece.len()).unwrap_or(u64::MAX);
    }
    Ok(())
}

/// A name that a file has until it is whole. It goes when this does.
struct Passing<'a> {
    folder: BorrowedFd<'a>,
    name: String,
}

impl<'a> Passing<'a> {
    fn new(folder: BorrowedFd<'a>) -> Result<Self, OriginError> {
        let random: [u8; 16] = random_bytes().map_err(|error| OriginError::Failed(error.to_string()))?;
        Ok(Self { folder, name: format!(".hallpass-{}.partial", HEXLOWER.encode(&random)) })
    }

    fn open(&self) -> Result<OwnedFd, OriginError> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        retry_on_intr(|| fs::openat(self.folder, &self.name, flags, Mode::from_raw_mode(0o644))).map_err(fault)
    }
}

impl Drop for Passing<'_> {
    fn drop(&mut self) {
        let _ = fs::unlinkat(self.folder, &self.name, AtFlags::empty());
    }
}
