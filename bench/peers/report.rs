//! The two tables: what each server reached and whether Hallpass holds what is asked of it, and what each run under steady load cost.

use std::fmt::Write as _;
use std::time::Duration;

use crate::measure::Outcome;
use crate::rows::{Experiment, Row, Target, Unit};
use crate::servers::Peer;
use crate::steady::Detail;
use crate::support::numbers::{mib, share, table, three};

/// All repetitions of one experiment: of each server, in the order of the servers.
pub struct Measured {
    pub experiment: &'static Experiment,
    pub of: Vec<Vec<Outcome>>,
}

impl Measured {
    fn values(&self, peer: usize, row: usize) -> Vec<f64> {
        self.of[peer].iter().filter_map(|outcome| outcome.values.get(row).copied()).collect()
    }

    /// Whether every answer of every server was what it should be.
    pub fn is_right(&self) -> bool {
        self.of.iter().flatten().all(|outcome| outcome.faults.is_empty())
    }

    fn median(&self, peer: usize, row: usize) -> Option<f64> {
        let values = self.values(peer, row);
        (!values.is_empty()).then(|| share(&values, 0.5))
    }
}

pub fn report(peers: &[Peer], measured: &[Measured]) -> String {
    let mut text = preamble(peers);
    let mut heads = vec!["row"];
    heads.extend(peers.iter().map(|peer| peer.name));
    heads.extend(["x nginx", "x bare hyper", "asked for", "verdict"]);
    let rows: Vec<_> = measured.iter().flat_map(|one| lines(peers, one)).collect();
    text += &table(&heads, &rows);
    let details: Vec<_> = measured.iter().flat_map(|one| details(peers, one)).collect();
    if !details.is_empty() {
        writeln!(
            text,
            "\nThe same runs: medians; timeouts and compared bodies of all repetitions. Shares are of one core: a load generator near \
             100 % was the bottleneck; where strangers had a share of the servers' core, believe the CPU of an answer \
             rather than the rate.\n"
        )
        .unwrap();
        let heads = [
            "experiment",
            "server",
            "p50",
            "p99",
            "p99.9",
            "CPU per answer",
            "resident",
            "server's share",
            "generator's share",
            "other servers",
            "strangers",
            "TCP timeouts",
            "bodies compared",
        ];
        text += &table(&heads, &details);
    }
    let faults: Vec<_> = measured.iter().flat_map(|one| faults(peers, one)).collect();
    if !faults.is_empty() {
        writeln!(text, "\nNot right:\n\n{}", faults.join("\n")).unwrap();
    }
    text
}

/// What the figures below are figures of.
fn preamble(peers: &[Peer]) -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cores = read("/proc/cpuinfo");
    let core = cores.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let core = core.trim_start_matches([' ', '\t', ':']);
    let of = |name: &str| read(&format!("/proc/sys/net/ipv4/{name}")).split_whitespace().collect::<Vec<_>>().join(" ");
    let servers: Vec<_> = peers.iter().map(|peer| peer.version.clone()).collect();
    format!(
        "{core}, Linux {}; loopback in a namespace of its own with an MTU of 1500, {}, socket buffers up to {} and {}. {}. \
         Varnish checks no signature, for Debian packages no module that does; nginx has `tcp_nopush off`. \
         Median (lowest to highest) of the repetitions.\n\n",
        read("/proc/sys/kernel/osrelease").trim(),
        of("tcp_congestion_control"),
        of("tcp_rmem").split(' ').next_back().unwrap_or_default(),
        of("tcp_wmem").split(' ').next_back().unwrap_or_default(),
        servers.join(", "),
    )
}

fn lines(peers: &[Peer], measured: &Measured) -> Vec<Vec<String>> {
    let place = |name: &str| peers.iter().position(|peer| peer.name == name);
    let each = measured.experiment.rows.iter().enumerate().map(|(number, row)| {
        let median = |name: &str| measured.median(place(name)?, number);
        let (ours, nginx, bare) = (median("Hallpass"), median("nginx"), median("bare hyper"));
        let next = place("Hallpass").and_then(|ours| measured.median(ours, number + 1));
        let first = place("Hallpass").and_then(|ours| measured.median(ours, 0));
        let ratio = |to: Option<f64>| match (ours, to) {
            (Some(ours), Some(to)) if to > 0.0 => format!("{:.2}", ours / to),
            _ => String::new(),
        };
        let mut line = vec![row.name.to_owned()];
        line.extend((0..peers.len()).map(|peer| cell(row.unit, &measured.values(peer, number))));
        line.extend([ratio(nginx), ratio(bare)]);
        let judged: Vec<_> =
            row.targets.iter().map(|target| judge(row, *target, [ours, nginx, bare, next, first])).collect();
        line.push(judged.iter().map(|(asked, _)| asked.clone()).collect::<Vec<_>>().join("; "));
        line.push(if measured.is_right() { verdict(&judged) } else { "NOT RIGHT, see below".to_owned() });
        line
    });
    each.collect()
}

