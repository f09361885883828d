//! What flies: reads a run, compares each block, keeps it, shows it.
//!
//! The pilot is a task of ours, so no follower's leaving ends it while others are aboard. However it ends, by a panic too, the flight has an
//! ending and leaves the list.

use std::sync::Arc;

use futures_util::future::try_join;

use super::flight::{Aboard, Ending, Flight, Keeps, Proof};
use super::index::Hoard;
use super::intake::{Berth, Intake};
use super::manifest::{Manifest, ManifestBuilder};
use super::{Blank, Block, Cache, ReadError};

/// The task of one flight.
pub(super) struct Pilot {
    cache: Cache,
    flight: Arc<Flight>,
    /// Whether its blocks are worth keeping; else it streams through.
    keeps: bool,
}

impl Pilot {
    /// Takes off, with what it needs in hand.
    pub(super) fn take_off(cache: &Cache, flight: &Arc<Flight>, berth: Berth) {
        let keeps = cache.is_worth_keeping(flight.run, flight.source.length);
        let pilot = Self { cache: cache.clone(), flight: Arc::clone(flight), keeps };
        tokio::spawn(pilot.fly(berth));
    }

    async fn fly(self, berth: Berth) {
        let mut landing = Landing { pilot: &self, ending: Ending::Lost };
        let flown = self.fly_with(berth).await;
        if let Err(ReadError::WrongBytes) = flown {
            self.cache.found_wrong_bytes(&self.flight.source);
        }
        landing.ending = flown.unwrap_or_else(Ending::Failed);
    }

    async fn fly_with(&self, berth: Berth) -> Result<Ending, ReadError> {
        match try_join(self.read(berth), async { Ok(self.proof().await) }).await? {
            (intake, Proof::Manifest(manifest)) => self.fly_by(Some(manifest), intake).await,
            (intake, Proof::Unverified) => self.fly_by(None, intake).await,
            (intake, Proof::Building) => self.build(intake).await,
        }
    }

    /// What the blocks are compared with; it is looked up while the store is asked.
    async fn proof(&self) -> &Proof {
        let flight = &self.flight;
        if let (None, Some(fingerprint)) = (flight.proof.get(), flight.source.fingerprint()) {
            let manifest = self.cache.manifest(fingerprint, flight.source.length).await;
            let _ = flight.proof.set(manifest.map_or(Proof::Building, Proof::Manifest));
        }
        flight.proof.wait().await
    }

    async fn read(&self, berth: Berth) -> Result<Intake, ReadError> {
        let source = &self.flight.source;
        // A flight's run lies within its content.
        let span = self.flight.run.span(source.length).ok_or(ReadError::Lost)?;
        let stream = source.origin.read(&source.key, &source.version, span).await?;
        self.flight.opened();
        Ok(self.cache.cut(stream, berth))
    }

    /// Each block is compared with its own value before anybody sees it, where there is one.
    async fn fly_by(&self, manifest: Option<&Arc<Manifest>>, mut intake: Intake) -> Result<Ending, ReadError> {
        let source = &self.flight.source;
        let mut keeps = self.keeps;
        for number in self.flight.run.blocks() {
            if !self.may_go_on(number, keeps).await {
                return Ok(Ending::Abandoned);
            }
            let filled = intake.next(source.block_length(number), || self.flight.shed()).await?;
            let block = match manifest {
                Some(manifest) => self.verify(manifest, number, filled).await?,
                None => self.believe(filled),
            };
            // Where everything is held by others, nothing more can be kept: the rest streams through.
            keeps = keeps && self.cache.index().keep(source.block(number), &block);
            self.show(number, block).await;
        }
        Ok(Ending::Completed)
    }

    async fn verify(&self, manifest: &Arc<Manifest>, number: u32, filled: Blank) -> Result<Block, ReadError> {
        let manifest = Arc::clone(manifest);
        let check = move |bytes: &[u8]| manifest.verify(number, bytes);
        let (block, is_right) = self.hash(number, filled, check).await?;
        if is_right { Ok(block) } else { Err(ReadError::WrongBytes) }
    }

    /// Nobody knows what the bytes should be.
    fn believe(&self, filled: Blank) -> Block {
        self.cache.metrics().unverified_block();
        filled.share()
    }

