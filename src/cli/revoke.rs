//! `hallpass revoke`: ends links early, lists what is ended, lifts it.
//!
//! It writes to the catalog; a gateway that runs on the same catalog obeys within a second.

use std::io::Write;

use clap::{Args, ValueEnum};

use super::Failure;
use super::shell::{Place, open_revoker, shell_client};
use super::table::write_table;
use crate::catalog::RevocationRecord;
use crate::link::Revocation;
use crate::mint::Revoker;

/// What to end.
#[derive(Debug, Args)]
pub(super) struct RevokeArgs {
    /// What is meant: an end to links, or a look at the ends in force.
    #[arg(value_enum)]
    what: What,
    /// Which one: a link id, STORE/KEY, a fingerprint, a key id, a client's name, a time such as 2026-11-21T10:20:00Z, or, to lift one, its
    /// number.
    which: Option<String>,
    /// Why, for the record.
    #[arg(long)]
    reason: Option<String>,
    #[command(flatten)]
    place: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum What {
    /// End one link, by its id.
    Link,
    /// End every link to an object, and forbid new ones until it is lifted.
    Object,
    /// End every link to these bytes, and forbid new ones until it is lifted.
    Fingerprint,
    /// End every link sealed with a key of the keyring.
    Key,
    /// End every link of a client.
    Client,
    /// End every link issued before a time.
    IssuedBefore,
    /// Show the revocations in force.
    List,
    /// Lift one, by its number.
    Lift,
}

impl What {
    /// The word of [`Revocation::kind`], for what is one.
    const fn kind(self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::Object => "object",
            Self::Fingerprint => "fingerprint",
            Self::Key => "key",
            Self::Client => "client",
            Self::IssuedBefore => "issued_before",
            Self::List | Self::Lift => "",
        }
    }
}

/// Does it, and prints what is now in force.
pub(super) async fn run(args: &RevokeArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let (catalog, revoker) = open_revoker(&args.place.config).await?;
    let records = change(args, &revoker).await?;
    if args.place.json {
        let json: Vec<_> = records.iter().map(json).collect();
        writeln!(out, "{:#}", serde_json::Value::from(json))?;
    } else {
        write_table(out, ["number", "ends", "which", "since", "until", "by", "reason"], &rows(&records))?;
    }
    catalog.close().await.map_err(Failure::because)
}

async fn change(args: &RevokeArgs, revoker: &Revoker) -> Result<Vec<RevocationRecord>, Failure> {
    if args.what == What::List {
        return revoker.list().await.map_err(Failure::because);
    }
    let which = args.which.as_deref().ok_or_else(|| Failure::because("say which one; see `hallpass revoke --help`"))?;
    let client = shell_client()?;
    if args.what == What::Lift {
        let number =
            which.parse().map_err(|_| Failure::because("name it by its number; see `hallpass revoke list`"))?;
        let lifted = revoker.lift(&client, number).await.map_err(Failure::because)?;
        let lifted = lifted.ok_or_else(|| Failure::because("no revocation of that number is in force"))?;
        return Ok(vec![lifted]);
    }
    let revocation = Revocation::parse(args.what.kind(), which).map_err(Failure::because)?;
    let record = revoker.revoke(&client, revocation, args.reason.clone()).await.map_err(Failure::because)?;
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
                None => or(record.expires_at.map(|time| time.to_string()), "it is lifted"),
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
