//! Opening a presigned request: form, lifetime, address, overrides, signature, scope, in this order.
//!
//! What comes before the signature is about the request's form and asks nobody; after it, only the scope is left. So whoever has no
//! key learns nothing but the form that we take.

use std::fmt;

use super::{
    Claim, Disbelief, Lifetime, Overrides, PresignClients, PresignDenial, PresignFault, PresignRules, SigV4Rules,
    SignedRequest,
};
use crate::http::Retrieval;
use crate::link::LinkId;
use crate::value::{ClientName, ObjectKey, StoreName, UnixTime};

/// A request that is meant as presigned. It has no `Debug`: whoever reads its query can fetch the asset.
#[derive(Clone, Copy)]
pub struct PresignedRequest<'a> {
    /// What is asked for.
    pub method: Retrieval,
    /// The host and port that the request was sent to, as its `Host` field says.
    pub authority: &'a str,
    /// The path as it was sent.
    pub path: &'a str,
    /// The query as it was sent, without its `?`.
    pub query: &'a str,
    /// How its path names an object.
    pub addressing: Addressing<'a>,
}

/// How a path names an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Addressing<'a> {
    /// `/{store}/{key}`.
    Path,
    /// `/{key}`, on a host that is this store's own.
    VirtualHost(&'a StoreName),
}

/// A presigned request that one of our access keys signed, for an object that it may sign for. Whether it is *still* good is
/// another question, which [`OpenedUrl::judge`] answers.
#[derive(Clone)]
pub struct OpenedUrl {
    id: LinkId,
    /// Its owner alone: what is remembered of a URL must not keep a secret alive.
    client: ClientName,
    store: StoreName,
    key: ObjectKey,
    lifetime: Lifetime,
    overrides: Overrides,
}

/// Opens a presigned request: all that holds for ever for this exact request under these clients and rules.
///
/// A URL that was signed for GET opens for HEAD too; one that was signed for HEAD opens for HEAD alone.
pub fn open(
    request: &PresignedRequest<'_>,
    clients: &PresignClients,
    rules: &PresignRules,
) -> Result<OpenedUrl, PresignDenial> {
    let methods: &[&str] = match request.method {
        Retrieval::Get => &["GET"],
        Retrieval::Head => &["GET", "HEAD"],
    };
    let PresignedRequest { authority, path, query, .. } = *request;
    let claim = Claim::parse(SignedRequest { methods, authority, path, query }, SigV4Rules::S3)?;
    let lifetime = claim.lifetime(rules)?;
    let (store, key) = address(&claim.path, request.addressing)?;
    let overrides = Overrides::of(&claim.query)?;
    let client = claim.believe(clients)?;
    let store = store.filter(|store| client.may_touch(store, &key));
    let store = store.ok_or(PresignDenial::Disbelieved(Disbelief::Scope))?;
    let (id, client) = (LinkId::of(&claim.signature), client.name.clone());
    Ok(OpenedUrl { id, client, store, key, lifetime, overrides })
}

/// The store and the key that the path names. No store is a store that none can be called like.
fn address(path: &str, addressing: Addressing<'_>) -> Result<(Option<StoreName>, ObjectKey), PresignFault> {
    if path.split('/').any(|segment| segment == "." || segment == "..") {
        return Err(PresignFault::DotSegment);
    }
    let rest = path.strip_prefix('/').ok_or(PresignFault::Path)?;
    let (store, key) = match addressing {
        Addressing::VirtualHost(store) => (Some(store.clone()), rest),
        Addressing::Path => {
            let (store, key) = rest.split_once('/').ok_or(PresignFault::NoKey)?;
            (store.parse().ok(), key)
        }
    };
    match key.parse() {
        _ if key.is_empty() => Err(PresignFault::NoKey),
        Ok(key) => Ok((store, key)),
        Err(_) => Err(PresignFault::Key),
    }
}

impl OpenedUrl {
    /// What logs, metrics and revocations call this URL.
    pub const fn id(&self) -> LinkId {
        self.id
    }

    /// Whose access key signed it.
    pub const fn client(&self) -> &ClientName {
        &self.client
    }

    /// The store that holds the object.
    pub const fn store(&self) -> &StoreName {
        &self.store
    }

    /// Where the object lies in its store.
    pub const fn key(&self) -> &ObjectKey {
        &self.key
    }

    /// When it was signed, by its own account.
    pub const fn issued(&self) -> UnixTime {
        self.lifetime.issued()
    }

    /// The first second at which it is over.
    pub const fn expires(&self) -> UnixTime {
        self.lifetime.expires()
    }

    /// From when to when it lives.
    pub(super) const fn lifetime(&self) -> &Lifetime {
        &self.lifetime
    }

    /// What the answer is to say instead.
    pub const fn overrides(&self) -> &Overrides {
        &self.overrides
    }
}

impl fmt::Debug for OpenedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OpenedUrl({})", self.id)
    }
}

#[cfg(test)]
mod tests;
