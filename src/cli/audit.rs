//! `hallpass audit STORE`: what is wrong with a store, and with each object in it, before Hallpass serves from it.

mod fixing;
mod printing;
mod watching;

use std::cell::Cell;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use self::printing::Format;
use self::watching::Watcher;
use super::Failure;
use crate::app::{OpenSurvey, open_survey};
use crate::audit::{Journal, Origins, ScanOptions, Summary, scan, shown};
use crate::config::{Settings, load_settings};
use crate::value::StoreName;

/// Which store, and what to do with what is found.
#[derive(Debug, Args)]
pub(super) struct AuditArgs {
    /// The store, by its name in the settings.
    store: StoreName,
    /// The settings of the gateway.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Only objects whose keys begin so.
    #[arg(long, value_name = "PREFIX", default_value = "")]
    prefix: String,
    /// Print one JSON document, with every finding.
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Print CSV, one line for each finding. What a spreadsheet would run as a formula begins with an apostrophe.
    #[arg(long)]
    csv: bool,
    /// How many objects to look at at a time.
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=256))]
    concurrency: u16,
    /// Keep what was found in this file. An audit that was interrupted goes on from there.
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Show which media types the bytes prove to be others than stored, and with --yes write them (S3 only).
    #[arg(long)]
    fix_types: bool,
    /// Do what --fix-types shows, without asking.
    #[arg(long, requires = "fix_types")]
    yes: bool,
}

/// Audits, and prints what was found; exit 0 when nothing was, 1 when something was, [`OPEN_QUESTIONS`] when nothing was, and not
/// everything could be asked.
pub(super) async fn run(args: &AuditArgs, out: &mut dyn Write) -> Result<ExitCode, Failure> {
    let settings = load_settings(&args.config)?;
    let store = open(args, &settings).await?;
    let of = Origins { store: args.store.to_string(), place: store.place.clone(), prefix: args.prefix.clone() };
    let mut journal = journal(args, &of)?;
    tokio::select! {
        biased;
        signal = interrupted() => return Err(stopped(args, signal)),
        done = scanned(args, &store, &mut journal) => done?,
    }
    let format = Format::of(args.json, args.csv);
    if format == Format::Table {
        printing::print(format, &of, &mut journal, out)?;
    }
    if args.fix_types {
        let begun = Cell::new(false);
        tokio::select! {
            biased;
            signal = interrupted() => {
                let told = if begun.get() { UNDER_WAY } else { "" };
                let stopped = stopped(args, signal);
                return Err(Failure { text: format!("{}{told}", stopped.text), ..stopped });
            }
            done = fixed(args, &store, &mut journal, format, &begun, out) => done?,
        }
    }
    if format != Format::Table {
        printing::print(format, &of, &mut journal, out)?;
    }
    let left = Summary::of(&mut journal).map_err(broken)?;
    let unknown: Vec<_> = left.unknown().map(|one| one.setting.as_str()).collect();
    if format != Format::Table && !unknown.is_empty() {
        note(&format!(
            "what could not be asked, so that nobody knows whether all is well there: {}",
            unknown.join(", ")
        ));
    }
    Ok(match left.findings() {
        0 if unknown.is_empty() => ExitCode::SUCCESS,
        0 => ExitCode::from(OPEN_QUESTIONS),
        _ => ExitCode::FAILURE,
    })
}

async fn open(args: &AuditArgs, settings: &Settings) -> Result<OpenSurvey, Failure> {
    let Some(store) = settings.stores.get(&args.store) else {
        let names: Vec<_> = settings.stores.keys().map(ToString::to_string).collect();
        return Err(misused(format!("the settings have no store `{}`; they have {}", args.store, names.join(", "))));
    };
    let store = open_survey(store, settings.origin).await.map_err(|error| broken(format!("the store: {error}")))?;
    if args.fix_types && store.retype.is_none() {
        return Err(misused("--fix-types is for S3: this kind of store holds no media types, or none we can change"));
    }
    Ok(store)
}

fn journal(args: &AuditArgs, of: &Origins) -> Result<Journal, Failure> {
    let Some(file) = &args.state else { return Journal::temporary(of).map_err(broken) };
    let journal = Journal::open(file, of).map_err(|error| misused(format!("--state {}: {error}", file.display())))?;
    let (file, objects) = (file.display(), journal.looked_at());
    if journal.is_finished() {
        note(&format!("the audit in {file} is complete; delete it to look at the store anew"));
    } else if objects > 0 {
        note(&format!("going on from {file}, behind {objects} objects"));
    }
    Ok(journal)
}

async fn scanned(args: &AuditArgs, store: &OpenSurvey, journal: &mut Journal) -> Result<(), Failure> {
    let watcher = Watcher::new();
    let options = ScanOptions { prefix: args.prefix.clone(), concurrency: args.concurrency.into() };
    let done = scan(&*store.survey, &*store.origin, journal, &options, &watcher).await;
    watcher.clear();
    done.map(|_| ()).map_err(|error| broken(format!("{error}{}", kept(args))))
}

async fn fixed(
    args: &AuditArgs,
    store: &OpenSurvey,
    journal: &mut Journal,
    format: Format,
    begun: &Cell<bool>,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let Some(retype) = &store.retype else { return Ok(()) };
    let mut aside = std::io::stderr();
    let out = if format == Format::Table { out } else { &mut aside };
    let count = fixing::plan(&*store.survey, journal, args.concurrency.into(), out).await?;
    if count == 0 {
        return Ok(());
    }
    if !args.yes && !fixing::confirmed(count).await? {
        writeln!(out, "\nNothing was changed. To do it, run the command again with --yes.")?;
        return Ok(());
    }
    begun.set(true);
    fixing::carry_out(&**retype, journal, args.concurrency.into(), out).await
}

/// SIGINT or SIGTERM, whichever comes, as its number.
async fn interrupted() -> i32 {
    use tokio::signal::unix::{SignalKind, signal};
    let kinds = (SignalKind::interrupt(), SignalKind::terminate());
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(kinds.0), signal(kinds.1)) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => kinds.0.as_raw_value(),
        _ = terminate.recv() => kinds.1.as_raw_value(),
    }
}

fn stopped(args: &AuditArgs, signal: i32) -> Failure {
    Failure { text: format!("interrupted{}", kept(args)), ..Failure::killed_by(signal) }
}

/// What becomes of what was found so far.
fn kept(args: &AuditArgs) -> String {
    match &args.state {
        Some(file) => format!("; run the same command again to go on, {} holds what was found so far", file.display()),
        None => "; nothing is kept, since no --state FILE was named".to_owned(),
    }
}

/// Says something beside what was asked for.
fn note(text: &str) {
    let _ = writeln!(std::io::stderr(), "hallpass: {}", shown(text));
}

/// The command was used wrongly.
#[expect(clippy::needless_pass_by_value, reason = "map_err hands it over by value")]
fn misused(why: impl ToString) -> Failure {
    Failure { code: 2, ..Failure::because(why.to_string()) }
}

/// The audit could not be finished. Exit 1 would say that it was.
#[expect(clippy::needless_pass_by_value, reason = "map_err hands it over by value")]
fn broken(why: impl ToString) -> Failure {
    Failure { code: UNAVAILABLE, ..Failure::because(why.to_string()) }
}

/// What is added where the doing was interrupted.
const UNDER_WAY: &str = "; of the copies that were under way nobody knows whether they were done";
/// Nothing was found, but a setting could not be asked for. A program that takes 0 for "all is well" must not take this for it.
const OPEN_QUESTIONS: u8 = 3;
/// What sysexits.h calls a service that is not available.
const UNAVAILABLE: u8 = 69;
