//! A store in memory that does what a script says, remembers what it was asked, and can be told otherwise while it runs.
//!
//! A script belongs to one object and is looked at before each chunk, so a change of it meets the streams that run already. Offsets are
//! those of the object, not of a read: a read that resumes behind a fault does not meet it again. A read of a version that was
//! overwritten meanwhile ends in [`OriginError::Changed`] at its next chunk, as a pinned read does.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt, stream};
use hallpass::origin::{ByteStream, ObjectMeta, Origin, OriginError};
use hallpass::value::{ByteSpan, ObjectKey, ObjectVersion, UnixTime};
use tokio::sync::watch;
use tokio::time::timeout;

use super::content;

/// What goes wrong, and where in the object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The read is not even opened.
    Refuse(OriginError),
    /// The read is not answered at all, until the script is another.
    Silent,
    /// A stream that comes to this offset breaks off.
    Cut(u64),
    /// A stream that comes to this offset ends in this error.
    Break(u64, OriginError),
    /// A stream that comes to this offset ends as if it were whole.
    Short(u64),
    /// Each stream breaks off after so many bytes.
    CutEvery(u64),
    /// A stream that comes to this offset brings nothing more, until the script is another.
    Stall(u64),
    /// The lowest bit of the byte at this offset is another.
    Flip(u64),
    /// All bytes from this offset on are others.
    OtherFrom(u64),
    /// After its last byte, a stream brings so many more.
    Surplus(usize),
    /// A stream that comes to this offset panics.
    Panic(u64),
}

/// How one object is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// The most bytes in one chunk.
    pub chunk: usize,
    /// How long each chunk takes.
    pub latency: Duration,
    /// What goes wrong, and how often yet.
    faults: Vec<(Fault, usize)>,
}

impl Default for Script {
    fn default() -> Self {
        Self { chunk: 64 * 1024, latency: Duration::ZERO, faults: Vec::new() }
    }
}

impl Script {
    pub fn always(fault: Fault) -> Self {
        Self::default().times(fault, usize::MAX)
    }

    pub fn once(fault: Fault) -> Self {
        Self::default().times(fault, 1)
    }

    /// This as well, so many times.
    pub fn times(mut self, fault: Fault, times: usize) -> Self {
        self.faults.push((fault, times));
        self
    }

    pub fn in_chunks(self, chunk: usize) -> Self {
        Self { chunk, ..self }
    }

    pub fn slowly(self, latency: Duration) -> Self {
        Self { latency, ..self }
    }
}

/// One read that the store was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    pub key: String,
    pub span: ByteSpan,
    /// How many bytes of it left the store.
    pub sent: u64,
    /// Whether it has ended or was given up.
    pub over: bool,
}

/// The store. Clones are the same store.
#[derive(Clone)]
pub struct Scripted(Arc<Inner>);

struct Inner {
    state: Mutex<State>,
    /// Counts whatever happens.
    events: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    objects: HashMap<String, Object>,
    reads: Vec<Read>,
    overwrites: u64,
    down: bool,
}

struct Object {
    content: Content,
    version: ObjectVersion,
    script: Script,
}

/// The bytes of an object, which need not all be in memory.
#[derive(Clone)]
enum Content {
    Held(Bytes),
    Generated { table: Bytes, length: u64 },
}

/// The bytes `from..to` of what [`Scripted::put_generated`] puts.
pub fn generated(seed: u64, from: u64, to: u64) -> Vec<u8> {
    Content::generated(seed, to).slice(from, to).to_vec()
}

impl Content {
    /// The period of a table is odd, so no two blocks of an object are the same below `TABLE` blocks.
    fn generated(seed: u64, length: u64) -> Self {
        Self::Generated { table: content(seed, TABLE).into(), length }
    }

    fn length(&self) -> u64 {
        match self {
            Self::Held(bytes) => bytes.len() as u64,
            Self::Generated { length, .. } => *length,
        }
    }

