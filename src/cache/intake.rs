//! From a store's chunks to blocks: memory is taken before it is filled.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use tokio::time::{Instant, timeout_at};

use super::{Blank, Bodies, Charge, Ledger, NoRoom, ReadError};
use crate::origin::{ByteStream, OriginError};

/// Where memory for blocks in flight is taken from.
#[derive(Clone)]
pub(super) struct Room {
    pub(super) ledger: Arc<Ledger>,
    pub(super) bodies: Bodies,
}

/// What a read of a store must have before the store is asked: memory for its first block, and for what it takes beside blocks.
#[derive(Debug)]
pub struct Berth {
    first: Blank,
    beside: Charge,
    /// How long the read waits for room for each further block.
    patience: Duration,
}

impl Room {
    /// What a read needs whose first block has this length, at once, or nothing.
    pub(super) fn berth(&self, length: usize) -> Result<Berth, NoRoom> {
        let begin = |_| Blank::begin(&self.ledger, length, BESIDE);
        let (first, beside) = begin(NoRoom).or_else(|none| {
            self.bodies.sweep();
            begin(none)
        })?;
        Ok(Berth { first, beside, patience: ROOM_WAIT })
    }

    /// The same, as soon as there is room for it.
    pub(super) async fn berth_within(&self, patience: Duration, length: usize) -> Result<Berth, NoRoom> {
        let deadline = Instant::now() + patience;
        loop {
            let freed = self.ledger.freed();
            match self.berth(length) {
                Ok(berth) => return Ok(Berth { patience, ..berth }),
                Err(NoRoom) => wait(freed, deadline).await?,
            }
        }
    }

    /// Memory for a block. When there is none, `shed` is called, slow readers are looked for, and others are waited for.
    async fn take(&self, length: usize, patience: Duration, shed: impl Fn()) -> Result<Blank, NoRoom> {
        let deadline = Instant::now() + patience;
        loop {
            if let Ok(blank) = Blank::take(&self.ledger, length) {
                return Ok(blank);
            }
            shed();
            self.bodies.sweep();
            let freed = self.ledger.freed();
            match Blank::take(&self.ledger, length) {
                Ok(blank) => return Ok(blank),
                Err(NoRoom) => wait(freed, deadline).await?,
            }
        }
    }

    /// Whether so much is in flight that a flight should hold no more than its followers need.
    pub(super) fn is_short(&self) -> bool {
        self.ledger.excess() > 0
    }
}

/// Waits for room until the deadline, which holds also where room comes and goes all the time.
async fn wait(freed: impl Future<Output = ()>, deadline: Instant) -> Result<(), NoRoom> {
    timeout_at(deadline, freed).await.map_err(|_| NoRoom)?;
    if Instant::now() < deadline { Ok(()) } else { Err(NoRoom) }
}

/// A store's stream, cut into blocks.
pub struct Intake {
    stream: ByteStream,
    /// What came and found no place in the last block.
    rest: Bytes,
    room: Room,
    /// Memory that was taken before there was a stream.
    at_hand: Option<Blank>,
    patience: Duration,
    _beside: Charge,
}

impl Intake {
    pub(super) fn new(stream: ByteStream, room: Room, berth: Berth) -> Self {
        let Berth { first, beside, patience } = berth;
        Self { stream, rest: Bytes::new(), room, at_hand: Some(first), patience, _beside: beside }
    }

    /// The next `length` bytes, to be shared once they were looked at. `shed` is called when memory is short.
    ///
    /// # Errors
    /// What the stream ends in, also when it ends early; [`ReadError::NoRoom`].
    pub async fn next(&mut self, length: usize, shed: impl Fn()) -> Result<Blank, ReadError> {
        let mut blank = match self.at_hand.take() {
            Some(blank) => blank,
            None => self.room.take(length, self.patience, shed).await.map_err(|_| ReadError::NoRoom)?,
        };
        loop {
            blank.fill(&mut self.rest);
            if blank.is_full() {
                return Ok(blank);
            }
            self.rest = match self.stream.next().await {
                Some(chunk) => chunk?,
                None => return Err(OriginError::Unavailable("the body ended early".to_owned()).into()),
            };
        }
    }

    /// Whether the stream ends here, as it should.
    ///
    /// # Errors
    /// What it ends in instead; [`ReadError::WrongBytes`] when it has more.
    pub async fn end(mut self) -> Result<(), ReadError> {
        while self.rest.is_empty() {
            match self.stream.next().await {
                Some(chunk) => self.rest = chunk?,
                None => return Ok(()),
            }
        }
        Err(ReadError::WrongBytes)
    }
}

/// What a read takes beside its blocks, in bytes: the buffers of its connection to the store, a chunk on its way, and its own state.
const BESIDE: u64 = 128 * 1024;
/// How long a read that somebody waits for waits for room, once it is under way.
const ROOM_WAIT: Duration = Duration::from_secs(5);
