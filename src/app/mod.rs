//! Where the rooms meet: settings become rooms, rooms become listeners, and a stop becomes an orderly end.
//!
//! No other room knows more than its neighbours. [`Rooms::open`] builds them, [`Gateway::start`] puts them on sockets, [`Reloader`]
//! changes what can change while they run.

mod gateway;
mod reload;
mod rooms;
mod stores;
mod ticks;
mod tls;

pub use gateway::{Addresses, Gateway, Stopped};
pub use reload::{ReloadError, Reloader, Watch};
pub use rooms::{Rooms, StartError};
pub use stores::open_store;
pub use tls::Tls;
pub(crate) use tls::{Examined, examined, origin_is_named};
