//! An upgrade: a new process takes over the listening sockets, and the old one ends when its answers have.
//!
//! There is one socket for each listener, and both processes have it: nothing is bound twice, so no connection that waits in a socket's queue is
//! lost. The new process gets the sockets as `SCM_RIGHTS` over a UNIX socket which is its standard input, and says on it when it serves. Only then
//! does the old one stop accepting. A new process that ends, or is not ready in time, is ended, and the old one goes on.

use std::ffi::OsString;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, send, sendmsg,
};
use tokio::io::AsyncReadExt;
use tokio::time::{sleep, timeout};

use super::sockets::{BadSockets, Inherited, NAMES};

/// How this process was started, so that a successor can be started alike.
#[derive(Clone, Debug)]
pub struct Program {
    path: PathBuf,
    arguments: Vec<OsString>,
}

/// Why the running process goes on by itself.
#[derive(Debug, thiserror::Error)]
pub enum UpgradeError {
    /// The program could not be started.
    #[error("{path} could not be started: {fault}", path = .path.display())]
    Start {
        /// The program.
        path: PathBuf,
        /// What the system said.
        fault: io::Error,
    },
    /// The sockets could not be handed over.
    #[error("the sockets could not be handed over: {0}")]
    HandOver(io::Error),
    /// The new process ended before it served.
    #[error("the new process ended ({0}) before it served; what it said stands in its log")]
    Ended(ExitStatus),
    /// The new process did not serve in time.
    #[error("the new process did not serve within {0:?}, and was ended")]
    Late(Duration),
}

impl Program {
    /// The program of this process, by the path that it was started with. A link in that path is followed when the successor is started
    /// and not now, so whatever the path then leads to is the upgrade; that the file of this process is gone by then is no matter.
    pub fn of_this_process() -> io::Result<Self> {
        let mut line = std::env::args_os();
        let named = line.next().map(PathBuf::from).filter(|path| path.components().count() > 0);
        let path = match named {
            // Looked up in PATH, then and now.
            Some(name) if name.parent() == Some(Path::new("")) => name,
            Some(path) => std::path::absolute(path)?,
            None => std::env::current_exe()?,
        };
        Ok(Self { path, arguments: line.collect() })
    }

    /// Starts the program anew with these sockets, and waits until it serves. Gives its process id.
    ///
    /// Dropping the future ends a successor that does not serve yet.
    pub async fn hand_over(&self, sockets: &[TcpListener; 3], limit: Duration) -> Result<u32, UpgradeError> {
        let (ours, theirs) = UnixStream::pair().map_err(UpgradeError::HandOver)?;
        give(&ours, sockets).map_err(UpgradeError::HandOver)?;
        ours.set_nonblocking(true).map_err(UpgradeError::HandOver)?;
        let mut answers = tokio::net::UnixStream::from_std(ours).map_err(UpgradeError::HandOver)?;
        let mut successor = Successor(Some(self.start(theirs)?));
        let mut said = [0; READY.len()];
        match timeout(limit, answers.read_exact(&mut said)).await {
            Ok(Ok(_)) if said == *READY => Ok(successor.set_free()),
            Ok(_) => {
                // Whoever closes the line without a word has ended, and keeps its own status; or will not serve, and is ended.
                sleep(LAST_BREATH).await;
                Err(successor.end().map_or_else(UpgradeError::HandOver, UpgradeError::Ended))
            }
            Err(_) => Err(UpgradeError::Late(limit)),
        }
    }

    fn start(&self, input: UnixStream) -> Result<Child, UpgradeError> {
        let mut command = Command::new(&self.path);
        command.args(&self.arguments).stdin(OwnedFd::from(input)).env(PREDECESSOR, std::process::id().to_string());
        // What a supervisor said to this process is not said to its successor.
        for name in ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "WATCHDOG_PID"] {
            command.env_remove(name);
        }
        command.spawn().map_err(|fault| UpgradeError::Start { path: self.path.clone(), fault })
    }
}

/// A new process, which is ended where it does not come to serve.
struct Successor(Option<Child>);

impl Successor {
    /// From now on it lives for itself.
    fn set_free(&mut self) -> u32 {
        self.0.take().map_or(0, |child| child.id())
    }

    fn end(&mut self) -> io::Result<ExitStatus> {
        let Some(mut child) = self.0.take() else { return Err(io::ErrorKind::NotFound.into()) };
        child.kill()?;
        child.wait()
    }
}

impl Drop for Successor {
    fn drop(&mut self) {
        if self.0.is_some() {
            let _ = self.end();
        }
    }
}

/// The process that this one replaces, at the other end of our standard input.
#[derive(Debug)]
pub struct Predecessor(());

impl Predecessor {
    /// The one that started this process for an upgrade, if it did. A variable that came down from elsewhere does not name our parent.
    pub fn of_this_process() -> Option<Self> {
        let named = std::env::var_os(PREDECESSOR)?.to_str()?.parse::<i32>().ok()?;
        let parent = rustix::process::getppid()?.as_raw_nonzero().get();
        (parent == named).then_some(Self(()))
    }

    /// The sockets that it hands over.
    pub fn sockets(&self) -> Result<Inherited, BadSockets> {
        take(io::stdin()).map(Inherited::from_predecessor).map_err(BadSockets::NotReceived)
    }

