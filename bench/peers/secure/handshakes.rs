//! New connections, one after another on each of a few lines: a handshake, full or resumed, one request, its whole answer, and goodbye.
//!
//! Each of them is seen to be what it is measured as: a handshake that was not resumed where it should be, or was where it should not, is a fault.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::fd::OwnedFd;
use rustls::{ClientConfig, ClientConnection, HandshakeKind};

use super::channel::{begun, check, dial};
use super::fleet::{Asked, Tally};
use crate::answer;
use crate::load::{COMPARED, Came};
use crate::steady::Load;

struct Line {
    socket: TcpStream,
    tls: ClientConnection,
    /// Its own, and with it its own ticket: each is used once.
    config: Arc<ClientConfig>,
    since: Instant,
    has_asked: bool,
    came: Vec<u8>,
    /// How many connections there were before this one.
    before: usize,
}

pub struct Handshakes {
    epoll: OwnedFd,
    lines: Vec<Line>,
    at: SocketAddr,
    asked: Arc<Asked>,
    resumed: bool,
    tally: Tally,
    busy: usize,
}

impl Handshakes {
    /// One line for each of the configurations.
    pub fn begin(
        at: SocketAddr,
        configs: Vec<Arc<ClientConfig>>,
        resumed: bool,
        asked: &Arc<Asked>,
    ) -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let mut lines = Vec::new();
        for config in configs {
            let (socket, tls, since) = (fresh(at)?, begun(&config), Instant::now());
            epoll::add(&epoll, &socket, EventData::new_u64(lines.len() as u64), EventFlags::IN)?;
            lines.push(Line { socket, tls, config, since, has_asked: false, came: Vec::new(), before: 0 });
        }
        let busy = lines.len();
        Ok(Self { epoll, lines, at, asked: Arc::clone(asked), resumed, tally: Tally::default(), busy })
    }

    fn turn(&mut self, until: Instant) {
        let mut events = Vec::with_capacity(64);
        while self.busy > 0 {
            let Some(left) = until.checked_duration_since(Instant::now()) else { return };
            let wait = Timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: left.subsec_nanos().into() };
            match epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&wait)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(fault) => panic!("epoll: {fault}"),
            }
            for event in events.drain(..) {
                let number = event.data.u64() as usize;
                if let Err(fault) = self.step(number) {
                    self.tally.came.faults.push(fault);
                    let _ = epoll::delete(&self.epoll, &self.lines[number].socket);
                    self.busy -= 1;
                }
            }
        }
    }

    fn step(&mut self, number: usize) -> Result<(), String> {
        let line = &mut self.lines[number];
        if line.pump(&self.asked.request, self.resumed)? && line.is_whole(&self.asked)? {
            let compared = line.before.is_multiple_of(COMPARED);
            if compared && !line.came.ends_with(&self.asked.body) {
                return Err("wrong bytes".to_owned());
            }
            self.tally.bytes(self.asked.body.len());
            self.tally.answer(line.since, compared);
            line.tls.send_close_notify();
            line.write().map_err(|fault| format!("saying goodbye: {fault}"))?;
            self.busy -= 1;
            if self.tally.asks {
                self.again(number).map_err(|fault| format!("connecting: {fault}"))?;
            } else {
                // What the server says to the goodbye is not waited for.
                let _ = epoll::delete(&self.epoll, &self.lines[number].socket);
            }
        }
        Ok(())
    }

    fn again(&mut self, number: usize) -> io::Result<()> {
        let line = &mut self.lines[number];
        line.since = Instant::now();
        line.socket = fresh(self.at)?;
        line.tls = begun(&line.config);
        line.has_asked = false;
        line.came.clear();
        line.before += 1;
        epoll::add(&self.epoll, &line.socket, EventData::new_u64(number as u64), EventFlags::IN)?;
        self.busy += 1;
        line.write()
    }
}

impl Line {
    /// Takes what lies ready and says what there is to say; whether something of the answer came.
    fn pump(&mut self, request: &[u8], resumed: bool) -> Result<bool, String> {
        match self.tls.read_tls(&mut self.socket) {
            Ok(0) => return Err("the server closed the connection".to_owned()),
            Ok(_) => {}
            Err(fault) if fault.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(fault) => return Err(format!("reading: {fault}")),
        }
        let state = self.tls.process_new_packets().map_err(|fault| fault.to_string())?;
        if !self.has_asked && !self.tls.is_handshaking() {
            let kind = check(&self.tls).map_err(|fault| fault.to_string())?;
            // The first of each line has no ticket yet.
            let wanted = if resumed && self.before > 0 { HandshakeKind::Resumed } else { HandshakeKind::Full };
            if kind != wanted {
                return Err(format!("a handshake that was {kind:?} instead of {wanted:?}"));
            }
            self.tls.writer().write_all(request).unwrap();
            self.has_asked = true;
        }
        self.write().map_err(|fault| format!("sending: {fault}"))?;
        let some = state.plaintext_bytes_to_read();
        let had = self.came.len();
        self.came.resize(had + some, 0);
        self.tls.reader().read_exact(&mut self.came[had..]).map_err(|fault| fault.to_string())?;
        Ok(some > 0)
    }

    /// What a client says in a handshake and a request always fits.
    fn write(&mut self) -> io::Result<()> {
        while self.tls.wants_write() {
            self.tls.write_tls(&mut self.socket)?;
        }
        Ok(())
    }

    /// Whether all of the answer that was asked for is there.
    fn is_whole(&self, asked: &Asked) -> Result<bool, String> {
        let Some(head) = answer::read(&self.came)? else { return Ok(false) };
        let length = asked.body.len();
        if head.status != asked.status || head.length != length as u64 {
            return Err(format!("answered {} with {} bytes", head.status, head.length));
        }
        Ok(self.came.len() == head.bytes + length)
    }
}

impl Load for Handshakes {
    fn run(&mut self, warm: Duration, measured: Duration, edge: &mut dyn FnMut()) -> (Vec<Came>, Duration) {
        self.tally.asks = true;
        for line in &mut self.lines {
            line.write().unwrap();
        }
        self.turn(Instant::now() + warm);
        edge();
        self.tally.counts = true;
        let begun = Instant::now();
        self.turn(begun + measured);
        let took = begun.elapsed();
        (self.tally.counts, self.tally.asks) = (false, false);
        edge();
        self.turn(Instant::now() + PATIENCE);
        if self.busy > 0 {
            self.tally.came.faults.push(format!("no whole answer after {} s", PATIENCE.as_secs()));
        }
        (vec![std::mem::take(&mut self.tally.came)], took)
    }

    fn answers(&self, came: &[Came]) -> f64 {
        came[0].answers as f64
    }
}

fn fresh(at: SocketAddr) -> io::Result<TcpStream> {
    let socket = dial(at, None)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

const PATIENCE: Duration = Duration::from_secs(30);
