//! `hallpass demo`: the main job on real media, with nothing to set up.
//!
//! It starts a whole gateway on loopback, with a local store, a keyring and a catalog of its own in a temporary directory, and talks to it
//! over HTTP like anybody else. Every answer is compared with what it must be: `demo --once` exits 0 only if all of it held.

mod fetch;
mod stage;
mod tour;

use std::io::Write;
use std::path::PathBuf;

use clap::Args;

use super::Failure;
use stage::Stage;
use tour::Tour;

/// How to run the demo.
#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    /// Stop after the tour.
    #[arg(long)]
    once: bool,
    /// Serve the media of this directory instead of the samples.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// The public port; a free one where none is named.
    #[arg(long, value_name = "N", default_value_t = 0)]
    port: u16,
}

/// Runs the tour and, unless it is to stop then, serves until Ctrl-C.
pub(super) async fn run(args: &DemoArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let stage = Stage::build(args.dir.as_deref(), args.port).await?;
    let toured = Tour::new(&stage, out).walk().await;
    if toured.is_ok() && !args.once {
        writeln!(out, "\nServing until Ctrl-C.")?;
        out.flush()?;
        tokio::signal::ctrl_c().await.map_err(Failure::because)?;
    }
    stage.strike().await;
    toured
}
