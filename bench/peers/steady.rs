//! Steady load on one server for a while, and what it cost whom.
//!
//! That the store was asked nothing meanwhile is part of what is measured: everything is hot, or known.

use std::time::Duration;

use crate::load::Came;
use crate::process::{SERVER, busy, cpu, own_cpu, tcp_timeouts};
use crate::servers::Peer;
use crate::support::memory::resident;
use crate::support::numbers::share;
use crate::support::origin::Counted;
use crate::world::World;

/// Connections to a server that can be kept busy.
pub trait Load {
    /// Keeps every connection busy, counts for `measured` after `warm`, and gives what came within that time, which it tells too. At
    /// both its edges `edge` is called.
    fn run(&mut self, warm: Duration, measured: Duration, edge: &mut dyn FnMut()) -> (Vec<Came>, Duration);

    /// How many answers that is, with parts of one counted where its length is known.
    fn answers(&self, came: &[Came]) -> f64;
}

/// What came of it.
pub struct Steady {
    /// One for each group of connections.
    pub came: Vec<Came>,
    pub took: Duration,
    /// With parts of one, where their length is known.
    pub answers: f64,
    pub detail: Detail,
    pub faults: Vec<String>,
}

/// What else is known of a run under steady load.
#[derive(Clone, Copy)]
pub struct Detail {
    pub p50: Duration,
    pub p99: Duration,
    pub p999: Duration,
    /// The server's, of one answer.
    pub cpu: Duration,
    pub resident: u64,
    /// How much of a core the server, the load generator, and all other servers took.
    pub server_share: f64,
    pub own_share: f64,
    pub others_share: f64,
    /// How much of the servers' core went to programs that are none of ours.
    pub strangers_share: f64,
    pub tcp_timeouts: u64,
    pub compared: u64,
}

/// Loads the server with these processes. The times in the detail are the first group's.
pub fn steady(world: &World, load: impl Load, pids: &[u32]) -> Steady {
    steady_asking(world, load, pids, |asked| asked == Counted::default())
}

/// The same where the store may be asked what `is_meant`.
pub fn steady_asking(
    world: &World,
    mut load: impl Load,
    pids: &[u32],
    is_meant: impl FnOnce(Counted) -> bool,
) -> Steady {
    let all = world.peers.iter().chain(world.secured()).flat_map(Peer::pids);
    let others: Vec<_> = all.filter(|pid| !pids.contains(pid)).collect();
    let mut edges = Vec::new();
    let before = world.origin.counted();
    let mut edge = || edges.push(Edge::now(pids, &others));
    let (came, took) = load.run(world.pace.warm, world.pace.measured, &mut edge);
    let answers = load.answers(&came);
    let mut faults: Vec<_> = came.iter().flat_map(|came| came.faults.iter().take(3).cloned()).collect();
    let asked = world.origin.counted().since(before);
    if !is_meant(asked) {
        faults.push(format!("the store was asked {asked:?}"));
    }
    let detail = detail(&came, took, edges[1].since(edges[0]), resident(pids), answers);
    Steady { came, took, answers, detail, faults }
}

fn detail(came: &[Came], took: Duration, spent: Edge, resident: u64, answers: f64) -> Detail {
    let lasts = &came[0].lasts;
    let last = |part| if lasts.is_empty() { Duration::MAX } else { share(lasts, part) };
    let part = |time: Duration| time.as_secs_f64() / took.as_secs_f64();
    Detail {
        p50: last(0.5),
        p99: last(0.99),
        p999: last(0.999),
        cpu: spent.server.div_f64(answers.max(1.0)),
        resident,
        server_share: part(spent.server),
        own_share: part(spent.ours),
        others_share: part(spent.others),
        strangers_share: part(spent.core.saturating_sub(spent.server + spent.others)),
        tcp_timeouts: spent.tcp_timeouts,
        compared: came.iter().map(|came| came.compared).sum(),
    }
}

/// What had been spent at one moment.
#[derive(Clone, Copy)]
struct Edge {
    server: Duration,
    others: Duration,
    ours: Duration,
    core: Duration,
    tcp_timeouts: u64,
}

impl Edge {
    fn now(server: &[u32], others: &[u32]) -> Self {
        let (server, others) = (cpu(server), cpu(others));
        Self { server, others, ours: own_cpu(), core: busy(SERVER), tcp_timeouts: tcp_timeouts() }
    }

    fn since(self, before: Self) -> Self {
        Self {
            server: self.server.saturating_sub(before.server),
            others: self.others.saturating_sub(before.others),
            ours: self.ours.saturating_sub(before.ours),
            core: self.core.saturating_sub(before.core),
            tcp_timeouts: self.tcp_timeouts - before.tcp_timeouts,
        }
    }
}
