//! What an audit has found so far, on disk: one JSON record a line, appended as it is found.
//!
//! Records count only up to the last *mark*, a record that says how far the scan has come. Whatever a crash, a full disk or a second Ctrl-C leaves
//! behind the last mark is cut off when the file is opened again, so what was found is neither lost nor told twice. An audit without
//! a state file uses the same journal in a file without a name.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use super::finding::{Finding, Setting};
use super::summary::{fixed, is_fixed};

/// What an audit is of. A journal of another store or prefix is never gone on with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origins {
    /// The store's name in the settings.
    pub store: String,
    /// Where it lies: bucket and endpoint, or directory.
    pub place: String,
    /// The prefix that the audit is limited to; empty for none.
    pub prefix: String,
}

/// One line of a journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Record {
    /// The first line.
    Audit {
        /// The version of the journal's format.
        format: u32,
        /// What the audit is of.
        of: Origins,
    },
    /// One setting of the store.
    Setting(Setting),
    /// A fault.
    Finding(Finding),
    /// Mark: the store's settings were looked at.
    Looked {},
    /// Mark: the store was listed once.
    Counted {
        /// How many objects there are.
        objects: u64,
        /// The classes of keys that could be taken for each other, in hexadecimal; absent where there were too many keys.
        shared: Option<Vec<String>>,
    },
    /// A key of such a class.
    Twin {
        /// Its class.
        class: String,
        /// The key.
        key: String,
    },
    /// Mark: every object up to this key was looked at.
    Done {
        /// The last of them.
        after: String,
        /// How many there were.
        objects: u64,
        /// How many bytes of them were read.
        bytes: u64,
    },
    /// Mark: the scan is complete.
    Finished {
        /// How many objects there were.
        objects: u64,
        /// How many bytes of them were read.
        bytes: u64,
    },
    /// Mark: the object at this key got the type that its finding names.
    Fixed {
        /// Which object.
        key: String,
    },
}

impl Record {
    const fn is_mark(&self) -> bool {
        matches!(
            self,
            Self::Looked {} | Self::Counted { .. } | Self::Done { .. } | Self::Finished { .. } | Self::Fixed { .. }
        )
    }
}

/// Why a journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file system says so.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// Another process has it open.
    #[error("another audit is using it right now; wait for it, or name another file")]
    InUse,
    /// It is no journal, or one of another release.
    #[error("it is not the state of an audit that this release can go on with; name another file, or delete it")]
    Foreign,
    /// It is of another store.
    #[error("it is the state of an audit of {}; name another file for this one", describe(.0))]
    OfAnother(Box<Origins>),
}

fn describe(of: &Origins) -> String {
    let prefix = if of.prefix.is_empty() { String::new() } else { format!(" with --prefix {}", of.prefix) };
    super::shown(&format!("store {} ({}){prefix}", of.store, of.place))
}

/// How far a scan has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Progress {
    pub(super) looked: bool,
    /// The number of objects, and the shared classes, sorted; see [`Record::Counted`].
    pub(super) counted: Option<(u64, Option<Vec<u128>>)>,
    pub(super) after: Option<String>,
    pub(super) objects: u64,
    pub(super) bytes: u64,
    pub(super) finished: bool,
}

/// A journal, open for one process.
pub struct Journal {
    file: Arc<File>,
    out: BufWriter<File>,
    pub(super) progress: Progress,
}

impl Journal {
    /// A journal without a name, which ends with the process.
    ///
    /// # Errors
    /// [`JournalError::Io`].
    pub fn temporary(of: &Origins) -> Result<Self, JournalError> {
        let (written, path) = tempfile::NamedTempFile::new()?.into_parts();
        let appending = File::options().read(true).append(true).open(&path)?;
        drop(written);
        let mut journal = Self::over(appending, Progress::default())?;
        journal.write(&first(of))?;
        Ok(journal)
    }

