//! Those who change things while others fetch: mints, overwrites, revocations, new settings, and objects that nobody wants twice.

use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use crate::support::Dice;
use crate::support::bucket::PLAIN;
use crate::support::wire::{Answer, End, Pace, Wire, request};
use crate::world::{Known, World, objects};

/// Mints links for whatever is there.
pub async fn minter(world: Arc<World>, seed: u64) {
    let mut dice = Dice::new(seed);
    let objects = objects();
    while !world.is_over() {
        let (store, key) = dice.pick(&objects);
        mint(&world, store, key, dice.once_in(2)).await;
        world.pause(Duration::from_millis(dice.below(80))).await;
    }
}

async fn mint(world: &World, store: &str, key: &str, unique: bool) -> Option<Arc<Known>> {
    match world.gateway.try_mint(store, key, unique).await {
        Ok(Ok(link)) => {
            let known = world.remember(store, key, link);
            if known.is_some() {
                world.count("mint", "201");
            } else if world.marks.lock().unwrap().flipped.contains(&format!("/{store}/{key}")) {
                // What is read first is what an object is taken for; a bit that was turned then is a part of it.
                world.count("mint", "201 of what the origin had altered");
            } else {
                // Overwritten several times while it was minted, or wrong.
                world.count("mint", "201 of content that is forgotten");
            }
            known
        }
        Ok(Err(answer)) => {
            let code = answer.code();
            let expected = matches!(
                (answer.status, code.as_str()),
                (503, "still-reading" | "overloaded" | "busy") | (502, "origin-failed") | (504, "origin-timeout")
            );
            if !expected && !changed_meanwhile(&answer, &code) {
                world.violation("unexpected answer to a mint", || format!("{} {}", answer.head.text, answer.json()));
            }
            world.count("mint", format!("{} {code}", answer.status));
            None
        }
        Err(fault) => {
            world.violation("a mint without an answer", || fault.to_string());
            None
        }
    }
}

/// An object that was overwritten while it was read for the first time cannot be minted.
fn changed_meanwhile(answer: &Answer, code: &str) -> bool {
    matches!(answer.status, 404 | 409 | 410 | 503) && (code.contains("changed") || code.contains("changing"))
}

/// Writes new content over objects.
pub async fn overwriter(world: Arc<World>, seed: u64) {
    let mut dice = Dice::new(seed);
    let objects = objects();
    while !world.is_over() {
        world.pause(Duration::from_millis(200 + dice.below(300))).await;
        let (store, key) = dice.pick(&objects);
        world.write(store, key);
        world.count("overwrite", *store);
    }
}

/// Revokes links that are in use.
pub async fn revoker(world: Arc<World>, seed: u64) {
    let mut dice = Dice::new(seed);
    while !world.is_over() {
        world.pause(Duration::from_millis(1500)).await;
        let Some(known) = world.link(&mut dice) else { continue };
        known.revoking.store(true, Ordering::SeqCst);
        match world.gateway.api("DELETE", &format!("/v1/links/{}", known.link.id), &Value::Null).await {
            Ok(answer) if answer.status == 200 => {
                known.revoked.store(true, Ordering::SeqCst);
                world.count("revocation", "200");
            }
            Ok(answer) => world.violation("a revocation that failed", || answer.head.text),
            Err(fault) => world.violation("a revocation that failed", || fault.to_string()),
        }
    }
}

/// Changes the settings, now and then to something that cannot be meant, and asks for them to be read.
pub async fn reloader(world: Arc<World>) {
    let good = world.gateway.settings();
    let mut round = 0;
    while !world.is_over() {
        world.pause(Duration::from_secs(4)).await;
        round += 1;
        if round % 3 == 0 {
            world.gateway.write_settings(&format!("{good}\nnonsense = {round}\n"));
            world.count("reload", "broken settings");
        } else {
            world.gateway.write_settings(&format!("{good}\n# round {round}\n"));
            world.count("reload", "good settings");
        }
        world.gateway.signal(Signal::HUP);
    }
    world.gateway.write_settings(&good);
}

/// Objects that are minted and fetched once: what a cache must not give its place away to.
pub async fn one_hit(world: Arc<World>, seed: u64) {
    let mut dice = Dice::new(seed);
    let mut number = 0_u64;
    while !world.is_over() {
        world.pause(Duration::from_millis(60 + dice.below(60))).await;
        number += 1;
        let key = format!("once-{number}.bin");
        world.write(PLAIN, &key);
        if let Some(known) = mint(&world, PLAIN, &key, false).await
            && let Err(fault) = once(&world, &known).await
        {
            match fault.kind() {
                ErrorKind::TimedOut => world.violation("no answer", || format!("one hit: {fault}")),
                _ => world.count("one hit", "aborted (before its head)"),
            }
        }
        world.forget(PLAIN, &key);
    }
}

async fn once(world: &World, known: &Known) -> std::io::Result<()> {
    let mut wire = Wire::connect(world.gateway.public).await?;
    wire.send(&request("GET", &known.link.path, world.gateway.public, &[])).await?;
    let head = wire.head().await?;
    if head.status != 200 {
        if !matches!(head.status, 410 | 502 | 503 | 504) {
            world.violation("unexpected answer", || format!("one hit: {}", head.text));
        }
        world.count("one hit", head.status.to_string());
        return Ok(());
    }
    if head.length != known.link.length {
        world.violation("another length", || format!("one hit: {}", head.text));
    }
    let right = |offset: u64, piece: &[u8]| {
        let at = usize::try_from(offset).unwrap();
        known.content.get(at..at + piece.len()) == Some(piece)
    };
    match wire.body(head.length, Pace::default(), right).await.end {
        End::Whole => world.count("one hit", "whole and right"),
        End::Wrong => world.violation("wrong bytes", || "one hit".to_owned()),
        End::Silent => world.violation("a body fell silent", || "one hit".to_owned()),
        End::Closed | End::Reset | End::Left => world.count("one hit", "aborted"),
    }
    Ok(())
}
