//! `hallpass check`: everything that can be known to be wrong before the first start.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::Failure;
use super::shell::spinner;
use super::table::write_table;
use crate::app::open_store;
use crate::config::{Loaded, Settings, StoreSettings, load};
use crate::link::{KeyState, Keyring};
use crate::origin::OriginError;
use crate::value::StoreName;

/// Which settings.
#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// The settings.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// One thing that was looked at.
#[derive(Debug, serde::Serialize)]
struct Finding {
    what: String,
    ok: bool,
    detail: String,
}

/// Looks at everything and prints a table; exit 1 on a fault. Settings with faults of their own are listed whole, exit 64.
pub(super) async fn run(args: &CheckArgs, out: &mut dyn Write) -> Result<ExitCode, Failure> {
    let loaded = load(&args.config)?;
    let spinner = spinner("asking every store");
    let findings = look(&loaded).await;
    spinner.finish_and_clear();
    if args.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&findings).map_err(Failure::because)?)?;
    } else {
        let verdict = |ok| if ok { "ok" } else { "FAULT" }.to_owned();
        let rows: Vec<_> = findings.iter().map(|f| [f.what.clone(), verdict(f.ok), f.detail.clone()]).collect();
        write_table(out, ["what", "verdict", "detail"], &rows)?;
    }
    Ok(if findings.iter().all(|finding| finding.ok) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn look(loaded: &Loaded) -> Vec<Finding> {
    let settings = &loaded.settings;
    let mut findings = vec![
        Finding {
            what: "settings".to_owned(),
            ok: true,
            detail: format!("links begin with {}", settings.public_origin),
        },
        keyring(&loaded.keyring),
        clients(settings),
        catalog(settings).await,
    ];
    for (name, store) in &settings.stores {
        findings.push(store_finding(name, store).await);
    }
    for (setting, address) in [
        ("listen.public", settings.listen.public),
        ("listen.control", settings.listen.control),
        ("listen.ops", settings.listen.ops),
    ] {
        findings.push(listener(setting, address));
    }
    findings
}

fn keyring(keyring: &Keyring) -> Finding {
    let active = keyring.keys().iter().find(|key| key.state == KeyState::Active);
    let detail = active.map(|key| format!("{} keys, {} is active since {}", keyring.keys().len(), key.id, key.since));
    Finding { what: "keyring".to_owned(), ok: detail.is_some(), detail: detail.unwrap_or_default() }
}

/// No client is no fault, since `hallpass mint` needs none, but it is worth saying.
fn clients(settings: &Settings) -> Finding {
    let detail = match settings.clients.len() {
        0 => "none yet, so nobody can use the API; make a key with `hallpass keys client NAME`".to_owned(),
        n => format!("{n} configured"),
    };
    Finding { what: "control.clients".to_owned(), ok: true, detail }
}

async fn catalog(settings: &Settings) -> Finding {
    let opened = crate::catalog::Catalog::open(&settings.catalog, crate::value::Clock::system()).await;
    let (ok, detail) = match opened {
        Ok(catalog) => {
            let closed = catalog.close().await;
            (closed.is_ok(), closed.map_or_else(|error| error.to_string(), |()| settings.catalog.url.clone()))
        }
        Err(error) => (false, error.to_string()),
    };
    Finding { what: "catalog".to_owned(), ok, detail }
}

async fn store_finding(name: &StoreName, settings: &StoreSettings) -> Finding {
    let probed = probe(settings).await;
    let detail = probed.as_ref().map_or_else(ToString::to_string, |()| "can be reached and read".to_owned());
    Finding { what: format!("stores.{name}"), ok: probed.is_ok(), detail }
}

async fn probe(settings: &StoreSettings) -> Result<(), OriginError> {
    let store = open_store(settings).await?;
    let probed = tokio::time::timeout(PROBE_MAX, store.probe()).await;
    probed.unwrap_or_else(|_| Err(OriginError::Unavailable(format!("no answer within {} s", PROBE_MAX.as_secs()))))
}

fn listener(setting: &str, address: std::net::SocketAddr) -> Finding {
    let bound = std::net::TcpListener::bind(address);
    let (ok, detail) = match bound {
        Ok(_) => (true, address.to_string()),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            (true, format!("{address} is in use, as it is while the gateway runs"))
        }
        Err(error) => (false, format!("{address}: {error}")),
    };
    Finding { what: setting.to_owned(), ok, detail }
}

/// How long a store may take to say that it can be read.
const PROBE_MAX: std::time::Duration = std::time::Duration::from_secs(10);
