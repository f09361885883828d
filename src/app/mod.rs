//! Where the rooms meet: settings become rooms, rooms become listeners, and a stop becomes an orderly end.
//!
//! No other room knows more than its neighbours. [`Rooms::open`] builds them, [`Gateway::start`] puts them on sockets, [`Reloader`]
//! changes what can change while they run, and [`Life`] is what a serving process does from its first request to its last.

mod descriptors;
mod gateway;
mod life;
mod reload;
mod rooms;
mod sockets;
mod stores;
mod supervisor;
mod ticks;
mod tls;
mod upgrade;

pub use descriptors::allow_descriptors;
pub use gateway::{Addresses, Gateway, Stopped};
pub use life::{End, Life};
pub use reload::{ReloadError, Reloader, Watch, tell_warnings};
pub use rooms::{Rooms, StartError};
pub use sockets::{BadSockets, Inherited};
pub use stores::{OpenStore, OpenSurvey, open_store, open_survey};
pub use tls::Tls;
pub(crate) use tls::{Examined, TlsHost, examined, is_named, tls_hosts};
pub use upgrade::{Predecessor, Program, UpgradeError};