    /// Tells it that this process serves, after which it stops accepting.
    pub fn take_over(self) -> io::Result<()> {
        match send(io::stdin(), READY, SendFlags::NOSIGNAL) {
            // It has ended meanwhile, so there is nobody left to tell.
            Err(Errno::PIPE | Errno::CONNRESET) => tracing::warn!("the process that this one replaces is gone already"),
            told => _ = told?,
        }
        rustix::stdio::dup2_stdin(std::fs::File::open("/dev/null")?)?;
        Ok(())
    }
}

/// Writes the sockets into `line`, where they wait for whoever has the other end.
fn give(line: &UnixStream, sockets: &[TcpListener; 3]) -> io::Result<()> {
    let sockets = sockets.each_ref().map(AsFd::as_fd);
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(NAMES.len()))];
    let mut rights = SendAncillaryBuffer::new(&mut space);
    if !rights.push(SendAncillaryMessage::ScmRights(&sockets)) {
        return Err(io::Error::other("they do not fit into one message"));
    }
    sendmsg(line, &[IoSlice::new(&[PROTOCOL])], &mut rights, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Reads what [`give`] wrote.
fn take(line: impl AsFd) -> io::Result<[TcpListener; 3]> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(NAMES.len()))];
    let mut rights = RecvAncillaryBuffer::new(&mut space);
    let mut word = [0];
    recvmsg(line, &mut [IoSliceMut::new(&mut word)], &mut rights, RecvFlags::CMSG_CLOEXEC)?;
    let mut sockets = Vec::new();
    for message in rights.drain() {
        if let RecvAncillaryMessage::ScmRights(descriptors) = message {
            sockets.extend(descriptors.map(TcpListener::from));
        }
    }
    let count = sockets.len();
    let unknown = || io::Error::other(format!("{count} sockets in form {}, which is not known here", word[0]));
    if word != [PROTOCOL] {
        return Err(unknown());
    }
    sockets.try_into().map_err(|_| unknown())
}

/// The variable that tells a successor its predecessor's process id.
const PREDECESSOR: &str = "UPGRADE_FROM_PID";
/// The form of the message with the sockets: public, control, ops.
const PROTOCOL: u8 = 1;
/// What a successor says when it serves.
const READY: &[u8; 6] = b"ready\n";
/// Between the end of a process's last open file and its exit status.
const LAST_BREATH: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use super::*;

    fn listening() -> [TcpListener; 3] {
        [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap())
    }

    fn shell(script: &str) -> Program {
        Program { path: "/bin/sh".into(), arguments: ["-c".into(), script.into()].into() }
    }

    #[test]
    fn sockets_come_out_as_they_went_in_and_are_the_same_sockets() {
        let (one, other) = UnixStream::pair().unwrap();
        let sockets = listening();
        give(&one, &sockets).unwrap();
        let came = take(&other).unwrap();
        let at = |sockets: &[TcpListener; 3]| sockets.each_ref().map(|socket| socket.local_addr().unwrap());
        assert_eq!(at(&came), at(&sockets));
        let flags = came.each_ref().map(|socket| rustix::io::fcntl_getfd(socket).unwrap());
        assert_eq!(flags, [rustix::io::FdFlags::CLOEXEC; 3]);
        let addresses = at(&sockets);
        drop(sockets);
        let _client = std::net::TcpStream::connect(addresses[0]).unwrap();
        came[0].accept().unwrap();
    }

    #[test]
    fn a_line_without_sockets_or_of_another_form_is_an_error() {
        let (one, other) = UnixStream::pair().unwrap();
        send(&one, &[PROTOCOL], SendFlags::empty()).unwrap();
        assert!(take(&other).is_err());
        send(&one, &[9], SendFlags::empty()).unwrap();
        assert!(take(&other).unwrap_err().to_string().contains("form 9"));
        drop(one);
        assert!(take(&other).is_err());
    }

    #[tokio::test]
    async fn a_successor_that_does_not_come_to_serve_is_told_apart_and_ended() {
        let (sockets, long) = (listening(), Duration::from_secs(30));
        let hand_over = |script: &'static str, limit| {
            let sockets = &sockets;
            async move { shell(script).hand_over(sockets, limit).await }
        };
        let ended = hand_over("exit 7", long).await.unwrap_err();
        assert!(matches!(ended, UpgradeError::Ended(status) if status.code() == Some(7)), "{ended}");
        let wrong = hand_over("printf 'hello!' >&0; exec sleep 60", long).await.unwrap_err();
        assert!(matches!(wrong, UpgradeError::Ended(status) if !status.success()), "{wrong}");
        let late = hand_over("exec sleep 60", Duration::from_millis(200)).await.unwrap_err();
        assert!(matches!(late, UpgradeError::Late(_)), "{late}");
        let absent = Program { path: "/nowhere/hallpass".into(), arguments: Vec::new() };
        let absent = absent.hand_over(&sockets, long).await.unwrap_err();
        assert!(absent.to_string().contains("/nowhere/hallpass"), "{absent}");
        let fine = hand_over("printf 'ready\\n' >&0", long).await;
        assert!(fine.is_ok_and(|process| process > 0));
    }

    #[tokio::test]
    async fn the_successor_is_told_its_predecessor_and_no_other_processs_sockets() {
        let sockets = listening();
        let script = format!(
            "test \"$UPGRADE_FROM_PID\" = {} && test \"$PPID\" = {0} && test -z \"$LISTEN_PID$LISTEN_FDS\" && printf 'ready\\n' >&0",
            std::process::id()
        );
        shell(&script).hand_over(&sockets, Duration::from_secs(30)).await.unwrap();
        assert!(Predecessor::of_this_process().is_none(), "nobody started this process for an upgrade");
    }
}
