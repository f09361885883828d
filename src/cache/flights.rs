//! All flights under way: so that one read stands for all who need the same blocks.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::flight::{Flight, Follower, Proof};
use super::source::{Run, Source};
use super::{ContentId, Index};

/// The flights under way.
#[derive(Default)]
pub(super) struct Flights(Mutex<HashMap<ContentId, Vec<Arc<Flight>>>>);

/// What somebody who needs a block gets.
pub(super) enum Joined {
    /// It lies in the index by now.
    Kept,
    /// What proves it must be known first.
    Unproven,
    /// A flight was under way.
    Running(Follower),
    /// This one is to take off; it is on the list already.
    New(Follower),
}

impl Flights {
    /// Finds the flight that gives block `needed.first` of `source`, or enters a new one: for as much of `needed` as nobody has or
    /// reads, or for all of the content, where only all of it proves itself.
    ///
    /// Whoever needs all of the content may come without a `proof`: where nobody has or reads any of it, the read is the same with every
    /// proof, and its pilot looks that up while the store is asked.
    ///
    /// The list is locked from the look into the index on, so no block that was kept meanwhile is read again.
    pub(super) fn join(&self, source: &Arc<Source>, needed: Run, proof: Option<&Proof>, index: &Index) -> Joined {
        let mut list = self.list();
        if index.has(&source.block(needed.first)) {
            return Joined::Kept;
        }
        let flights = list.entry(source.content).or_default();
        if let Some(flight) = flights.iter().find(|flight| flight.serves(source, proof, needed.first)) {
            return Joined::Running(Follower::new(flight, needed.first));
        }
        let taken = |number| {
            index.has(&source.block(number)) || flights.iter().any(|flight| flight.serves(source, proof, number))
        };
        let run = match proof {
            Some(Proof::Manifest(_) | Proof::Unverified) => missing(needed, taken),
            Some(Proof::Building) => Run::all(source.length).unwrap_or(needed),
            None if missing(needed, taken) == needed => needed,
            None => {
                if flights.is_empty() {
                    list.remove(&source.content);
                }
                return Joined::Unproven;
            }
        };
        let flight = Flight::new(Arc::clone(source), run, proof.cloned());
        flights.push(Arc::clone(&flight));
        Joined::New(Follower::new(&flight, needed.first))
    }

    /// Takes a flight off the list.
    pub(super) fn land(&self, flight: &Arc<Flight>) {
        let mut list = self.list();
        if let Some(flights) = list.get_mut(&flight.source.content) {
            flights.retain(|other| !Arc::ptr_eq(other, flight));
            if flights.is_empty() {
                list.remove(&flight.source.content);
            }
        }
    }

    fn list(&self) -> MutexGuard<'_, HashMap<ContentId, Vec<Arc<Flight>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Flight {
    /// Whether somebody who needs this block, with this proof, is to follow it. One that builds the manifest serves everybody who
    /// lacks one, until it ends: those who need a block that has left its window, or an early proof, wait for the end.
    fn serves(&self, source: &Source, proof: Option<&Proof>, number: u32) -> bool {
        self.source.is(source)
            && match (self.proof.get(), proof) {
                (Some(Proof::Manifest(_)) | None, Some(Proof::Manifest(_))) | (Some(Proof::Manifest(_)), None) => {
                    self.can_give(number)
                }
                (Some(Proof::Unverified), Some(Proof::Unverified)) => self.can_give(number),
                (Some(Proof::Building) | None, Some(Proof::Building) | None) => !self.has_ended(),
                _ => false,
            }
    }
}

/// The blocks from the first of `needed` up to, not with, the next one that is `taken`.
fn missing(needed: Run, taken: impl Fn(u32) -> bool) -> Run {
    let next = needed.blocks().skip(1).find(|number| taken(*number));
    Run { first: needed.first, last: next.map_or(needed.last, |taken| taken - 1) }
}
