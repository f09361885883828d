//! A real process: settings, keys, media and a catalog in a directory, as an operator would have them, and the `hallpass` command over it.
//!
//! Every process runs with `HALLPASS_LOG=trace`, and all that it said can be searched for every secret that was in play: client keys,
//! master keys, tokens and whole links.

use std::cell::RefCell;
use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::sleep;

use super::gateway::{META, Minted, call};
use super::wire::{Answer, Wire};

/// A directory with settings, keys, media and a catalog, as an operator would have it.
pub struct Shop {
    pub dir: TempDir,
    pub public: SocketAddr,
    pub control: SocketAddr,
    pub ops: SocketAddr,
    pub key: String,
    running: RefCell<Option<Child>>,
    /// What must never be said.
    secrets: RefCell<Vec<String>>,
}

impl Shop {
    /// Everything but the process: keys made by the program itself, settings from the example that ships with it.
    pub fn open() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let [public, control, ops] = [free(), free(), free()];
        let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
        fs::create_dir(dir.path().join("media")).unwrap();
        for sample in ["winter-sale.jpg", "receipt.png", "tour.mp4", "price-list.pdf"] {
            fs::copy(repository.join("src/cli/demo_media").join(sample), dir.path().join("media").join(sample))
                .unwrap();
        }
        let example = fs::read_to_string(repository.join("deploy/hallpass.example.toml")).unwrap();
        let replaced = [
            ("public_origin = \"http://127.0.0.1:8080\"", format!("public_origin = \"http://{public}\"")),
            ("public = \"127.0.0.1:8080\"", format!("public = \"{public}\"")),
            ("# control = \"127.0.0.1:8081\"", format!("control = \"{control}\"")),
            ("# ops = \"127.0.0.1:8082\"", format!("ops = \"{ops}\"")),
            ("\"../keys.toml\"", "\"keys.toml\"".to_owned()),
            ("\"../src/cli/demo_media\"", "\"media\"".to_owned()),
            ("\"sqlite://../hallpass.db\"", "\"sqlite://hallpass.db\"".to_owned()),
        ];
        let text = replaced.iter().fold(example, |text, (from, to)| {
            assert_eq!(text.matches(from).count(), 1, "the example has one {from}");
            text.replace(from, to)
        });
        fs::write(dir.path().join("hallpass.toml"), text).unwrap();
        let (running, secrets) = (RefCell::default(), RefCell::default());
        let mut shop = Self { dir, public, control, ops, key: String::new(), running, secrets };
        shop.run(&["keys", "generate", "--config", "hallpass.toml"]);
        shop.remember_master_keys();
        shop.key = shop.add_client("billing");
        shop
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn text(&self, name: &str) -> String {
        fs::read_to_string(self.file(name)).unwrap()
    }

    /// Makes a key with `keys client` and appends its stanza; gives the key.
    pub fn add_client(&self, name: &str) -> String {
        let said = self.run(&["keys", "client", name, "--config", "hallpass.toml"]);
        let said = String::from_utf8(said.stdout).unwrap();
        let key = said.split_whitespace().find(|word| word.starts_with("hpk_")).unwrap().to_owned();
        let stanza = &said[said.find("[[control.clients]]").unwrap()..];
        fs::write(self.file("hallpass.toml"), self.text("hallpass.toml") + "\n" + stanza).unwrap();
        self.secrets.borrow_mut().push(key.clone());
        key
    }

    pub fn remember_master_keys(&self) {
        let text = self.text("keys.toml");
        let hex = |word: &&str| word.len() == 64 && word.bytes().all(|b| b.is_ascii_hexdigit());
        let found: Vec<_> = text.split('"').filter(hex).map(str::to_owned).collect();
        assert!(!found.is_empty(), "the keyring's layout has changed, so this test would search for nothing");
        self.secrets.borrow_mut().extend(found);
    }

    /// From now on this is one of the things that must never be said.
    pub fn must_never_say(&self, secret: String) {
        self.secrets.borrow_mut().push(secret);
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hallpass"));
        command.args(arguments).current_dir(self.dir.path()).env_clear().env("HALLPASS_LOG", "trace");
        command
    }

    /// Runs a command to its end, whatever that is.
    pub fn output(&self, arguments: &[&str]) -> Output {
        self.command(arguments).stdin(Stdio::null()).output().unwrap()
    }

