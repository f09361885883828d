//! How files that the settings name are opened and read, and what is said when they cannot be.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::reading::Reading;

/// The text in the file at `path`.
pub(super) fn read(path: &Path) -> Reading<String> {
    into_text(path, read_bytes(path)?)
}

/// What the file at `path` holds.
pub(super) fn read_bytes(path: &Path) -> Reading<Vec<u8>> {
    File::open(path).and_then(bounded).map_err(|error| cannot(path, &error))
}

/// The text in the file at `path`, which nobody but its owner may be able to read; `missing` is said where there is none.
pub(super) fn read_private(path: &Path, missing: impl FnOnce() -> String) -> Reading<String> {
    let opened = File::open(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => missing(),
        _ => cannot(path, &error),
    })?;
    let metadata = opened.metadata().map_err(|error| cannot(path, &error))?;
    let mode = metadata.permissions().mode();
    if mode & OTHERS != 0 {
        let (shown, mode) = (path.display(), mode & 0o7777);
        return Err(format!("{shown} can be used by others than its owner (mode {mode:04o}); run chmod 600 {shown}"));
    }
    into_text(path, bounded(opened).map_err(|error| cannot(path, &error))?)
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
/// Meta's networks fit into 1 KiB, thousands of clients or certificates into 1 MiB.
const LARGEST_FILE: u64 = 4 << 20;
