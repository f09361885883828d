//! All flights under way: so that one read stands for all who need the same blocks.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Index;
use super::flight::{Flight, Follower, Proof};
use super::source::{Run, Source};
use crate::value::Fingerprint;

/// The flights under way.
#[derive(Default)]
pub(super) struct Flights(Mutex<HashMap<Fingerprint, Vec<Arc<Flight>>>>);

/// What somebody who needs a block gets.
pub(super) enum Joined {
    /// It lies in the index by now.
    Kept,
    /// A flight was under way.
    Running(Follower),
    /// This one is to take off; it is on the list already.
    New(Follower),
}

impl Flights {
    /// Finds the flight that gives block `needed.first` of `source`, or enters a new one: for as much of `needed` as nobody has or
    /// reads, or for all of the content, where only all of it proves itself.
    ///
    /// The list is locked from the look into the index on, so no block that was kept meanwhile is read again.
    pub(super) fn join(&self, source: &Arc<Source>, needed: Run, proof: &Proof, index: &Index) -> Joined {
        let mut list = self.list();
        if index.has(&source.block(needed.first)) {
            return Joined::Kept;
        }
        let flights = list.entry(source.fingerprint).or_default();
        if let Some(flight) = flights.iter().find(|flight| flight.serves(source, proof, needed.first)) {
            return Joined::Running(Follower::new(flight, needed.first));
        }
        let taken = |number| {
            index.has(&source.block(number)) || flights.iter().any(|flight| flight.serves(source, proof, number))
        };
        let run = match proof {
            Proof::Manifest(_) => missing(needed, taken),
            Proof::Building => Run::all(source.length).unwrap_or(needed),
        };
        let flight = Flight::new(Arc::clone(source), run, proof.clone());
        flights.push(Arc::clone(&flight));
        Joined::New(Follower::new(&flight, needed.first))
    }

    /// Takes a flight off the list.
    pub(super) fn land(&self, flight: &Arc<Flight>) {
        let mut list = self.list();
        if let Some(flights) = list.get_mut(&flight.source.fingerprint) {
            flights.retain(|other| !Arc::ptr_eq(other, flight));
            if flights.is_empty() {
                list.remove(&flight.source.fingerprint);
            }
        }
    }

    fn list(&self) -> MutexGuard<'_, HashMap<Fingerprint, Vec<Arc<Flight>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Flight {
    /// Whether somebody who needs this block, with this proof, is to follow it. One that builds the manifest serves everybody who
    /// lacks one, until it ends: those who need a block that has left its window, or an early proof, wait for the end.
    fn serves(&self, source: &Source, proof: &Proof, number: u32) -> bool {
        self.source.is(source)
            && match (&self.proof, proof) {
                (Proof::Manifest(_), Proof::Manifest(_)) => self.can_give(number),
                (Proof::Building, Proof::Building) => !self.has_ended(),
                _ => false,
            }
    }
}

/// The blocks from the first of `needed` up to, not with, the next one that is `taken`.
fn missing(needed: Run, taken: impl Fn(u32) -> bool) -> Run {
    let next = needed.blocks().skip(1).find(|number| taken(*number));
    Run { first: needed.first, last: next.map_or(needed.last, |taken| taken - 1) }
}