    /// Runs a command that must succeed.
    pub fn run(&self, arguments: &[&str]) -> Output {
        let output = self.output(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        output
    }

    /// Starts the gateway, and waits until it is ready.
    pub async fn serve(&self) {
        self.serve_by(self.command(&["serve", "--config", "hallpass.toml"])).await;
    }

    /// Starts the gateway by this command, and waits until it is ready.
    pub async fn serve_by(&self, command: Command) {
        self.start(command);
        self.until_ready().await;
    }

    /// Starts the gateway by this command.
    pub fn start(&self, mut command: Command) {
        let log = |name| File::options().append(true).create(true).open(self.file(name)).unwrap();
        let child = command.stdin(Stdio::null()).stdout(log("stdout")).stderr(log("stderr")).spawn().unwrap();
        *self.running.borrow_mut() = Some(child);
    }

    /// Waits until the gateway is ready.
    pub async fn until_ready(&self) {
        let begun = Instant::now();
        loop {
            let open = [self.public, self.control, self.ops].iter().all(|at| std::net::TcpStream::connect(at).is_ok());
            if open && self.ops("/readyz").await.status == 200 {
                return;
            }
            let ended = self.running.borrow_mut().as_mut().unwrap().try_wait().unwrap();
            let told = self.text("stderr");
            assert!(ended.is_none() && begun.elapsed() < Duration::from_secs(20), "{ended:?}: {told}");
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// The running gateway's process id.
    pub fn pid(&self) -> u32 {
        self.running.borrow().as_ref().unwrap().id()
    }

    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(self.running.borrow().as_ref().unwrap());
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// The process that took over from the one that this shop started, by what that one said.
    pub fn successor(&self) -> Option<Pid> {
        let said = fs::read_to_string(self.file("stderr")).ok()?;
        let number = said.rsplit_once("the new process serves")?.1.split("process=").nth(1)?;
        let digits: String = number.chars().take_while(char::is_ascii_digit).collect();
        Pid::from_raw(digits.parse().ok()?)
    }

    /// Adds lines to a section that the settings have.
    pub fn set(&self, section: &str, lines: &str) {
        let (text, head) = (self.text("hallpass.toml"), format!("\n[{section}]\n"));
        assert_eq!(text.matches(&head).count(), 1, "{section}");
        fs::write(self.file("hallpass.toml"), text.replace(&head, &format!("{head}{lines}\n"))).unwrap();
    }

    /// Ends the process as a power cut would.
    pub fn kill(&self) {
        let mut child = self.running.borrow_mut().take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Waits for the process to end by itself.
    pub async fn ended(&self) -> ExitStatus {
        for _ in 0..1000 {
            if let Some(status) = self.running.borrow_mut().as_mut().unwrap().try_wait().unwrap() {
                return status;
            }
            sleep(Duration::from_millis(10)).await;
        }
        panic!("the process does not end");
    }

    /// Waits until its standard error says this.
    pub async fn says(&self, words: &str) {
        for _ in 0..500 {
            if self.text("stderr").contains(words) {
                return;
            }
            sleep(Duration::from_millis(10)).await;
        }
        panic!("{words:?} is not said:\n{}", self.text("stderr"));
    }

    pub async fn api(&self, key: &str, method: &str, path: &str, body: &Value) -> Answer {
        call(self.control, key, method, path, body).await
    }

    pub async fn mint(&self, members: Value) -> Minted {
        let answer = self.api(&self.key, "POST", "/v1/links", &members).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        self.remember(Minted::of(&answer.json()))
    }

    pub fn remember(&self, link: Minted) -> Minted {
        self.secrets.borrow_mut().extend([link.token().to_owned(), link.url.clone()]);
        link
    }

    /// From now on this must never be said.
    pub fn remember_secret(&self, secret: &str) {
        self.secrets.borrow_mut().push(secret.to_owned());
    }

    pub async fn fetch(&self, path: &str, agent: &str) -> Answer {
        let mut wire = Wire::connect(self.public).await;
        wire.send(self.request(path, agent)).await;
        wire.answer().await
    }

    pub fn request(&self, path: &str, agent: &str) -> String {
        format!("GET {path} HTTP/1.1\r\nHost: {}\r\nUser-Agent: {agent}\r\n\r\n", self.public)
    }

    pub async fn status(&self, link: &Minted) -> u16 {
        self.fetch(&link.path, META).await.status
    }

    pub async fn ops(&self, path: &str) -> Answer {
        let mut wire = Wire::connect(self.ops).await;
        wire.send(format!("GET {path} HTTP/1.1\r\nHost: ops\r\n\r\n")).await;
        wire.answer().await
    }

    /// Searches all that was said for all that is secret. Call it while the gateway runs, for its metrics.
    pub async fn said_no_secret(&self) {
        // The access log is written by a thread of its own.
        sleep(Duration::from_millis(100)).await;
        let metrics = String::from_utf8(self.ops("/metrics").await.body).unwrap();
        let ready = String::from_utf8(self.ops("/readyz").await.body).unwrap();
        self.remember_master_keys();
        let said =
            [("stdout", self.text("stdout")), ("stderr", self.text("stderr")), ("metrics", metrics), ("readyz", ready)];
        assert!(said.iter().all(|(_, text)| !text.is_empty()), "a test that reads nothing finds nothing");
        assert!(said[1].1.contains("serving"), "the process says nothing");
        for secret in self.secrets.borrow().iter() {
            // A part of a secret is enough to be one too many.
            let part = &secret[secret.len() / 4..secret.len() / 4 + 24];
            for (place, text) in &said {
                let line = text.lines().find(|line| line.contains(part));
                assert_eq!(line, None, "{place} holds a secret");
            }
        }
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        if let Some(mut child) = self.running.borrow_mut().take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        // A number may have been given to another process since; ours runs in this directory.
        let ours = |pid: &Pid| {
            let place = fs::read_link(format!("/proc/{}/cwd", pid.as_raw_nonzero()));
            place.is_ok_and(|place| place == self.dir.path().canonicalize().unwrap())
        };
        if let Some(successor) = self.successor().filter(ours) {
            let _ = rustix::process::kill_process(successor, Signal::KILL);
        }
    }
}

/// A port below those that the system hands out by itself, so that nobody takes it before our process does.
pub fn free() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    loop {
        let offset = u16::try_from(std::process::id() % 700).unwrap() * 16 + NEXT.fetch_add(1, Ordering::Relaxed);
        let address = SocketAddr::from(([127, 0, 0, 1], 20_000 + offset % 12_000));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}

pub fn body(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli/demo_media").join(name)).unwrap()
}
