//! Open TLS connections to one server, and one epoll that keeps them busy.
//!
//! They ask as fast as they are answered, or at a pace of their own: then a request is due whether its connection is free or not, and its time counts
//! from there, so that a server that stands still for a moment is charged with all that should have come in it.

use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::fd::OwnedFd;
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, timerfd_create, timerfd_settime};
use rustls::ClientConfig;

use super::channel::{Channel, Reader};
use super::http1::Http1;
use super::http2::Http2;
use crate::load::Came;
use crate::steady::Load;

/// What is asked for, over and over.
pub struct Asked {
    /// The request as text, or the block of its fields.
    pub request: Vec<u8>,
    pub status: u16,
    /// The same in HPACK.
    pub status_field: u8,
    pub body: Bytes,
}

/// What is said on a connection.
pub trait Talk {
    /// Asks, at once or when the connection is free.
    fn ask(&mut self, due: Instant, out: &mut Vec<u8>);
    fn is_busy(&self) -> bool;
    fn skips(&mut self, plain: usize, tally: &mut Tally, out: &mut Vec<u8>) -> Result<bool, String>;
    fn take(&mut self, plain: &[u8], tally: &mut Tally, out: &mut Vec<u8>) -> Result<(), String>;
}

/// What came so far, and whether who was answered asks again.
#[derive(Default)]
pub struct Tally {
    pub asks: bool,
    pub counts: bool,
    pub came: Came,
}

impl Tally {
    pub fn bytes(&mut self, many: usize) {
        self.came.bytes += if self.counts { many as u64 } else { 0 };
    }

    pub fn answer(&mut self, since: Instant, compared: bool) {
        if self.counts {
            self.came.answers += 1;
            self.came.compared += u64::from(compared);
            self.came.lasts.push(since.elapsed());
        }
    }
}

/// How a fleet talks.
#[derive(Clone, Copy)]
pub enum Speech {
    One,
    /// So many streams on each connection.
    Streams(usize),
}

struct Line {
    channel: Channel,
    talk: Box<dyn Talk>,
    is_broken: bool,
    /// Whether something waits until the socket takes it.
    waits: bool,
}

pub struct Fleet {
    epoll: OwnedFd,
    lines: Vec<Line>,
    tally: Tally,
    length: usize,
    buffer: Vec<u8>,
    out: Vec<u8>,
    /// Nothing where requests are made as fast as they are answered.
    pace: Option<Pace>,
}

/// Requests at a pace of their own.
struct Pace {
    /// The time between two of all connections together.
    gap: Duration,
    /// Wakes at that pace: epoll itself counts in milliseconds.
    timer: OwnedFd,
    due: Instant,
    turn: usize,
}

struct Taking<'a> {
    talk: &'a mut dyn Talk,
    tally: &'a mut Tally,
    out: &'a mut Vec<u8>,
}

impl Reader for Taking<'_> {
    fn skips(&mut self, plain: usize) -> Result<bool, String> {
        self.talk.skips(plain, self.tally, self.out)
    }

    fn take(&mut self, plain: &[u8]) -> Result<(), String> {
        self.talk.take(plain, self.tally, self.out)
    }
}

