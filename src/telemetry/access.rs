//! The access log: one line per request, formatted and written by a thread of its own.
//!
//! The serving threads only move a record into a bounded queue. When it is full (a slow disk, a stuck pipe), the record is dropped and
//! counted; a request never waits for its log line. Denials are thinned before the record is even made.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use prometheus_client::metrics::counter::Counter;

use super::denials::DenialLimiter;
use super::metrics::Metrics;
use super::record::{AccessRecord, Stamp};
use crate::value::UnixTime;

/// The way into the access log. Clones share one queue; the writer ends when the last is gone.
#[derive(Clone, Debug)]
pub struct AccessLog(Arc<Inner>);

/// Where the lines go.
#[derive(Clone, Debug)]
pub enum Sink {
    /// Standard error.
    Stderr,
    /// Standard output.
    Stdout,
    /// The end of a file, which is made readable to owner and group. Rotate it by copy and truncate.
    File(PathBuf),
    /// Memory, for tests.
    Memory(Arc<Mutex<Vec<u8>>>),
    /// Nowhere.
    Off,
}

#[derive(Debug)]
struct Inner {
    /// `None` when the log is off.
    queue: Option<SyncSender<Message>>,
    denials: DenialLimiter,
    dropped: Counter,
}

#[derive(Debug)]
enum Message {
    Record(Box<AccessRecord>),
    /// Answered once all before it is written.
    Flush(SyncSender<()>),
}

impl AccessLog {
    /// Opens the sink and starts the writer. `queue` is how many records may wait; each takes less than a kilobyte.
    pub fn start(sink: Sink, queue: usize, metrics: &Metrics) -> io::Result<Self> {
        let dropped = metrics.access_records_dropped();
        let queue = match sink.open()? {
            Some(out) => Some(start_writer(out, queue, dropped.clone())?),
            None => None,
        };
        Ok(Self(Arc::new(Inner { queue, denials: DenialLimiter::default(), dropped })))
    }

    /// Writes the record of a request whose link was believed. Never waits.
    pub fn write(&self, record: AccessRecord) {
        if let Some(queue) = &self.0.queue
            && queue.try_send(Message::Record(Box::new(record))).is_err()
        {
            self.0.dropped.inc();
        }
    }

    /// Writes the record of a denial, if this second still has room for one; otherwise `make` is not called. Never waits.
    pub fn write_denial(&self, now: UnixTime, make: impl FnOnce() -> AccessRecord) {
        if self.0.queue.is_some()
            && let Some(suppressed) = self.0.denials.admit(now)
        {
            self.write(AccessRecord { suppressed, ..make() });
        }
    }

    /// Waits until everything before this call is written; `false` when it is not within `limit`. It blocks the calling thread, and is
    /// meant for the end of the process.
    pub fn flush(&self, limit: Duration) -> bool {
        let Some(queue) = &self.0.queue else { return true };
        let deadline = Instant::now() + limit;
        let (done, written) = sync_channel(1);
        let mut message = Message::Flush(done);
        while let Err(refused) = queue.try_send(message) {
            match refused {
                TrySendError::Full(back) if Instant::now() < deadline => message = back,
                _ => return false,
            }
            thread::sleep(Duration::from_millis(1));
        }
        written.recv_timeout(deadline.saturating_duration_since(Instant::now())).is_ok()
    }
}

impl Sink {
    fn open(self) -> io::Result<Option<Box<dyn Write + Send>>> {
        Ok(match self {
            Self::Stderr => Some(Box::new(io::stderr())),
            Self::Stdout => Some(Box::new(io::stdout())),
            Self::File(path) => Some(Box::new(OpenOptions::new().append(true).create(true).mode(0o640).open(path)?)),
            Self::Memory(buffer) => Some(Box::new(Memory(buffer))),
            Self::Off => None,
        })
    }
}

struct Memory(Arc<Mutex<Vec<u8>>>);

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn start_writer(out: Box<dyn Write + Send>, queue: usize, dropped: Counter) -> io::Result<SyncSender<Message>> {
    let (sender, receiver) = sync_channel(queue.max(1));
    let writer = Writer::new(out, dropped);
    thread::Builder::new().name("access-log".to_owned()).spawn(move || writer.run(&receiver))?;
    Ok(sender)
}

struct Writer {
    out: Box<dyn Write + Send>,
    lines: Vec<u8>,
    stamp: Stamp,
    /// How many records `lines` holds.
    records: u64,
    dropped: Counter,
}

impl Writer {
    fn new(out: Box<dyn Write + Send>, dropped: Counter) -> Self {
        Self { out, lines: Vec::new(), stamp: Stamp::default(), records: 0, dropped }
    }

    /// Gathers lines while records keep coming, so that a busy gateway makes few system calls and an idle one writes at once.
    ///
    /// After it has written it rests for a moment: records that come then wake nobody, which would cost the serving threads a system
    /// call for each of them.
    fn run(mut self, queue: &Receiver<Message>) {
        while let Ok(first) = queue.recv() {
            let is_dry = self.gather(first, queue);
            self.write_out();
            if is_dry {
                thread::sleep(REST);
            }
        }
    }

