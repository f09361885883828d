//! A flight: one read of one run of blocks, and all who follow it.
//!
//! What flies is a task of ours, see [`pilot`](super::pilot); this is what it shares with its followers. It shows its latest blocks through
//! a window. A follower that needs a block which has left the window has fallen behind: it looks elsewhere, and nobody waits for it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::sync::{Notify, watch};

use super::manifest::Manifest;
use super::source::{Run, Source};
use super::{Block, ReadError};

/// One read of one run.
pub(super) struct Flight {
    pub(super) source: Arc<Source>,
    pub(super) run: Run,
    pub(super) proof: Proof,
    /// The manifest that it built.
    pub(super) built: OnceLock<Arc<Manifest>>,
    state: Mutex<State>,
    /// Wakes followers: there is another block, or an ending.
    progress: watch::Sender<()>,
    /// Wakes the pilot: somebody came, moved on or left.
    pub(super) moved: Notify,
}

/// What its blocks are compared with.
#[derive(Clone)]
pub(super) enum Proof {
    /// Each with its own value.
    Manifest(Arc<Manifest>),
    /// All of them together with the fingerprint, at the end. What is shown before is not proven yet.
    Building,
}

/// How a flight ended.
#[derive(Clone, Debug)]
pub(super) enum Ending {
    /// All blocks were shown.
    Completed,
    /// Everybody had left.
    Abandoned,
    /// It could not go on.
    Failed(ReadError),
    /// Its task is gone without a word.
    Lost,
}

impl Ending {
    /// A metric label.
    pub(super) const fn label(&self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Abandoned => "abandoned",
            Self::Failed(error) => error.label(),
            Self::Lost => "lost",
        }
    }
}

struct State {
    window: VecDeque<Block>,
    /// The number of the window's first block.
    first: u32,
    /// Keeps all blocks in the window, since they lie in a hoard anyway.
    keeps_all: bool,
    /// The furthest block that anybody has asked for.
    furthest: u32,
    followers: usize,
    /// Those that want nothing but the ending.
    patient: usize,
    ending: Option<Ending>,
}

/// What a follower sees when it looks for a block.
pub(super) enum Sight {
    /// Here it is.
    Block(Block),
    /// It left the window before the follower came.
    Behind,
    /// There is nothing more to come.
    Ended(Ending),
}

/// Who is aboard, as the pilot needs to know.
#[derive(Clone, Copy)]
pub(super) struct Aboard {
    pub(super) followers: usize,
    pub(super) patient: usize,
    pub(super) furthest: u32,
}

impl Flight {
    pub(super) fn new(source: Arc<Source>, run: Run, proof: Proof) -> Arc<Self> {
        let state = State {
            window: VecDeque::new(),
            first: run.first,
            keeps_all: false,
            furthest: run.first,
            followers: 0,
            patient: 0,
            ending: None,
        };
        let (progress, _) = watch::channel(());
        let (state, built, moved) = (Mutex::new(state), OnceLock::new(), Notify::new());
        Arc::new(Self { source, run, proof, built, state, progress, moved })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether whoever needs this block may follow: it is yet to come, or still in the window.
    pub(super) fn can_give(&self, number: u32) -> bool {
        let state = self.state();
        self.run.contains(number) && number >= state.first && state.ending.is_none()
    }

    pub(super) fn has_ended(&self) -> bool {
        self.state().ending.is_some()
    }

    pub(super) fn aboard(&self) -> Aboard {
        let state = self.state();
        Aboard { followers: state.followers, patient: state.patient, furthest: state.furthest }
    }

    /// Keeps all blocks in the window from now on, or no longer.
    pub(super) fn keep_all(&self, keeps_all: bool) {
        let mut state = self.state();
        state.keeps_all = keeps_all;
        let left = state.slide();
        drop(state);
        drop(left);
    }

    /// Shows the next block.
    pub(super) fn show(&self, block: Block) {
        let mut state = self.state();
        state.window.push_back(block);
        let left = state.slide();
        drop(state);
        drop(left);
        self.progress.send_replace(());
    }

    /// Lets go of what nobody ahead needs; those behind look elsewhere.
    pub(super) fn shed(&self) {
        let mut state = self.state();
        let mut left = Vec::new();
        while !state.keeps_all && state.first < state.furthest {
            let Some(block) = state.window.pop_front() else { break };
            left.push(block);
            state.first += 1;
        }
        drop(state);
        drop(left);
    }

    /// Ends it; the first word stands.
    pub(super) fn end(&self, ending: Ending) {
        self.state().ending.get_or_insert(ending);
        self.progress.send_replace(());
    }
}

impl State {
    fn slide(&mut self) -> Vec<Block> {
        let mut left = Vec::new();
        while !self.keeps_all && self.window.len() > WINDOW {
            left.extend(self.window.pop_front());
            self.first += 1;
        }
        left
    }

    fn look(&self, number: u32) -> Option<Sight> {
        if number < self.first {
            return Some(Sight::Behind);
        }
        let place = usize::try_from(number - self.first).unwrap_or(usize::MAX);
        match (self.window.get(place), &self.ending) {
            (Some(block), _) => Some(Sight::Block(block.clone())),
            (None, Some(ending)) => Some(Sight::Ended(ending.clone())),
            (None, None) => None,
        }
    }
}

/// Somebody who follows a flight; dropping it leaves.
pub(super) struct Follower {
    flight: Arc<Flight>,
    progress: watch::Receiver<()>,
}

impl Follower {
    /// Follows `flight`.
    pub(super) fn new(flight: &Arc<Flight>) -> Self {
        flight.state().followers += 1;
        flight.moved.notify_one();
        Self { flight: Arc::clone(flight), progress: flight.progress.subscribe() }
    }

    pub(super) const fn flight(&self) -> &Arc<Flight> {
        &self.flight
    }

    /// Waits until it can be said what became of a block.
    pub(super) async fn look(&mut self, number: u32) -> Sight {
        self.ask(number);
        loop {
            self.progress.mark_unchanged();
            if let Some(sight) = self.flight.state().look(number) {
                return sight;
            }
            if self.progress.changed().await.is_err() {
                return Sight::Ended(Ending::Lost);
            }
        }
    }

    fn ask(&self, number: u32) {
        let mut state = self.flight.state();
        if number > state.furthest {
            state.furthest = number;
            drop(state);
            self.flight.moved.notify_one();
        }
    }

    /// Waits for the end, and wants no block.
    pub(super) async fn end(&mut self) -> Ending {
        let _patience = Patience::new(&self.flight);
        loop {
            self.progress.mark_unchanged();
            if let Some(ending) = self.flight.state().ending.clone() {
                return ending;
            }
            if self.progress.changed().await.is_err() {
                return Ending::Lost;
            }
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.flight.state().followers -= 1;
        self.flight.moved.notify_one();
    }
}

/// Somebody wants the end.
struct Patience<'a>(&'a Flight);

impl<'a> Patience<'a> {
    fn new(flight: &'a Flight) -> Self {
        flight.state().patient += 1;
        flight.moved.notify_one();
        Self(flight)
    }
}

impl Drop for Patience<'_> {
    fn drop(&mut self) {
        self.0.state().patient -= 1;
        self.0.moved.notify_one();
    }
}

/// How many blocks the window shows: 4 MiB, a few round trips to a store at full speed.
pub(super) const WINDOW: usize = 16;
