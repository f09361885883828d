//! Why somebody may have an asset: a link of ours that was believed, or a URL that one of our clients presigned.

use std::sync::Arc;

use ::http::HeaderValue;

use super::representation::{Representation, written};
use super::resolve::Place;
use crate::link::{CachePolicy, LinkId, RevocationSet, VerifiedGrant};
use crate::presign::VerifiedUrl;
use crate::value::{ClientName, Fingerprint, ObjectKey, ProfileName, StoreName, UnixTime};

/// What was believed: its seal or signature holds, it is in time, and nobody has ended it.
#[derive(Clone, Debug)]
pub struct Warrant(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Link { grant: VerifiedGrant, representation: Arc<Representation> },
    Presigned { url: VerifiedUrl, place: Arc<Place>, fetcher: ProfileName },
}

/// Where a warrant's representation comes from.
pub(super) enum Sight<'a> {
    /// The grant says all of it.
    Granted(&'a Arc<Representation>),
    /// It is what lies in the store now.
    InStore(&'a VerifiedUrl, &'a Place),
}

impl Warrant {
    /// A link's warrant.
    pub(super) const fn of_link(grant: VerifiedGrant, representation: Arc<Representation>) -> Self {
        Self(Kind::Link { grant, representation })
    }

    /// A presigned URL's warrant, for fetchers of this profile.
    pub(super) const fn of_url(url: VerifiedUrl, place: Arc<Place>, fetcher: ProfileName) -> Self {
        Self(Kind::Presigned { url, place, fetcher })
    }

    /// What logs, metrics and revocations call the link.
    pub fn id(&self) -> LinkId {
        match &self.0 {
            Kind::Link { grant, .. } => grant.id(),
            Kind::Presigned { url, .. } => url.id(),
        }
    }

    /// The store that it leads to.
    pub fn store(&self) -> &StoreName {
        match &self.0 {
            Kind::Link { grant, .. } => &grant.grant().store,
            Kind::Presigned { url, .. } => url.store(),
        }
    }

    /// The object that it leads to.
    pub fn key(&self) -> &ObjectKey {
        match &self.0 {
            Kind::Link { grant, .. } => &grant.grant().key,
            Kind::Presigned { url, .. } => url.key(),
        }
    }

    /// Who made it.
    pub fn client(&self) -> &ClientName {
        match &self.0 {
            Kind::Link { grant, .. } => &grant.grant().client,
            Kind::Presigned { url, .. } => url.client(),
        }
    }

    /// Which fetchers are admitted.
    pub fn profile(&self) -> &ProfileName {
        match &self.0 {
            Kind::Link { grant, .. } => &grant.grant().profile,
            Kind::Presigned { fetcher, .. } => fetcher,
        }
    }

    /// The first second at which it is over.
    pub(super) fn expires(&self) -> UnixTime {
        match &self.0 {
            Kind::Link { grant, .. } => grant.grant().expires,
            Kind::Presigned { url, .. } => url.expires(),
        }
    }

    /// Where its representation comes from.
    pub(super) fn sight(&self) -> Sight<'_> {
        match &self.0 {
            Kind::Link { representation, .. } => Sight::Granted(representation),
            Kind::Presigned { url, place, .. } => Sight::InStore(url, place),
        }
    }

    /// Whether a revocation has ended it since. `fingerprint` is that of the bytes, where it is known.
    pub(super) fn is_revoked_by(&self, set: &RevocationSet, fingerprint: Option<Fingerprint>) -> bool {
        match &self.0 {
            Kind::Link { grant, .. } => grant.is_revoked_by(set),
            Kind::Presigned { url, .. } => url.is_revoked_by(set, fingerprint),
        }
    }

    /// What caches may do with answers, `left` seconds before the end.
    ///
    /// A link's URL names the bytes, so the fetcher's own copy may live for ever; `s-maxage` makes a shared cache in front of us stop at the
    /// expiry. A presigned one names an object, which may be overwritten: nobody keeps it for longer than the link lives.
    pub(super) fn cache_control(&self, left: u64) -> HeaderValue {
        match &self.0 {
            Kind::Link { grant, .. } => match grant.grant().cache {
                CachePolicy::Immutable => written(&format!("public, max-age=31536000, s-maxage={left}, immutable")),
                CachePolicy::Private => written(&format!("private, max-age={left}")),
                CachePolicy::NoStore => HeaderValue::from_static("no-store"),
            },
            Kind::Presigned { url, .. } => match &url.overrides().cache_control {
                Some(wish) => written(&wish.write(left)),
                None => written(&format!("private, max-age={left}")),
            },
        }
    }
}