impl Fleet {
    pub fn connect(
        at: std::net::SocketAddr,
        from: Option<Ipv4Addr>,
        config: &Arc<ClientConfig>,
        connections: usize,
        speech: Speech,
        asked: &Arc<Asked>,
    ) -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let mut lines = Vec::new();
        for number in 0..connections {
            let channel = Channel::open(at, from, config)?;
            channel.socket.set_nonblocking(true)?;
            epoll::add(&epoll, &channel.socket, EventData::new_u64(number as u64), EventFlags::IN)?;
            let talk: Box<dyn Talk> = match speech {
                Speech::One => Box::new(Http1::new(Arc::clone(asked), number)),
                Speech::Streams(many) => Box::new(Http2::new(Arc::clone(asked), many)),
            };
            lines.push(Line { channel, talk, is_broken: false, waits: false });
        }
        let (buffer, tally, length) = (vec![0; BUFFER], Tally::default(), asked.body.len());
        Ok(Self { epoll, lines, tally, length, buffer, out: Vec::new(), pace: None })
    }

    /// So many requests a second, of all connections together.
    pub fn paced(mut self, each_second: u32) -> Self {
        let gap = Duration::from_secs(1) / each_second;
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC).unwrap();
        let each = Timespec { tv_sec: 0, tv_nsec: gap.subsec_nanos().into() };
        timerfd_settime(&timer, TimerfdTimerFlags::empty(), &Itimerspec { it_interval: each, it_value: each }).unwrap();
        epoll::add(&self.epoll, &timer, EventData::new_u64(TIMER), EventFlags::IN).unwrap();
        self.pace = Some(Pace { gap, timer, due: Instant::now(), turn: 0 });
        self
    }

    /// Until this time, or until nobody waits for an answer.
    fn turn(&mut self, until: Instant) {
        let mut events = Vec::with_capacity(EVENTS);
        loop {
            let now = Instant::now();
            if now >= until || (!self.goes_on() && self.lines.iter().all(|line| line.is_broken || !line.talk.is_busy()))
            {
                return;
            }
            let left = until - now;
            let wait = Timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: left.subsec_nanos().into() };
            match epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&wait)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(fault) => panic!("epoll: {fault}"),
            }
            for event in events.drain(..) {
                match event.data.u64() {
                    TIMER => self.ask_what_is_due(),
                    number => self.serve(number as usize),
                }
            }
        }
    }

    /// Whether requests are still made.
    fn goes_on(&self) -> bool {
        self.tally.asks || (self.pace.is_some() && self.tally.counts)
    }

    fn ask_what_is_due(&mut self) {
        let now = Instant::now();
        while let Some(pace) = self.pace.as_mut().filter(|pace| self.tally.counts && pace.due <= now) {
            let (due, number) = (pace.due, pace.turn % self.lines.len());
            pace.due += pace.gap;
            pace.turn += 1;
            self.lines[number].talk.ask(due, &mut self.out);
            self.send(number);
        }
        if let Some(pace) = &self.pace {
            let _ = rustix::io::read(&pace.timer, &mut [0; 8]);
        }
    }

    fn serve(&mut self, number: usize) {
        let line = &mut self.lines[number];
        if line.is_broken {
            return;
        }
        let mut taking = Taking { talk: line.talk.as_mut(), tally: &mut self.tally, out: &mut self.out };
        if let Err(fault) = line.channel.read(&mut self.buffer, &mut taking) {
            return self.broken(number, fault);
        }
        self.send(number);
    }

    /// Sends what lies in `out`, and what waited.
    fn send(&mut self, number: usize) {
        let line = &mut self.lines[number];
        if line.is_broken || (self.out.is_empty() && !line.waits) {
            return self.out.clear();
        }
        let sent = if self.out.is_empty() { line.channel.flush() } else { line.channel.send(&self.out) };
        self.out.clear();
        match sent {
            Ok(whole) => {
                if line.waits == whole {
                    let flags = if whole { EventFlags::IN } else { EventFlags::IN | EventFlags::OUT };
                    epoll::modify(&self.epoll, &line.channel.socket, EventData::new_u64(number as u64), flags).unwrap();
                    line.waits = !whole;
                }
            }
            Err(fault) => self.broken(number, format!("sending: {fault}")),
        }
    }

    fn broken(&mut self, number: usize, fault: String) {
        self.out.clear();
        self.lines[number].is_broken = true;
        let _ = epoll::delete(&self.epoll, &self.lines[number].channel.socket);
        self.tally.came.faults.push(fault);
    }
}

impl Load for Fleet {
    fn run(&mut self, warm: Duration, measured: Duration, edge: &mut dyn FnMut()) -> (Vec<Came>, Duration) {
        self.tally.asks = self.pace.is_none();
        if self.pace.is_none() {
            for number in 0..self.lines.len() {
                self.lines[number].talk.ask(Instant::now(), &mut self.out);
                self.send(number);
            }
        }
        self.tally.counts = true;
        if let Some(pace) = &mut self.pace {
            pace.due = Instant::now();
        }
        self.turn(Instant::now() + warm);
        let faults = std::mem::take(&mut self.tally.came).faults;
        self.tally.came.faults = faults;
        edge();
        let begun = Instant::now();
        self.turn(begun + measured);
        let took = begun.elapsed();
        (self.tally.counts, self.tally.asks) = (false, false);
        edge();
        self.turn(Instant::now() + PATIENCE);
        if self.lines.iter().any(|line| !line.is_broken && line.talk.is_busy()) {
            self.tally.came.faults.push(format!("no whole answer after {} s", PATIENCE.as_secs()));
        }
        (vec![std::mem::take(&mut self.tally.came)], took)
    }

    fn answers(&self, came: &[Came]) -> f64 {
        came[0].bytes as f64 / self.length as f64
    }
}

/// What is read at once, and room for one record before it.
const BUFFER: usize = 512 * 1024;
const EVENTS: usize = 256;
/// What the timer is called among the connections.
const TIMER: u64 = u64::MAX;
const PATIENCE: Duration = Duration::from_secs(30);
