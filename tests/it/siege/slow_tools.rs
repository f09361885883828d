//! `slowhttptest`, the tool of those who attack with slowness, in all its three ways.

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use hallpass::fetcher::{Mode, Profile, Profiles};
use tokio::time::{Instant, sleep};

use crate::kit::gateway::Place;

use super::{Fort, PATIENCE, tls};

/// Connections of each attack.
const MANY: u64 = 100;
/// So many of them must meet the limit: it may be the tool that closes one or another.
const MOST: u64 = 90;

/// A running attack; it ends when dropped.
struct Attack(Child);

impl Attack {
    /// Begins to attack in this way, for longer than any test lasts.
    fn begin(fort: &Fort, way: &[&str]) -> Self {
        let scheme = if fort.trust.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://{}{}", fort.gate.addresses.public, fort.large.path);
        let mut command = Command::new("slowhttptest");
        command.args(way).args(["-c", &MANY.to_string(), "-r", "500", "-l", "120", "-p", "5", "-v", "1", "-u", &url]);
        let running = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        Self(running.expect("slowhttptest is installed (Debian's package of that name)"))
    }

    /// Waits until it gives up because all its connections were closed.
    async fn gives_up(mut self) {
        let begun = Instant::now();
        while self.0.try_wait().unwrap().is_none() {
            assert!(begun.elapsed() < PATIENCE, "it goes on");
            sleep(Duration::from_millis(50)).await;
        }
        let mut said = String::new();
        self.0.stdout.take().unwrap().read_to_string(&mut said).unwrap();
        assert!(said.contains("No open connections left"), "{said}");
    }
}

impl Drop for Attack {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A gateway that serves any agent, for the tool has none of Meta's.
async fn open_to_all(limits: &str, secure: bool) -> Fort {
    let meta = Profile { mode: Mode::Off, ..Profile::meta() };
    let place =
        Place { profiles: Profiles::from([(meta.name.clone(), meta)]), listen: ", hosts = [\"*\"]", ..Place::new() };
    if secure {
        let (place, trust) = tls(place, limits);
        return Fort::at(place, Some(trust)).await;
    }
    Fort::at(Place { settings: limits.to_owned(), ..place }, None).await
}

#[tokio::test]
async fn slow_heads_are_all_closed_in_time() {
    for secure in [false, true] {
        let fort = open_to_all("[limits]\nhead_timeout = \"1s\"\nidle_timeout = \"10m\"", secure).await;
        let attack = Attack::begin(&fort, &["-H", "-i", "1"]);
        fort.while_serving(fort.ended_often("head-late", MOST)).await;
        drop(attack);
        fort.is_left_alone().await;
    }
}

#[tokio::test]
async fn slow_bodies_are_not_waited_for() {
    let fort = open_to_all("", false).await;
    fort.while_serving(Attack::begin(&fort, &["-B", "-i", "1"]).gives_up()).await;
    fort.is_left_alone().await;
}

#[tokio::test]
async fn slow_readers_are_all_closed_in_time() {
    for secure in [false, true] {
        let fort = open_to_all("[limits]\nwrite_stall = \"1s\"", secure).await;
        let attack = Attack::begin(&fort, &["-X", "-w", "1", "-y", "512", "-n", "1", "-z", "5", "-k", "1"]);
        fort.while_serving(fort.ended_often("write-stalled", MOST)).await;
        drop(attack);
        fort.is_left_alone().await;
    }
}
