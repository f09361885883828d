//! What is measured, as data: experiments, the rows that each of them fills, and what Hallpass is held to in them.

use crate::support::{BLOCK, KIB, MIB};
use crate::world::{FIVE, Hot, ONE, OPENING, PICTURE, SIXTEEN, SMALL, TAIL};

/// Something that is done to every server that can take part, again and again.
pub struct Experiment {
    /// What `--only` calls it.
    pub id: &'static str,
    pub what: What,
    /// One for each value that the experiment gives.
    pub rows: &'static [Row],
}

#[derive(Clone, Copy)]
pub enum What {
    Hot(Hot),
    Refused,
    Beside,
    Herd,
    FirstByte,
    OneByte,
    Idle,
    Memory,
    Mint,
    Batch,
    Presigned,
    /// Over TLS from here on.
    SecureIdle,
    Handshake {
        resumed: bool,
    },
    SecureHot(Hot),
    /// So many streams on each connection.
    Http2(Hot, usize),
    Attacks,
}

pub struct Row {
    pub name: &'static str,
    pub unit: Unit,
    pub targets: &'static [Target],
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Of these alone more is better.
    PerSecond,
    Milliseconds,
    Microseconds,
    Bytes,
    Count,
}

/// What a median must reach: at least where more is better, else at most.
#[derive(Clone, Copy)]
pub enum Target {
    TimesNginx(f64),
    TimesBare(f64),
    /// Of the same server's first row in the experiment.
    TimesFirst(f64),
    /// nginx's value and that of the experiment's next row, which is no server's but the store's.
    NginxPlusNext,
    Value(f64),
    Exactly(f64),
}

const fn row(name: &'static str, unit: Unit, targets: &'static [Target]) -> Row {
    Row { name, unit, targets }
}

use Target::{Exactly, NginxPlusNext, TimesBare, TimesFirst, TimesNginx, Value};
use Unit::{Bytes, Count, Microseconds, Milliseconds, PerSecond};

