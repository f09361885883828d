//! What processes really have in memory, as the kernel tells it.
//!
//! Blocks that lie in a memory file belong to the process whether they are mapped or not, and `VmRSS` knows only those that are. So a memory file's
//! pages are counted by the file, once, whoever holds it.

use std::collections::BTreeSet;
use std::fs;
use std::os::linux::fs::MetadataExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// What these processes have in memory, in bytes: their own pages, their files' pages, and their memory files, each once.
pub fn resident(pids: &[u32]) -> u64 {
    let (mut own, mut shared, mut files, mut seen) = (0, 0, 0, BTreeSet::new());
    for &pid in pids {
        own += line(pid, "RssAnon:") + line(pid, "RssFile:");
        shared += line(pid, "RssShmem:");
        for entry in fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten() {
            let is_memory = fs::read_link(entry.path()).is_ok_and(|to| to.to_string_lossy().starts_with("/memfd:"));
            if let (true, Ok(file)) = (is_memory, fs::metadata(entry.path()))
                && seen.insert(file.st_ino())
            {
                files += file.st_blocks() * 512;
            }
        }
    }
    own + shared.max(files)
}

/// A line of `/proc/PID/status`, in bytes; zero where it is missing.
pub fn line(pid: u32, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let rest = status.lines().find_map(|line| line.strip_prefix(name));
    rest.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) * 1024
}

/// Keeps the most that a process has had in memory, by looking every few milliseconds for as long as it lives.
pub fn keep_highest(pid: u32, highest: Arc<AtomicU64>) {
    thread::spawn(move || {
        loop {
            match resident(&[pid]) {
                // A process that has ended has no memory.
                0 => return,
                now => highest.fetch_max(now, Ordering::Relaxed),
            };
            thread::sleep(Duration::from_millis(20));
        }
    });
}
