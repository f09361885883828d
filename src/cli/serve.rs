//! `hallpass serve`: all listeners, until it is told to stop.

use std::path::PathBuf;

use clap::Args;

use super::Failure;
use crate::app::{
    End, Gateway, Inherited, Life, Predecessor, Program, Reloader, Rooms, Watch, allow_descriptors, tell_warnings,
};
use crate::config::{AccessLog, LimitSettings, LogFormat, LogSettings, load};
use crate::telemetry::{Sink, init_logging, quiet_panics};
use crate::value::Clock;

/// Which settings.
#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    /// The settings.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

/// Serves until SIGTERM or SIGINT; `inherited` is what a supervisor handed over.
pub(super) async fn run(args: &ServeArgs, inherited: Inherited) -> Result<(), Failure> {
    let loaded = load(&args.config)?;
    let watch = Watch::over(&loaded.files);
    let settings = &loaded.settings;
    start_log(&settings.log)?;
    tell_warnings(&loaded);
    if let Some(problem) = allow_descriptors(settings) {
        tracing::warn!("{problem}");
    }
    let program = Program::of_this_process().map_err(Failure::because)?;
    let predecessor = Predecessor::of_this_process();
    let inherited = match &predecessor {
        Some(predecessor) => predecessor.sockets().map_err(Failure::because)?,
        None => inherited,
    };
    let rooms = Rooms::open(&loaded, Clock::system(), sink(&settings.log.access)).await.map_err(Failure::because)?;
    let sockets = Gateway::bind(&settings.listen, inherited).map_err(Failure::because)?;
    let gateway = Gateway::start(&rooms, sockets, settings).map_err(Failure::because)?;
    let at = gateway.addresses();
    tracing::info!(public = %at.public, control = %at.control, ops = %at.ops, "serving");
    let reloader = Reloader::new(&args.config, &loaded, watch, rooms);
    let LimitSettings { drain_grace, drain, .. } = settings.limits;
    let life = Life { gateway, reloader, program, predecessor, drain_grace, drain };
    match Box::pin(life.live()).await.map_err(Failure::because)? {
        End::Stopped(_) => Ok(()),
        End::Killed(signal) => Err(Failure::killed_by(signal)),
    }
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
