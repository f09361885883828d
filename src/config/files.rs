//! How files that the settings name are opened and read, and what is said when they cannot be.
//!
//! A secret is read from a file that nobody but its owner may use. A file that somebody else owns may be readable by its group as well: service
//! managers hand secrets over like that (a Secret of Kubernetes, a credential of systemd), and we could read it in no other way.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::process::geteuid;

use super::reading::Reading;

/// The text in the file at `path`.
pub(super) fn read(path: &Path) -> Reading<String> {
    into_text(path, read_bytes(path)?)
}

/// What the file at `path` holds.
pub(super) fn read_bytes(path: &Path) -> Reading<Vec<u8>> {
    File::open(path).and_then(bounded).map_err(|error| cannot(path, &error))
}

/// The text in the file at `path`, which nobody but its owner may be able to read, or, where that is somebody else, nobody but us through its
/// group; `missing` is said where there is none.
pub(super) fn read_private(path: &Path, missing: impl FnOnce() -> String) -> Reading<String> {
    let opened = File::open(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => missing(),
        _ => cannot(path, &error),
    })?;
    let metadata = opened.metadata().map_err(|error| cannot(path, &error))?;
    if !is_private(metadata.mode(), metadata.uid(), geteuid().as_raw()) {
        let (shown, mode) = (path.display(), metadata.mode() & 0o7777);
        return Err(format!("{shown} can be used by others than its owner (mode {mode:04o}); run chmod 600 {shown}"));
    }
    into_text(path, bounded(opened).map_err(|error| cannot(path, &error))?)
}

/// Whether somebody can read or change the file at `path` who could not if it were a secret. What cannot be looked at is read by nobody.
pub(super) fn is_exposed(path: &Path) -> bool {
    let us = geteuid().as_raw();
    path.metadata().is_ok_and(|metadata| !is_private(metadata.mode(), metadata.uid(), us))
}

/// Whether a file of this mode and owner is a secret of `us`. The group of another owner's file may read it and no more.
const fn is_private(mode: u32, owner: u32, us: u32) -> bool {
    let forbidden = if owner == us { OTHERS } else { OTHERS & !GROUP_READS };
    mode & forbidden == 0
}

/// What is said of a file that is not there.
pub(super) fn absent(path: &Path) -> String {
    format!("{} does not exist; make it, or name another file", path.display())
}

fn into_text(path: &Path, bytes: Vec<u8>) -> Reading<String> {
    String::from_utf8(bytes).map_err(|_| cannot(path, &io::Error::from(ErrorKind::InvalidData)))
}

fn bounded(file: File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(LARGEST_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST_FILE { Err(io::Error::from(ErrorKind::FileTooLarge)) } else { Ok(bytes) }
}

fn cannot(path: &Path, error: &io::Error) -> String {
    let shown = path.display();
    match error.kind() {
        ErrorKind::NotFound => absent(path),
        ErrorKind::PermissionDenied => format!("{shown} may not be read by this user; change its owner or mode"),
        ErrorKind::IsADirectory => format!("{shown} is a directory; name a file"),
        ErrorKind::InvalidData => format!("{shown} is not UTF-8 text; name another file"),
        ErrorKind::FileTooLarge => format!("{shown} is larger than 4 MiB; name another file"),
        _ => format!("{shown} cannot be read: {error}"),
    }
}

/// The mode bits of group and world.
const OTHERS: u32 = 0o077;
/// That the group may read. Where a file has an access control list, this bit tells of everybody whom the list names.
const GROUP_READS: u32 = 0o040;
/// Meta's networks fit into 1 KiB, thousands of clients or certificates into 1 MiB.
const LARGEST_FILE: u64 = 4 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_may_read_the_secret_of_another_owner_and_nobody_may_do_more() {
        let (root, us) = (0, 65_532);
        for (mode, owner, us, expected) in [
            (0o600, us, us, true),
            (0o400, us, us, true),
            (0o440, us, us, false),
            (0o640, us, us, false),
            (0o604, us, us, false),
            // As root everything can be read, so nothing needs a group.
            (0o440, root, root, false),
            // A Secret of Kubernetes with fsGroup, and a credential of systemd 254 and later.
            (0o440, root, us, true),
            (0o640, root, us, true),
            (0o660, root, us, false),
            (0o450, root, us, false),
            (0o444, root, us, false),
            (0o441, root, us, false),
            (0o100_440, root, us, true),
        ] {
            assert_eq!(is_private(mode, owner, us), expected, "{mode:o} of {owner}, read by {us}");
        }
    }
}
