//! Very many objects in bounded memory.

use std::io::Read;
use std::time::Duration;

use super::vault::Vault;
use super::{Desk, sample};

const OBJECTS: u64 = 100_000;
/// What the process may take at most, in KiB: all that a debug build of it takes without an object, and room for what an object leaves.
pub const MOST_KIB: u64 = 96 * 1024;

/// The highest resident memory of a running process so far, in KiB; `None` when it has ended.
fn highest(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_objects_take_little_memory() {
    let vault = Vault::open();
    let png = bytes::Bytes::from(sample("receipt.png")[..200].to_vec());
    for number in 0..OBJECTS {
        // Long keys, one finding each; most are empty, so that the test is about the many and not about reading.
        let key = format!("{}/{number:06}.png", "a-rather-long-directory-name/".repeat(4));
        let bytes = if number % 50 == 0 { png.clone() } else { bytes::Bytes::new() };
        vault.put(&key, Some("image/png"), bytes);
    }
    vault.put("Twin.png", Some("image/png"), bytes::Bytes::new());
    vault.put("zzz/last", Some("image/png"), bytes::Bytes::new());
    vault.put("twin.png", Some("image/png"), bytes::Bytes::new());
    let desk = Desk::over_bucket(&vault.endpoint, "vault", "");
    let (said, peak) = audited(&desk, 1).await;
    assert_eq!(said["objects"], OBJECTS + 3);
    assert_eq!(said["counts"]["key-differs-in-case"], 2);
    assert_eq!(said["counts"]["empty"], OBJECTS / 50 * 49 + 3);
    assert_eq!(said["counts"]["image-unsupported"], OBJECTS / 50, "those that were cut off");
    assert!(peak > 0 && peak < MOST_KIB, "at most {peak} KiB");
}

/// What an audit says that ends with this exit code, and the most memory that it took, in KiB.
pub async fn audited(desk: &Desk, code: i32) -> (serde_json::Value, u64) {
    let mut child = desk.start(&["--json", "--concurrency", "32"]);
    let mut out = child.stdout.take().unwrap();
    let reading = std::thread::spawn(move || {
        let mut text = String::new();
        out.read_to_string(&mut text).map(|_| text)
    });
    let mut peak = 0;
    let status = loop {
        peak = highest(child.id()).unwrap_or(0).max(peak);
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(status.code(), Some(code));
    (serde_json::from_str(&reading.join().unwrap().unwrap()).unwrap(), peak)
}
