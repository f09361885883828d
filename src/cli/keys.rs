//! `hallpass keys`: makes, shows and rotates the keyring, and makes keys for our own systems.
//!
//! A keyring is never overwritten and never half written: a new one is made with `O_EXCL`, a rotated one takes the old one's place
//! in one step. No command but `client` and `presigner` prints a secret, and those print it once.

mod client;
mod presigner;

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};

pub use self::client::ClientArgs;
use crate::config::{Faults, load_settings, read_keyring};
use crate::link::{Key, KeyState, Keyring, LinkBounds, Rotation, RotationError};
use crate::value::{Clock, NoRandomness, Secret, UnixTime};

/// The keyring, and keys for our own systems.
#[derive(Debug, Args)]
pub struct KeysArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: KeysCommand,
}

/// What `hallpass keys` can do.
#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// Make a new keyring with one active key. It never overwrites one.
    Generate(KeyringPlace),
    /// Show the keys of the keyring, without their secrets.
    List {
        /// Which keyring.
        #[command(flatten)]
        place: KeyringPlace,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Take the step of a rotation that is due: add the next key, or 5 minutes later make it the active one.
    Rotate(KeyringPlace),
    /// Make a key for one of our own systems; print it once, with the stanza for the settings.
    Client(ClientArgs),
    /// Make an access key with which one of our own systems presigns S3 URLs; print it once, with the stanza for the settings.
    Presigner(ClientArgs),
}