    fn slice(&self, from: u64, to: u64) -> Bytes {
        match self {
            Self::Held(bytes) => bytes.slice(offset(from)..offset(to)),
            Self::Generated { table, .. } => {
                let (mut made, wanted) = (Vec::new(), offset(to - from));
                while made.len() < wanted {
                    let at = (offset(from) + made.len()) % TABLE;
                    made.extend_from_slice(&table[at..TABLE.min(at + wanted - made.len())]);
                }
                made.into()
            }
        }
    }
}

fn offset(at: u64) -> usize {
    usize::try_from(at).unwrap()
}

impl Scripted {
    pub fn new() -> Self {
        Self(Arc::new(Inner { state: Mutex::default(), events: watch::Sender::default() }))
    }

    /// Writes an object, or overwrites it; its script stays.
    pub fn put(&self, key: &str, bytes: impl Into<Bytes>) {
        self.write(key, Content::Held(bytes.into()));
    }

    /// Writes an object of `length` bytes of which only a small part is ever in memory.
    pub fn put_generated(&self, key: &str, seed: u64, length: u64) {
        self.write(key, Content::generated(seed, length));
    }

    fn write(&self, key: &str, content: Content) {
        self.change(|state| {
            state.overwrites += 1;
            let version = format!("e:\"{}\"", state.overwrites).parse().unwrap();
            let script = state.objects.remove(key).map(|old| old.script).unwrap_or_default();
            state.objects.insert(key.to_owned(), Object { content, version, script });
        });
    }

    /// From now on this object is read by this script.
    pub fn script(&self, key: &str, script: Script) {
        self.change(|state| state.objects.get_mut(key).unwrap().script = script);
    }

    /// Nothing goes wrong with this object any more, and streams that stalled go on.
    pub fn heal(&self, key: &str) {
        self.script(key, Script::default());
    }

    /// Whether the store is out of reach.
    pub fn down(&self, down: bool) {
        self.change(|state| state.down = down);
    }

    /// Every read of this object so far.
    pub fn reads(&self, key: &str) -> Vec<Read> {
        self.all_reads().into_iter().filter(|read| read.key == key).collect()
    }

    pub fn all_reads(&self) -> Vec<Read> {
        self.0.state.lock().unwrap().reads.clone()
    }

    /// How many bytes of this object left the store so far.
    pub fn sent(&self, key: &str) -> u64 {
        self.reads(key).iter().map(|read| read.sent).sum()
    }

    /// Forgets the reads so far.
    pub fn forget_reads(&self) {
        assert!(self.all_reads().iter().all(|read| read.over), "a read still runs");
        self.change(|state| state.reads.clear());
    }

    /// Waits until the reads of this object are so.
    pub async fn until(&self, key: &str, so: impl Fn(&[Read]) -> bool) {
        let mut events = self.0.events.subscribe();
        let waited = timeout(PATIENCE, async {
            while !so(&self.reads(key)) {
                events.changed().await.unwrap();
            }
        });
        assert!(waited.await.is_ok(), "it did not come to that in {PATIENCE:?}: {:?}", self.reads(key));
    }

    /// Waits until no read runs.
    pub async fn until_quiet(&self) {
        let mut events = self.0.events.subscribe();
        let waited = timeout(PATIENCE, async {
            while self.all_reads().iter().any(|read| !read.over) {
                events.changed().await.unwrap();
            }
        });
        assert!(waited.await.is_ok(), "reads still run after {PATIENCE:?}: {:?}", self.all_reads());
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let changed = change(&mut self.0.state.lock().unwrap());
        self.0.events.send_modify(|events| *events += 1);
        changed
    }
}