fn verdict(judged: &[(String, Option<bool>)]) -> String {
    let of = |verdict: Option<bool>| match verdict {
        Some(true) => "HOLDS",
        Some(false) => "MISSES",
        None => "not measured",
    };
    let all: Vec<_> = judged.iter().map(|(_, verdict)| of(*verdict)).collect();
    if all.windows(2).all(|two| two[0] == two[1]) {
        all.first().map_or(String::new(), ToString::to_string)
    } else {
        all.join("; ")
    }
}

/// What is asked for in words, and whether it is reached.
fn judge(row: &Row, target: Target, [ours, nginx, bare, next, first]: [Option<f64>; 5]) -> (String, Option<bool>) {
    let more = row.unit == Unit::PerSecond;
    let (words, limit) = match target {
        Target::TimesFirst(times) => (format!("{times} x that without"), first.map(|first| first * times)),
        Target::TimesNginx(times) => {
            (format!("{} x nginx", (times * 1000.0).round() / 1000.0), nginx.map(|nginx| nginx * times))
        }
        Target::TimesBare(times) => (format!("{times} x bare"), bare.map(|bare| bare * times)),
        Target::NginxPlusNext => {
            ("nginx's and one block".to_owned(), nginx.zip(next).map(|(nginx, next)| nginx + next))
        }
        Target::Value(value) => (words(row.unit, value), Some(value)),
        Target::Exactly(value) => return (words(row.unit, value), ours.map(|ours| (ours - value).abs() < 1e-9)),
    };
    let side = if more { "at least" } else { "at most" };
    (format!("{side} {words}"), ours.zip(limit).map(|(ours, limit)| if more { ours >= limit } else { ours <= limit }))
}

fn cell(unit: Unit, values: &[f64]) -> String {
    if values.is_empty() {
        return String::new();
    }
    let [low, middle, high] = three(values).map(|value| words(unit, value));
    if low == high { middle } else { format!("**{middle}** ({low} to {high})") }
}

fn words(unit: Unit, value: f64) -> String {
    match unit {
        Unit::PerSecond if value >= 1000.0 => format!("{:.1} k/s", value / 1e3),
        Unit::PerSecond => format!("{value:.1} /s"),
        Unit::Microseconds => format!("{value:.1} us"),
        Unit::Milliseconds => format!("{value:.2} ms"),
        Unit::Bytes if value >= f64::from(1 << 20) => mib(value as u64),
        Unit::Bytes if value >= 1024.0 => format!("{:.1} KiB", value / 1024.0),
        Unit::Bytes => format!("{value:.0} B"),
        Unit::Count => format!("{value:.0}"),
    }
}

fn details(peers: &[Peer], measured: &Measured) -> Vec<Vec<String>> {
    let each = peers.iter().zip(&measured.of).filter_map(|(peer, of)| {
        let all: Vec<Detail> = of.iter().filter_map(|outcome| outcome.detail).collect();
        if all.is_empty() {
            return None;
        }
        let time = |of: &dyn Fn(&Detail) -> Duration| micro(share(&all.iter().map(of).collect::<Vec<_>>(), 0.5));
        let percent = |of: &dyn Fn(&Detail) -> f64| {
            format!("{:.0} %", share(&all.iter().map(of).collect::<Vec<_>>(), 0.5) * 100.0)
        };
        Some(vec![
            measured.experiment.id.to_owned(),
            peer.name.to_owned(),
            time(&|one| one.p50),
            time(&|one| one.p99),
            time(&|one| one.p999),
            time(&|one| one.cpu),
            mib(share(&all.iter().map(|one| one.resident).collect::<Vec<_>>(), 0.5)),
            percent(&|one| one.server_share),
            percent(&|one| one.own_share),
            percent(&|one| one.others_share),
            percent(&|one| one.strangers_share),
            all.iter().map(|one| one.tcp_timeouts).sum::<u64>().to_string(),
            all.iter().map(|one| one.compared).sum::<u64>().to_string(),
        ])
    });
    each.collect()
}

fn faults(peers: &[Peer], measured: &Measured) -> Vec<String> {
    let each = peers.iter().zip(&measured.of).flat_map(|(peer, of)| {
        let said = of.iter().flat_map(|outcome| outcome.faults.clone());
        said.map(|fault| format!("- {}, {}: {fault}", measured.experiment.id, peer.name))
    });
    let mut all: Vec<_> = each.collect();
    all.dedup();
    all
}

fn micro(time: Duration) -> String {
    if time == Duration::MAX {
        return "never".to_owned();
    }
    let micros = time.as_secs_f64() * 1e6;
    if micros < 1000.0 { format!("{micros:.1} us") } else { format!("{:.2} ms", micros / 1e3) }
}
