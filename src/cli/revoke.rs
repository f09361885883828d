//! `hallpass revoke`: ends links early, lists what is ended, lifts it.
//!
//! It writes to the catalog; a gateway that runs on the same catalog obeys within a second.

use std::io::Write;

use clap::{Args, Subcommand};

use super::Failure;
use super::shell::{Place, close_rooms, open_rooms, shell_client};
use super::table::write_table;
use crate::catalog::RevocationRecord;
use crate::link::Revocation;
use crate::mint::Revoker;

/// What to end.
#[derive(Debug, Args)]
pub(super) struct RevokeArgs {
    #[command(subcommand)]
    what: What,
    /// Why, for the record.
    #[arg(long, global = true)]
    reason: Option<String>,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Subcommand)]
enum What {
    /// One link, by its id (lnk_...).
    Link { id: String },
    /// Every link to an object, and every mint of one, until it is lifted.
    Object {
        /// As STORE/KEY.
        object: String,
    },
    /// Every link to these bytes, and every mint of one, until it is lifted.
    Fingerprint { fingerprint: String },
    /// Every link sealed with a key of the keyring.
    Key { id: String },
    /// Every link of a client.
    Client { name: String },
    /// Every link issued before a time, such as 2026-11-21T10:20:00Z.
    IssuedBefore { time: String },
    /// Show the revocations in force.
    List,
    /// Lift one, by its number.
    Lift { number: u64 },
}

/// Does it, and prints what is now in force.
pub(super) async fn run(args: &RevokeArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let rooms = open_rooms(&args.place.config).await?;
    let done = change(&args.what, args.reason.clone(), &rooms.revoker).await;
    close_rooms(&rooms).await?;
    let records = done?;
    if args.place.json {
        let json: Vec<_> = records.iter().map(json).collect();
        writeln!(out, "{:#}", serde_json::Value::from(json))?;
    } else {
        write_table(out, ["number", "ends", "which", "since", "until", "by", "reason"], &rows(&records))?;
    }
    Ok(())
}

async fn change(what: &What, reason: Option<String>, revoker: &Revoker) -> Result<Vec<RevocationRecord>, Failure> {
    let (kind, value) = match what {
        What::Link { id } => ("link", id),
        What::Object { object } => ("object", object),
        What::Fingerprint { fingerprint } => ("fingerprint", fingerprint),
        What::Key { id } => ("key", id),
        What::Client { name } => ("client", name),
        What::IssuedBefore { time } => ("issued_before", time),
        What::List => return revoker.list().await.map_err(Failure::because),
        What::Lift { number } => {
            let lifted = revoker.lift(&shell_client()?, *number).await.map_err(Failure::because)?;
            let lifted = lifted.ok_or_else(|| Failure::because("no revocation of that number is in force"))?;
            return Ok(vec![lifted]);
        }
    };
    let revocation = Revocation::parse(kind, value).map_err(Failure::because)?;
    let record = revoker.revoke(&shell_client()?, revocation, reason).await.map_err(Failure::because)?;
    Ok(vec![record])
}

fn rows(records: &[RevocationRecord]) -> Vec<[String; 7]> {
    let or = |text: Option<String>, other: &str| text.unwrap_or_else(|| other.to_owned());
    let row = |record: &RevocationRecord| {
        [
            record.id.to_string(),
            record.kind.clone(),
            record.value.clone(),
            record.created_at.to_string(),
            match &record.lifted {
                Some(lifted) => format!("lifted {}", lifted.at),
                None => or(record.expires_at.map(|time| time.to_string()), "lifted"),
            },
            record.client.to_string(),
            or(record.reason.clone(), ""),
        ]
    };
    records.iter().map(row).collect()
}

fn json(record: &RevocationRecord) -> serde_json::Value {
    serde_json::json!({
        "id": record.id,
        "kind": record.kind,
        "value": record.value,
        "created_at": record.created_at,
        "expires_at": record.expires_at,
        "client": record.client,
        "reason": record.reason,
        "lifted_at": record.lifted.as_ref().map(|lifted| lifted.at),
    })
}