impl Origin for Scripted {
    fn head<'a>(&'a self, key: &'a ObjectKey) -> BoxFuture<'a, Result<ObjectMeta, OriginError>> {
        let said = self.change(|state| {
            if state.down {
                return Err(unreachable());
            }
            let object = state.objects.get(key.as_str()).ok_or(OriginError::NotFound)?;
            Ok(ObjectMeta {
                version: object.version.clone(),
                length: object.content.length(),
                last_modified: UnixTime::from_secs(1_700_000_000).unwrap(),
                media_type: None,
                content_encoding: None,
            })
        });
        async { said }.boxed()
    }

    fn read<'a>(
        &'a self,
        key: &'a ObjectKey,
        version: &'a ObjectVersion,
        span: ByteSpan,
    ) -> BoxFuture<'a, Result<ByteStream, OriginError>> {
        async move {
            let read = Read { key: key.to_string(), span, sent: 0, over: false };
            let number = self.change(|state| {
                state.reads.push(read);
                state.reads.len() - 1
            });
            let running = Running {
                store: self.clone(),
                key: key.to_string(),
                version: version.clone(),
                span,
                number,
                at: span.first(),
                stuck: false,
                surplus: false,
            };
            running.opened().await?;
            Ok(stream::unfold(Some(running), |running| async { running?.next().await }).boxed())
        }
        .boxed()
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), OriginError>> {
        let down = self.0.state.lock().unwrap().down;
        async move { if down { Err(unreachable()) } else { Ok(()) } }.boxed()
    }
}

/// A read that runs.
struct Running {
    store: Scripted,
    key: String,
    version: ObjectVersion,
    span: ByteSpan,
    /// Which of the store's reads.
    number: usize,
    /// The offset of the next byte.
    at: u64,
    /// Stalled for good.
    stuck: bool,
    /// Whether more bytes than asked for were sent.
    surplus: bool,
}

enum Step {
    Send(Bytes, Duration),
    Fail(OriginError),
    End,
    Wait,
    Panic,
}

impl Running {
    async fn opened(&self) -> Result<(), OriginError> {
        let mut events = self.store.0.events.subscribe();
        while !self.is_answered()? {
            events.changed().await.unwrap();
        }
        Ok(())
    }

    fn is_answered(&self) -> Result<bool, OriginError> {
        let mut state = self.store.0.state.lock().unwrap();
        let object = reachable(&mut state, &self.key, &self.version)?;
        match happens(&mut object.script, |fault| matches!(fault, Fault::Refuse(_) | Fault::Silent)) {
            Some(Fault::Refuse(error)) => Err(error),
            silent => Ok(silent.is_none()),
        }
    }

    async fn next(mut self) -> Option<(Result<Bytes, OriginError>, Option<Self>)> {
        let mut events = self.store.0.events.subscribe();
        loop {
            events.borrow_and_update();
            match self.step() {
                Step::Send(bytes, latency) => {
                    if !latency.is_zero() {
                        tokio::time::sleep(latency).await;
                    }
                    let (number, sent) = (self.number, bytes.len() as u64);
                    self.store.change(|state| state.reads[number].sent += sent);
                    return Some((Ok(bytes), Some(self)));
                }
                Step::Fail(error) => return Some((Err(error), None)),
                Step::End => return None,
                Step::Panic => panic!("the store's client panics, as it is told to"),
                Step::Wait => events.changed().await.unwrap(),
            }
        }
    }

