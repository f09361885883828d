//! A flight: one read of one run of blocks, and all who follow it.
//!
//! What flies is a task of ours, see [`pilot`](super::pilot); this is what it shares with its followers. It shows its latest blocks through
//! a window. A follower that needs a block which has left the window has fallen behind: it looks elsewhere, and nobody waits for it.

use std::collections::VecDeque;
use std::collections::btree_map::{BTreeMap, Entry};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::sync::{Notify, SetOnce, watch};

use super::manifest::Manifest;
use super::source::{Run, Source};
use super::{Block, ReadError};

/// One read of one run.
pub(super) struct Flight {
    pub(super) source: Arc<Source>,
    pub(super) run: Run,
    /// Its pilot looks it up, where it was not known at the start.
    pub(super) proof: SetOnce<Proof>,
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
    /// With nothing: nobody knows the fingerprint, and the store is believed.
    Unverified,
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
    keeps: Keeps,
    /// Which block followers need next, and how many of them.
    needs: BTreeMap<u32, usize>,
    /// Those that want nothing but the ending.
    patient: usize,
    /// Whether the store has accepted the read.
    is_open: bool,
    ending: Option<Ending>,
}

/// What stays in the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keeps {
    /// Everything: it lies in a hoard anyway.
    All,
    /// The latest, for those who come late.
    Latest,
    /// Of the latest, what a follower still needs: nobody joins any more.
    Needed,
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
    /// The block that the fastest follower needs next; `None` when nobody follows.
    pub(super) furthest: Option<u32>,
    /// Whether somebody wants nothing but the ending.
    pub(super) is_awaited: bool,
}

impl Flight {
    pub(super) fn new(source: Arc<Source>, run: Run, proof: Option<Proof>) -> Arc<Self> {
        let state = State {
            window: VecDeque::new(),
            first: run.first,
            keeps: Keeps::Latest,
            needs: BTreeMap::new(),
            patient: 0,
            is_open: false,
            ending: None,
        };
        let (progress, _) = watch::channel(());
        let (state, built, moved) = (Mutex::new(state), OnceLock::new(), Notify::new());
        Arc::new(Self { source, run, proof: SetOnce::new_with(proof), built, state, progress, moved })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether whoever needs this block may follow: it is still in the window, or comes soon. Who needs one further on would wait for all that
    /// lies before it.
    pub(super) fn can_give(&self, number: u32) -> bool {
        let state = self.state();
        let soon = state.window.len() + WINDOW;
        let offset = number.checked_sub(state.first).and_then(|offset| usize::try_from(offset).ok());
        self.run.contains(number) && offset.is_some_and(|offset| offset < soon) && state.ending.is_none()
    }

    /// Whether only its end proves its blocks, as soon as that is known.
    pub(super) async fn is_building(&self) -> bool {
        matches!(self.proof.wait().await, Proof::Building)
    }

    pub(super) fn has_ended(&self) -> bool {
        self.state().ending.is_some()
    }

    pub(super) fn aboard(&self) -> Aboard {
        let state = self.state();
        let furthest = state.needs.last_key_value().map(|(number, _)| *number);
        Aboard { furthest, is_awaited: state.patient > 0 }
    }

    /// Says what stays in the window from now on.
    pub(super) fn keep(&self, keeps: Keeps) {
        self.change(|state| state.keeps = keeps);
    }

    /// The store has accepted the read.
    pub(super) fn opened(&self) {
        self.state().is_open = true;
        self.progress.send_replace(());
    }

    /// Shows the next block.
    pub(super) fn show(&self, block: Block) {
        self.change(|state| state.window.push_back(block));
        self.progress.send_replace(());
    }

    /// Lets go of what the fastest follower does not need; those behind it look elsewhere.
    pub(super) fn shed(&self) {
        let mut state = self.state();
        let furthest = state.needs.last_key_value().map_or(u32::MAX, |(number, _)| *number);
        let left = if state.keeps == Keeps::All { Vec::new() } else { state.pop_below(furthest) };
        drop(state);
        drop(left);
    }

    /// Ends it; the first word stands. Nobody goes on waiting for a proof.
    pub(super) fn end(&self, ending: Ending) {
        let _ = self.proof.set(Proof::Building);
        self.change(|state| {
            state.ending.get_or_insert(ending);
            state.keeps = Keeps::Needed;
        });
        self.progress.send_replace(());
    }

    /// Changes the state; what leaves the window by it is freed after the lock.
    fn change<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state();
        let result = act(&mut state);
        let left = state.slide();
        drop(state);
        drop(left);
        result
    }
}

