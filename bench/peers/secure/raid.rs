//! The attackers: each is a thread that waits for nobody and begins anew when it is cut.
//!
//! They take the cheapest way that does the harm: no certificate is looked at, nothing that comes is decrypted, connections end in a
//! reset, and a `ClientHello` without a sequel is the same bytes every time.

use std::cell::Cell;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread::{Scope, ScopedJoinHandle};
use std::time::{Duration, Instant};

use rustix::net::{RecvFlags, recv};
use rustls::ClientConfig;

use super::channel::{Channel, begun, dial, shaken};
use super::http2::{self, Http2, frame};
use super::measure::plain;
use super::{Client, Door};
use crate::support::wire::META;
use crate::world::{SMALL, World};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Raid {
    /// Full handshakes, one after another.
    Handshakes,
    /// A `ClientHello` and then, however it is answered, silence: on ever new connections of which the last two thousand stay open.
    Hellos,
    /// Two thousand requests of which a letter comes twice a second.
    SlowHeads,
    /// Two thousand connections that made one request each.
    Idle,
    /// Requests that are given up as soon as they are made.
    RapidReset,
    Pings,
    Settings,
    /// A head that never ends.
    Continuation,
    /// Forged links, sixteen at a time.
    BogusTokens,
    BogusTokensHttp2,
}

/// What is attacked.
pub struct Site {
    at: SocketAddr,
    authority: String,
    good: String,
    forged: String,
    http1: Arc<ClientConfig>,
    http2: Arc<ClientConfig>,
    hello: Vec<u8>,
}

impl Site {
    pub fn of(world: &World, door: &Door<'_>) -> Self {
        let http1 = world.papers.careless(Client::Keeps);
        let mut hello = Vec::new();
        begun(&http1).write_tls(&mut hello).unwrap();
        Self {
            at: door.at,
            authority: door.authority(),
            good: door.links[SMALL.0].clone(),
            forged: door.forged.unwrap().clone(),
            http2: world.papers.careless(Client::KeepsHttp2),
            http1,
            hello,
        }
    }
}

/// One thread of an attack.
struct Raider<'a> {
    site: &'a Site,
    from: Ipv4Addr,
    stop: &'a AtomicBool,
    ready: &'a AtomicUsize,
    done: &'a AtomicU64,
    told: Cell<bool>,
}

impl Raid {
    /// Begins the attack, from eight networks.
    pub fn begin<'scope>(
        self,
        scope: &'scope Scope<'scope, '_>,
        site: &'scope Site,
        stop: &'scope AtomicBool,
        ready: &'scope AtomicUsize,
        done: &'scope AtomicU64,
    ) -> Vec<ScopedJoinHandle<'scope, ()>> {
        let threads = if matches!(self, Self::Handshakes | Self::Hellos) { MANY } else { NETWORKS };
        let raider = |number: u8| {
            let from = Ipv4Addr::new(127, 0, 1 + number % NETWORKS, 1);
            let raider = Raider { site, from, stop, ready, done, told: Cell::new(false) };
            scope.spawn(move || {
                // Good clients, who have the same core, go first.
                rustix::process::setpriority_process(None, 19).unwrap();
                raider.raid(self);
            })
        };
        (0..threads).map(raider).collect()
    }
}

