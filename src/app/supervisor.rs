//! What the supervisor is told (`sd_notify(3)`): when we serve, reload and stop, and that we still live.
//!
//! Where `NOTIFY_SOCKET` is not set, nobody is told anything. A supervisor that cannot be reached, or does not read, is a line in the log:
//! whoever watches will act on the silence. `sd_notify::notify` would wait for it, and all that this thread does with it.

use std::convert::Infallible;
use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use sd_notify::{NotifyState, watchdog_enabled};
use tokio::time::{MissedTickBehavior, interval};

/// Requests are served.
pub(super) fn serving(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// The settings are read anew; `serving` follows.
pub(super) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now, NotifyState::Status("reloading the settings")]),
        Err(error) => tracing::warn!(%error, "the supervisor could not be told of a reload"),
    }
}

/// The end has begun, and takes no longer than this.
pub(super) fn stopping(limit: Duration) {
    let micros = u32::try_from(limit.as_micros()).unwrap_or(u32::MAX);
    let status = NotifyState::Status("stopping; running downloads may finish");
    tell(&[NotifyState::Stopping, NotifyState::ExtendTimeoutUsec(micros), status]);
}

/// Another process is the service's main one from now on. Only the main one is listened to (`NotifyAccess=main`), so the old one says it.
pub(super) fn replaced_by(process: u32) {
    let status = "serving, after an upgrade; the process before finishes its downloads";
    tell(&[NotifyState::MainPid(process), NotifyState::Ready, NotifyState::Status(status)]);
}

/// Says that we live, three times in each `WATCHDOG_USEC`, for ever. It is only said when the runtime has just run a fresh task, so
/// threads that are stuck fall silent.
pub(super) async fn keep_saying_that_we_live() -> Infallible {
    let Some(limit) = watchdog_enabled().filter(|limit| *limit >= LEAST_WATCHDOG) else {
        return std::future::pending().await;
    };
    let mut ticks = interval(limit / 3);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if tokio::spawn(std::future::ready(())).await.is_ok() {
            tell(&[NotifyState::Watchdog]);
        }
    }
}

fn tell(states: &[NotifyState<'_>]) {
    let Some(place) = std::env::var_os("NOTIFY_SOCKET") else { return };
    let lines: Vec<_> = states.iter().map(|state| format!("{state}\n")).collect();
    if let Err(error) = send(&place, lines.concat().as_bytes()) {
        tracing::warn!(%error, "the supervisor (NOTIFY_SOCKET) could not be told how we are");
    }
}

fn send(place: &OsStr, message: &[u8]) -> io::Result<()> {
    let address = match place.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(place)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.send_to_addr(message, &address).map(drop)
}

/// A shorter time says that somebody does not want to be told.
const LEAST_WATCHDOG: Duration = Duration::from_millis(3);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_supervisor_is_reached_by_a_path_or_an_abstract_name_and_never_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let name = format!("hallpass-test-{}", std::process::id());
        let by_name = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        for (place, socket) in
            [(path.clone().into_os_string(), UnixDatagram::bind(&path).unwrap()), (format!("@{name}").into(), by_name)]
        {
            send(&place, b"READY=1\n").unwrap();
            let mut heard = [0; 64];
            let length = socket.recv(&mut heard).unwrap();
            assert_eq!(&heard[..length], b"READY=1\n");
            // Nobody reads any more: its queue is full at some time, and then it is an error.
            let full = (0..1_000_000).find_map(|_| send(&place, &[b'x'; 4096]).err()).unwrap();
            assert_eq!(full.kind(), io::ErrorKind::WouldBlock);
        }
        assert!(send(OsStr::new("/nowhere/notify"), b"READY=1\n").is_err());
    }
}
