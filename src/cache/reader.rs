//! One body: block by block, from the index where it lies there, else from a flight.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::try_unfold;
use futures_util::{FutureExt, Stream};

use super::flight::{Ending, Flight, Follower, Proof, Sight, Watcher};
use super::flights::Joined;
use super::pilot::Pilot;
use super::source::{Run, Source};
use super::{BLOCK, Block, Cache, Manifest, ReadError};
use crate::value::ByteSpan;

/// The bytes of one span on their way.
pub struct Reader {
    cache: Cache,
    source: Arc<Source>,
    span: ByteSpan,
    /// What of its blocks is still to be read; `None` at the end.
    needed: Option<Run>,
    /// The first bytes, read before there was anybody to give them to.
    at_hand: Option<Bytes>,
    following: Option<Follower>,
    /// Whether it follows, or followed, a flight that somebody else had begun.
    collapsed: bool,
    /// The flight that gave bytes which only its end proves.
    unproven: Option<Watcher>,
    /// What proves each block, once it is known.
    manifest: Option<Arc<Manifest>>,
    /// Whether a lost flight was replaced already.
    replaced: bool,
}

impl Reader {
    /// Opens a span and reads its first block, so that a failure can still be told.
    pub(super) async fn open(cache: &Cache, source: &Arc<Source>, span: ByteSpan) -> Result<Self, ReadError> {
        let mut reader = Self {
            cache: cache.clone(),
            source: Arc::clone(source),
            span,
            needed: Run::touched(span),
            at_hand: None,
            following: None,
            collapsed: false,
            unproven: None,
            manifest: None,
            replaced: false,
        };
        reader.at_hand = reader.read().await?;
        reader.secure().await?;
        Ok(reader)
    }

    /// What is missing further on is asked for now: whether the store still has it must be known before there is a head.
    async fn secure(&mut self) -> Result<(), ReadError> {
        let index = self.cache.index();
        let lacks = |number: &u32| !index.has(&self.source.block(*number));
        let missing = self.needed.and_then(|run| run.blocks().find(lacks).map(|first| Run { first, ..run }));
        let is_followed = |one: &Follower| missing.is_some_and(|run| one.flight().run.contains(run.first));
        let (Some(missing), false) = (missing, self.following.as_ref().is_some_and(is_followed)) else {
            return Ok(());
        };
        let Some(mut follower) = self.follow(missing).await? else { return Ok(()) };
        if !self.is_whole() && follower.flight().is_building().await {
            return self.await_manifest(follower).await;
        }
        match follower.opening().await {
            Ok(()) => self.following = Some(follower),
            Err(ending) => self.survive(ending)?,
        }
        Ok(())
    }

    /// The first bytes, as long as nobody took them.
    pub const fn at_hand(&self) -> Option<&Bytes> {
        self.at_hand.as_ref()
    }

    /// Whether it shares a read that another request had begun.
    pub const fn is_collapsed(&self) -> bool {
        self.collapsed
    }

    /// The bytes, in pieces of at most a block.
    pub fn into_stream(self) -> impl Stream<Item = Result<Bytes, ReadError>> + Send {
        try_unfold(self, |mut reader| async move { Ok(reader.next().await?.map(|bytes| (bytes, reader))) })
    }

