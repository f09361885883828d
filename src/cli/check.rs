//! `hallpass check`: everything that can be known to be wrong before the first start.

mod certificates;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::Failure;
use super::shell::spinner;
use super::table::write_table;
use crate::app::allow_descriptors;
use crate::app::open_store;
use crate::catalog::{Catalog, CatalogLook};
use crate::config::{Action, Loaded, PresignedSettings, Settings, StoreSettings, load};
use crate::link::{KeyState, Keyring};
use crate::origin::OriginError;
use crate::value::{Clock, StoreName};

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
    /// Whether nothing must be mended.
    ok: bool,
    verdict: Verdict,
    detail: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Ok,
    Warning,
    Fault,
}

impl Finding {
    fn new(what: impl Into<String>, verdict: Verdict, detail: impl Into<String>) -> Self {
        Self { what: what.into(), ok: verdict != Verdict::Fault, verdict, detail: detail.into() }
    }

    fn of<E: ToString>(what: impl Into<String>, found: Result<String, E>) -> Self {
        match found {
            Ok(detail) => Self::new(what, Verdict::Ok, detail),
            Err(fault) => Self::new(what, Verdict::Fault, fault.to_string()),
        }
    }
}

impl Verdict {
    /// A fault is what the eye must find.
    const fn shown(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Fault => "FAULT",
        }
    }
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
        let row = |found: &Finding| [found.what.clone(), found.verdict.shown().to_owned(), found.detail.clone()];
        let rows: Vec<_> = findings.iter().map(row).collect();
        write_table(out, ["what", "verdict", "detail"], &rows)?;
    }
    Ok(if findings.iter().all(|finding| finding.ok) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn look(loaded: &Loaded) -> Vec<Finding> {
    let settings = &loaded.settings;
    let mut findings = vec![
        Finding::new("settings", Verdict::Ok, format!("links begin with {}", settings.public_origin)),
        keyring(&loaded.keyring),
        clients(settings),
        presigned(&settings.presigned),
        catalog(settings).await,
    ];
    findings
        .extend(loaded.warnings.iter().map(|warning| Finding::new(&warning.place, Verdict::Warning, &warning.problem)));
    findings.extend(allow_descriptors(settings).map(|problem| Finding::new("open files", Verdict::Warning, problem)));
    findings.extend(certificates::look(loaded, Clock::system().now()));
    findings.push(uploads(settings));
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
    Finding::of("keyring", detail.ok_or("no key is active; run `hallpass keys rotate`"))
}

/// No client is no fault, since `hallpass mint` needs none, but it is worth saying.
fn clients(settings: &Settings) -> Finding {
    let detail = match settings.clients.len() {
        0 => "none yet, so nobody can use the API; make a key with `hallpass keys client NAME`".to_owned(),
        n => format!("{n} configured"),
    };
    Finding::new("control.clients", Verdict::Ok, detail)
}

/// A file is made as an upload makes one: it has no name, so it is gone at once. Where no client may publish, only a shell would miss it.
fn uploads(settings: &Settings) -> Finding {
    let publishers = settings.clients.iter().filter(|client| client.actions.contains(&Action::Publish)).count();
    let directory = settings.publish.directory.display();
    let (verdict, detail) = match (tempfile::tempfile_in(&settings.publish.directory), publishers) {
        (Ok(_), n) => (Verdict::Ok, format!("uploads can wait in {directory}; clients that may publish: {n}")),
        (Err(error), n) => {
            let verdict = if n == 0 { Verdict::Warning } else { Verdict::Fault };
            let fix = "name a directory that the gateway may write to";
            (
                verdict,
                format!("no upload can wait in {directory} ({}); {fix}; clients that may publish: {n}", error.kind()),
            )
        }
    };
    Finding::new("publish.directory", verdict, detail)
}

/// Access keys that nobody may use yet are no fault, but whoever wrote them may believe otherwise.
fn presigned(settings: &PresignedSettings) -> Finding {
    let keys = settings.clients.len();
    let [min, max] = [settings.rules.expires_min, settings.rules.expires_max].map(humantime::format_duration);
    let on = format!("URLs live for {min} to {max}; fetcher {}; access keys: {keys}", settings.fetcher);
    let (verdict, detail) = match (settings.enabled, keys) {
        (true, _) => (Verdict::Ok, on),
        (false, 0) => (Verdict::Ok, "off".to_owned()),
        (false, _) => {
            let idle =
                format!("off, so nothing uses its access keys ({keys}); set presigned.enabled = true to serve them");
            (Verdict::Warning, idle)
        }
    };
    Finding::new("presigned", verdict, detail)
}

/// It only looks: making the catalog, and bringing it up to date, is for the gateway.
async fn catalog(settings: &Settings) -> Finding {
    let url = &settings.catalog.url;
    let found = Catalog::look(&settings.catalog).await.map(|look| match look {
        CatalogLook::Current => url.clone(),
        CatalogLook::Missing => format!("{url} does not exist yet, and is made at the start"),
        CatalogLook::Older(_) => format!("{url} is of an older release, and is brought up to date at the start"),
    });
    Finding::of("catalog", found)
}

async fn store_finding(name: &StoreName, settings: &StoreSettings) -> Finding {
    let probed = probe(settings).await;
    Finding::of(format!("stores.{name}"), probed.map(|()| "can be reached and read".to_owned()))
}

async fn probe(settings: &StoreSettings) -> Result<(), OriginError> {
    let store = open_store(settings).await?.origin;
    let probed = tokio::time::timeout(PROBE_MAX, store.probe()).await;
    probed.unwrap_or_else(|_| Err(OriginError::Unavailable(format!("no answer within {} s", PROBE_MAX.as_secs()))))
}

fn listener(setting: &str, address: std::net::SocketAddr) -> Finding {
    let bound = match std::net::TcpListener::bind(address) {
        Ok(_) => Ok(address.to_string()),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            Ok(format!("{address} is in use, as it is while the gateway runs"))
        }
        Err(error) => Err(format!("{address}: {error}")),
    };
    Finding::of(setting, bound)
}

/// How long a store may take to say that it can be read.
const PROBE_MAX: std::time::Duration = std::time::Duration::from_secs(10);
