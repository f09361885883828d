//! Audits that were interrupted: by a signal, by `kill -9`, and by somebody who means another store.

use std::fs;
use std::process::Child;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::vault::Vault;
use super::{Desk, found, sample, text};

const OBJECTS: usize = 700;

/// Many objects, a third of them with a fault, and twins far apart.
fn fill(vault: &Vault) {
    let (jpeg, png) = (sample("winter-sale.jpg")[..3000].to_vec(), sample("receipt.png"));
    for number in 0..OBJECTS - 2 {
        match number % 3 {
            0 => vault.put(&format!("{number:05}.txt"), Some("text/plain"), jpeg.clone()),
            _ => vault.put(&format!("{number:05}.png"), Some("image/png"), png.clone()),
        }
    }
    vault.put("00000-TWIN.png", Some("image/png"), png.clone());
    vault.put("00000-twin.png", Some("image/png"), png);
}

/// Waits until the state says that this many objects were looked at.
pub fn wait_for(desk: &Desk, objects: u64) {
    for _ in 0..6000 {
        let text = fs::read_to_string(desk.file("state")).unwrap_or_default();
        let marks = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let done = marks.filter_map(|record| record["done"]["objects"].as_u64()).max().unwrap_or(0);
        if done >= objects {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("the audit does not come on");
}

pub fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

#[tokio::test]
async fn an_audit_goes_on_after_kill_9_and_after_ctrl_c() {
    let vault = Vault::open();
    fill(&vault);
    let desk = Desk::over_bucket(&vault.endpoint, "vault", "");
    let expected = found(&desk.json(&[], 1).await);
    assert!(expected.contains("key-differs-in-case 00000-twin.png"));
    vault.set_latency(Duration::from_millis(15));
    let arguments = ["--state", "state", "--concurrency", "2"];

    let mut child = desk.start(&arguments);
    wait_for(&desk, 100);
    signal(&child, Signal::KILL);
    child.wait().unwrap();

    let child = desk.start(&arguments);
    wait_for(&desk, 300);
    signal(&child, Signal::INT);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", text(&output));
    assert!(text(&output).contains("run the same command again") && output.stdout.is_empty(), "{}", text(&output));

    vault.set_latency(Duration::ZERO);
    let before = vault.state.heads.load(Ordering::SeqCst);
    let said = desk.json(&arguments, 1).await;
    let heads = vault.state.heads.load(Ordering::SeqCst) - before;
    assert_eq!(found(&said), expected);
    assert_eq!(said["objects"], OBJECTS);
    assert!(heads <= (OBJECTS - 300) as u64, "{heads} objects were looked at again");

    let before = vault.state.lists.load(Ordering::SeqCst);
    let output = desk.run(&["--state", "state"]).await;
    assert!(text(&output).contains("the audit in state is complete"), "{}", text(&output));
    // Opening the bucket asks for a page to see whether it may; the scan asks for none.
    assert_eq!(vault.state.lists.load(Ordering::SeqCst), before, "what is complete is not scanned again");
}

#[tokio::test]
async fn a_state_is_of_one_store_and_prefix() {
    let vault = Vault::open();
    vault.put("a.png", Some("image/png"), sample("receipt.png"));
    let desk = Desk::over_bucket(&vault.endpoint, "vault", "");
    desk.json(&["--state", "state"], 3).await;
    let kept = fs::read(desk.file("state")).unwrap();
    let other = desk.run(&["--state", "state", "--prefix", "promo/"]).await;
    assert_eq!(other.status.code(), Some(2));
    assert!(text(&other).contains("the state of an audit of store media"), "{}", text(&other));
    fs::write(desk.file("notes"), "not a state\n").unwrap();
    let foreign = desk.run(&["--state", "notes"]).await;
    assert_eq!(foreign.status.code(), Some(2));
    assert_eq!(fs::read_to_string(desk.file("notes")).unwrap(), "not a state\n");
    assert_eq!(fs::read(desk.file("state")).unwrap(), kept, "and nothing was written into it");
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(desk.file("state")).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600, "it names private objects");
}
