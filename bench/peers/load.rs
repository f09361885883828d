//! The load generator: one thread, one epoll, plain sockets, no allocation for each request.
//!
//! Every connection asks, reads the whole answer, and asks again. Each status and each Content-Length is judged. Of sixteen bodies one is
//! read and compared byte by byte; the others are thrown away by the kernel (`MSG_TRUNC`), so that on large bodies the server is
//! measured and not this program's copying. What comes is counted in bytes too: of large bodies only few end within a second.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::fd::OwnedFd;
use rustix::net::{RecvFlags, recv};

use crate::answer::{self, Head};
use crate::steady::Load;

/// Connections that ask alike.
#[derive(Clone)]
pub struct Group {
    pub connections: usize,
    /// Each connection goes round these, from a beginning of its own.
    pub requests: Arc<[Vec<u8>]>,
    pub status: u16,
    /// What the body must be; nothing where only its length is believed.
    pub body: Option<Bytes>,
}

/// What came of one group.
#[derive(Clone, Debug, Default)]
pub struct Came {
    pub answers: u64,
    /// Bytes of bodies.
    pub bytes: u64,
    /// How many bodies were compared.
    pub compared: u64,
    /// Where all ask once: from the moment at which the first of them may, to the first byte of each body.
    pub firsts: Vec<Duration>,
    /// From the sending of a request to the last byte of its answer.
    pub lasts: Vec<Duration>,
    /// The body of the last answer that was kept because nothing says what it must be.
    pub kept: Vec<u8>,
    pub faults: Vec<String>,
}

struct Line {
    socket: TcpStream,
    group: usize,
    state: State,
    asked: Instant,
    /// How many requests this connection has sent.
    sent: usize,
    /// Its request as far as it is written.
    written: usize,
    head: Vec<u8>,
    kept: Vec<u8>,
}

enum State {
    Idle,
    Head,
    /// So many bytes are still to come.
    Body {
        left: u64,
        length: u64,
        compared: bool,
    },
    Broken,
}

/// Open connections to one server.
pub struct Fleet {
    epoll: OwnedFd,
    lines: Vec<Line>,
    groups: Vec<Group>,
    came: Vec<Came>,
    buffer: Vec<u8>,
    counting: bool,
    /// How many requests each connection may still send; none is all it can.
    each: Option<usize>,
    busy: usize,
    begun: Instant,
}

