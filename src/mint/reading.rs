//! The first read of an object: once, whole, streaming, whoever asks and however often.
//!
//! A read is a task of ours. Clients that give up do not stop it, clients that come later join it, and only so many run at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::{BoxFuture, FutureExt, Shared};
use tokio::sync::{Semaphore, mpsc};

use super::{Examination, Known, KnownObjects, ObjectId, ReadFailure};
use crate::cache::{Blank, Cache, Claim, Hoard, Intake, Manifest, ManifestBuilder, block_count, block_length};
use crate::origin::{ByteStream, Origin};
use crate::value::{ByteSpan, Clock, UnixTime};

/// All first reads that run.
pub(super) struct Reading {
    known: KnownObjects,
    cache: Cache,
    clock: Clock,
    flights: Mutex<HashMap<ObjectId, Flight>>,
    places: Semaphore,
}

/// One read that many can wait for.
type Flight = Shared<BoxFuture<'static, Result<Arc<Known>, ReadFailure>>>;

impl Reading {
    /// Room for `at_once` reads.
    pub(super) fn new(known: KnownObjects, cache: Cache, clock: Clock, at_once: usize) -> Self {
        Self { known, cache, clock, flights: Mutex::default(), places: Semaphore::new(at_once) }
    }

    /// The read of `id`: the one that runs, or a new one; `None` when too many are waiting already. It goes on whether or not anybody waits
    /// for it.
    pub(super) fn join(self: &Arc<Self>, store: &Arc<dyn Origin>, id: &ObjectId, length: u64) -> Option<Flight> {
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flight) = flights.get(id) {
            return Some(flight.clone());
        }
        if flights.len() >= MOST_FLIGHTS {
            return None;
        }
        let task = tokio::spawn(Arc::clone(self).fly(Arc::clone(store), id.clone(), length));
        let flight = task.map(|ended| ended.unwrap_or(Err(ReadFailure::GivenUp))).boxed().shared();
        flights.insert(id.clone(), flight.clone());
        Some(flight)
    }

    async fn fly(
        self: Arc<Self>,
        store: Arc<dyn Origin>,
        id: ObjectId,
        length: u64,
    ) -> Result<Arc<Known>, ReadFailure> {
        let landed = Landing { reading: &self, id: &id };
        let _place = self.places.acquire().await.map_err(|_| ReadFailure::GivenUp)?;
        // Whoever came here may have asked before the last flight landed.
        if let Some(known) = self.known.recall(&id).await {
            return Ok(known);
        }
        let berth = self.cache.berth_within(ROOM_WAIT, block_length(length, 0)).await?;
        let stream: ByteStream = match ByteSpan::whole(length) {
            Some(span) => store.read(&id.key, &id.version, span).await?,
            None => futures_util::stream::empty().boxed(),
        };
        let blocks = self.cache.cut(stream, berth);
        let known = read(&self.cache, blocks, length, self.clock.now().plus(UNCLAIMED)).await.map(Arc::new)?;
        self.known.learn(&id, Arc::clone(&known)).await;
        drop(landed);
        Ok(known)
    }
}

/// Takes a flight off the list however it ends, even by a panic.
struct Landing<'a> {
    reading: &'a Reading,
    id: &'a ObjectId,
}

impl Drop for Landing<'_> {
    fn drop(&mut self) {
        self.reading.flights.lock().unwrap_or_else(PoisonError::into_inner).remove(self.id);
    }
}

/// Hashing and sniffing take a few milliseconds per megabyte, so they run beside the serving threads. The blocks are put by as they come, so that
/// the fetcher of the link finds them.
async fn read(cache: &Cache, mut intake: Intake, length: u64, prewarmed_until: UnixTime) -> Result<Known, ReadFailure> {
    let count = block_count(length).ok_or(ReadFailure::GivenUp)?;
    let (blocks, inbox) = mpsc::channel(BLOCKS_AHEAD);
    let hoard = cache.hoard(length);
    let digested = tokio::task::spawn_blocking(move || digest(inbox, length, hoard));
    for number in 0..count {
        let filled = intake.next(block_length(length, number), || {}).await?;
        blocks.send((number, filled)).await.map_err(|_| ReadFailure::GivenUp)?;
    }
    intake.end().await?;
    drop(blocks);
    let (known, manifest, hoard) = digested.await.ok().flatten().ok_or(ReadFailure::GivenUp)?;
    cache.keep_manifest(Arc::new(manifest)).await;
    hoard.hold(known.fingerprint, Claim { expires: prewarmed_until, link: None });
    Ok(known)
}

fn digest(mut inbox: mpsc::Receiver<(u32, Blank)>, length: u64, mut hoard: Hoard) -> Option<(Known, Manifest, Hoard)> {
    let mut manifest = ManifestBuilder::new(length);
    let mut examination = Examination::new();
    while let Some((number, filled)) = inbox.blocking_recv() {
        manifest.push(filled.bytes());
        examination.update(filled.bytes());
        if hoard.is_open() {
            hoard.add(number, &filled.share());
        }
    }
    let manifest = manifest.finish()?;
    let known = examination.finish(manifest.fingerprint());
    Some((known, manifest, hoard))
}

/// How many objects may wait for their first read, those that are being read included: twice the largest batch.
const MOST_FLIGHTS: usize = 2000;
/// How many blocks may wait between the store and the hashes: half a megabyte per read.
const BLOCKS_AHEAD: usize = 2;
/// How long a first read waits for memory; its clients hear after `mint_timeout` that it goes on.
const ROOM_WAIT: Duration = Duration::from_secs(30);
/// How long the blocks of a first read wait for a link: the mint that asked for it may still be refused.
const UNCLAIMED: Duration = Duration::from_secs(30);
