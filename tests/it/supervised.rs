//! A real process under a supervisor: sockets that it was handed, what it tells of itself, and how it ends.
//!
//! The supervisor is played by the protocols of systemd themselves: descriptors from 3 on with `LISTEN_PID`, and a datagram socket as
//! `NOTIFY_SOCKET`.

use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;
use tokio::net::{TcpStream, UnixDatagram};
use tokio::time::{sleep, timeout};

use crate::kit::content;
use crate::kit::gateway::META;
use crate::kit::moto;
use crate::kit::shop::{Shop, free};
use crate::kit::wire::Wire;

/// What the process says to its supervisor.
struct Notes {
    socket: UnixDatagram,
    heard: Vec<String>,
}

impl Notes {
    fn open(shop: &Shop) -> Self {
        Self { socket: UnixDatagram::bind(shop.file("notify")).unwrap(), heard: Vec::new() }
    }

    /// Waits for a message with this line, and gives all of it.
    async fn until(&mut self, line: &str) -> String {
        let mut buffer = [0; 4096];
        loop {
            let Ok(read) = timeout(Duration::from_secs(20), self.socket.recv(&mut buffer)).await else {
                panic!("{line} is not said: {:?}", self.heard);
            };
            let text = String::from_utf8(buffer[..read.unwrap()].to_vec()).unwrap();
            self.heard.push(text.clone());
            if text.lines().any(|said| said == line) {
                return text;
            }
        }
    }
}

fn notified(shop: &Shop) -> Command {
    let mut command = shop.command(&["serve", "--config", "hallpass.toml"]);
    command.env("NOTIFY_SOCKET", shop.file("notify")).env("WATCHDOG_USEC", "600000");
    command
}

#[tokio::test]
async fn a_supervisor_hears_of_the_start_of_reloads_of_the_life_and_of_the_end() {
    let shop = Shop::open();
    let mut notes = Notes::open(&shop);
    shop.start(notified(&shop));
    assert!(notes.until("READY=1").await.contains("STATUS=serving\n"));
    assert!(std::net::TcpStream::connect(shop.public).is_ok(), "ready means that it serves");
    notes.until("WATCHDOG=1").await;
    notes.until("WATCHDOG=1").await;
    shop.signal(Signal::HUP);
    let reloading = notes.until("RELOADING=1").await;
    let since_boot = reloading.lines().find_map(|line| line.strip_prefix("MONOTONIC_USEC=")).unwrap();
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic).tv_sec;
    assert!((0..60).contains(&(now - since_boot.parse::<i64>().unwrap() / 1_000_000)), "{reloading}");
    assert!(notes.until("READY=1").await.contains("STATUS=serving\n"));
    std::fs::write(shop.file("hallpass.toml"), shop.text("hallpass.toml") + "\nnonsense = 1\n").unwrap();
    notes.until("RELOADING=1").await;
    assert!(notes.until("READY=1").await.contains("the last reload was refused"));
    shop.signal(Signal::TERM);
    let stopping = notes.until("STOPPING=1").await;
    assert!(stopping.contains("EXTEND_TIMEOUT_USEC=40000000"), "{stopping}");
    assert_eq!(shop.ended().await.code(), Some(0));
}

#[tokio::test]
async fn a_supervisor_hears_which_process_is_the_main_one_after_an_upgrade_and_that_one_lives() {
    let shop = Shop::open();
    let mut notes = Notes::open(&shop);
    let mut command = notified(&shop);
    // As systemd sets it: another process's successor would otherwise think that nobody watches.
    command.env("WATCHDOG_PID", "1");
    shop.start(command);
    notes.until("READY=1").await;
    shop.signal(Signal::USR2);
    let said = loop {
        let said = notes.until("READY=1").await;
        if said.contains("MAINPID=") {
            break said;
        }
    };
    let successor = shop.successor().unwrap().as_raw_nonzero();
    assert!(said.lines().any(|line| line == format!("MAINPID={successor}")), "{said}");
    assert_eq!(shop.ended().await.code(), Some(0));
    notes.heard.clear();
    notes.until("WATCHDOG=1").await;
    assert!(!notes.heard.iter().any(|said| said.contains("STOPPING")), "the service goes on: {:?}", notes.heard);
}

/// The process behind sockets that were made before it was, each with a name. It is not started before somebody connects to the first.
fn activated(shop: &Shop, sockets: &[(&str, SocketAddr)]) -> Command {
    let script = "import os, select, socket, sys\n\
        ports = [int(at) for at in sys.argv[1].split(',')]\n\
        given = [socket.create_server(('127.0.0.1', port)) for port in ports]\n\
        select.select([given[0]], [], [], 20)\n\
        safe = [os.dup2(one.fileno(), 100 + i, inheritable=False) for i, one in enumerate(given)]\n\
        for i, one in enumerate(safe): os.dup2(one, 3 + i, inheritable=True)\n\
        os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(safe)), LISTEN_FDNAMES=sys.argv[2])\n\
        os.execv(sys.argv[3], sys.argv[3:])\n";
    let ports = sockets.iter().map(|(_, address)| address.port().to_string()).collect::<Vec<_>>().join(",");
    let names = sockets.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(":");
    let mut command = moto::python();
    command.args(["-c", script, &ports, &names, env!("CARGO_BIN_EXE_hallpass"), "serve", "--config", "hallpass.toml"]);
    command.current_dir(shop.dir.path());
    command
}

