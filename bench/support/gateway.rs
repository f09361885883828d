//! The real gateway: the program itself, as a process of its own, with settings, keys and a catalog in a temporary directory.
//!
//! It can be killed and started again over the same files: then its cache is cold and its catalog knows what was minted. Its memory
//! is what the kernel says of it. It ends when dropped.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::sleep;

use super::memory::{self, keep_highest};
use super::origin::{ACCESS_KEY, Origin, SECRET_KEY};
use super::wire::{Answer, Wire, request};

pub struct Gateway {
    dir: TempDir,
    pub public: SocketAddr,
    pub control: SocketAddr,
    pub ops: SocketAddr,
    /// What the control API is called with.
    pub key: String,
    child: Mutex<Option<Child>>,
    /// The most it has had in memory in this life, in bytes.
    highest: Arc<AtomicU64>,
}

/// A link that was minted.
#[derive(Clone, Debug)]
pub struct Link {
    pub id: String,
    /// The URL without its origin.
    pub path: String,
    pub fingerprint: String,
    pub length: u64,
}

/// What presigned URLs are signed with.
pub struct AccessKey {
    pub id: String,
    pub secret: String,
}

/// A process's memory in bytes, as `/proc` tells it.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// What is resident now.
    pub resident: u64,
    /// The most that ever was.
    pub highest: u64,
    /// Of what is resident now, the pages of files: the program's code, above all.
    pub code: u64,
}

/// One store of the settings.
pub struct Store<'a> {
    pub name: &'a str,
    pub bucket: &'a str,
}