impl Fleet {
    pub fn connect(at: SocketAddr, groups: &[Group]) -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let mut lines: Vec<Line> = Vec::new();
        for (group, of) in groups.iter().enumerate() {
            for _ in 0..of.connections {
                let socket = TcpStream::connect(at)?;
                socket.set_nodelay(true)?;
                socket.set_nonblocking(true)?;
                epoll::add(&epoll, &socket, EventData::new_u64(lines.len() as u64), EventFlags::IN)?;
                let (state, asked, head, kept) = (State::Idle, Instant::now(), Vec::new(), Vec::new());
                lines.push(Line { socket, group, state, asked, sent: 0, written: 0, head, kept });
            }
        }
        let (groups, came) = (groups.to_vec(), vec![Came::default(); groups.len()]);
        Ok(Self {
            epoll,
            lines,
            groups,
            came,
            buffer: vec![0; PIECE],
            counting: false,
            each: None,
            busy: 0,
            begun: Instant::now(),
        })
    }

    /// Lets every connection ask so many times, and waits for all of them. For connections that have not asked before.
    pub fn each(&mut self, times: usize) -> (Vec<Came>, Duration) {
        self.counting = true;
        self.each = Some(times);
        self.begun = Instant::now();
        self.send_all();
        self.turn(self.begun + PATIENCE);
        let took = self.begun.elapsed();
        self.counting = false;
        let late = self.busy;
        if late > 0 {
            self.came[0].faults.push(format!("{late} connections had no whole answer after {} s", PATIENCE.as_secs()));
        }
        (self.take(), took)
    }

    fn take(&mut self) -> Vec<Came> {
        let fresh = vec![Came::default(); self.groups.len()];
        std::mem::replace(&mut self.came, fresh)
    }

    fn send_all(&mut self) {
        for number in 0..self.lines.len() {
            if matches!(self.lines[number].state, State::Idle) {
                self.send_next(number);
            }
        }
    }

    /// Until this time, or until nothing is under way.
    fn turn(&mut self, until: Instant) {
        let mut events = Vec::with_capacity(EVENTS);
        while self.busy > 0 {
            let Some(left) = until.checked_duration_since(Instant::now()) else { return };
            let wait = Timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: left.subsec_nanos().into() };
            match epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&wait)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(fault) => panic!("epoll: {fault}"),
            }
            for event in events.drain(..) {
                let (number, flags) = (event.data.u64() as usize, event.flags);
                if flags.contains(EventFlags::OUT) {
                    self.write(number);
                }
                if flags.intersects(EventFlags::IN | EventFlags::ERR | EventFlags::HUP) {
                    self.read(number);
                }
            }
        }
    }

    fn send_next(&mut self, number: usize) {
        let line = &mut self.lines[number];
        if self.each == Some(0) || self.each.is_some_and(|each| line.sent >= each) {
            line.state = State::Idle;
            return;
        }
        (line.state, line.asked, line.written) = (State::Head, Instant::now(), 0);
        line.sent += 1;
        self.busy += 1;
        self.write(number);
    }

    fn write(&mut self, number: usize) {
        let line = &mut self.lines[number];
        let requests = &self.groups[line.group].requests;
        let request = &requests[(number * 61 + line.sent) % requests.len()];
        if line.written == request.len() {
            return;
        }
        let waited = line.written > 0;
        match line.socket.write(&request[line.written..]) {
            Ok(written) => line.written += written,
            Err(fault) if fault.kind() == io::ErrorKind::WouldBlock => {}
            Err(fault) => return self.broken(number, &format!("sending: {fault}")),
        }
        let whole = line.written == request.len();
        if waited || !whole {
            let flags = if whole { EventFlags::IN } else { EventFlags::IN | EventFlags::OUT };
            epoll::modify(&self.epoll, &line.socket, EventData::new_u64(number as u64), flags).unwrap();
        }
    }

    fn read(&mut self, number: usize) {
        loop {
            let line = &self.lines[number];
            let (want, flags) = match line.state {
                // A small body comes with its head; of a large one little is copied.
                State::Head => {
                    let small = self.groups[line.group].body.as_ref().is_none_or(|body| body.len() < HEAD_AND_BODY / 2);
                    (if small { HEAD_AND_BODY } else { HEAD }, RecvFlags::empty())
                }
                State::Body { left, compared: false, .. } => (left.min(PIECE as u64) as usize, RecvFlags::TRUNC),
                State::Body { left, .. } => (left.min(PIECE as u64) as usize, RecvFlags::empty()),
                State::Idle => (HEAD, RecvFlags::empty()),
                State::Broken => return,
            };
            let got = match recv(&line.socket, &mut self.buffer[..want], flags) {
                Ok((_, 0)) => return self.broken(number, "the server closed the connection"),
                Ok((_, got)) => got,
                Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => return,
                Err(fault) => return self.broken(number, &format!("reading: {fault}")),
            };
            self.took(number, got);
            if got < want || matches!(self.lines[number].state, State::Head | State::Idle) {
                return;
            }
        }
    }

    /// So many bytes came into the buffer, or past it.
    fn took(&mut self, number: usize, got: usize) {
        let line = &mut self.lines[number];
        match line.state {
            State::Idle => self.broken(number, "bytes came that nobody asked for"),
            State::Broken => {}
            State::Body { .. } => self.body(number, 0, got),
            State::Head => {
                let before = line.head.len();
                line.head.extend_from_slice(&self.buffer[..got]);
                match answer::read(&line.head) {
                    Ok(None) => {}
                    Ok(Some(head)) => {
                        let begins = head.bytes - before;
                        line.head.clear();
                        self.begin(number, &head, begins, got);
                    }
                    Err(fault) => self.broken(number, fault),
                }
            }
        }
    }

    /// A head came whole; what lies in the buffer from `begins` to `ends` is body.
    fn begin(&mut self, number: usize, head: &Head, begins: usize, ends: usize) {
        let line = &mut self.lines[number];
        let group = &self.groups[line.group];
        let length = group.body.as_ref().map_or(head.length, |body| body.len() as u64);
        if head.status != group.status || head.length != length {
            let Head { status, length, .. } = head;
            return self.broken(number, &format!("answered {status} with {length} bytes"));
        }
        let of_few = group.connections < COMPARED && line.sent == 1;
        let compared = of_few || (number + line.sent).is_multiple_of(COMPARED);
        if self.counting && self.each.is_some() {
            self.came[line.group].firsts.push(self.begun.elapsed());
        }
        line.state = State::Body { left: length, length, compared };
        self.body(number, begins, ends);
    }

    fn body(&mut self, number: usize, begins: usize, ends: usize) {
        let line = &mut self.lines[number];
        let State::Body { left, length, compared } = &mut line.state else { return };
        let came = &mut self.came[line.group];
        let got = (ends - begins) as u64;
        if got > *left {
            return self.broken(number, "more bytes came than were promised");
        }
        if *compared {
            let (at, piece) = ((*length - *left) as usize, &self.buffer[begins..ends]);
            match &self.groups[line.group].body {
                Some(body) if body[at..at + piece.len()] != *piece => return self.broken(number, "wrong bytes"),
                Some(_) => {}
                None => line.kept.extend_from_slice(piece),
            }
        }
        *left -= got;
        came.bytes += if self.counting { got } else { 0 };
        if *left > 0 {
            return;
        }
        if *compared && self.groups[line.group].body.is_none() {
            came.kept = std::mem::take(&mut line.kept);
        }
        if self.counting {
            came.answers += 1;
            came.compared += u64::from(*compared);
            came.lasts.push(line.asked.elapsed());
        }
        self.busy -= 1;
        self.send_next(number);
    }

    /// Notes a fault, and lets this connection be.
    fn broken(&mut self, number: usize, fault: &str) {
        let line = &mut self.lines[number];
        if matches!(line.state, State::Head | State::Body { .. }) {
            self.busy -= 1;
        }
        line.state = State::Broken;
        let _ = epoll::delete(&self.epoll, &line.socket);
        self.came[line.group].faults.push(fault.to_owned());
    }
}

impl Load for Fleet {
    fn run(&mut self, warm: Duration, measured: Duration, edge: &mut dyn FnMut()) -> (Vec<Came>, Duration) {
        self.each = None;
        self.send_all();
        self.turn(Instant::now() + warm);
        edge();
        self.counting = true;
        let begun = Instant::now();
        self.turn(begun + measured);
        let took = begun.elapsed();
        self.counting = false;
        edge();
        self.each = Some(0);
        self.turn(Instant::now() + PATIENCE);
        (self.take(), took)
    }

    fn answers(&self, came: &[Came]) -> f64 {
        let of = |(came, group): (&Came, &Group)| match &group.body {
            Some(body) => came.bytes as f64 / body.len() as f64,
            None => came.answers as f64,
        };
        came.iter().zip(&self.groups).map(of).sum()
    }
}

/// One body in so many is compared.
pub const COMPARED: usize = 16;
const HEAD: usize = 2 * 1024;
const HEAD_AND_BODY: usize = 32 * 1024;
/// The most that is taken at once.
const PIECE: usize = 1024 * 1024;
const EVENTS: usize = 256;
/// How long answers are waited for.
const PATIENCE: Duration = Duration::from_secs(60);