    /// For the first block somebody waits with an empty answer, and sending it to another thread and back would take longer than it takes
    /// anybody else: it is hashed here.
    async fn hash<R: Send + 'static>(
        &self,
        number: u32,
        filled: Blank,
        hash: impl FnOnce(&[u8]) -> R + Send + 'static,
    ) -> Result<(Block, R), ReadError> {
        if number != self.flight.run.first {
            return self.cache.hash(filled, hash).await;
        }
        let result = hash(filled.bytes());
        Ok((filled.share(), result))
    }

    /// Shows a block. After the first one, those who waited for it go before the next one.
    async fn show(&self, number: u32, block: Block) {
        self.flight.show(block);
        if number == self.flight.run.first {
            tokio::task::yield_now().await;
        }
    }

    /// Nobody knows the values of the blocks: they are computed here, and all blocks together are proven at the end. Who takes a block before
    /// that is a reader of the whole, which gives its last bytes away only after that end.
    async fn build(&self, mut intake: Intake) -> Result<Ending, ReadError> {
        let source = &self.flight.source;
        // A flight without one believes its store.
        let fingerprint = source.fingerprint().ok_or(ReadError::Lost)?;
        let mut builder = ManifestBuilder::new(source.length);
        let mut hoard = self.keeps.then(|| self.cache.index().hoard());
        if hoard.is_some() {
            self.flight.keep(Keeps::All);
        }
        for number in self.flight.run.blocks() {
            if !self.may_go_on(number, hoard.is_some()).await {
                return Ok(Ending::Abandoned);
            }
            let filled = intake.next(source.block_length(number), || self.flight.shed()).await?;
            let built = move |bytes: &[u8]| {
                builder.push(bytes);
                builder
            };
            let (block, pushed) = self.hash(number, filled, built).await?;
            builder = pushed;
            self.put_by(&mut hoard, number, &block);
            self.show(number, block).await;
        }
        intake.end().await?;
        let manifest = builder.finish().filter(|manifest| manifest.fingerprint() == fingerprint);
        let manifest = Arc::new(manifest.ok_or(ReadError::WrongBytes)?);
        // In this order: whoever finds the manifest finds the blocks too.
        if let Some(hoard) = hoard {
            hoard.keep(fingerprint);
        }
        self.cache.keep_manifest(Arc::clone(&manifest)).await;
        let _ = self.flight.built.set(manifest);
        Ok(Ending::Completed)
    }

    /// Puts a block by until it is known to be right, as long as there is room for that.
    fn put_by(&self, hoard: &mut Option<Hoard>, number: u32, block: &Block) {
        if hoard.as_mut().is_some_and(|hoard| !hoard.add(number, block)) {
            *hoard = None;
            self.flight.keep(Keeps::Latest);
        }
    }

    /// Waits until somebody needs this block, unless it is kept for those who come later; `false` when nobody ever will.
    async fn may_go_on(&self, number: u32, is_kept: bool) -> bool {
        loop {
            let Aboard { furthest, is_awaited } = self.flight.aboard();
            let is_short = self.cache.is_short();
            let ahead = if is_short { 1 } else { AHEAD };
            match furthest {
                _ if is_kept || is_awaited => return true,
                Some(furthest) if number < furthest.saturating_add(ahead) => return true,
                Some(_) => {
                    if is_short {
                        self.flight.shed();
                    }
                    self.flight.moved.notified().await;
                }
                // A manifest is worth finishing: a range that came too early will come again.
                None => return matches!(self.flight.proof.get(), Some(Proof::Building)),
            }
        }
    }
}

/// Gives the flight its ending, and takes it off the list.
struct Landing<'a> {
    pilot: &'a Pilot,
    ending: Ending,
}

impl Drop for Landing<'_> {
    fn drop(&mut self) {
        let Pilot { cache, flight, .. } = self.pilot;
        cache.metrics().flight(self.ending.label());
        // First off the list, so that whoever sees the ending does not find the flight there again.
        cache.flights().land(flight);
        flight.end(self.ending.clone());
    }
}

/// How many blocks a flight whose blocks are not kept may be ahead of its fastest follower: half the window. One, while memory is short.
const AHEAD: u32 = 8;
