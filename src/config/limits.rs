//! `[links]`, `[cache]`, `[mint]`, `[publish]` and `[limits]`: how long, how much and how many.
//!
//! Every limit has a name, a unit, a default and bounds. Where two contradict each other, the fault stands at the one that
//! was written.

use std::time::Duration;

use super::reading::{count, duration, flag, size, whole_seconds};
use super::section::Section;
use crate::cache::CacheSettings;
use crate::link::{BadBounds, LinkBounds};
use crate::mint::MintSettings;
use crate::publish::PublishSettings;
use crate::server::ConnectionLimits;

/// The bounds of the public listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitSettings {
    /// How long a download may go on after its link has ended. Default 10 min.
    pub body_max: Duration,
    /// What bounds the connections of each listener.
    pub connections: ConnectionLimits,
    /// How long running downloads may go on after a stop was asked for. Default 30 s.
    pub drain: Duration,
    /// How long requests are still taken after readiness has said no, so that balancers can see it first. Default 0 s.
    pub drain_grace: Duration,
    /// How many requests a client network (/24 of IPv4, /48 of IPv6) may send in a second; 0 is no limit. Default 5,000.
    pub requests_per_second: u32,
    /// How many requests a client key may send to the control API in a second; 0 is no limit. Default 5,000.
    pub control_requests_per_second: u32,
}

/// Reads `[links]`.
pub(super) fn links(mut section: Section<'_>) -> LinkBounds {
    let before = section.faults_so_far();
    let names = ["ttl_min", "ttl_default", "ttl_max", "window"];
    let written = names.map(|name| section.read(name, whole_seconds(SECOND..=7 * DAY)));
    let [ttl_min, ttl_default, ttl_max, window] = written;
    let meant = [
        ttl_min.unwrap_or(minutes(15)),
        ttl_default.unwrap_or(minutes(20)),
        ttl_max.unwrap_or(minutes(30)),
        window.unwrap_or(minutes(5)),
    ];
    let [min, default, max, each] = meant;
    let bounds = LinkBounds::new(min, default, max, each);
    // A setting that could not be read has its fault already; its default would only seem to contradict the others.
    if let (Err(fault), true) = (bounds, section.faults_so_far() == before) {
        let place = match fault {
            BadBounds::Window => "window",
            BadBounds::Order if min > default && ttl_default.is_none() => "ttl_min",
            BadBounds::Order if min > default || ttl_max.is_none() => "ttl_default",
            BadBounds::Order | BadBounds::TooLong | BadBounds::NotWholeSeconds => "ttl_max",
        };
        let [min, default, max, each] = meant.map(humantime::format_duration);
        let all = format!("ttl_min {min}, ttl_default {default}, ttl_max {max}, window {each}");
        section.fault(place, format!("{fault}; with the defaults, the settings are {all}"));
    }
    section.end();
    bounds.unwrap_or_default()
}

/// Reads `[cache]`.
pub(super) fn cache(mut section: Section<'_>) -> CacheSettings {
    let before = section.faults_so_far();
    let usual = CacheSettings::default();
    let memory = section.read("memory", size(LEAST_MEMORY..=16 * TIB)).unwrap_or(usual.memory);
    let in_flight = section.read("in_flight", size(LEAST_MEMORY..=16 * TIB)).unwrap_or(usual.in_flight);
    let prewarm = section.read("prewarm", size(0..=16 * TIB)).unwrap_or(memory / 2);
    let min_rate = section.read("min_rate", size(0..=1024 * MIB)).unwrap_or(usual.min_rate);
    let zero_copy = section.read("zero_copy", flag).unwrap_or(usual.zero_copy);
    let manifest_wait = section.read("manifest_wait", duration(SECOND..=minutes(5)));
    let manifest_wait = manifest_wait.unwrap_or(usual.manifest_wait);
    if prewarm > memory && section.faults_so_far() == before {
        section.fault("prewarm", "is more than memory, of which it is a part; make it smaller, or memory larger");
    }
    section.end();
    CacheSettings { memory, in_flight, prewarm, min_rate, zero_copy, manifest_wait }
}