    /// The journal in the file at `path`, which is made if it is not there, and else gone on with.
    ///
    /// # Errors
    /// As [`JournalError`] says.
    pub fn open(path: &Path, of: &Origins) -> Result<Self, JournalError> {
        if !path.try_exists()? {
            make(path, of)?;
        }
        let file = File::options().read(true).append(true).open(path)?;
        flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|_| JournalError::InUse)?;
        let progress = recover(&file, of)?;
        Self::over(file, progress)
    }

    fn over(file: File, progress: Progress) -> Result<Self, JournalError> {
        Ok(Self { out: BufWriter::new(file.try_clone()?), file: Arc::new(file), progress })
    }

    /// Whether the scan was completed before.
    pub fn is_finished(&self) -> bool {
        self.progress.finished
    }

    /// How many objects an earlier run has looked at.
    pub fn looked_at(&self) -> u64 {
        self.progress.objects
    }

    /// Appends a record. A mark reaches the disk before this returns, and all records before it.
    pub(super) fn write(&mut self, record: &Record) -> io::Result<()> {
        serde_json::to_writer(&mut self.out, record)?;
        self.out.write_all(b"\n")?;
        if record.is_mark() {
            self.out.flush()?;
            self.file.sync_data()?;
        }
        Ok(())
    }

    /// All records that count, from the first.
    ///
    /// # Errors
    /// [`JournalError::Io`] when what was appended cannot be written out.
    pub fn records(&mut self) -> Result<impl Iterator<Item = io::Result<Record>> + use<>, JournalError> {
        self.out.flush()?;
        Ok(Lines::new(Arc::clone(&self.file)).filter_map(|line| match line {
            Ok((_, record)) => record.map(Ok),
            Err(error) => Some(Err(error)),
        }))
    }

    /// The findings of objects that were not fixed since, and of the store itself.
    ///
    /// # Errors
    /// As [`Journal::records`].
    pub fn findings(&mut self) -> Result<impl Iterator<Item = io::Result<Finding>> + use<>, JournalError> {
        let fixed = fixed(self)?;
        Ok(self.records()?.filter_map(move |record| match record {
            Ok(Record::Finding(finding)) => (!is_fixed(&finding, &fixed)).then_some(Ok(finding)),
            Ok(_) => None,
            Err(error) => Some(Err(error)),
        }))
    }
}

/// Makes a journal with its first line, in one step: nobody sees it without.
fn make(path: &Path, of: &Origins) -> Result<(), JournalError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    serde_json::to_writer(&mut file, &first(of)).map_err(io::Error::from)?;
    file.write_all(b"\n")?;
    file.as_file().sync_data()?;
    match file.persist_noclobber(path) {
        Ok(_) => Ok(()),
        Err(refused) if refused.error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(refused) => Err(refused.error.into()),
    }
}

fn first(of: &Origins) -> Record {
    Record::Audit { format: FORMAT, of: of.clone() }
}

/// Reads how far the scan came, and cuts off what lies behind the last mark.
fn recover(file: &File, wanted: &Origins) -> Result<Progress, JournalError> {
    let mut lines = Lines::new(Arc::new(file.try_clone()?));
    let mut end = match lines.next().transpose()? {
        Some((end, Some(Record::Audit { format: FORMAT, of }))) if of == *wanted => end,
        Some((_, Some(Record::Audit { format: FORMAT, of }))) => return Err(JournalError::OfAnother(Box::new(of))),
        _ => return Err(JournalError::Foreign),
    };
    let mut progress = Progress::default();
    for line in lines {
        let (after, Some(record)) = line? else { break };
        if record.is_mark() {
            end = after;
        }
        match record {
            Record::Looked {} => progress.looked = true,
            Record::Counted { objects, shared } => {
                let parsed = shared.map(|all| all.iter().filter_map(|c| u128::from_str_radix(c, 16).ok()).collect());
                progress.counted = Some((objects, parsed));
            }
            Record::Done { after, objects, bytes } => {
                (progress.after, progress.objects, progress.bytes) = (Some(after), objects, bytes);
            }
            Record::Finished { objects, bytes } => {
                (progress.finished, progress.objects, progress.bytes) = (true, objects, bytes);
            }
            _ => {}
        }
    }
    file.set_len(end)?;
    Ok(progress)
}

