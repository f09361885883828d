//! What is asked of a policy, and how a trace is played to it.

use std::fmt;

use crate::traces::{Object, Step, Touch, Trace};

/// One way to decide which blocks stay.
pub trait Policy {
    /// A link for the object was minted, so its blocks are at hand; `touches` are those of its blocks, in order.
    fn mint(&mut self, object: &Object, touches: &[Touch]);
    /// Whether the block is there. This is a use of it.
    fn get(&mut self, touch: &Touch) -> bool;
    /// The block was not there, and was read.
    fn put(&mut self, touch: &Touch);
    /// All blocks of the object were fetched.
    fn fetched(&mut self, _object: &Object) {}
    /// Time went on, in seconds.
    fn tick(&mut self, _now: u64) {}
}

/// What part of the requests, and of the bytes, was there.
#[derive(Clone, Copy)]
pub struct Ratio {
    requests: f64,
    bytes: f64,
}

impl Ratio {
    pub fn of(self, best: Self) -> Self {
        Self { requests: self.requests / best.requests, bytes: self.bytes / best.bytes }
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} / {:.1}", self.requests * 100.0, self.bytes * 100.0)
    }
}

/// Plays a trace to a policy that has seen nothing yet.
pub fn play(trace: &Trace, touches: &[Touch], policy: &mut dyn Policy) -> Ratio {
    let (mut rest, mut now) = (touches, 0);
    let (mut hits, mut asked, mut bytes_hit, mut bytes_asked) = (0, 0, 0, 0);
    for event in &trace.events {
        let object = &trace.objects[event.object];
        let (these, after) = rest.split_at(object.blocks.len());
        rest = after;
        if event.at / 1000 > now {
            now = event.at / 1000;
            policy.tick(now);
        }
        if event.step == Step::Mint {
            policy.mint(object, these);
            continue;
        }
        let mut hit = true;
        for touch in these {
            bytes_asked += touch.length;
            if policy.get(touch) {
                bytes_hit += touch.length;
            } else {
                hit = false;
                policy.put(touch);
            }
        }
        policy.fetched(object);
        (hits, asked) = (hits + u64::from(hit), asked + 1);
    }
    Ratio { requests: hits as f64 / f64::from(asked), bytes: bytes_hit as f64 / bytes_asked as f64 }
}
