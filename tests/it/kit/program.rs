//! A program of the system that a test runs: found or missed with a clear sentence, and ended by its process id when the test is over.
//!
//! It also ends when the test's thread dies without a word, so that no proxy outlives a test that was killed.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Where `name` lies. The system's own programs lie in directories that not everybody's `PATH` names.
pub fn find(name: &str, package: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let further = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    let mut places = std::env::split_paths(&path).chain(further).map(|folder| folder.join(name));
    places.find(|file| file.is_file()).unwrap_or_else(|| {
        panic!("{name} is not installed, and this test is about it: apt-get install {package} (tests/run does it)")
    })
}

/// A port of 127.0.0.1 that was free a moment ago.
pub fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

/// A program that listens, until this is dropped.
pub struct Server {
    pub address: SocketAddr,
    process: Child,
}

impl Server {
    /// Starts what `command` makes for a port, and waits until it listens there. Its words go to `log`. Somebody may take the port
    /// first, so it is tried on another.
    pub fn start(log: &Path, command: impl Fn(u16) -> Command) -> Self {
        for _ in 0..3 {
            let port = free_port();
            let out = std::fs::File::create(log).unwrap();
            let process = tied(&command(port))
                .stdin(Stdio::null())
                .stdout(out.try_clone().unwrap())
                .stderr(out)
                .spawn()
                .unwrap_or_else(|error| panic!("{error}"));
            let mut server = Self { address: SocketAddr::from(([127, 0, 0, 1], port)), process };
            if server.comes_up() {
                return server;
            }
        }
        panic!("it does not start: {}", std::fs::read_to_string(log).unwrap());
    }

    /// Whether it listens before it ends.
    fn comes_up(&mut self) -> bool {
        let begun = Instant::now();
        while self.process.try_wait().unwrap().is_none() {
            if TcpStream::connect(self.address).is_ok() {
                return true;
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "it runs, but does not listen");
            sleep(Duration::from_millis(20));
        }
        false
    }
}

impl Drop for Server {
    /// Asks it to end, since some have processes of their own to end; and ends it if it does not.
    fn drop(&mut self) {
        let _ = kill_process(Pid::from_child(&self.process), Signal::TERM);
        for _ in 0..500 {
            if self.process.try_wait().is_ok_and(|ended| ended.is_some()) {
                return;
            }
            sleep(Duration::from_millis(10));
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The same command, which ends when the thread that starts it does.
pub fn tied(command: &Command) -> Command {
    let mut tied = Command::new(find("setpriv", "util-linux"));
    tied.args(["--pdeathsig", "TERM", "--"]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => tied.env(name, value),
            None => tied.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        tied.current_dir(folder);
    }
    tied
}

/// Runs a client to its end, or ends it when it takes too long.
pub async fn run(command: Command) -> Output {
    let told = format!("{command:?}");
    let mut bounded = Command::new(find("timeout", "coreutils"));
    bounded.args(["--kill-after=5", "90"]).arg(command.get_program()).args(command.get_args()).stdin(Stdio::null());
    // The thread that serves it is this one.
    let ended = tokio::task::spawn_blocking(move || bounded.output()).await;
    ended.unwrap().unwrap_or_else(|error| panic!("{error}: {told}"))
}

/// The same, which must succeed; what it printed.
pub async fn run_well(command: Command) -> Vec<u8> {
    let told = format!("{command:?}");
    let output = run(command).await;
    assert!(output.status.success(), "{}: {told}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[test]
#[should_panic(expected = "apt-get install some-package")]
fn a_program_that_is_not_installed_fails_its_test_with_a_clear_sentence() {
    find("no-such-program", "some-package");
}
