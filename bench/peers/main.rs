//! Hallpass beside its peers: `bench/peers/run`, which makes the room that this needs. It prints markdown tables, and
//! ends with 1 where an answer was not what it should be.
//!
//! The real program, nginx, Varnish and Traffic Server from Debian, and a bare hyper server as the ceiling, all with the same objects
//! from the same store. Servers share one core, of which the one that is measured has nearly all, for the others idle; the load
//! generator and the store have another. Repetitions go round all servers before the next one begins, so that a noisy minute
//! falls on all of them.
#![allow(
    missing_docs,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    unreachable_pub,
    reason = "a measurement says what it means, and fails by panicking; clippy.toml exempts tests, but not benchmarks"
)]

#[path = "../support/mod.rs"]
mod support;

mod answer;
mod cold;
mod load;
mod measure;
mod mints;
mod presigned;
mod process;
mod report;
mod rows;
mod secure;
mod servers;
mod steady;
mod watch;
mod world;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;

use self::measure::Outcome;
use self::report::Measured;
use self::rows::{EXPERIMENTS, Experiment, What};
use self::world::{Pace, World};

/// Compares Hallpass with its peers. Start it by bench/peers/run.
#[derive(Parser)]
struct Arguments {
    /// Short runs and few of them: enough to see that everything works, and large differences.
    #[arg(long)]
    quick: bool,
    /// Only these experiments.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Only these servers, by the beginnings of their names.
    #[arg(long, value_delimiter = ',')]
    servers: Vec<String>,
    /// Writes the tables there too.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Tells what can be measured.
    #[arg(long)]
    list: bool,
    #[arg(long, hide = true, requires_all = ["answers", "secure", "chain", "key"])]
    bare: Option<SocketAddr>,
    #[arg(long, hide = true)]
    answers: Option<PathBuf>,
    #[arg(long, hide = true)]
    secure: Option<SocketAddr>,
    #[arg(long, hide = true)]
    chain: Option<PathBuf>,
    #[arg(long, hide = true)]
    key: Option<PathBuf>,
    /// What cargo passes to every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let (Some(at), Some(secure)) = (arguments.bare, arguments.secure) {
        let file = |path: &Option<PathBuf>| path.clone().expect("clap asks for it");
        servers::bare::serve(at, secure, &file(&arguments.answers), &file(&arguments.chain), &file(&arguments.key));
        return ExitCode::SUCCESS;
    }
    if arguments.list {
        let ids: Vec<_> = EXPERIMENTS.iter().map(|one| one.id).collect();
        println!("{}", ids.join("\n"));
        return ExitCode::SUCCESS;
    }
    let unknown = arguments.only.iter().find(|id| EXPERIMENTS.iter().all(|one| one.id != **id));
    if let Some(unknown) = unknown {
        eprintln!("there is no experiment {unknown}; --list names them all");
        return ExitCode::FAILURE;
    }
    let mtu = std::fs::read_to_string("/sys/class/net/lo/mtu").unwrap_or_default();
    if mtu.trim() != "1500" {
        eprintln!("the loopback's MTU is {} and should be 1500: start this by bench/peers/run", mtu.trim());
        return ExitCode::FAILURE;
    }
    compare(&arguments)
}

fn compare(arguments: &Arguments) -> ExitCode {
    process::stay_on(process::OURS);
    let begun = Instant::now();
    let world = World::build(if arguments.quick { QUICK } else { FULL }, &arguments.servers);
    let chosen = |one: &&Experiment| arguments.only.is_empty() || arguments.only.iter().any(|id| id == one.id);
    let measured: Vec<_> = EXPERIMENTS.iter().filter(chosen).map(|one| run(&world, one)).collect();
    let text = report::report(&world.peers, &measured);
    println!("{text}");
    eprintln!("{} s in all", begun.elapsed().as_secs());
    if let Some(out) = &arguments.out {
        std::fs::write(out, &text).unwrap();
    }
    if measured.iter().all(Measured::is_right) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run(world: &World, experiment: &'static Experiment) -> Measured {
    let times = match experiment.what {
        What::Herd | What::FirstByte | What::OneByte => world.pace.cold_repetitions,
        What::Handshake { .. } | What::SecureHot(_) | What::Http2(..) | What::Attacks => world.pace.secure_repetitions,
        _ => world.pace.repetitions,
    };
    let mut of: Vec<Vec<Outcome>> = world.peers.iter().map(|_| Vec::new()).collect();
    for number in 0..times {
        for (peer, of) in world.peers.iter().zip(&mut of) {
            let Some(outcome) = measure::once(world, peer, experiment.what, number) else { continue };
            eprintln!("{} {} {}: {:.2?} {:?}", experiment.id, number + 1, peer.name, outcome.values, outcome.faults);
            of.push(outcome);
        }
    }
    Measured { experiment, of }
}

const FULL: Pace = Pace {
    repetitions: 5,
    cold_repetitions: 3,
    secure_repetitions: 3,
    fill: 40,
    warm: Duration::from_millis(300),
    measured: Duration::from_secs(2),
};
const QUICK: Pace = Pace {
    repetitions: 2,
    cold_repetitions: 1,
    secure_repetitions: 1,
    fill: 0,
    warm: Duration::from_millis(100),
    measured: Duration::from_millis(500),
};
