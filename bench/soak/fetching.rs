//! Those who fetch: quickly, slowly, in parts, on condition, and not to the end. Each answer is judged before it is counted.
//!
//! What may happen to a fetch while its origin fails, its link is revoked or its object overwritten is a short list; everything else
//! is a violation. A byte that differs from what the link promised is one whatever the circumstances.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::support::Dice;
use crate::support::wire::{Came, End, Head, Pace, Wire, request};
use crate::world::{Known, World};

/// What one fetch asks for.
#[derive(Clone, Copy, Debug)]
enum Wish {
    Whole,
    /// First and last offset.
    Part(u64, u64),
    Head,
    Unchanged,
}

impl Wish {
    fn throw(dice: &mut Dice, length: u64) -> (&'static str, Self) {
        let first = dice.below(length);
        match dice.below(100) {
            0..55 => ("whole", Self::Whole),
            55..72 => ("range", Self::Part(first, first + dice.below(length - first))),
            72..82 => ("one byte", Self::Part(first, first)),
            82..92 => ("HEAD", Self::Head),
            _ => ("conditional", Self::Unchanged),
        }
    }

    fn text(self, known: &Known, world: &World) -> String {
        let line = match self {
            Self::Part(first, last) => Some(format!("Range: bytes={first}-{last}")),
            Self::Unchanged => Some(format!("If-None-Match: \"b3-{}\"", &known.link.fingerprint[..32])),
            Self::Whole | Self::Head => None,
        };
        let method = if matches!(self, Self::Head) { "HEAD" } else { "GET" };
        request(method, &known.link.path, world.gateway.public, line.as_slice())
    }

    /// The status of success, and the part of the content that comes with it.
    fn promise(self, length: u64) -> (u16, u64, u64) {
        match self {
            Self::Whole | Self::Head => (200, 0, length),
            Self::Part(first, last) => (206, first, last + 1),
            Self::Unchanged => (304, 0, 0),
        }
    }
}

/// Fetches one thing after the other, now and then on the same connection, now and then leaving in the middle.
pub async fn quick(world: Arc<World>, seed: u64) {
    let mut dice = Dice::new(seed);
    let mut kept = None;
    while !world.is_over() {
        world.pause(Duration::from_millis(dice.below(40))).await;
        let Some(known) = world.link(&mut dice) else { continue };
        let length = known.link.length;
        let (kind, wish) = Wish::throw(&mut dice, length);
        let leaves = matches!(wish, Wish::Whole) && dice.once_in(8);
        let pace = Pace { leave_after: leaves.then(|| dice.below(length)), ..Pace::default() };
        let kind = if leaves { "leaves" } else { kind };
        kept = fetch(&world, &known, kind, wish, pace, kept.take()).await.filter(|_| !dice.once_in(4));
    }
}

/// Reads as on a bad line, through a narrow window, and gives up in the end.
pub async fn slow(world: Arc<World>, seed: u64) {
    let mut dice = Dice::new(seed);
    while !world.is_over() {
        world.pause(Duration::from_millis(dice.below(500))).await;
        let Some(known) = world.link(&mut dice) else { continue };
        let left = world.ends.saturating_duration_since(std::time::Instant::now());
        let pace = Pace {
            speed: 1000 << dice.below(7),
            leave_after: None,
            leave_within: Some(left.min(Duration::from_secs(5 + dice.below(20)))),
        };
        let wish = if dice.once_in(2) {
            Wish::Whole
        } else {
            Wish::Part(dice.below(known.link.length), known.link.length - 1)
        };
        let wire = Wire::connect_narrow(world.gateway.public).await.ok();
        fetch(&world, &known, "slow", wish, pace, wire).await;
    }
}