    /// Takes in what waits, up to a batch; whether that was all.
    fn gather(&mut self, first: Message, queue: &Receiver<Message>) -> bool {
        self.take(first);
        while self.lines.len() < BATCH {
            match queue.try_recv() {
                Ok(next) => self.take(next),
                Err(_) => return true,
            }
        }
        false
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Record(record) => {
                record.write_line(&mut self.stamp, &mut self.lines);
                self.records += 1;
            }
            Message::Flush(done) => {
                self.write_out();
                let _ = done.send(());
            }
        }
    }

    /// A sink that fails (a full disk) loses these lines; the next ones are tried again.
    fn write_out(&mut self) {
        if self.out.write_all(&self.lines).and_then(|()| self.out.flush()).is_err() {
            self.dropped.inc_by(self.records);
        }
        self.lines.clear();
        self.records = 0;
    }
}

/// How many bytes of lines are gathered before they are written.
const BATCH: usize = 64 * 1024;
/// A queue of some thousand records takes what comes meanwhile.
const REST: Duration = Duration::from_millis(5);

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::super::record::tests::record;
    use super::*;

    fn text(buffer: &Mutex<Vec<u8>>) -> String {
        String::from_utf8(buffer.lock().unwrap().clone()).unwrap()
    }

    fn dropped(metrics: &Metrics) -> u64 {
        metrics.access_records_dropped().get()
    }

    #[test]
    fn the_writer_rests_only_when_nothing_waits() {
        let (sender, queue) = sync_channel(10_000);
        (0..10_000).for_each(|_| sender.send(Message::Record(Box::new(record()))).unwrap());
        let mut writer = Writer::new(Box::new(io::sink()), Metrics::new().access_records_dropped());
        let (mut batches, mut first) = (0, queue.recv().unwrap());
        while !writer.gather(first, &queue) {
            assert!(writer.lines.len() >= BATCH, "it may rest with fewer lines only when nothing waits");
            writer.write_out();
            batches += 1;
            first = queue.recv().unwrap();
        }
        assert!(batches > 10 && queue.try_recv().is_err());
    }

    #[test]
    fn records_are_written_in_order_one_line_each() {
        let (metrics, buffer) = (Metrics::new(), Arc::default());
        let log = AccessLog::start(Sink::Memory(Arc::clone(&buffer)), 1000, &metrics).unwrap();
        for status in 200..300 {
            log.write(AccessRecord { status, ..record() });
        }
        assert!(log.flush(Duration::from_secs(10)));
        let statuses: Vec<_> = text(&buffer)
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["status"].as_u64().unwrap())
            .collect();
        assert_eq!(statuses, (200..300).collect::<Vec<u64>>());
        assert_eq!(dropped(&metrics), 0);
    }

    #[test]
    fn a_file_is_appended_to_and_not_for_everybody() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("access.log");
        for _ in 0..2 {
            let log = AccessLog::start(Sink::File(path.clone()), 10, &Metrics::new()).unwrap();
            log.write(record());
            assert!(log.flush(Duration::from_secs(10)));
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 2);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o007, 0);
        assert!(AccessLog::start(Sink::File(dir.path().join("no/such")), 10, &Metrics::new()).is_err());
    }

    /// Tells that it was reached, holds its writer until the test lets go, then fails.
    struct Stuck(mpsc::Sender<()>, Receiver<()>);

    impl Write for Stuck {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            let _ = self.0.send(());
            let _ = self.1.recv();
            Err(io::ErrorKind::StorageFull.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_stuck_sink_drops_and_counts_and_nobody_waits() {
        let (metrics, (tell, reached), (release, held)) = (Metrics::new(), mpsc::channel(), mpsc::channel());
        let counter = metrics.access_records_dropped();
        let queue = start_writer(Box::new(Stuck(tell, held)), 4, counter.clone()).unwrap();
        let log =
            AccessLog(Arc::new(Inner { queue: Some(queue), denials: DenialLimiter::default(), dropped: counter }));
        log.write(record());
        reached.recv().unwrap();
        let begun = Instant::now();
        (0..100).for_each(|_| log.write(record()));
        assert!(begun.elapsed() < Duration::from_secs(1));
        assert_eq!(dropped(&metrics), 96);
        assert!(!log.flush(Duration::from_millis(20)));
        drop(release);
        assert!(log.flush(Duration::from_secs(10)));
        assert_eq!(dropped(&metrics), 101);
    }

    #[test]
    fn denials_are_thinned_and_the_next_line_tells_how_many() {
        let (metrics, buffer) = (Metrics::new(), Arc::default());
        let log = AccessLog::start(Sink::Memory(Arc::clone(&buffer)), 1000, &metrics).unwrap();
        let mut made = 0;
        for second in [vec![100; 50], vec![101]].concat() {
            log.write_denial(UnixTime::from_secs(second).unwrap(), || {
                made += 1;
                AccessRecord { denial: Some("bad-seal"), ..record() }
            });
        }
        assert!(log.flush(Duration::from_secs(10)));
        let text = text(&buffer);
        assert_eq!((made, text.lines().count()), (11, 11));
        assert!(text.lines().last().unwrap().contains("\"suppressed\":40"));
    }

    #[test]
    fn a_log_that_is_off_takes_everything_and_writes_nothing() {
        let metrics = Metrics::new();
        let log = AccessLog::start(Sink::Off, 1, &metrics).unwrap();
        (0..100).for_each(|_| log.write(record()));
        assert!(log.flush(Duration::ZERO));
        assert_eq!(dropped(&metrics), 0);
    }
}