pub const EXPERIMENTS: &[Experiment] = &[
    Experiment {
        id: "idle",
        what: What::Idle,
        rows: &[row("idle connection after one served request", Bytes, &[Value(14.0 * KIB as f64)])],
    },
    Experiment {
        id: "hot-4k",
        what: What::Hot(SMALL),
        rows: &[row("hot 4 KiB", PerSecond, &[TimesNginx(1.5), TimesBare(0.8)])],
    },
    Experiment {
        id: "refused",
        what: What::Refused,
        rows: &[row("refusals (bad seal)", PerSecond, &[TimesNginx(0.9)])],
    },
    Experiment { id: "hot-100k", what: What::Hot(PICTURE), rows: &[row("hot 100 KiB", PerSecond, &[TimesNginx(1.4)])] },
    Experiment {
        id: "tail-64k",
        what: What::Hot(TAIL),
        rows: &[row("64 KiB tail range of 16 MiB", PerSecond, &[TimesNginx(1.8)])],
    },
    Experiment { id: "hot-1m", what: What::Hot(ONE), rows: &[row("hot 1 MiB", PerSecond, &[TimesNginx(1.1)])] },
    Experiment { id: "hot-5m", what: What::Hot(FIVE), rows: &[row("hot 5 MiB", PerSecond, &[TimesNginx(1.05)])] },
    Experiment { id: "hot-16m", what: What::Hot(SIXTEEN), rows: &[row("hot 16 MiB", PerSecond, &[TimesNginx(1.0)])] },
    Experiment {
        id: "first-512k",
        what: What::Hot(OPENING),
        rows: &[row("first 512 KiB of 16 MiB", PerSecond, &[TimesNginx(1.2)])],
    },
    Experiment {
        id: "beside",
        what: What::Beside,
        rows: &[
            row("4 KiB p99 (48 connections) while 16 pull 16 MiB", Milliseconds, &[TimesNginx(1.5)]),
            row("the 16 MiB meanwhile", PerSecond, &[]),
        ],
    },
    Experiment {
        id: "herd",
        what: What::Herd,
        rows: &[
            row("cold 16 MiB, 500 clients at once: all done", Milliseconds, &[TimesNginx(1.0)]),
            row("the same: median first byte", Milliseconds, &[Value(100.0)]),
            row("the same: reads of the store", Count, &[Exactly(1.0)]),
        ],
    },
    Experiment {
        id: "first-byte",
        what: What::FirstByte,
        rows: &[
            row("cold first byte, whole 5 MiB over a fast origin", Milliseconds, &[NginxPlusNext]),
            row("the time of one block, read straight from the store", Milliseconds, &[]),
        ],
    },
    Experiment {
        id: "one-byte",
        what: What::OneByte,
        rows: &[row("one byte of a cold 95 MiB: the store sent", Bytes, &[Value(BLOCK as f64)])],
    },
    Experiment {
        id: "mint",
        what: What::Mint,
        rows: &[
            row("known-object mints over HTTP", PerSecond, &[Value(15_000.0)]),
            row("the same: greatest lag of the catalog", Milliseconds, &[]),
            row("the same: records dropped", Count, &[Exactly(0.0)]),
        ],
    },
    Experiment {
        id: "batch",
        what: What::Batch,
        rows: &[
            row("links by batch, over distinct objects", PerSecond, &[Value(60_000.0)]),
            row("the same: greatest lag of the catalog", Milliseconds, &[]),
            row("the same: records dropped", Count, &[Exactly(0.0)]),
        ],
    },
    Experiment {
        id: "presigned-4k",
        what: What::Presigned,
        rows: &[
            row("hot 4 KiB by a link of ours", PerSecond, &[]),
            row("the same by a presigned URL", PerSecond, &[TimesFirst(0.8)]),
            row("the same by one of an object that nobody minted", PerSecond, &[TimesFirst(0.8)]),
        ],
    },
    Experiment {
        id: "tls-idle",
        what: What::SecureIdle,
        rows: &[row("idle TLS connection (of 10,000) after one served request", Bytes, &[Value(40.0 * KIB as f64)])],
    },
    Experiment {
        id: "tls-full",
        what: What::Handshake { resumed: false },
        rows: &[
            row("full handshake + 4 KiB: server CPU of a connection", Microseconds, &[TimesNginx(0.55)]),
            row("the same: connections", PerSecond, &[]),
        ],
    },
    Experiment {
        id: "tls-resumed",
        what: What::Handshake { resumed: true },
        rows: &[
            row("resumed handshake + 4 KiB: server CPU of a connection", Microseconds, &[TimesNginx(0.7)]),
            row("the same: connections", PerSecond, &[]),
        ],
    },
    Experiment {
        id: "tls-100k",
        what: What::SecureHot(PICTURE),
        rows: &[
            row("hot 100 KiB over TLS", PerSecond, &[TimesNginx(1.6)]),
            row("the same: server CPU of an answer", Microseconds, &[TimesNginx(1.0 / 1.6)]),
        ],
    },
    Experiment {
        id: "tls-5m",
        what: What::SecureHot(FIVE),
        rows: &[
            row("hot 5 MiB over TLS", PerSecond, &[TimesNginx(1.3)]),
            row("the same: server CPU of an answer", Microseconds, &[TimesNginx(1.0 / 1.3)]),
        ],
    },
    Experiment {
        id: "h2-4k",
        what: What::Http2(SMALL, 16),
        rows: &[
            row("hot 4 KiB over HTTP/2 (16 connections x 16 streams)", PerSecond, &[TimesNginx(1.6)]),
            row("the same: server CPU of an answer", Microseconds, &[TimesNginx(1.0 / 1.6)]),
        ],
    },
    Experiment {
        id: "h2-100k",
        what: What::Http2(PICTURE, 4),
        rows: &[
            row("hot 100 KiB over HTTP/2 (16 connections x 4 streams)", PerSecond, &[TimesNginx(1.6)]),
            row("the same: server CPU of an answer", Microseconds, &[TimesNginx(1.0 / 1.6)]),
        ],
    },
    Experiment {
        id: "attacks",
        what: What::Attacks,
        rows: &[
            row("good clients' 4 KiB p99 (3,000 /s over TLS), no attack", Milliseconds, &[]),
            row("... during full handshakes in a loop", Milliseconds, &[TimesFirst(2.0)]),
            row("... during ClientHellos followed by silence", Milliseconds, &[TimesFirst(2.0)]),
            row("... beside 2,000 slow heads", Milliseconds, &[TimesFirst(2.0)]),
            row("... beside 2,000 idle connections", Milliseconds, &[TimesFirst(2.0)]),
            row("... during HTTP/2 rapid reset", Milliseconds, &[TimesFirst(2.0)]),
            row("... during an HTTP/2 PING flood", Milliseconds, &[TimesFirst(2.0)]),
            row("... during an HTTP/2 SETTINGS flood", Milliseconds, &[TimesFirst(2.0)]),
            row("... during an HTTP/2 CONTINUATION flood", Milliseconds, &[TimesFirst(2.0)]),
            row("... during bogus tokens, HTTP/1.1 pipelined", Milliseconds, &[TimesFirst(2.0)]),
            row("... during bogus tokens, HTTP/2", Milliseconds, &[TimesFirst(2.0)]),
            row("a good client's new connection + 4 KiB, median, no attack", Milliseconds, &[]),
            row("the same in the worst attack", Milliseconds, &[]),
        ],
    },
    // The last, for it tells of all before it.
    Experiment {
        id: "memory",
        what: What::Memory,
        rows: &[
            row("memory under all of it, less 32 KiB for each open connection", Bytes, &[Value(CEILING as f64)]),
            row("the same, with them", Bytes, &[]),
            row("lines that the access log lost in all of it", Count, &[]),
            row("records that the catalog did not take", Count, &[]),
        ],
    },
];

/// `cache.memory` and `cache.in_flight` as they are built in, and 64 MiB for everything else.
const CEILING: u64 = (512 + 128 + 64) * MIB;
