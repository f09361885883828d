//! The life of a serving process: what it does at each signal, until it ends.
//!
//! SIGHUP, or a change of a settings file, reloads. SIGUSR2 starts the program anew, hands it the sockets and ends this process when its answers
//! have. SIGTERM or SIGINT drains; a second one ends at once. Whatever is waited for here, the supervisor goes on hearing that we live.

use std::io;
use std::net::TcpListener;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Interval, interval, sleep};

use super::upgrade::{Predecessor, Program};
use super::{Gateway, Reloader, Stopped, supervisor};

/// A gateway that serves, and what it may become.
pub struct Life {
    /// The gateway.
    pub gateway: Gateway,
    /// Reads its settings anew.
    pub reloader: Reloader,
    /// Starts its successor.
    pub program: Program,
    /// Whom it replaces.
    pub predecessor: Option<Predecessor>,
    /// How long it takes requests after readiness has said no.
    pub drain_grace: Duration,
    /// How long running downloads may go on after that.
    pub drain: Duration,
}

/// How a life ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// In order: all connections have ended, or their time was over.
    Stopped(Stopped),
    /// At once, by a second signal of this number.
    Killed(i32),
}

/// What somebody wants of us.
enum Wish {
    Reload,
    Upgrade,
    Stop,
}

/// Why the gateway stops.
enum Reason {
    Asked,
    /// This process serves in its place.
    Replaced(u32),
}

impl Life {
    /// Lives until it is told to end.
    pub async fn live(mut self) -> io::Result<End> {
        let mut ears = Ears::open()?;
        if let Some(predecessor) = self.predecessor.take() {
            predecessor.take_over()?;
        }
        supervisor::serving("serving");
        tokio::select! {
            end = self.live_and_end(&mut ears) => Ok(end),
            never = supervisor::keep_saying_that_we_live() => match never {},
        }
    }

    async fn live_and_end(mut self, ears: &mut Ears) -> End {
        let reason = self.until_asked(ears).await;
        let (gateway, grace, drain) = (self.gateway, self.drain_grace, self.drain);
        let (first, ending): (usize, futures_util::future::BoxFuture<'_, Stopped>) = match reason {
            Reason::Asked => {
                tracing::info!(?grace, "stopping: running bodies may finish, and after the grace no more is accepted");
                supervisor::stopping(grace.saturating_add(drain).saturating_add(END_MAX));
                (0, Box::pin(retire(gateway, grace, drain)))
            }
            Reason::Replaced(process) => {
                tracing::info!(process, "the new process serves; this one ends when its answers have");
                supervisor::replaced_by(process);
                // A supervisor that stops the service sends its signal to both; to this one it says nothing new.
                (1, Box::pin(gateway.give_way(drain)))
            }
        };
        tokio::select! {
            stopped = ending => {
                tracing::info!(cut = stopped.cut, "stopped");
                End::Stopped(stopped)
            }
            number = ears.stop_signal_after(first) => {
                tracing::warn!("a second signal: what still runs is cut, and what was queued for the catalog is lost");
                End::Killed(number)
            }
        }
    }

    async fn until_asked(&mut self, ears: &mut Ears) -> Reason {
        loop {
            match ears.wish(&self.reloader).await {
                Wish::Stop => return Reason::Asked,
                Wish::Reload => self.reload().await,
                Wish::Upgrade => {
                    let attempt = try_upgrade(&self.program, self.gateway.sockets());
                    tokio::select! {
                        successor = attempt => match successor {
                            Some(process) => return Reason::Replaced(process),
                            None => self.gateway.metrics().upgrade_failed(),
                        },
                        _ = ears.stop_signal() => return Reason::Asked,
                    }
                }
            }
        }
    }

    async fn reload(&mut self) {
        supervisor::reloading();
        let done = self.reloader.reload_and_tell().await;
        supervisor::serving(if done { "serving" } else { "serving; the last reload was refused, see the log" });
    }
}

/// The number of the process that serves now, if one does.
async fn try_upgrade(program: &Program, sockets: &[TcpListener; 3]) -> Option<u32> {
    tracing::info!("an upgrade: the program is started anew, and gets the sockets");
    let done = program.hand_over(sockets, UPGRADE_MAX).await;
    done.inspect_err(|error| tracing::error!(%error, "the upgrade failed, and this process goes on serving")).ok()
}

/// Readiness says no at once; after the grace nothing more is accepted.
async fn retire(gateway: Gateway, grace: Duration, drain: Duration) -> Stopped {
    gateway.say_not_ready();
    sleep(grace).await;
    gateway.stop(drain).await
}

/// Everything that can wake us.
struct Ears {
    term: Signal,
    int: Signal,
    hup: Signal,
    usr2: Signal,
    look: Interval,
}

impl Ears {
    fn open() -> io::Result<Self> {
        Ok(Self {
            term: signal(SignalKind::terminate())?,
            int: signal(SignalKind::interrupt())?,
            hup: signal(SignalKind::hangup())?,
            usr2: signal(SignalKind::user_defined2())?,
            look: interval(LOOK_EVERY),
        })
    }

    async fn wish(&mut self, reloader: &Reloader) -> Wish {
        loop {
            tokio::select! {
                _ = self.term.recv() => return Wish::Stop,
                _ = self.int.recv() => return Wish::Stop,
                _ = self.hup.recv() => return Wish::Reload,
                _ = self.usr2.recv() => return Wish::Upgrade,
                _ = self.look.tick() => if reloader.has_changed() { return Wish::Reload },
            }
        }
    }

    /// The number of the next signal to stop.
    async fn stop_signal(&mut self) -> i32 {
        tokio::select! {
            _ = self.term.recv() => SignalKind::terminate().as_raw_value(),
            _ = self.int.recv() => SignalKind::interrupt().as_raw_value(),
        }
    }

    /// The same after so many others.
    async fn stop_signal_after(&mut self, others: usize) -> i32 {
        for _ in 0..others {
            self.stop_signal().await;
        }
        self.stop_signal().await
    }
}

/// How often the files of the settings are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How long a new process may take until it serves.
const UPGRADE_MAX: Duration = Duration::from_secs(60);
/// What an end takes besides its bodies: the catalog, the log.
const END_MAX: Duration = Duration::from_secs(10);
