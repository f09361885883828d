//! `hallpass inspect URL`: what a link or a presigned URL says, whether it would be served, and why not.

use std::io::Write;
use std::process::ExitCode;

use clap::Args;

use super::Failure;
use super::shell::{Place, close_rooms, open_rooms};
use super::table::write_table;
use crate::control::InspectAnswer;
use crate::mint::{Judge, inspect};

/// Which link.
#[derive(Debug, Args)]
pub(super) struct InspectArgs {
    /// The whole URL.
    url: String,
    #[command(flatten)]
    place: Place,
}

/// Prints what became known; exit 1 when the link would not be served.
pub(super) async fn run(args: &InspectArgs, out: &mut dyn Write) -> Result<ExitCode, Failure> {
    let rooms = open_rooms(&args.place.config).await?;
    let (seals, profiles, stores) = (rooms.seals.keep(), rooms.profiles.keep(), rooms.stores.keep());
    let hosts = rooms.hosts.keep();
    let (presigning, bounds, revocations) = (rooms.presigning.keep(), &rooms.bounds, &*rooms.revocations);
    let judge =
        Judge { seals: &seals, bounds, revocations, profiles: &profiles, presigning: &presigning, hosts: &hosts };
    let inspection = inspect(&args.url, &judge, rooms.clock.now()).probe(&stores).await;
    close_rooms(&rooms).await?;
    let answer = InspectAnswer::of(&inspection);
    let json = serde_json::to_value(&answer).map_err(Failure::because)?;
    if args.place.json {
        writeln!(out, "{json:#}")?;
    } else {
        write_table(out, ["what", "value"], &rows(&json))?;
    }
    Ok(if answer.would_be_served() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The members of a JSON object, one a row, those of objects within it by their path.
fn rows(json: &serde_json::Value) -> Vec<[String; 2]> {
    let mut rows = Vec::new();
    for (name, value) in json.as_object().into_iter().flatten() {
        match value {
            serde_json::Value::Object(_) => {
                rows.extend(self::rows(value).into_iter().map(|[inner, text]| [format!("{name}.{inner}"), text]));
            }
            serde_json::Value::Null => {}
            serde_json::Value::String(text) => rows.push([name.clone(), text.clone()]),
            other => rows.push([name.clone(), other.to_string()]),
        }
    }
    rows
}
