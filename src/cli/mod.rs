//! The commands: one file for each, and here what they share: the command line, the runtime and the exit codes.
//!
//! Standard output carries what was asked for, standard error everything else, so that every command can stand in a pipe.

pub mod keys;

mod audit;
mod check;
mod demo;
mod doctor;
mod health;
mod inspect;
mod link_wish;
mod mint;
mod publish;
mod revoke;
mod serve;
mod shell;
mod table;

use std::future::Future;
use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::app::Inherited;
use crate::config::Faults;
use crate::value::Clock;

/// A signed-URL asset gateway in front of private object storage, made for the media in WhatsApp templates.
#[derive(Debug, Parser)]
#[command(name = "hallpass", version)]
struct Line {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show what Hallpass does, with media and keys of its own: mint, fetch as Meta would, refuse what must be refused.
    Demo(demo::DemoArgs),
    /// Run the gateway.
    Serve(serve::ServeArgs),
    /// Look the settings over before the first start: files, keys, every store. Exit 1 on a fault.
    Check(check::CheckArgs),
    /// Fetch any HTTPS URL as Meta would, and explain what would fail. Exit 1 when a fetch would.
    Doctor(doctor::DoctorArgs),
    /// Look a whole store over before links are made of it: what is open to strangers, and which objects could not be delivered. Exit 1 on a
    /// finding, 3 when there is none but not everything could be asked.
    Audit(audit::AuditArgs),
    /// Ask the running gateway whether it lives, or with --ready whether it takes requests. Exit 1 when not.
    Health(health::HealthArgs),
    /// Mint one link, as the API would.
    Mint(mint::MintArgs),
    /// Store new assets where nothing is overwritten, and print a link to each. Exit 1 when one failed.
    Publish(publish::PublishArgs),
    /// Say what a link says, whether it would be served, and why not.
    Inspect(inspect::InspectArgs),
    /// End links early, list what is ended, or lift it.
    Revoke(revoke::RevokeArgs),
    /// The keyring, and keys for our own systems.
    Keys(keys::KeysArgs),
}

/// Why a command failed, and what the process exits with.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub(crate) struct Failure {
    text: String,
    code: u8,
}

impl Failure {
    /// A failure with exit code 1.
    #[expect(clippy::needless_pass_by_value, reason = "map_err hands it over by value")]
    fn because(error: impl ToString) -> Self {
        Self { text: error.to_string(), code: 1 }
    }

    /// The end of a process by a second signal, with the exit code that shells give it: 130 for SIGINT, 143 for SIGTERM.
    fn killed_by(signal: i32) -> Self {
        let code = u8::try_from(signal).map_or(1, |signal| signal.saturating_add(128));
        Self { text: "ended at once, by a second signal".to_owned(), code }
    }
}

impl From<Faults> for Failure {
    fn from(faults: Faults) -> Self {
        Self { text: faults.to_string(), code: Faults::EXIT_CODE }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::because(format!("the answer could not be printed: {error}"))
    }
}

/// Runs the command of this process's command line.
pub fn main() -> ExitCode {
    let line = Line::parse();
    match run(line.command) {
        Ok(code) => code,
        Err(failure) => {
            let _ = writeln!(std::io::stderr(), "hallpass: {failure}");
            ExitCode::from(failure.code)
        }
    }
}

fn run(command: Command) -> Result<ExitCode, Failure> {
    let out = &mut std::io::stdout();
    match command {
        Command::Demo(args) => in_runtime(demo::run(&args, out))?,
        Command::Serve(args) => {
            // Before the runtime has threads, for it changes the environment.
            let inherited = Inherited::from_supervisor().map_err(Failure::because)?;
            in_runtime(serve::run(&args, inherited))?;
        }
        Command::Check(args) => return in_runtime(check::run(&args, out)),
        Command::Doctor(args) => return in_runtime(doctor::run(&args, out)),
        Command::Audit(args) => return in_runtime(audit::run(&args, out)),
        Command::Health(args) => return in_runtime(health::run(&args, out)),
        Command::Mint(args) => in_runtime(mint::run(&args, out))?,
        Command::Publish(args) => return in_runtime(publish::run(&args, out)),
        Command::Inspect(args) => return in_runtime(inspect::run(&args, out)),
        Command::Revoke(args) => in_runtime(revoke::run(&args, out))?,
        Command::Keys(args) => {
            let done = keys::run(&args, &Clock::system(), out);
            done.map_err(|error| Failure { code: error.exit_code(), text: error.to_string() })?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn in_runtime<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut builder = match cores {
        // Nobody to share the work with: what a scheduler of several threads does for each task would be in vain.
        1 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    let runtime = builder.enable_all().build().map_err(Failure::because)?;
    let done = runtime.block_on(work);
    // Whatever still reads or writes has been asked to stop; nothing of it may hold up the exit for long.
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    done
}