    fn step(&mut self) -> Step {
        if self.stuck {
            return Step::Wait;
        }
        let store = self.store.clone();
        let mut state = store.0.state.lock().unwrap();
        let object = match reachable(&mut state, &self.key, &self.version) {
            Ok(object) => object,
            Err(error) => return Step::Fail(error),
        };
        let (at, begun) = (self.at, self.span.first());
        let stops = |fault: &Fault| match fault {
            Fault::Cut(n) | Fault::Break(n, _) | Fault::Short(n) | Fault::Stall(n) | Fault::Panic(n) => Some(*n),
            Fault::CutEvery(n) => Some(begun + n),
            _ => None,
        };
        if (at < self.span.end() || at == object.content.length())
            && let Some(fault) = happens(&mut object.script, |fault| stops(fault) == Some(at))
        {
            return match fault {
                Fault::Short(_) => Step::End,
                Fault::Break(_, error) => Step::Fail(error),
                Fault::Panic(_) => Step::Panic,
                Fault::Stall(_) => {
                    // One that was to happen so many times has happened to this read, and ends for others only.
                    self.stuck = !object.script.faults.contains(&(fault, usize::MAX));
                    Step::Wait
                }
                _ => Step::Fail(OriginError::Unavailable("the connection was reset".to_owned())),
            };
        }
        if at == self.span.end() {
            return self.after_the_end(object);
        }
        let armed = || object.script.faults.iter().filter(|(_, left)| *left > 0);
        let stop = armed().filter_map(|(fault, _)| stops(fault)).filter(|n| *n > at).min();
        let to = (at + object.script.chunk as u64).min(self.span.end()).min(stop.unwrap_or(u64::MAX));
        let bytes = object.content.slice(at, to);
        let bytes = falsified(&mut object.script, bytes, at, to);
        self.at = to;
        Step::Send(bytes, object.script.latency)
    }

    fn after_the_end(&mut self, object: &mut Object) -> Step {
        if std::mem::replace(&mut self.surplus, true) {
            return Step::End;
        }
        match happens(&mut object.script, |fault| matches!(fault, Fault::Surplus(_))) {
            Some(Fault::Surplus(more)) => Step::Send(Bytes::from(vec![b'!'; more]), Duration::ZERO),
            _ => Step::End,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let number = self.number;
        self.store.change(|state| state.reads[number].over = true);
    }
}

fn unreachable() -> OriginError {
    OriginError::Unavailable("the store is down".to_owned())
}

/// The object, where the store can be reached and still has this version of it.
fn reachable<'a>(state: &'a mut State, key: &str, version: &ObjectVersion) -> Result<&'a mut Object, OriginError> {
    if state.down {
        return Err(unreachable());
    }
    state.objects.get_mut(key).filter(|object| object.version == *version).ok_or(OriginError::Changed)
}

/// The first fault like this that is still to happen; it has happened once more then.
fn happens(script: &mut Script, like: impl Fn(&Fault) -> bool) -> Option<Fault> {
    let (fault, left) = script.faults.iter_mut().find(|(fault, left)| *left > 0 && like(fault))?;
    if *left != usize::MAX {
        *left -= 1;
    }
    Some(fault.clone())
}

