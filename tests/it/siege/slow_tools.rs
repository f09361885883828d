//! `slowhttptest`, the tool of those who attack with slowness, in all its three ways.

use std::process::{Command, Stdio};

use hallpass::fetcher::{Mode, Profile, Profiles};

use crate::kit::gateway::Place;

use super::{Fort, tls};

/// Connections of each attack.
const MANY: u64 = 100;

/// Lets `slowhttptest` attack for at most so many seconds, and tells whether it stopped because all its connections were closed.
async fn attack(url: String, seconds: &'static str, way: &'static [&'static str]) -> bool {
    let many = MANY.to_string();
    let ran = tokio::task::spawn_blocking(move || {
        let mut command = Command::new("slowhttptest");
        command.args(way).args(["-c", &many, "-r", "500", "-l", seconds, "-p", "5", "-v", "1", "-u", &url]);
        command.stdin(Stdio::null()).output()
    });
    let ran = ran.await.unwrap().expect("slowhttptest is installed (Debian's package of that name)");
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert!(ran.status.success() && said.contains("Test ended"), "it did not attack: {said}");
    said.contains("No open connections left")
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

fn url(fort: &Fort) -> String {
    let scheme = if fort.trust.is_some() { "https" } else { "http" };
    format!("{scheme}://{}{}", fort.gate.addresses.public, fort.large.path)
}

#[tokio::test]
async fn slow_heads_are_all_closed_in_time() {
    for secure in [false, true] {
        let fort = open_to_all("[limits]\nhead_timeout = \"1s\"\nidle_timeout = \"10m\"", secure).await;
        assert!(fort.while_serving(attack(url(&fort), "30", &["-H", "-i", "1"])).await, "some stay open");
        fort.ended("head-late", MANY).await;
        fort.is_left_alone().await;
    }
}

#[tokio::test]
async fn slow_bodies_are_not_waited_for() {
    let fort = open_to_all("", false).await;
    assert!(fort.while_serving(attack(url(&fort), "30", &["-B", "-i", "1"])).await, "some stay open");
    fort.is_left_alone().await;
}

#[tokio::test]
async fn slow_readers_are_all_closed_in_time() {
    for secure in [false, true] {
        let fort = open_to_all("[limits]\nwrite_stall = \"1s\"", secure).await;
        // It asks its sockets for what they hold, and so may not see that they were closed.
        let way = &["-X", "-w", "1", "-y", "512", "-n", "1", "-z", "5", "-k", "1"];
        fort.while_serving(attack(url(&fort), "4", way)).await;
        fort.ended("write-stalled", MANY).await;
        fort.is_left_alone().await;
    }
}
