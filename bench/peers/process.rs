//! A server as the kernel sees it: on which core it runs, what it used of it, and what memory it really has.
//!
//! A server is a process and all its descendants.

use std::fs;
use std::process::Child;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{CpuSet, sched_setaffinity};

/// The core that servers run on.
pub const SERVER: usize = 0;
/// The one of the load generator, the origin and everything else of ours.
pub const OURS: usize = 1;

/// From now on this thread runs on `core`, and what it starts too.
pub fn stay_on(core: usize) {
    let mut cores = CpuSet::new();
    cores.set(core);
    sched_setaffinity(None, &cores).unwrap();
}

/// Starts something on the servers' core.
pub fn on_their_core<T>(start: impl FnOnce() -> T) -> T {
    stay_on(SERVER);
    let started = start();
    stay_on(OURS);
    started
}

/// A process that ends, with its descendants, when this is dropped.
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        for pid in tree(self.0.id()).into_iter().rev() {
            if let Some(pid) = Pid::from_raw(pid.cast_signed()) {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
        let _ = self.0.wait();
    }
}

/// A process and its descendants, the oldest first.
pub fn tree(root: u32) -> Vec<u32> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let all: Vec<u32> = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    let parents: Vec<(u32, u32)> = all.into_iter().filter_map(|pid| Some((pid, parent(pid)?))).collect();
    let mut found = vec![root];
    let mut next = 0;
    while let Some(&of) = found.get(next) {
        found.extend(parents.iter().filter(|&&(_, parent)| parent == of).map(|&(pid, _)| pid));
        next += 1;
    }
    found
}

fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything.
    stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
}

/// The time that these processes have spent on a core, of all their threads, in nanoseconds as the scheduler counts them.
pub fn cpu(pids: &[u32]) -> Duration {
    let threads = pids.iter().filter_map(|pid| fs::read_dir(format!("/proc/{pid}/task")).ok()).flatten().flatten();
    threads.map(|thread| on_core(&thread.path().join("schedstat").to_string_lossy())).sum()
}

/// The same of this thread alone.
pub fn own_cpu() -> Duration {
    on_core("/proc/thread-self/schedstat")
}

fn on_core(schedstat: &str) -> Duration {
    let text = fs::read_to_string(schedstat).unwrap_or_default();
    Duration::from_nanos(text.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0))
}

/// How long a core has been busy, whoever kept it so.
pub fn busy(core: usize) -> Duration {
    let text = fs::read_to_string("/proc/stat").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("cpu{core} "))).unwrap();
    let ticks: Vec<u64> = line.split(' ').map(|ticks| ticks.parse().unwrap()).collect();
    // user, nice, system, then idle and waiting, then interrupts, soft ones, and what the hypervisor took.
    let busy: u64 = ticks[..3].iter().chain(&ticks[5..8]).sum();
    Duration::from_millis(busy * 10)
}

/// How often TCP in this namespace has waited in vain for an acknowledgement.
pub fn tcp_timeouts() -> u64 {
    let text = fs::read_to_string("/proc/net/netstat").unwrap();
    let mut lines = text.lines().filter(|line| line.starts_with("TcpExt:"));
    let (names, values) = (lines.next().unwrap(), lines.next().unwrap());
    let found = names.split(' ').zip(values.split(' ')).find(|(name, _)| *name == "TCPTimeouts");
    found.and_then(|(_, value)| value.parse().ok()).unwrap()
}