/// The lines of a file, each with the offset of its end; a line that is no whole record is `None`.
struct Lines {
    reader: BufReader<From0>,
    at: u64,
}

impl Lines {
    fn new(file: Arc<File>) -> Self {
        Self { reader: BufReader::new(From0 { file, at: 0 }), at: 0 }
    }
}

impl Iterator for Lines {
    type Item = io::Result<(u64, Option<Record>)>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut line = Vec::new();
        match (&mut self.reader).take(LINE_MAX).read_until(b'\n', &mut line) {
            Err(error) => Some(Err(error)),
            Ok(0) => None,
            Ok(read) => {
                self.at += read as u64;
                let whole = line.ends_with(b"\n");
                Some(Ok((self.at, whole.then(|| serde_json::from_slice(&line).ok()).flatten())))
            }
        }
    }
}

/// A file read from its beginning, whatever else is done with it meanwhile.
struct From0 {
    file: Arc<File>,
    at: u64,
}

impl Read for From0 {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(into, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

/// The version of the format.
const FORMAT: u32 = 1;
/// The longest line: that of [`Record::Counted`] with all classes it can have, and room.
const LINE_MAX: u64 = 4 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::Code;

    fn of(prefix: &str) -> Origins {
        Origins { store: "media".into(), place: "bucket b".into(), prefix: prefix.into() }
    }

    fn finding(key: &str) -> Record {
        Record::Finding(Finding { code: Code::Empty, key: Some(key.into()), detail: "0 bytes".into(), retype: None })
    }

    fn done(after: &str, objects: u64) -> Record {
        Record::Done { after: after.into(), objects, bytes: 5 }
    }

    #[test]
    fn what_lies_behind_the_last_mark_is_cut_off() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state");
        let mut journal = Journal::open(&path, &of("")).unwrap();
        for record in [Record::Looked {}, finding("a"), done("a", 1), finding("b")] {
            journal.write(&record).unwrap();
        }
        drop(journal);
        let whole = std::fs::read(&path).unwrap();
        let mut mark = whole.len() - 1;
        while !whole[..mark].ends_with(b"5}}\n") {
            mark -= 1;
        }
        for cut in mark..=whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let mut journal = Journal::open(&path, &of("")).unwrap();
            assert_eq!((journal.progress.after.as_deref(), journal.looked_at()), (Some("a"), 1), "{cut}");
            journal.write(&done("b", 2)).unwrap();
            let records: Vec<_> = journal.records().unwrap().map(Result::unwrap).collect();
            assert_eq!(records[1..], [Record::Looked {}, finding("a"), done("a", 1), done("b", 2)], "{cut}");
        }
    }

    #[test]
    fn a_state_of_something_else_is_refused_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state");
        drop(Journal::open(&path, &of("")).unwrap());
        let said = Journal::open(&path, &of("promo/")).err().unwrap().to_string();
        assert_eq!(said, "it is the state of an audit of store media (bucket b); name another file for this one");
        for text in ["", "{}\n", "my notes\n", "{\"audit\":{\"format\":99,\"of\":{}}}\n", "{\"audit\""] {
            std::fs::write(&path, text).unwrap();
            assert!(matches!(Journal::open(&path, &of("")), Err(JournalError::Foreign)), "{text}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
    }

    #[test]
    fn two_audits_do_not_share_a_state() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state");
        let _first = Journal::open(&path, &of("")).unwrap();
        assert!(matches!(Journal::open(&path, &of("")), Err(JournalError::InUse)));
    }
}