/// One fetch and its judgement. Gives back the connection where it can be used again.
async fn fetch(
    world: &World,
    known: &Known,
    kind: &'static str,
    wish: Wish,
    pace: Pace,
    kept: Option<Wire>,
) -> Option<Wire> {
    let was_revoked = known.revoked.load(Ordering::SeqCst);
    let is_fresh = kept.is_none() || kind == "slow";
    let mut wire = match kept {
        Some(wire) => wire,
        None => match Wire::connect(world.gateway.public).await {
            Ok(wire) => wire,
            Err(fault) => {
                world.violation("no connection", || fault.to_string());
                return None;
            }
        },
    };
    let head = match ask(&mut wire, &wish.text(known, world)).await {
        Ok(head) => head,
        Err(fault) if fault.kind() == io::ErrorKind::TimedOut => {
            world.violation("no answer", || format!("{kind} {wish:?}: {fault}"));
            return None;
        }
        // An idle connection may be closed at any time; and a body that breaks off at once can take its head with it.
        Err(_) => {
            let how = if is_fresh { "aborted (before its head)" } else { "idle connection was closed" };
            world.count(kind, how);
            return None;
        }
    };
    let (status, from, to) = wish.promise(known.link.length);
    if head.status != status {
        problem(world, known, kind, &head, &mut wire).await;
        return None;
    }
    if was_revoked {
        world.violation("a revoked link was served", || format!("{kind} {wish:?} {}", known.link.id));
    }
    if head.length != to - from && status != 304 {
        world.violation("another length", || format!("{kind} {wish:?} of {}: {}", known.link.length, head.text));
        return None;
    }
    if !matches!(wish, Wish::Whole | Wish::Part(..)) {
        world.count(kind, head.status.to_string());
        return Some(wire);
    }
    world.count("Cache-Status", head.field("cache-status").unwrap_or("none"));
    let right = |offset: u64, piece: &[u8]| {
        let at = usize::try_from(from + offset).unwrap();
        known.content.get(at..at + piece.len()) == Some(piece)
    };
    let came = wire.body(to - from, pace, right).await;
    body_ended(world, kind, &wish, came);
    (came.end == End::Whole && head.field("connection") != Some("close")).then_some(wire)
}

async fn ask(wire: &mut Wire, text: &str) -> io::Result<Head> {
    wire.send(text).await?;
    wire.head().await
}

fn body_ended(world: &World, kind: &'static str, wish: &Wish, came: Came) {
    match came.end {
        End::Whole => world.count(kind, "whole and right"),
        End::Left => world.count(kind, "left by the client"),
        End::Closed => world.count(kind, "aborted (closed)"),
        End::Reset => world.count(kind, "aborted (reset)"),
        End::Silent => world.violation("a body fell silent", || format!("{kind} {wish:?} after {}", came.bytes)),
        End::Wrong => world.violation("wrong bytes", || format!("{kind} {wish:?} at {}", came.bytes)),
    }
}

/// An answer that is not what was asked for: is it one that there may be?
async fn problem(world: &World, known: &Known, kind: &'static str, head: &Head, wire: &mut Wire) {
    // An answer to HEAD has no body, and so no code.
    if kind == "HEAD" {
        if !matches!(head.status, 410 | 502 | 503 | 504) {
            world.violation("unexpected answer", || format!("{kind}: {}", head.text));
        }
        return world.count(kind, head.status.to_string());
    }
    let mut body = Vec::new();
    let keep = |_, piece: &[u8]| {
        body.extend_from_slice(piece);
        true
    };
    wire.body(head.length.min(4096), Pace::default(), keep).await;
    let said: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
    let code = said["code"].as_str().unwrap_or("none").to_owned();
    match (head.status, code.as_str()) {
        (410, "link-revoked") if !known.revoking.load(Ordering::SeqCst) => {
            world.violation("revoked without cause", || known.link.id.clone());
        }
        (410, "content-changed") if !known.overwritten.load(Ordering::SeqCst) => {
            world.violation("changed without cause", || format!("{kind} {}", known.link.path));
        }
        (410, "link-revoked" | "content-changed") | (502, "origin-failed") | (504, "origin-timeout") => {}
        (503, "overloaded") if head.field("retry-after").is_some() => {}
        _ => world.violation("unexpected answer", || format!("{kind}: {} {code}", head.text)),
    }
    world.count(kind, format!("{} {code}", head.status));
}