impl State {
    fn slide(&mut self) -> Vec<Block> {
        let shown = u32::try_from(self.window.len().saturating_sub(WINDOW)).unwrap_or(u32::MAX);
        let latest = self.first.saturating_add(shown);
        let needed = self.needs.first_key_value().map_or(u32::MAX, |(number, _)| *number);
        match self.keeps {
            Keeps::All => Vec::new(),
            Keeps::Latest => self.pop_below(latest),
            Keeps::Needed => self.pop_below(latest.max(needed)),
        }
    }

    fn pop_below(&mut self, number: u32) -> Vec<Block> {
        let mut left = Vec::new();
        while self.first < number {
            let Some(block) = self.window.pop_front() else { break };
            left.push(block);
            self.first += 1;
        }
        left
    }

    fn needs(&mut self, number: u32) {
        *self.needs.entry(number).or_default() += 1;
    }

    fn needs_no_more(&mut self, number: u32) {
        if let Entry::Occupied(mut followers) = self.needs.entry(number) {
            *followers.get_mut() -= 1;
            if *followers.get() == 0 {
                followers.remove();
            }
        }
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
    /// The block it needs next.
    need: u32,
}

impl Follower {
    /// Follows `flight` from this block on.
    pub(super) fn new(flight: &Arc<Flight>, need: u32) -> Self {
        flight.change(|state| state.needs(need));
        flight.moved.notify_one();
        Self { flight: Arc::clone(flight), progress: flight.progress.subscribe(), need }
    }

    pub(super) const fn flight(&self) -> &Arc<Flight> {
        &self.flight
    }

    /// Waits until it can be said what became of a block.
    pub(super) async fn look(&mut self, number: u32) -> Sight {
        self.move_on(number);
        loop {
            self.progress.mark_unchanged();
            let sight = self.flight.state().look(number);
            match sight {
                Some(Sight::Block(block)) => {
                    self.move_on(number + 1);
                    return Sight::Block(block);
                }
                Some(sight) => return sight,
                None => {}
            }
            if self.progress.changed().await.is_err() {
                return Sight::Ended(Ending::Lost);
            }
        }
    }

    /// Waits until the store has accepted the read, or the flight has ended.
    pub(super) async fn opening(&mut self) -> Result<(), Ending> {
        loop {
            self.progress.mark_unchanged();
            match &*self.flight.state() {
                State { is_open: true, .. } => return Ok(()),
                State { ending: Some(ending), .. } => return Err(ending.clone()),
                _ => {}
            }
            self.progress.changed().await.map_err(|_| Ending::Lost)?;
        }
    }

    /// It needs this block next.
    pub(super) fn move_on(&mut self, number: u32) {
        if number == self.need {
            return;
        }
        let before = std::mem::replace(&mut self.need, number);
        self.flight.change(|state| {
            state.needs_no_more(before);
            state.needs(number);
        });
        self.flight.moved.notify_one();
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.flight.change(|state| state.needs_no_more(self.need));
        self.flight.moved.notify_one();
    }
}

/// Somebody who waits for a flight's end, and needs no block of it; dropping it leaves.
pub(super) struct Watcher {
    flight: Arc<Flight>,
    progress: watch::Receiver<()>,
}

impl Watcher {
    pub(super) fn new(flight: &Arc<Flight>) -> Self {
        Self { flight: Arc::clone(flight), progress: flight.progress.subscribe() }
    }

    /// Waits for the end. The flight waits for no follower meanwhile.
    pub(super) async fn end(mut self) -> Ending {
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