/// The bytes `at..to` as the script wants them.
fn falsified(script: &mut Script, bytes: Bytes, at: u64, to: u64) -> Bytes {
    let other = script.faults.iter().find_map(|(fault, left)| match fault {
        Fault::OtherFrom(n) if *left > 0 && *n < to => Some((*n).max(at)),
        _ => None,
    });
    let flipped = happens(script, |fault| matches!(fault, Fault::Flip(n) if (at..to).contains(n)));
    if other.is_none() && flipped.is_none() {
        return bytes;
    }
    let mut bytes = bytes.to_vec();
    if let Some(Fault::Flip(n)) = flipped {
        bytes[offset(n - at)] ^= 1;
    }
    if let Some(from) = other {
        bytes[offset(from - at)..].iter_mut().for_each(|byte| *byte = !*byte);
    }
    bytes.into()
}

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(30);
/// The period of generated content: odd, and more than four blocks.
const TABLE: usize = (1 << 20) + 7;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kit;

    async fn read(store: &Scripted, first: u64, last: u64) -> (Vec<u8>, Option<OriginError>) {
        let key = kit::key("a");
        let meta = store.head(&key).await.unwrap();
        let span = ByteSpan::within(first, last, meta.length).unwrap();
        kit::drain(store.read(&key, &meta.version, span).await.unwrap()).await
    }

    #[tokio::test]
    async fn each_fault_happens_where_and_as_often_as_the_script_says() {
        let store = Scripted::new();
        let whole = content(1, 1000);
        store.put("a", whole.clone());
        let broken = Some(OriginError::Unavailable("the connection was reset".to_owned()));
        let changed = Some(OriginError::Changed);
        let flipped: Vec<_> =
            whole.iter().enumerate().map(|(i, byte)| if i == 700 { byte ^ 1 } else { *byte }).collect();
        let other: Vec<_> = whole.iter().enumerate().map(|(i, byte)| if i >= 700 { !byte } else { *byte }).collect();
        let longer = [&whole[..], b"!!"].concat();
        for (fault, wanted, error) in [
            (Fault::Cut(600), &whole[..600], &broken),
            (Fault::Cut(0), &whole[..0], &broken),
            (Fault::Cut(1000), &whole[..], &broken),
            (Fault::Break(600, OriginError::Changed), &whole[..600], &changed),
            (Fault::CutEvery(300), &whole[..300], &broken),
            (Fault::Short(600), &whole[..600], &None),
            (Fault::Flip(700), &flipped[..], &None),
            (Fault::OtherFrom(700), &other[..], &None),
            (Fault::Surplus(2), &longer[..], &None),
        ] {
            store.script("a", Script::once(fault.clone()).in_chunks(64));
            assert!(read(&store, 0, 999).await == (wanted.to_vec(), error.clone()), "{fault:?}");
            if !matches!(fault, Fault::OtherFrom(_)) {
                assert!(read(&store, 0, 999).await == (whole.clone(), None), "{fault:?} is over");
            }
            store.script("a", Script::always(fault.clone()));
            assert!(read(&store, 0, 999).await.0 == wanted, "{fault:?}");
            assert!(read(&store, 0, 999).await.0 == wanted, "{fault:?} lasts");
        }
        store.script("a", Script::always(Fault::Cut(600)));
        assert!(read(&store, 601, 700).await == (whole[601..701].to_vec(), None), "it is not met behind its place");
    }

    #[tokio::test]
    async fn a_stall_ends_with_its_script_and_an_overwrite_ends_the_read() {
        let store = Scripted::new();
        store.put("a", content(1, 1000));
        store.script("a", Script::always(Fault::Stall(500)));
        let whole = tokio::spawn({
            let store = store.clone();
            async move { read(&store, 0, 999).await }
        });
        store.until("a", |reads| reads.iter().any(|read| read.sent == 500)).await;
        store.heal("a");
        assert!(whole.await.unwrap() == (content(1, 1000), None));
        store.script("a", Script::always(Fault::Stall(500)));
        let changed = tokio::spawn({
            let store = store.clone();
            async move { read(&store, 0, 999).await }
        });
        store.until("a", |reads| reads.len() == 2 && reads[1].sent == 500).await;
        store.put("a", content(2, 1000));
        assert!(changed.await.unwrap() == (content(1, 500), Some(OriginError::Changed)));
        assert!(store.reads("a").iter().all(|read| read.over));
    }

    #[tokio::test]
    async fn a_silent_store_answers_when_its_script_is_another() {
        let store = Scripted::new();
        store.put("a", content(1, 1000));
        store.script("a", Script::always(Fault::Silent));
        let mut silent = Box::pin(read(&store, 0, 999));
        assert!(timeout(Duration::from_millis(50), &mut silent).await.is_err());
        assert_eq!(store.reads("a").len(), 1);
        store.heal("a");
        assert!(silent.await == (content(1, 1000), None));
    }

    #[test]
    fn generated_content_is_the_same_however_it_is_cut() {
        let whole = generated(7, 0, 3 << 20);
        assert_eq!(whole[..TABLE], content(7, TABLE));
        assert!(generated(7, 1 << 20, (1 << 20) + 100_000) == whole[1 << 20..(1 << 20) + 100_000]);
        assert_ne!(whole[..1 << 18], whole[1 << 20..(1 << 20) + (1 << 18)]);
    }
}