    /// The next bytes; `None` at the end.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ReadError> {
        match self.at_hand.take() {
            Some(bytes) => Ok(Some(bytes)),
            None => self.read().await,
        }
    }

    async fn read(&mut self) -> Result<Option<Bytes>, ReadError> {
        let Some(needed) = self.needed else {
            return Ok(None);
        };
        let number = needed.first;
        let block = self.block(needed).await?;
        self.needed = (number < needed.last).then(|| Run { first: number + 1, ..needed });
        if self.needed.is_none() {
            self.finish().await?;
        }
        Ok(Some(block.slice(within_block(self.span, number))))
    }

    /// Before the last bytes are given away, all that came before must be proven.
    async fn finish(&mut self) -> Result<(), ReadError> {
        if let Some(flight) = self.unproven.take() {
            proven(flight.end().await)?;
        }
        if self.is_whole() {
            self.cache.fetched(self.source.content);
        }
        Ok(())
    }

    fn is_whole(&self) -> bool {
        ByteSpan::whole(self.source.length) == Some(self.span)
    }

    /// The first block of `needed`, wherever it can be had.
    async fn block(&mut self, needed: Run) -> Result<Block, ReadError> {
        loop {
            if let Some(block) = self.cache.index().get(&self.source.block(needed.first)) {
                if let Some(follower) = &mut self.following {
                    follower.move_on(needed.first + 1);
                }
                return Ok(block);
            }
            let Some(mut follower) = self.follow(needed).await? else { continue };
            let is_building = follower.flight().is_building().await;
            if is_building && !self.is_whole() {
                self.await_manifest(follower).await?;
                continue;
            }
            match follower.look(needed.first).await {
                Sight::Block(block) => {
                    self.keep_following(follower, is_building);
                    return Ok(block);
                }
                Sight::Behind if is_building => self.await_manifest(follower).await?,
                Sight::Behind => self.cache.metrics().left_behind(),
                Sight::Ended(ending) => self.survive(ending)?,
            }
        }
    }

    /// A flight that gives the first block of `needed`; `None` when it lies in the index by now.
    async fn follow(&mut self, needed: Run) -> Result<Option<Follower>, ReadError> {
        if let Some(follower) = self.following.take().filter(|one| one.flight().run.contains(needed.first)) {
            return Ok(Some(follower));
        }
        match self.join(needed).await {
            Joined::Kept | Joined::Unproven => Ok(None),
            Joined::Running(follower) => {
                self.collapsed = true;
                Ok(Some(follower))
            }
            Joined::New(follower) => self.take_off(follower.flight()).map(|()| Some(follower)),
        }
    }

    /// Joins or enters a flight, before the manifest is known where it may: the store is then asked while the catalog is.
    async fn join(&mut self, needed: Run) -> Joined {
        let (source, index) = (Arc::clone(&self.source), self.cache.index());
        let join = |proof: Option<&Proof>| self.cache.flights().join(&source, needed, proof, index);
        let Some(fingerprint) = source.fingerprint() else { return join(Some(&Proof::Unverified)) };
        let find = || self.cache.manifest(fingerprint, source.length);
        if self.manifest.is_none() {
            // This begins to look it up, unless it is at hand.
            let at_hand = find().now_or_never();
            if at_hand.is_none() && Run::all(source.length) == Some(needed) {
                match join(None) {
                    Joined::Unproven => {}
                    joined => return joined,
                }
            }
            self.manifest = match at_hand {
                Some(manifest) => manifest,
                None => find().await,
            };
        }
        join(Some(&self.manifest.clone().map_or(Proof::Building, Proof::Manifest)))
    }

    /// Memory is taken before the store is asked for anything.
    fn take_off(&self, flight: &Arc<Flight>) -> Result<(), ReadError> {
        if let Ok(berth) = self.cache.berth(self.source.block_length(flight.run.first)) {
            Pilot::take_off(&self.cache, flight, berth);
            return Ok(());
        }
        self.cache.flights().land(flight);
        flight.end(Ending::Failed(ReadError::NoRoom));
        self.cache.metrics().flight(ReadError::NoRoom.label());
        Err(ReadError::NoRoom)
    }

    fn keep_following(&mut self, follower: Follower, is_building: bool) {
        if is_building && self.unproven.is_none() {
            self.unproven = Some(Watcher::new(follower.flight()));
        }
        self.following = Some(follower);
    }

    /// Waits for the flight that builds the manifest.
    async fn await_manifest(&mut self, follower: Follower) -> Result<(), ReadError> {
        let (flight, watcher) = (Arc::clone(follower.flight()), Watcher::new(follower.flight()));
        drop(follower);
        let ending = if self.unproven.is_some() {
            // It is under way already; the limits of the store hold.
            watcher.end().await
        } else {
            let limit = self.cache.manifest_wait();
            tokio::time::timeout(limit, watcher.end()).await.map_err(|_| ReadError::ManifestLate)?
        };
        self.manifest = flight.built.get().cloned();
        self.survive(ending)
    }

    /// A flight ended before it gave what was needed. Whoever has bytes of it that nothing else proves cannot go on without it.
    fn survive(&mut self, ending: Ending) -> Result<(), ReadError> {
        match ending {
            // Everybody had left just before this reader came.
            Ending::Completed | Ending::Abandoned => Ok(()),
            Ending::Failed(error) => Err(error),
            Ending::Lost if self.unproven.is_some() || self.replaced => Err(ReadError::Lost),
            Ending::Lost => {
                self.replaced = true;
                Ok(())
            }
        }
    }
}

/// Which bytes of a block belong to a span.
pub(super) fn within_block(span: ByteSpan, number: u32) -> Range<usize> {
    let start = u64::from(number) * BLOCK as u64;
    let within = |offset: u64| usize::try_from(offset.saturating_sub(start)).unwrap_or(BLOCK).min(BLOCK);
    within(span.first())..within(span.end())
}

fn proven(ending: Ending) -> Result<(), ReadError> {
    match ending {
        Ending::Completed => Ok(()),
        Ending::Failed(error) => Err(error),
        Ending::Lost | Ending::Abandoned => Err(ReadError::Lost),
    }
}
