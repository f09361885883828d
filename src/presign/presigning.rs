//! What is believed of presigned URLs, as the settings in force have it.

use std::collections::BTreeMap;

use super::{Addressing, PresignClients, PresignRules};
use crate::value::{ProfileName, StoreName};

/// What is believed of presigned URLs. A reload makes another one.
#[derive(Clone, Debug)]
pub struct Presigning {
    /// Whether they are served at all.
    pub is_enabled: bool,
    /// Who may presign.
    pub clients: PresignClients,
    /// How long a URL may live.
    pub rules: PresignRules,
    /// The profile of their fetchers.
    pub fetcher: ProfileName,
    /// The hosts that are a store's own, each in lower case.
    pub virtual_hosts: BTreeMap<String, StoreName>,
}

impl Presigning {
    /// How a path on this host, in lower case, names an object.
    pub fn addressing(&self, host: &str) -> Addressing<'_> {
        self.virtual_hosts.get(host).map_or(Addressing::Path, Addressing::VirtualHost)
    }
}