impl Raider<'_> {
    fn raid(&self, raid: Raid) {
        match raid {
            Raid::Handshakes => self.go_on(|| self.handshake()),
            Raid::Hellos => self.hellos(),
            Raid::SlowHeads => self.slow_heads(),
            Raid::Idle => self.idle(),
            Raid::RapidReset => self.flood_http2(|out, stream| {
                let block = http2::get(&self.site.authority, &self.site.good, META);
                frame(out, http2::HEADERS, http2::END_HEADERS | http2::END_STREAM, stream, &block);
                frame(out, http2::RST_STREAM, 0, stream, &CANCEL);
            }),
            Raid::Pings => self.flood_http2(|out, _| frame(out, http2::PING, 0, 0, &[0; 8])),
            Raid::Settings => self.flood_http2(|out, _| frame(out, http2::SETTINGS, 0, 0, &[])),
            Raid::Continuation => self.flood_http2(|out, stream| match stream {
                1 => frame(out, http2::HEADERS, 0, 1, &http2::get(&self.site.authority, &self.site.good, META)),
                _ => frame(out, http2::CONTINUATION, 0, 1, &NOTHING.repeat(100)),
            }),
            Raid::BogusTokens => {
                let request = plain(&self.site.authority, &self.site.forged, "").repeat(AT_ONCE);
                self.go_on(|| {
                    let mut channel = self.open(&self.site.http1)?;
                    self.tell_ready();
                    self.flood(&mut channel, |out| {
                        out.extend_from_slice(&request);
                        AT_ONCE as u64
                    })
                });
            }
            Raid::BogusTokensHttp2 => self.flood_http2(|out, stream| {
                let block = http2::get(&self.site.authority, &self.site.forged, META);
                frame(out, http2::HEADERS, http2::END_HEADERS | http2::END_STREAM, stream, &block);
            }),
        }
    }

    /// Until it is told to stop, whatever goes wrong.
    fn go_on(&self, mut one: impl FnMut() -> io::Result<()>) {
        while !self.is_over() {
            if one().is_err() {
                // Who is refused at once would otherwise only count refusals.
                std::thread::sleep(Duration::from_micros(200));
            }
            self.tell_ready();
        }
    }

    fn handshake(&self) -> io::Result<()> {
        let mut socket = self.dial()?;
        shaken(&mut socket, &self.site.http1)?;
        self.done.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn hellos(&self) {
        const EACH: usize = HELD * NETWORKS as usize / MANY as usize;
        let mut held: Vec<Option<TcpStream>> = (0..EACH).map(|_| None).collect();
        let mut place = 0;
        self.go_on(|| {
            place = (place + 1) % EACH;
            held[place] = None;
            let mut socket = self.dial()?;
            socket.write_all(&self.site.hello)?;
            // Faster than this, they would only wait in the kernel until they are accepted.
            socket.read_exact(&mut [0])?;
            held[place] = Some(socket);
            self.done.fetch_add(1, Ordering::Relaxed);
            Ok(())
        });
    }

    fn slow_heads(&self) {
        let beginning = format!("GET {} HTTP/1.1\r\nHost: {}\r\nX: ", self.site.good, self.site.authority);
        let open = || {
            let mut channel = self.open(&self.site.http1)?;
            channel.send(beginning.as_bytes())?;
            Ok::<_, io::Error>(channel)
        };
        let mut held: Vec<Option<Channel>> = (0..HELD).map(|_| open().ok()).collect();
        self.tell_ready();
        while !self.is_over() {
            let begun = Instant::now();
            for channel in &mut held {
                let goes = channel.as_mut().is_some_and(|channel| channel.send(b"x").is_ok() && drain(&channel.socket));
                if !goes {
                    *channel = open().ok();
                }
                self.done.fetch_add(1, Ordering::Relaxed);
                if self.is_over() {
                    return;
                }
            }
            std::thread::sleep(Duration::from_millis(500).saturating_sub(begun.elapsed()));
        }
    }

    fn idle(&self) {
        let open = || {
            let mut channel = self.open(&self.site.http1)?;
            channel.send(&plain(&self.site.authority, &self.site.good, ""))?;
            Ok::<_, io::Error>(channel)
        };
        let mut held: Vec<Option<Channel>> = (0..HELD).map(|_| open().ok()).collect();
        self.tell_ready();
        while !self.is_over() {
            for channel in &mut held {
                if !channel.as_ref().is_some_and(|channel| drain(&channel.socket)) {
                    *channel = open().ok();
                    self.done.fetch_add(1, Ordering::Relaxed);
                }
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Frames as fast as they are taken: `one` appends the next, and is told the number of a stream that was not used yet.
    fn flood_http2(&self, one: impl Fn(&mut Vec<u8>, u32)) {
        self.go_on(|| {
            let mut channel = self.open(&self.site.http2)?;
            channel.send(&Http2::opening())?;
            self.tell_ready();
            let mut stream = 1;
            self.flood(&mut channel, |out| {
                let mut frames = 0;
                while out.len() < 8 * 1024 {
                    one(out, stream);
                    stream += 2;
                    frames += 1;
                }
                frames
            })
        });
    }

    /// Until the server has had enough, or until it is over.
    fn flood(&self, channel: &mut Channel, mut more: impl FnMut(&mut Vec<u8>) -> u64) -> io::Result<()> {
        let mut out = Vec::new();
        let mut went = true;
        while !self.is_over() {
            if went {
                out.clear();
                let many = more(&mut out);
                went = channel.send(&out)?;
                self.done.fetch_add(many, Ordering::Relaxed);
            } else {
                went = channel.flush()?;
            }
            if !drain(&channel.socket) {
                return Err(io::ErrorKind::ConnectionReset.into());
            }
        }
        Ok(())
    }

    fn open(&self, config: &Arc<ClientConfig>) -> io::Result<Channel> {
        if self.is_over() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        Channel::on(self.dial()?, config)
    }

    fn dial(&self) -> io::Result<TcpStream> {
        let socket = dial(self.site.at, Some(self.from))?;
        rustix::net::sockopt::set_socket_linger(&socket, Some(Duration::ZERO))?;
        // So that a server that says nothing does not keep this thread from ending.
        socket.set_read_timeout(Some(Duration::from_millis(500)))?;
        socket.set_write_timeout(Some(Duration::from_millis(100)))?;
        Ok(socket)
    }

    fn is_over(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    fn tell_ready(&self) {
        if !self.told.replace(true) {
            self.ready.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// Throws away what came; whether the connection still stands.
fn drain(socket: &TcpStream) -> bool {
    let mut sink = [0; 16 * 1024];
    loop {
        match recv(socket, &mut sink[..], RecvFlags::DONTWAIT | RecvFlags::TRUNC) {
            Ok((_, 0)) => return false,
            Ok(_) => {}
            Err(fault) => return fault == rustix::io::Errno::AGAIN,
        }
    }
}

const NETWORKS: u8 = 8;
/// Threads of attacks that wait for the server.
const MANY: u8 = 32;
/// How many connections each thread keeps.
const HELD: usize = 250;
const AT_ONCE: usize = 16;
/// The error code of `RST_STREAM`.
const CANCEL: [u8; 4] = [0, 0, 0, 8];
/// `x: y`, in HPACK never indexed.
const NOTHING: [u8; 5] = [0x10, 1, b'x', 1, b'y'];
