//! `hallpass keys client`: a key for one of our own systems that uses the control API.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use data_encoding::HEXLOWER;

use super::KeysError;
use crate::config::{ClientKey, Faults, load_settings};
use crate::value::{ClientName, StoreName};

/// For whom a key is, and for which stores.
#[derive(Debug, Args)]
pub struct ClientArgs {
    /// What the client is called.
    pub name: ClientName,
    /// A store that the client may use; can be given more than once. Default: all stores of --config, else media.
    #[arg(long = "store", value_name = "STORE")]
    pub stores: Vec<StoreName>,
    /// The settings, for the names of their stores.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Makes the key and prints it once, with the stanza for the settings, which holds its hash alone.
pub(super) fn make(args: &ClientArgs, out: &mut dyn Write) -> Result<(), KeysError> {
    let stores = args.scope()?;
    let key = ClientKey::generate()?;
    let hash = HEXLOWER.encode(key.hash().expose());
    let (name, text) = (&args.name, key.expose());
    if args.json {
        let json = serde_json::json!({ "name": name, "key": text, "key_blake3": hash, "stores": stores });
        writeln!(out, "{json:#}")?;
        return Ok(());
    }
    writeln!(out, "The key of {name}, shown this once. It is a secret of {name}'s alone:\n\n    {text}\n")?;
    writeln!(out, "Append this to the settings; it holds no secret:\n\n[[control.clients]]\nname = \"{name}\"")?;
    writeln!(out, "key_blake3 = \"{hash}\"\nstores = [{}]", listed(&stores))?;
    Ok(())
}

impl ClientArgs {
    /// The stores that the client may use: those that were named, else all of the settings.
    pub(super) fn scope(&self) -> Result<Vec<String>, Faults> {
        let settings = self.config.as_deref().map(load_settings).transpose()?;
        let named: Vec<_> = self.stores.iter().map(ToString::to_string).collect();
        Ok(match settings {
            _ if !named.is_empty() => named,
            Some(settings) => settings.stores.keys().map(ToString::to_string).collect(),
            None => vec![DEFAULT_STORE.to_owned()],
        })
    }
}

/// The stores as a list in TOML holds them.
pub(super) fn listed(stores: &[String]) -> String {
    let quoted: Vec<_> = stores.iter().map(|store| format!("\"{store}\"")).collect();
    quoted.join(", ")
}

/// The store of the settings that ship as an example.
const DEFAULT_STORE: &str = "media";