/// A connection to a socket that may not be there yet.
async fn early(address: SocketAddr) -> Wire {
    let begun = Instant::now();
    loop {
        match TcpStream::connect(address).await {
            Ok(stream) => return Wire::over(stream),
            Err(error) => assert!(begun.elapsed() < Duration::from_secs(20), "{error}"),
        }
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn sockets_that_were_handed_over_are_served_and_the_rest_is_bound() {
    let shop = Shop::open();
    // By a name of ours, and by its address under the name that systemd gives by itself.
    shop.start(activated(&shop, &[("public", shop.public), ("hallpass.socket", shop.ops)]));
    // It comes before the process does, and waits in the socket's queue.
    let mut early = early(shop.public).await;
    early.send(shop.request("/robots.txt", META)).await;
    shop.until_ready().await;
    assert_eq!(early.answer().await.status, 200);
    // An idle connection would keep the old process, until its client or the drain ends it.
    drop(early);
    let link = shop.mint(json!({"store": "media", "key": "winter-sale.jpg"})).await;
    assert_eq!(shop.status(&link).await, 200);
    // An upgrade hands on what was handed over.
    shop.signal(Signal::USR2);
    assert_eq!(shop.ended().await.code(), Some(0));
    assert_eq!(shop.status(&link).await, 200);
    let successor = shop.successor().unwrap().as_raw_nonzero();
    let environment = std::fs::read(format!("/proc/{successor}/environ")).unwrap();
    assert!(!String::from_utf8_lossy(&environment).contains("LISTEN_"));
}

#[tokio::test]
async fn sockets_that_are_not_those_of_the_settings_stop_the_start_with_words() {
    let shop = Shop::open();
    let other = free();
    for (sockets, words) in [
        (vec![("public", other)], "listen.public is"),
        (vec![("public", shop.public), ("control", shop.control), ("x", other)], "no listener is left"),
    ] {
        shop.start(activated(&shop, &sockets));
        let _early = early(sockets[0].1).await;
        assert_eq!(shop.ended().await.code(), Some(1), "{}", shop.text("stderr"));
        assert!(shop.text("stderr").contains(words), "{}", shop.text("stderr"));
    }
    let _taken = TcpListener::bind(shop.public).unwrap();
    // Meant for another process: not ours to take.
    let mut command = shop.command(&["serve", "--config", "hallpass.toml"]);
    command.envs([("LISTEN_PID", "1"), ("LISTEN_FDS", "1")]);
    let output = command.output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("listen.public") && told.contains("in use"), "{told}");
}

#[tokio::test]
async fn a_second_signal_ends_at_once_with_its_number() {
    for (second, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let shop = Shop::open();
        std::fs::write(shop.file("media/huge.bin"), content(8, 16 << 20)).unwrap();
        shop.serve().await;
        let link = shop.mint(json!({"store": "media", "key": "huge.bin"})).await;
        let mut slow = Wire::connect_narrow(shop.public).await;
        slow.send(shop.request(&link.path, META)).await;
        slow.head().await.unwrap();
        shop.signal(Signal::TERM);
        shop.says("stopping").await;
        shop.signal(second);
        assert_eq!(shop.ended().await.code(), Some(code));
        assert!(slow.body(16 << 20).await.is_err(), "its body was cut, and not ended");
    }
}

#[tokio::test]
async fn readiness_says_no_for_the_grace_while_requests_are_still_taken() {
    let shop = Shop::open();
    shop.set("limits", "drain_grace = \"2s\"");
    shop.serve().await;
    let link = shop.mint(json!({"store": "media", "key": "winter-sale.jpg"})).await;
    let begun = Instant::now();
    shop.signal(Signal::TERM);
    shop.says("stopping").await;
    let mut served = 0;
    while shop.ops("/readyz").await.status == 200 {
        assert!(begun.elapsed() < Duration::from_secs(2), "readiness goes at once");
    }
    while begun.elapsed() < Duration::from_millis(1500) {
        assert_eq!(shop.status(&link).await, 200);
        served += 1;
        sleep(Duration::from_millis(20)).await;
    }
    assert!(served > 3);
    assert_eq!(shop.ended().await.code(), Some(0));
    assert!(begun.elapsed() >= Duration::from_secs(2));
}
