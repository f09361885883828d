//! The first read of an object: once, whole, streaming, whoever asks and however often.
//!
//! A read is a task of ours. Clients that give up do not stop it, clients that come later join it, and only so many run at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::{BoxFuture, FutureExt, Shared};
use tokio::sync::{Semaphore, mpsc};

use super::{Known, KnownObjects, ObjectId, ReadFailure};
use crate::media::Inspector;
use crate::origin::{ByteStream, Origin, OriginError};
use crate::value::{ByteSpan, Fingerprint, Sha256};

/// All first reads that run.
pub(super) struct Reading {
    known: KnownObjects,
    flights: Mutex<HashMap<ObjectId, Flight>>,
    places: Semaphore,
}

/// One read that many can wait for.
type Flight = Shared<BoxFuture<'static, Result<Arc<Known>, ReadFailure>>>;

impl Reading {
    /// Room for `at_once` reads.
    pub(super) fn new(known: KnownObjects, at_once: usize) -> Self {
        Self { known, flights: Mutex::default(), places: Semaphore::new(at_once) }
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
        let known = read(store.as_ref(), &id, length).await.map(Arc::new)?;
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

async fn read(store: &dyn Origin, id: &ObjectId, length: u64) -> Result<Known, ReadFailure> {
    let stream: ByteStream = match ByteSpan::whole(length) {
        Some(span) => store.read(&id.key, &id.version, span).await.map_err(failed)?,
        None => futures_util::stream::empty().boxed(),
    };
    digest(stream, length).await
}

/// Hashing and sniffing take a few milliseconds per megabyte, so they run beside the serving threads.
async fn digest(mut stream: ByteStream, length: u64) -> Result<Known, ReadFailure> {
    let (chunks, inbox) = mpsc::channel(CHUNKS_AHEAD);
    let digested = tokio::task::spawn_blocking(move || digest_all(inbox, length));
    while let Some(chunk) = stream.next().await {
        if chunks.send(chunk.map_err(failed)?).await.is_err() {
            return Err(ReadFailure::GivenUp);
        }
    }
    drop(chunks);
    digested.await.map_err(|_| ReadFailure::GivenUp)
}

fn digest_all(mut inbox: mpsc::Receiver<Bytes>, length: u64) -> Known {
    let mut blake3 = blake3::Hasher::new();
    let mut sha256 = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    let mut inspector = Inspector::new();
    while let Some(chunk) = inbox.blocking_recv() {
        blake3.update(&chunk);
        sha256.update(&chunk);
        inspector.update(&chunk);
    }
    let mut sha = [0; 32];
    for (to, from) in sha.iter_mut().zip(sha256.finish().as_ref()) {
        *to = *from;
    }
    Known {
        fingerprint: Fingerprint::from_bytes(*blake3.finalize().as_bytes()),
        sha256: Sha256::from_bytes(sha),
        length,
        facts: inspector.finish(length),
    }
}

fn failed(error: OriginError) -> ReadFailure {
    ReadFailure::Store(Arc::new(error))
}

/// How many objects may wait for their first read, those that are being read included: twice the largest batch.
const MOST_FLIGHTS: usize = 2000;
/// How many chunks may wait between the store and the hashes: at most a megabyte per read.
const CHUNKS_AHEAD: usize = 4;
