//! What the control API works with.

use std::sync::Arc;

use super::Clients;
use crate::catalog::Catalog;
use crate::fetcher::Profiles;
use crate::link::{Hosts, LinkBounds, Revocations, Seals};
use crate::mint::{Minter, Revoker};
use crate::origin::Stores;
use crate::presign::Presigning;
use crate::publish::Publisher;
use crate::telemetry::Metrics;
use crate::value::{Clock, Live};

/// What the control API works with; the state of every handler.
pub struct ControlParts {
    /// Makes links.
    pub minter: Minter,
    /// Stores new assets.
    pub publisher: Publisher,
    /// Ends links early.
    pub revoker: Revoker,
    /// Knows what was minted, fetched and revoked.
    pub catalog: Catalog,
    /// The keys in force, to inspect links with.
    pub seals: Live<Seals>,
    /// The stores in force, to inspect links with.
    pub stores: Live<Stores>,
    /// The fetcher profiles in force, to inspect links with.
    pub profiles: Live<Profiles>,
    /// What is believed of presigned URLs, to inspect them with.
    pub presigning: Live<Presigning>,
    /// Whose each host is.
    pub hosts: Live<Hosts>,
    /// How long links live.
    pub bounds: LinkBounds,
    /// Which links have ended early.
    pub revocations: Arc<Revocations>,
    /// Who may use this API.
    pub clients: Live<Clients>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// The clock.
    pub clock: Clock,
}

/// The parts as handlers share them.
pub(super) type Control = Arc<ControlParts>;
