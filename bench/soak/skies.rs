//! The weather at the origin: fair for half of the time, and otherwise one kind of trouble after the other.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::origin::{Asked, Fault};
use crate::support::{Dice, KIB, MIB};
use crate::world::{Marks, World};

#[derive(Clone, Copy, Debug)]
enum Sky {
    Fair,
    Late,
    Slow,
    Resets,
    Truncations,
    Stalls,
    Flips,
    Refusals,
    Down,
    /// A little of everything.
    Mixed,
}

const TROUBLE: [Sky; 9] = [
    Sky::Resets,
    Sky::Flips,
    Sky::Stalls,
    Sky::Mixed,
    Sky::Truncations,
    Sky::Down,
    Sky::Late,
    Sky::Refusals,
    Sky::Slow,
];

/// Changes the weather until the end, and leaves it fair.
pub async fn weather(world: Arc<World>, seed: u64) {
    let mut dice = Dice::new(seed);
    for sky in TROUBLE.into_iter().cycle() {
        if world.is_over() {
            break;
        }
        for sky in [sky, Sky::Fair] {
            set(&world, sky, dice.below(u64::MAX));
            world.count("weather", format!("{sky:?}"));
            world.pause(Duration::from_millis(2000 + dice.below(2000))).await;
        }
    }
    set(&world, Sky::Fair, 0);
}

fn set(world: &World, sky: Sky, seed: u64) {
    let late = if matches!(sky, Sky::Late) { 200 } else { 0 };
    world.origin.latency(Duration::from_millis(late));
    world.origin.speed(if matches!(sky, Sky::Slow) { 2 * MIB } else { 0 });
    let (mut dice, marks) = (Dice::new(seed), Arc::clone(&world.marks));
    world.origin.weather(move |asked, path| fault(sky, &mut dice, asked, path, &marks));
}

fn fault(sky: Sky, dice: &mut Dice, asked: Asked, path: &str, marks: &Mutex<Marks>) -> Fault {
    // Where in an answer: most objects here are short.
    let place = if dice.once_in(2) { dice.below(200 * KIB) } else { dice.below(4 * MIB) };
    let read = asked == Asked::Read;
    match sky {
        Sky::Down => Fault::HangUp,
        Sky::Refusals if dice.once_in(3) => Fault::Unavailable,
        Sky::Resets if read && dice.once_in(2) => Fault::ResetAfter(place),
        Sky::Truncations if read && dice.once_in(2) => Fault::CloseAfter(place),
        Sky::Stalls if read && dice.once_in(3) => Fault::StallAfter(place),
        Sky::Stalls if dice.once_in(20) => Fault::Mute,
        Sky::Flips if read && dice.once_in(2) => flip(path, place, marks),
        Sky::Mixed if dice.once_in(3) => match dice.below(6) {
            0 => Fault::Unavailable,
            1 => Fault::HangUp,
            2 if read => Fault::ResetAfter(place),
            3 if read => Fault::CloseAfter(place),
            4 if read => Fault::StallAfter(place),
            5 if read => flip(path, place, marks),
            _ => Fault::None,
        },
        // Also where it is only late or slow, which is not a matter of the single request.
        _ => Fault::None,
    }
}

/// A turned bit, but not in the first read of an object: what is read then is what the object is taken for.
fn flip(path: &str, place: u64, marks: &Mutex<Marks>) -> Fault {
    let mut marks = marks.lock().unwrap();
    if marks.unread.contains(path) {
        return Fault::None;
    }
    marks.flipped.insert(path.to_owned());
    Fault::Flip(place)
}
