//! Settings: TOML as written becomes settings as meant, or all that is wrong with it at once.
//!
//! [`Settings::from_toml`] is the pure core: text, environment and directory in, settings or [`Faults`] out. [`load()`] reads the files around it.
//! Every fault names a key path and says what to do; none repeats a value, for it may be a secret. Nothing here acts: the rooms
//! that are set up by these structs do.
//!
//! Imports `value`, `link`, `presign`, `fetcher`, `tls`, and of `server`, `origin`, `catalog`, `cache` and `mint` their settings alone.

mod certificates;
mod client_key;
mod clients;
mod environment;
mod fault;
mod fetchers;
mod files;
mod limits;
mod listen;
mod load;
mod presigned;
mod reading;
mod records;
mod secret_access_key;
mod section;
mod settings;
mod spelling;
mod stores;
mod tls;

pub use certificates::{LoadedTls, load_tls};
pub use client_key::{ClientKey, NotAClientKey};
pub use clients::{Action, ClientSettings};
pub use fault::{Fault, Faults};
pub use fetchers::FetcherSettings;
pub use limits::LimitSettings;
pub use listen::{HostNames, ListenSettings, ListenerName};
pub use load::{Loaded, load, load_ops_address, load_settings, read_keyring};
pub use presigned::PresignedSettings;
pub use records::{AccessLog, LogFormat, LogSettings};
pub use secret_access_key::{BadSecretAccessKey, SecretAccessKey};
pub use settings::Settings;
pub use stores::{StorePlace, StoreSettings};
pub use tls::{CertificateFiles, TlsSettings};
