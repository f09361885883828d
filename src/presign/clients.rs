//! Whose presigned URLs are believed: access keys of our own, each with its scope.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::AccessKeyId;
use crate::value::{ClientName, ObjectKey, Secret, StoreName};

/// One access key: who has it, and for what it may sign.
#[derive(Clone, Debug)]
pub struct PresignClient {
    /// What records and revocations call its owner.
    pub name: ClientName,
    /// Which key a URL names.
    pub access_key_id: AccessKeyId,
    /// What its owner signs with. Signing again needs the secret itself, so unlike a control client's key no hash can stand for it.
    pub secret: Secret<String>,
    /// The stores it may sign for.
    pub stores: BTreeSet<StoreName>,
    /// Object keys must begin with one of these, each ending in `/`; any key will do where the list is empty.
    pub prefixes: Vec<String>,
}

impl PresignClient {
    /// Whether the client may sign for this object.
    pub fn may_touch(&self, store: &StoreName, key: &ObjectKey) -> bool {
        let within = |prefix: &String| key.as_str().starts_with(prefix.as_str());
        self.stores.contains(store) && (self.prefixes.is_empty() || self.prefixes.iter().any(within))
    }
}

/// All access keys, found by their ids.
#[derive(Clone, Debug, Default)]
pub struct PresignClients(HashMap<AccessKeyId, Arc<PresignClient>>);

impl FromIterator<PresignClient> for PresignClients {
    /// Of two clients with one access key id the last is kept; the settings refuse such a pair.
    fn from_iter<I: IntoIterator<Item = PresignClient>>(clients: I) -> Self {
        Self(clients.into_iter().map(|client| (client.access_key_id.clone(), Arc::new(client))).collect())
    }
}

impl From<Vec<PresignClient>> for PresignClients {
    fn from(clients: Vec<PresignClient>) -> Self {
        clients.into_iter().collect()
    }
}

impl PresignClients {
    /// Whose access key this is.
    pub fn find(&self, id: &AccessKeyId) -> Option<&Arc<PresignClient>> {
        self.0.get(id)
    }

    /// Whether there is no access key at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
