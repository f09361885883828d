//! What processes really have in memory, as the kernel tells it.
//!
//! Blocks that lie in a memory file belong to the process whether they are mapped or not, and `VmRSS` knows only those that are. So a memory file's
//! pages are counted by the file, once, whoever holds it.

use std::collections::BTreeMap;
use std::fs;
use std::os::linux::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// What these processes have in memory, in bytes: their own pages, their files' pages, and their memory files, each once.
pub fn resident(pids: &[u32]) -> u64 {
    let files: BTreeMap<u64, PathBuf> = pids.iter().flat_map(|pid| memory_files(*pid)).collect();
    taken(pids, files.values())
}

/// The memory files that a process holds, each once, by their inodes.
fn memory_files(pid: u32) -> BTreeMap<u64, PathBuf> {
    let open = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten().map(|entry| entry.path());
    let is_memory = |path: &PathBuf| fs::read_link(path).is_ok_and(|to| to.to_string_lossy().starts_with("/memfd:"));
    open.filter(is_memory).filter_map(|path| Some((fs::metadata(&path).ok()?.st_ino(), path))).collect()
}

fn taken<'a>(pids: &[u32], files: impl Iterator<Item = &'a PathBuf>) -> u64 {
    let sum = |name: &str| pids.iter().map(|pid| line(*pid, name)).sum::<u64>();
    let filled: u64 = files.filter_map(|path| fs::metadata(path).ok()).map(|file| file.st_blocks() * 512).sum();
    sum("RssAnon:") + sum("RssFile:") + sum("RssShmem:").max(filled)
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
        let mut files = BTreeMap::new();
        for look in 0_u64.. {
            // With thousands of connections, finding the files takes longer than all else.
            if look % 100 == 0 {
                files = memory_files(pid);
            }
            match taken(&[pid], files.values()) {
                // A process that has ended has no memory.
                0 => return,
                now => highest.fetch_max(now, Ordering::Relaxed),
            };
            thread::sleep(Duration::from_millis(20));
        }
    });
}