/// Which keyring a command is about: `keys.toml` here, unless told otherwise.
#[derive(Debug, Default, Args)]
pub struct KeyringPlace {
    /// The keyring's file. Default: the one that --config names, else keys.toml.
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// The settings, which name the keyring and say how long links live.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Why a command did nothing.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The settings have faults.
    #[error(transparent)]
    Settings(#[from] Faults),
    /// The keyring has faults.
    #[error("{}", .0.join("\n"))]
    Keyring(Vec<String>),
    /// There is a keyring already.
    #[error("{} exists and was left as it is; rotate it with `hallpass keys rotate`, or name another file", .0.display())]
    Exists(PathBuf),
    /// Somebody else is at it.
    #[error("{} exists: another rotation is running, or one broke off; if none is running, remove it and try again", .0.display())]
    Busy(PathBuf),
    /// A file could not be written.
    #[error("{} could not be written: {fault}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        fault: io::Error,
    },
    /// The rotation is not due.
    #[error(transparent)]
    Rotation(#[from] RotationError),
    /// No key could be made.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
    /// The answer could not be printed.
    #[error("the answer could not be printed: {0}")]
    Print(#[from] io::Error),
}

impl KeysError {
    /// What the process exits with.
    pub const fn exit_code(&self) -> u8 {
        if matches!(self, Self::Settings(_)) { Faults::EXIT_CODE } else { 1 }
    }
}

/// Does what `args` say, and prints the answer to `out`.
pub fn run(args: &KeysArgs, clock: &Clock, out: &mut dyn Write) -> Result<(), KeysError> {
    match &args.command {
        KeysCommand::Generate(place) => generate(&Place::of(place)?, clock.now(), out),
        KeysCommand::List { place, json } => list(&Place::of(place)?, *json, out),
        KeysCommand::Rotate(place) => rotate(&Place::of(place)?, clock.now(), out),
        KeysCommand::Client(args) => client::make(args, out),
        KeysCommand::Presigner(args) => presigner::make(args, out),
    }
}

/// The keyring that is meant, and how long its links can live.
struct Place {
    file: PathBuf,
    longest_life: Duration,
}

impl Place {
    fn of(args: &KeyringPlace) -> Result<Self, Faults> {
        let settings = args.config.as_deref().map(load_settings).transpose()?;
        // Without settings the longest is assumed that any allow: a key that opens too long loses no link.
        let longest_life =
            settings.as_ref().map_or_else(LinkBounds::longest_life_of_any, |settings| settings.links.longest_life());
        let named = settings.map(|settings| settings.keyring_file);
        let file = args.file.clone().or(named).unwrap_or_else(|| PathBuf::from(DEFAULT_FILE));
        Ok(Self { file, longest_life })
    }
}

fn generate(place: &Place, now: UnixTime, out: &mut dyn Write) -> Result<(), KeysError> {
    let keyring = Keyring::generate(now)?;
    let path = &place.file;
    write_new(path, &keyring.to_toml()).map_err(|fault| match fault.kind() {
        ErrorKind::AlreadyExists => KeysError::Exists(path.clone()),
        _ => KeysError::Write { path: path.clone(), fault },
    })?;
    let ids: Vec<_> = keyring.keys().iter().map(|key| key.id.to_string()).collect();
    writeln!(out, "Wrote {} with one active key, {}.", path.display(), ids.join(", "))?;
    writeln!(out, "Whoever can read this file can make links: keep its mode at 0600, and a copy in a safe place.")?;
    Ok(())
}

fn list(place: &Place, json: bool, out: &mut dyn Write) -> Result<(), KeysError> {
    let keyring = read_keyring(&place.file).map_err(KeysError::Keyring)?;
    if json {
        let rows: Vec<_> = keyring.keys().iter().map(row_json).collect();
        writeln!(out, "{:#}", serde_json::Value::Array(rows))?;
        return Ok(());
    }
    writeln!(out, "{:<10}{:<9}{:<22}UNTIL", "ID", "STATE", "SINCE")?;
    for key in keyring.keys() {
        let until = until(key).map_or_else(|| "-".to_owned(), |until| until.to_string());
        writeln!(out, "{:<10}{:<9}{:<22}{until}", key.id.to_string(), key.state.as_str(), key.since.to_string())?;
    }
    Ok(())
}

fn row_json(key: &Key) -> serde_json::Value {
    serde_json::json!({
        "id": key.id.to_string(),
        "state": key.state.as_str(),
        "since": key.since,
        "until": until(key),
    })
}

const fn until(key: &Key) -> Option<UnixTime> {
    match key.state {
        KeyState::Accept { until } => Some(until),
        KeyState::Next | KeyState::Active | KeyState::Retired => None,
    }
}

fn rotate(place: &Place, now: UnixTime, out: &mut dyn Write) -> Result<(), KeysError> {
    // A rename replaces a symbolic link, not what it points to; so the file itself is looked up first.
    let path = fs::canonicalize(&place.file).unwrap_or_else(|_| place.file.clone());
    let draft = Draft::begin(&path)?;
    let keyring = read_keyring(&path).map_err(KeysError::Keyring)?;
    let (rotated, done) = keyring.rotate(now, PROPAGATION, place.longest_life)?;
    draft.replace(&path, &rotated.to_toml())?;
    match done {
        Rotation::Added { id, ready } => {
            writeln!(out, "Key {id} is next: it opens links, and seals none yet.")?;
            writeln!(out, "Give the file to every node, then run this again at {ready} or later to make it active.")?;
        }
        Rotation::Activated { id, old, until } => {
            let life = humantime::format_duration(place.longest_life);
            writeln!(out, "Key {id} is active: it seals from now on.")?;
            writeln!(out, "Key {old} still opens links until {until}, for none can live longer than {life}.")?;
        }
    }
    Ok(())
}

/// The file beside the keyring that takes its place. It is made before the keyring is read and with `O_EXCL`, so that of two rotations
/// at once one is refused, and neither undoes the other.
struct Draft {
    path: PathBuf,
    file: File,
    done: bool,
}

impl Draft {
    fn begin(keyring: &Path) -> Result<Self, KeysError> {
        let mut name = keyring.file_name().unwrap_or_default().to_owned();
        name.push(".new");
        let path = keyring.with_file_name(name);
        match new_file(&path) {
            Ok(file) => Ok(Self { path, file, done: false }),
            Err(fault) if fault.kind() == ErrorKind::AlreadyExists => Err(KeysError::Busy(path)),
            Err(fault) => Err(KeysError::Write { path, fault }),
        }
    }

    fn replace(mut self, keyring: &Path, text: &Secret<String>) -> Result<(), KeysError> {
        let replaced = keep_owner(&self.file, keyring)
            .and_then(|()| fill(&mut self.file, text))
            .and_then(|()| fs::rename(&self.path, keyring));
        replaced.map_err(|fault| KeysError::Write { path: keyring.to_owned(), fault })?;
        self.done = true;
        sync_directory(keyring).map_err(|fault| KeysError::Write { path: keyring.to_owned(), fault })
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.done {
            // Nothing more can be done where this fails; the next rotation names the file.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Where root rotates the keyring of another user, the gateway must still be able to read it.
fn keep_owner(file: &File, keyring: &Path) -> io::Result<()> {
    let (new, old) = (file.metadata()?, fs::metadata(keyring)?);
    if (new.uid(), new.gid()) == (old.uid(), old.gid()) {
        return Ok(());
    }
    std::os::unix::fs::fchown(file, Some(old.uid()), Some(old.gid()))
}

fn write_new(path: &Path, text: &Secret<String>) -> io::Result<()> {
    let mut file = new_file(path)?;
    let written = fill(&mut file, text).and_then(|()| sync_directory(path));
    if written.is_err() {
        let _ = fs::remove_file(path);
    }
    written
}

/// An empty file that only we can read, whatever the umask is; there must be none before.
fn new_file(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().write(true).create_new(true).mode(MODE).open(path)?;
    file.set_permissions(fs::Permissions::from_mode(MODE))?;
    Ok(file)
}

fn fill(file: &mut File, text: &Secret<String>) -> io::Result<()> {
    file.write_all(text.expose().as_bytes())?;
    file.sync_all()
}

/// A name is safe from a power cut once its directory is.
fn sync_directory(of: &Path) -> io::Result<()> {
    let parent = of.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new("."))).and_then(|directory| directory.sync_all())
}

const DEFAULT_FILE: &str = "keys.toml";
/// How long a next key waits, so that every node has read it before any seals with it.
const PROPAGATION: Duration = Duration::from_secs(5 * 60);
const MODE: u32 = 0o600;