impl Gateway {
    /// Keys and settings, and no process yet. Every store is a bucket of `origin`; `more` is further settings, each
    /// a whole line of the top level, such as `limits = { drain = "1s" }`.
    pub fn place(origin: &Origin, stores: &[Store<'_>], more: &str) -> Self {
        Self::place_at(origin, stores, "http://127.0.0.1", more)
    }

    /// The same with a public origin of this scheme and host.
    pub fn place_at(origin: &Origin, stores: &[Store<'_>], world: &str, more: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let [public, control, ops] = [free(), free(), free()];
        let mut text = format!(
            "public_origin = \"{world}:{}\"\n\
             listen = {{ public = \"{public}\", control = \"{control}\", ops = \"{ops}\" }}\n\
             keyring.file = \"keys.toml\"\n\
             catalog.url = \"sqlite://hallpass.db\"\n\
             log.access = \"access.log\"\n\
             {more}\n",
            public.port()
        );
        for Store { name, bucket } in stores {
            let endpoint = &origin.endpoint;
            write!(text, "[stores.{name}]\nkind = \"s3\"\nbucket = \"{bucket}\"\nendpoint = \"{endpoint}\"\n").unwrap();
        }
        let mut gateway =
            Self { dir, public, control, ops, key: String::new(), child: Mutex::default(), highest: Arc::default() };
        gateway.write_settings(&text);
        gateway.run(&["keys", "generate", "--config", SETTINGS]);
        gateway.key = gateway.client();
        gateway
    }

    /// A key that may mint, and its stanza in the settings.
    fn client(&self) -> String {
        let said = self.run(&["keys", "client", "bench", "--config", SETTINGS]);
        let key = said.split_whitespace().find(|word| word.starts_with("hpk_")).unwrap().to_owned();
        self.write_settings(&(self.settings() + "\n" + &said[said.find("[[control.clients]]").unwrap()..]));
        key
    }

    /// A key that may presign, and its stanza in the settings.
    pub fn presigner(&self) -> AccessKey {
        let said = self.run(&["keys", "presigner", "presigner", "--config", SETTINGS, "--json"]);
        let said: Value = serde_json::from_str(&said).unwrap();
        let text = |name: &str| said[name].as_str().unwrap().to_owned();
        let (id, secret) = (text("access_key_id"), text("secret_access_key"));
        let stanza = format!(
            "[presigned]\nenabled = true\n[[presigned.clients]]\nname = \"presigner\"\n\
             access_key_id = \"{id}\"\nsecret_access_key = \"{secret}\"\nstores = [\"media\"]\n"
        );
        self.write_settings(&(self.settings() + &stanza));
        AccessKey { id, secret }
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn settings(&self) -> String {
        fs::read_to_string(self.file(SETTINGS)).unwrap()
    }

    /// Writes the settings as an editor would: whole, and in one step.
    pub fn write_settings(&self, text: &str) {
        fs::write(self.file("new.toml"), text).unwrap();
        fs::rename(self.file("new.toml"), self.file(SETTINGS)).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hallpass"));
        command.args(arguments).current_dir(self.dir.path()).stdin(Stdio::null()).env_clear();
        command.envs([("AWS_ACCESS_KEY_ID", ACCESS_KEY), ("AWS_SECRET_ACCESS_KEY", SECRET_KEY)]);
        // Counted as in production, and far above what one client sends here.
        command.envs([(RATE, "1000000"), (CONTROL_RATE, "1000000")]);
        command
    }

    fn run(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Starts the process, and waits until it is ready.
    pub async fn start(&self) {
        let log = || File::options().append(true).create(true).open(self.file("log")).unwrap();
        let serve = ["serve", "--config", SETTINGS];
        let child = self.command(&serve).stdout(log()).stderr(log()).spawn().unwrap();
        self.highest.store(0, Ordering::Relaxed);
        keep_highest(child.id(), Arc::clone(&self.highest));
        *self.child.lock().unwrap() = Some(child);
        let begun = Instant::now();
        while !self.is_ready().await {
            assert!(self.is_running() && begun.elapsed() < Duration::from_secs(60), "{}", self.log());
            sleep(Duration::from_millis(20)).await;
        }
    }

    async fn is_ready(&self) -> bool {
        let answer = self.ops("/readyz").await;
        answer.is_ok_and(|answer| answer.status == 200)
    }

    /// Ends the process as a power cut would.
    pub fn kill(&self) {
        if let Some(mut child) = self.child.lock().unwrap().take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Asks it to stop, which lets its catalog write what it holds; gives how it ended, or nothing where it had to be killed.
    pub async fn stop(&self) -> Option<ExitStatus> {
        self.signal(Signal::TERM);
        let begun = Instant::now();
        while self.is_running() && begun.elapsed() < Duration::from_secs(60) {
            sleep(Duration::from_millis(20)).await;
        }
        let ended = self.child.lock().unwrap().as_mut().and_then(|child| child.try_wait().unwrap());
        self.kill();
        ended
    }

    /// Whether the process is still there.
    pub fn is_running(&self) -> bool {
        self.child.lock().unwrap().as_mut().is_some_and(|child| child.try_wait().unwrap().is_none())
    }

    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(self.child.lock().unwrap().as_ref().unwrap());
        kill_process(pid, signal).unwrap();
    }

    /// Everything it has said so far, in all its lives.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.file("log")).unwrap_or_default()).into_owned()
    }

    pub fn pid(&self) -> u32 {
        self.child.lock().unwrap().as_ref().unwrap().id()
    }

    pub fn memory(&self) -> Memory {
        let pid = self.pid();
        let resident = memory::resident(&[pid]);
        // The kernel misses no moment, and of block memory it knows only what is mapped.
        let highest = self.highest.load(Ordering::Relaxed).max(resident).max(memory::line(pid, "VmHWM:"));
        Memory { resident, highest, code: memory::line(pid, "RssFile:") }
    }

    /// Calls the control API; an error is a connection that did not bring a whole answer.
    pub async fn api(&self, method: &str, path: &str, body: &Value) -> std::io::Result<Answer> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let mut wire = Wire::connect(self.control).await?;
        let head = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", self.control);
        let body = format!(
            "Authorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.key,
            body.len()
        );
        wire.send(&(head + &body)).await?;
        wire.answer(false).await
    }

    /// Mints, or gives what was answered instead.
    pub async fn try_mint(&self, store: &str, key: &str, unique: bool) -> std::io::Result<Result<Link, Answer>> {
        let wish = json!({"store": store, "key": key, "unique": unique});
        let answer = self.api("POST", "/v1/links", &wish).await?;
        if answer.status != 201 {
            return Ok(Err(answer));
        }
        let said = answer.json();
        let text = |name: &str| said[name].as_str().unwrap().to_owned();
        let path = text("url").split_once("/m/").map(|(_, rest)| format!("/m/{rest}")).unwrap();
        let length = said["size"].as_u64().unwrap();
        Ok(Ok(Link { id: text("id"), path, fingerprint: text("fingerprint"), length }))
    }

    pub async fn mint(&self, store: &str, key: &str) -> Link {
        self.try_mint(store, key, false).await.unwrap().unwrap_or_else(|answer| panic!("{answer:?}"))
    }

    async fn ops(&self, path: &str) -> std::io::Result<Answer> {
        let mut wire = Wire::connect(self.ops).await?;
        wire.send(&request("GET", path, self.ops, &["Connection: close".to_owned()])).await?;
        wire.answer(false).await
    }

    pub async fn metrics(&self) -> Metrics {
        Metrics(String::from_utf8(self.ops("/metrics").await.unwrap().body).unwrap())
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What `/metrics` said at one time.
pub struct Metrics(pub String);

impl Metrics {
    /// Every series of this name: its labels as they stand there, and its value.
    pub fn series(&self, name: &str) -> Vec<(String, f64)> {
        let lines = self.0.lines().filter_map(|line| line.strip_prefix(name)?.rsplit_once(' '));
        let named = lines.filter(|(labels, _)| labels.is_empty() || labels.starts_with('{'));
        named.map(|(labels, value)| (labels.to_owned(), value.parse().unwrap())).collect()
    }

    /// The value of the series with this label value; nothing where it is not there.
    pub fn of(&self, name: &str, label: &str) -> Option<f64> {
        let wanted = format!("\"{label}\"");
        self.series(name).into_iter().find_map(|(labels, value)| labels.contains(&wanted).then_some(value))
    }
}

/// A port below those that the system hands out by itself, so that no connection takes it between two starts.
pub fn free() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    loop {
        let offset = u16::try_from(std::process::id() % 480).unwrap() * 16 + NEXT.fetch_add(1, Ordering::Relaxed);
        let address = SocketAddr::from(([127, 0, 0, 1], 12_000 + offset % 7_900));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}

const RATE: &str = "HALLPASS_LIMITS__REQUESTS_PER_SECOND";
const CONTROL_RATE: &str = "HALLPASS_LIMITS__CONTROL_REQUESTS_PER_SECOND";
const SETTINGS: &str = "hallpass.toml";
