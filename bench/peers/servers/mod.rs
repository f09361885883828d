//! The servers that are compared. Each file here starts one, with the best configuration that we know for it, and signs its links.

pub mod bare;
pub mod hallpass;
pub mod nginx;
pub mod traffic_server;
pub mod varnish;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags, fstatfs};

use crate::process::{self, Running};
use crate::support::gateway::{Gateway, free};

/// One server that runs, and its links.
pub struct Peer {
    pub name: &'static str,
    pub version: String,
    pub at: SocketAddr,
    /// Where it speaks TLS, if it does.
    pub secure: Option<SocketAddr>,
    /// Of each object, the path and query that fetch it.
    pub links: BTreeMap<String, String>,
    /// Links that look good, and are sealed wrong; none where the server knows no seal.
    pub forged: Vec<String>,
    /// Whether it reads from the store, and so can be cold.
    pub has_store: bool,
    runs: Runs,
}

/// What must be kept so that it runs.
pub enum Runs {
    Gateway(Box<Gateway>),
    Processes(Vec<Running>),
}

impl Peer {
    /// All its processes.
    pub fn pids(&self) -> Vec<u32> {
        match &self.runs {
            Runs::Gateway(gateway) => process::tree(gateway.pid()),
            Runs::Processes(all) => all.iter().flat_map(|one| process::tree(one.0.id())).collect(),
        }
    }

    pub fn gateway(&self) -> Option<&Gateway> {
        match &self.runs {
            Runs::Gateway(gateway) => Some(gateway),
            Runs::Processes(_) => None,
        }
    }
}

/// Starts a program on the servers' core, with what it says in a file.
fn start(program: &str, arguments: &[String], dir: &Path) -> Running {
    let log = File::create(dir.join(format!("{}.said", program.replace('/', "-")))).unwrap();
    let mut command = Command::new(program);
    command.args(arguments).current_dir(dir).stdin(Stdio::null());
    command.stdout(log.try_clone().unwrap()).stderr(log);
    let child = process::on_their_core(|| command.spawn());
    Running(child.unwrap_or_else(|fault| panic!("{program}: {fault}; bench/peers/run installs it")))
}

/// Waits until somebody listens there.
fn wait_for(at: SocketAddr, what: &str, dir: &Path) {
    let begun = Instant::now();
    while TcpStream::connect(at).is_err() {
        assert!(begun.elapsed() < Duration::from_secs(20), "{what} does not listen; see {}", dir.display());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A directory of its own in `under`.
fn directory(under: &Path, name: &str) -> PathBuf {
    let dir = under.join(name);
    fs::create_dir_all(&dir).unwrap();
    dir
}

/// A directory for what a server keeps in files: on a tmpfs, so that its cache is memory.
fn cache(name: &str) -> String {
    let dir = directory(Path::new("/dev/shm"), name);
    let opened = rustix::fs::open(&dir, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).unwrap();
    assert!(fstatfs(opened).is_ok_and(|about| about.f_type == TMPFS), "/dev/shm must be a tmpfs");
    dir.display().to_string()
}

/// A template with each `@NAME@` replaced.
fn filled(template: &str, with: &[(&str, &str)]) -> String {
    with.iter().fold(template.to_owned(), |text, (name, value)| text.replace(&format!("@{name}@"), value))
}

/// What a program says about itself, the first line that is not empty.
fn version(program: &str, argument: &str) -> String {
    let output = Command::new(program).arg(argument).output();
    let output = output.unwrap_or_else(|fault| panic!("{program}: {fault}; bench/peers/run installs it"));
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&text).lines().next().unwrap_or_default().to_owned()
}

/// The same hexadecimal signature with other digits at its beginning, once for each number.
fn forged_hex(good: &str, number: usize) -> String {
    let false_digits = format!("{number:04x}");
    let beginning = if good.starts_with(&false_digits) { "ffff" } else { &false_digits };
    format!("{beginning}{}", &good[4..])
}

const TMPFS: i64 = 0x0102_1994;
/// How many forged links there are.
pub const FORGED: usize = 256;
/// Links of peers end with the bench at the earliest.
const LIFETIME: Duration = Duration::from_secs(3600);

#[expect(clippy::disallowed_methods, reason = "peers want a time of day in their links")]
fn expiry() -> u64 {
    (std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap() + LIFETIME).as_secs()
}
