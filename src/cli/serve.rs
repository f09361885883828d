//! `hallpass serve`: all listeners, until it is told to stop.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::Failure;
use crate::app::{Gateway, Reloader, Rooms, Watch};
use crate::config::{AccessLog, LogFormat, LogSettings, load};
use crate::telemetry::{Sink, init_logging, quiet_panics};
use crate::value::Clock;

/// Which settings.
#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    /// The settings.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

/// Serves until SIGTERM or SIGINT; SIGHUP, or a change of a settings file, reloads.
pub(super) async fn run(args: &ServeArgs) -> Result<(), Failure> {
    let loaded = load(&args.config)?;
    let watch = Watch::over(&loaded.files);
    let settings = &loaded.settings;
    start_log(&settings.log)?;
    let rooms = Rooms::open(&loaded, Clock::system(), sink(&settings.log.access)).await.map_err(Failure::because)?;
    let sockets = Gateway::bind(&settings.listen).map_err(Failure::because)?;
    let gateway = Gateway::start(&rooms, sockets, settings).map_err(Failure::because)?;
    let at = gateway.addresses();
    tracing::info!(public = %at.public, control = %at.control, ops = %at.ops, "serving");
    let reloader = Reloader::new(&args.config, &loaded, watch, rooms);
    Box::pin(wait_for_the_end(reloader)).await?;
    tracing::info!("stopping: no more is accepted, running bodies may finish");
    let stopped = gateway.stop(settings.limits.drain).await;
    tracing::info!(cut = stopped.cut, "stopped");
    Ok(())
}

/// `HALLPASS_LOG` filters the process's own log, such as `debug` or `info,hallpass::origin=debug`.
fn start_log(log: &LogSettings) -> Result<(), Failure> {
    let filter = std::env::var_os("HALLPASS_LOG").and_then(|text| text.into_string().ok());
    init_logging(filter.as_deref().unwrap_or("info"), log.format == LogFormat::Json).map_err(Failure::because)?;
    quiet_panics();
    Ok(())
}

fn sink(access: &AccessLog) -> Sink {
    match access {
        AccessLog::Stdout => Sink::Stdout,
        AccessLog::Stderr => Sink::Stderr,
        AccessLog::Off => Sink::Off,
        AccessLog::File(path) => Sink::File(path.clone()),
    }
}

/// Reloads whenever that is asked for, and returns when a stop is.
async fn wait_for_the_end(mut reloader: Reloader) -> Result<(), Failure> {
    let listen = |kind| signal(kind).map_err(Failure::because);
    let (mut term, mut int, mut hup): (Signal, Signal, Signal) =
        (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?, listen(SignalKind::hangup())?);
    let mut look = tokio::time::interval(LOOK_EVERY);
    loop {
        tokio::select! {
            _ = term.recv() => return Ok(()),
            _ = int.recv() => return Ok(()),
            _ = hup.recv() => reloader.reload_and_tell().await,
            _ = look.tick() => {
                if reloader.has_changed() {
                    reloader.reload_and_tell().await;
                }
            }
        }
    }
}

/// How often the files of the settings are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);
