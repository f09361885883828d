//! Where bytes wait between their client and the store: a file without a name.
//!
//! The kernel frees such a file with its last holder, so nothing is left of an upload that was given up, not even when the process is killed.
//! Writing, hashing and sniffing block and take milliseconds per megabyte, so one thread beside the serving ones does them for each upload,
//! and no more than a few pieces wait for it: memory does not grow with the asset.

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use super::{PublishError, UploadError};
use crate::mint::{Examination, Known};
use crate::value::Fingerprint;

/// The limits of publishing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishSettings {
    /// Where uploads wait, without names. Default `/var/tmp`, which lies on a disk where `/tmp` is often memory.
    pub directory: PathBuf,
    /// How many assets may be published at once. Default 8.
    pub at_once: usize,
    /// How long an upload may bring nothing. Default 30 s. On the whole it must bring 32 KiB in each second after that.
    pub stall: Duration,
}

impl Default for PublishSettings {
    fn default() -> Self {
        Self { directory: "/var/tmp".into(), at_once: 8, stall: Duration::from_secs(30) }
    }
}

/// Bytes that have all come.
pub(super) struct Spooled {
    /// What they are.
    pub(super) known: Known,
    /// Where they lie: whoever reads them holds the file itself, since there is no name by which it could be found again.
    pub(super) file: Arc<File>,
}

/// Takes all of `bytes`, at most `limit` of them.
pub(super) async fn spool<S>(bytes: S, limit: u64, settings: &PublishSettings) -> Result<Spooled, PublishError>
where
    S: Stream<Item = Result<Bytes, UploadError>>,
{
    let mut bytes = std::pin::pin!(bytes);
    let mut sink = Sink::open(settings.directory.clone());
    let (begun, mut came) = (Instant::now(), 0_u64);
    loop {
        let due = begun + settings.stall + Duration::from_secs(came / SLOWEST);
        let due = due.min(Instant::now() + settings.stall);
        match timeout_at(due, bytes.next()).await {
            Err(_) => return Err(UploadError::TooSlow.into()),
            Ok(None) => return sink.finish().await,
            Ok(Some(Err(error))) => return Err(error.into()),
            Ok(Some(Ok(piece))) => {
                came = came.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
                if came > limit {
                    return Err(PublishError::TooLarge { limit });
                }
                sink.take(piece).await?;
            }
        }
    }
}

/// The thread that takes the bytes. When this is dropped the thread ends by itself, and its file with it.
struct Sink {
    pieces: Option<mpsc::Sender<Bytes>>,
    work: JoinHandle<io::Result<Spooled>>,
}

impl Sink {
    fn open(directory: PathBuf) -> Self {
        let (pieces, inbox) = mpsc::channel(PIECES_AHEAD);
        let work = tokio::task::spawn_blocking(move || take_all(inbox, tempfile::tempfile_in(directory)?));
        Self { pieces: Some(pieces), work }
    }

    async fn take(&mut self, piece: Bytes) -> Result<(), PublishError> {
        let taken = match &self.pieces {
            Some(pieces) => pieces.send(piece).await.is_ok(),
            None => false,
        };
        // A thread that takes no more has failed, and says why.
        if taken { Ok(()) } else { self.finish().await.map(drop).and(Err(PublishError::GivenUp)) }
    }

    async fn finish(&mut self) -> Result<Spooled, PublishError> {
        self.pieces = None;
        match (&mut self.work).await {
            Ok(Ok(spooled)) => Ok(spooled),
            Ok(Err(error)) => Err(PublishError::Spool(Arc::new(error))),
            Err(_) => Err(PublishError::GivenUp),
        }
    }
}

fn take_all(mut inbox: mpsc::Receiver<Bytes>, mut file: File) -> io::Result<Spooled> {
    let (mut blake3, mut examination) = (blake3::Hasher::new(), Examination::new());
    while let Some(piece) = inbox.blocking_recv() {
        file.write_all(&piece)?;
        blake3.update(&piece);
        examination.update(&piece);
    }
    let known = examination.finish(Fingerprint::from_bytes(blake3.finalize().into()));
    Ok(Spooled { known, file: Arc::new(file) })
}

/// How many pieces of an upload, each as large as a socket gave it, may wait for the disk.
const PIECES_AHEAD: usize = 2;
/// The slowest that an upload may be on the whole, in bytes per second.
const SLOWEST: u64 = 32 * 1024;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use futures_util::stream;

    use super::*;

    fn pieces(pieces: &[&'static str]) -> impl Stream<Item = Result<Bytes, UploadError>> + use<> {
        let pieces: Vec<_> = pieces.iter().map(|piece| Ok(Bytes::from_static(piece.as_bytes()))).collect();
        stream::iter(pieces)
    }

    #[tokio::test]
    async fn what_comes_lies_in_a_file_without_a_name_and_is_known() {
        let dir = tempfile::tempdir().unwrap();
        let settings = PublishSettings { directory: dir.path().into(), ..PublishSettings::default() };
        let spooled = spool(pieces(&["ab", "", "c"]), 3, &settings).await.unwrap();
        assert_eq!(spooled.known.fingerprint, Fingerprint::of(b"abc"));
        assert_eq!(spooled.known.length, 3);
        let sha = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(spooled.known.sha256.to_string(), sha, "FIPS 180-4, B.1");
        let mut lies = [0; 4];
        assert_eq!((spooled.file.read_at(&mut lies, 0).unwrap(), &lies[..3]), (3, &b"abc"[..]));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        assert!(matches!(spool(pieces(&["ab", "cd"]), 3, &settings).await, Err(PublishError::TooLarge { limit: 3 })));
    }

    #[tokio::test]
    async fn what_does_not_come_or_cannot_be_put_by_is_told() {
        let settings = PublishSettings { stall: Duration::from_millis(50), ..PublishSettings::default() };
        let silent = pieces(&["ab"]).chain(stream::pending());
        let slow = PublishError::Upload(UploadError::TooSlow);
        assert_eq!(spool(silent, 9, &settings).await.err().map(|e| e.label()), Some(slow.label()));
        let broken = pieces(&["ab"]).chain(stream::iter([Err(UploadError::Broken)]));
        assert!(matches!(spool(broken, 9, &settings).await, Err(PublishError::Upload(UploadError::Broken))));
        let nowhere = PublishSettings { directory: "/nonexistent/spool".into(), ..settings };
        for body in [&["ab"; 10][..], &[]] {
            assert!(matches!(spool(pieces(body), 99, &nowhere).await, Err(PublishError::Spool(_))));
        }
    }
}
