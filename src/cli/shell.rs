//! What the commands of a shell share: the rooms of a gateway, without its listeners.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::Failure;
use crate::app::Rooms;
use crate::catalog::Catalog;
use crate::config::{load, load_settings};
use crate::mint::Revoker;
use crate::telemetry::Sink;
use crate::value::{ClientName, Clock};

/// Which gateway a command is about.
#[derive(Debug, Args)]
pub(super) struct Place {
    /// The settings of the gateway.
    #[arg(long, value_name = "FILE")]
    pub(super) config: PathBuf,
    /// Print JSON.
    #[arg(long)]
    pub(super) json: bool,
}

/// Opens the rooms that the settings at `path` describe; the gateway itself may run at the same time.
pub(super) async fn open_rooms(path: &Path) -> Result<Rooms, Failure> {
    let loaded = load(path)?;
    Rooms::open(&loaded, Clock::system(), Sink::Off).await.map_err(Failure::because)
}

/// Opens what ends links, and nothing else: a take-down must work while a store or the keyring does not.
pub(super) async fn open_revoker(path: &Path) -> Result<(Catalog, Revoker), Failure> {
    let settings = load_settings(path)?;
    let catalog = Catalog::open(&settings.catalog, Clock::system()).await.map_err(Failure::because)?;
    let revoker = Revoker::new(catalog.clone(), Arc::default(), Clock::system());
    Ok((catalog, revoker))
}

/// Closes the rooms, so that everything they recorded is on disk.
pub(super) async fn close_rooms(rooms: &Rooms) -> Result<(), Failure> {
    rooms.catalog.close().await.map_err(Failure::because)
}

/// How records call whoever sits at the shell.
pub(super) fn shell_client() -> Result<ClientName, Failure> {
    "shell".parse().map_err(Failure::because)
}

/// A sign of life on a terminal while `what` goes on; nothing in a pipe.
pub(super) fn spinner(what: &'static str) -> ProgressBar {
    let spinner = ProgressBar::new_spinner().with_message(what);
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
        spinner.set_style(style);
    }
    spinner.enable_steady_tick(Duration::from_millis(120));
    spinner
}
