//! What good clients notice while somebody attacks: the 99th percentile of their answers' times, without an attack and during each.
//!
//! Good clients ask at a pace of their own over connections that were there before, and others come new. Attackers come from eight other
//! networks and never look at a certificate. All of them share the generator's core, where good clients go first; the server has its built-in limits.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread::{Scope, ScopedJoinHandle};
use std::time::{Duration, Instant};

use super::channel::dial;
use super::fleet::{Fleet, Speech};
use super::measure::{asked, one};
use super::raid::{Raid, Site};
use super::{Client, Door};
use crate::measure::Outcome;
use crate::process::cpu;
use crate::servers::Peer;
use crate::steady::Load;
use crate::support::numbers::share;
use crate::world::{SMALL, World};

/// What attackers do, in the order of the experiment's rows.
const RAIDS: [Raid; 10] = [
    Raid::Handshakes,
    Raid::Hellos,
    Raid::SlowHeads,
    Raid::Idle,
    Raid::RapidReset,
    Raid::Pings,
    Raid::Settings,
    Raid::Continuation,
    Raid::BogusTokens,
    Raid::BogusTokensHttp2,
];

/// A calm while, then each attack: the p99 of each, and of new connections the median without an attack and in the worst one.
pub fn attacks(world: &World, peer: &Peer) -> Option<Outcome> {
    let door = world.guarded_door(peer)?;
    let site = Site::of(world, &door);
    let (mut values, mut news, mut faults) = (Vec::new(), Vec::new(), Vec::new());
    for raid in std::iter::once(None).chain(RAIDS.map(Some)) {
        let seen = during(world, &door, &site, raid);
        let name = raid.map_or("calm".to_owned(), |raid| format!("{raid:?}"));
        eprintln!(
            "  {name}: p50 {:.2?} p99 {:.2?}, new connections {:.2?} (p99 {:.2?}); {:.0} raids/s, the server took {:.0} % of its core",
            seen.p50,
            seen.p99,
            seen.new,
            seen.new_p99,
            seen.raids,
            seen.server_share * 100.0
        );
        values.push(seen.p99.as_secs_f64() * 1e3);
        news.push(seen.new.as_secs_f64() * 1e3);
        faults.extend(seen.faults.iter().map(|fault| format!("{name}: {fault}")));
        std::thread::sleep(PAUSE);
    }
    values.push(news[0]);
    values.push(news[1..].iter().copied().fold(0.0, f64::max));
    Some(Outcome { values, detail: None, faults })
}

struct Seen {
    p50: Duration,
    p99: Duration,
    /// From connecting to the last byte: the median.
    new: Duration,
    new_p99: Duration,
    /// How many times a second the attackers did what they do.
    raids: f64,
    server_share: f64,
    faults: Vec<String>,
}

fn during(world: &World, door: &Door<'_>, site: &Site, raid: Option<Raid>) -> Seen {
    let asked = asked(world, door, SMALL);
    let config = world.papers.client(Client::Keeps);
    let good = Fleet::connect(door.at, Some(GOOD), &config, CONNECTIONS, Speech::One, &asked).unwrap();
    let mut good = good.paced(EACH_SECOND);
    let (stop, ready, done) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        let attackers: Vec<_> = raid.map_or(Vec::new(), |raid| raid.begin(scope, site, &stop, &ready, &done));
        let begun = Instant::now();
        while ready.load(Ordering::SeqCst) < attackers.len() && begun.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(10));
        }
        let news = newcomers(scope, world, door, &stop);
        let mut edges = Vec::new();
        let mut edge = || edges.push((cpu(&door.pids), done.load(Ordering::SeqCst)));
        let (came, took) = good.run(world.pace.warm * 2, world.pace.measured, &mut edge);
        stop.store(true, Ordering::SeqCst);
        for attacker in attackers {
            attacker.join().unwrap();
        }
        let (new, mut faults) = news.join().unwrap();
        let each_second = |many: f64| many / took.as_secs_f64();
        let part = |times: &[Duration], part| if times.is_empty() { Duration::MAX / 2 } else { share(times, part) };
        faults.extend(came[0].faults.iter().take(3).cloned());
        Seen {
            p50: part(&came[0].lasts, 0.5),
            p99: part(&came[0].lasts, 0.99),
            new: part(&new, 0.5),
            new_p99: part(&new, 0.99),
            raids: each_second((edges[1].1 - edges[0].1) as f64),
            server_share: each_second(edges[1].0.saturating_sub(edges[0].0).as_secs_f64()),
            faults,
        }
    })
}

type News<'scope> = ScopedJoinHandle<'scope, (Vec<Duration>, Vec<String>)>;

/// Good clients that come new, a few each second.
fn newcomers<'scope>(
    scope: &'scope Scope<'scope, '_>,
    world: &World,
    door: &Door<'_>,
    stop: &'scope AtomicBool,
) -> News<'scope> {
    let (asked, config) = (asked(world, door, SMALL), world.papers.client(Client::Full));
    let at = door.at;
    scope.spawn(move || {
        let (mut times, mut faults) = (Vec::new(), Vec::new());
        while !stop.load(Ordering::SeqCst) {
            let begun = Instant::now();
            match one(&asked, || dial(at, Some(NEW)), &config) {
                Ok(_) => times.push(begun.elapsed()),
                Err(fault) => faults.push(format!("a new connection: {fault}")),
            }
            std::thread::sleep(BETWEEN.saturating_sub(begun.elapsed()));
        }
        faults.truncate(3);
        (times, faults)
    })
}

/// Good clients' networks.
const GOOD: Ipv4Addr = Ipv4Addr::new(127, 0, 200, 1);
const NEW: Ipv4Addr = Ipv4Addr::new(127, 0, 201, 1);
const CONNECTIONS: usize = 32;
/// What they ask for together: a tenth of what a core can give, about.
const EACH_SECOND: u32 = 3000;
const BETWEEN: Duration = Duration::from_millis(20);
const PAUSE: Duration = Duration::from_millis(300);
const PATIENCE: Duration = Duration::from_secs(30);