/// Reads `[mint]`.
pub(super) fn mint(mut section: Section<'_>) -> MintSettings {
    let settings = MintSettings {
        mint_timeout: section.read("mint_timeout", duration(SECOND..=HOUR)).unwrap_or(10 * SECOND),
        fresh_for: section.read("fresh_for", duration(Duration::ZERO..=HOUR)).unwrap_or(2 * SECOND),
        object_max: section.read("object_max", size(1..=5 * TIB)).unwrap_or(2048 * MIB),
        first_reads: section.read("first_reads", count(1..=1024)).unwrap_or(8),
    };
    section.end();
    settings
}

/// Reads `[publish]`.
pub(super) fn publish(mut section: Section<'_>) -> PublishSettings {
    let usual = PublishSettings::default();
    let settings = PublishSettings {
        directory: section.path("directory").unwrap_or(usual.directory),
        at_once: section.read("at_once", count(1..=256)).unwrap_or(usual.at_once),
        stall: section.read("stall", duration(SHORTEST..=HOUR)).unwrap_or(usual.stall),
    };
    section.end();
    settings
}

/// Reads `[limits]`.
pub(super) fn limits(mut section: Section<'_>) -> LimitSettings {
    let settings = LimitSettings {
        body_max: section.read("body_max", duration(SECOND..=DAY)).unwrap_or(minutes(10)),
        connections: connections(&mut section),
        drain: section.read("drain", duration(Duration::ZERO..=HOUR)).unwrap_or(30 * SECOND),
        drain_grace: section.read("drain_grace", duration(Duration::ZERO..=HOUR)).unwrap_or(Duration::ZERO),
        requests_per_second: section.read("requests_per_second", count(0..=MILLION)).unwrap_or(5_000),
        control_requests_per_second: section.read("control_requests_per_second", count(0..=MILLION)).unwrap_or(5_000),
    };
    section.end();
    settings
}

fn connections(section: &mut Section<'_>) -> ConnectionLimits {
    let usual = ConnectionLimits::default();
    let mut time = |name, usual| section.read(name, duration(SHORTEST..=HOUR)).unwrap_or(usual);
    let handshake_timeout = time("handshake_timeout", usual.handshake_timeout);
    let head_timeout = time("head_timeout", usual.head_timeout);
    let idle_timeout = time("idle_timeout", usual.idle_timeout);
    let write_stall = time("write_stall", usual.write_stall);
    let mut number = |name, usual| section.read(name, count(1..=1_000_000)).unwrap_or(usual);
    let connections_per_network = number("connections_per_network", usual.connections_per_network);
    let streams_per_connection = number("streams_per_connection", usual.streams_per_connection);
    let resets_per_second = number("resets_per_second", usual.resets_per_second);
    let max_connections = section.read("max_connections", count(1..=1_000_000)).unwrap_or(usual.max_connections);
    let head_lines = section.read("head_lines", count(8..=1_000)).unwrap_or(usual.head_lines);
    let head_bytes = section.read("head_bytes", size(8 * KIB..=MIB)).map_or(usual.head_bytes, whole);
    let write_budget = section.read("write_budget", size(64 * KIB..=1024 * MIB)).unwrap_or(usual.write_budget);
    ConnectionLimits {
        max_connections,
        connections_per_network,
        handshake_timeout,
        head_timeout,
        idle_timeout,
        write_stall,
        head_bytes,
        head_lines,
        streams_per_connection,
        resets_per_second,
        write_budget,
    }
}

/// A size that its bounds keep small.
fn whole(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

const fn minutes(n: u64) -> Duration {
    Duration::from_secs(n * 60)
}

/// No network answers faster than this for sure.
const SHORTEST: Duration = Duration::from_millis(100);
/// The most that a rate can be.
const MILLION: u32 = 1_000_000;
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = minutes(60);
const DAY: Duration = minutes(24 * 60);
/// A cache of fewer than a few blocks only hands them around.
const LEAST_MEMORY: u64 = 4 * MIB;
const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const TIB: u64 = 1 << 40;
