//! The story of a mint: settle the wish, locate the object, know its content, check it, seal.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::check::check;
use super::reading::Reading;
use super::request::Asker;
use super::{Heads, Judged, Known, KnownObjects, MintError, MintRequest, MintWarning, Minted, ObjectId};
use crate::cache::{Cache, Claim, ClaimLink};
use crate::catalog::{Catalog, MintRecord};
use crate::link::{Grant, KeyId, Link, LinkBounds, Revocation, Revocations, SealError, Seals, Validity};
use crate::media::HeaderKind;
use crate::origin::{ObjectMeta, Origin, Stores};
use crate::telemetry::Metrics;
use crate::value::{ClientName, Clock, Fingerprint, Live, ProfileName, StoreName, UnixTime, random_bytes};

/// Makes links.
#[derive(Clone)]
pub struct Minter(Arc<Inner>);

struct Inner {
    parts: MinterParts,
    settings: MintSettings,
    reading: Arc<Reading>,
}

/// What a minter works with.
#[derive(Clone)]
pub struct MinterParts {
    /// The clock.
    pub clock: Clock,
    /// The stores, as the settings in force have them.
    pub stores: Live<Stores>,
    /// The keys, as the keyring in force has them.
    pub seals: Live<Seals>,
    /// What else the settings in force allow.
    pub policy: Live<MintPolicy>,
    /// How long links live.
    pub bounds: LinkBounds,
    /// Which links have ended early.
    pub revocations: Arc<Revocations>,
    /// What stores said of their objects lately.
    pub heads: Heads,
    /// What was read before.
    pub known: KnownObjects,
    /// Where the bytes of a first read are put by.
    pub cache: Cache,
    /// Where mints are recorded.
    pub catalog: Catalog,
    /// What is counted.
    pub metrics: Arc<Metrics>,
}

/// The limits of a minter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MintSettings {
    /// How long a mint waits for the first read of an object. Default 10 s.
    pub mint_timeout: Duration,
    /// How long a store's word about an object is believed, see [`Heads`]. Default 2 s.
    pub fresh_for: Duration,
    /// The largest object that is read, in bytes. Default 2 GiB.
    pub object_max: u64,
    /// How many objects are read for the first time at once. Default 8.
    pub first_reads: usize,
}

/// What a mint may name; replaced by a reload.
#[derive(Clone, Debug, Default)]
pub struct MintPolicy {
    /// The fetcher profiles that exist.
    pub profiles: HashSet<ProfileName>,
    /// The stores whose active content (HTML, SVG, scripts) may be served, as a download.
    pub active_content: HashSet<StoreName>,
}

impl Minter {
    /// A minter of these parts, within these limits.
    pub fn new(parts: MinterParts, settings: MintSettings) -> Self {
        let reading =
            Arc::new(Reading::new(parts.known.clone(), parts.cache.clone(), parts.clock.clone(), settings.first_reads));
        Self(Arc::new(Inner { parts, settings, reading }))
    }

    /// A minter of the same parts by another clock.
    #[must_use]
    pub fn by(&self, clock: Clock) -> Self {
        let parts = MinterParts { clock, ..self.0.parts.clone() };
        Self::new(parts, self.0.settings)
    }

    /// Mints a link for `client`, or says why not.
    pub async fn mint(&self, client: &ClientName, request: &MintRequest) -> Result<Minted, MintError> {
        let minted = self.0.mint(Asker { client, request }).await;
        self.0.parts.metrics.mint(minted.as_ref().map_or_else(MintError::label, |_| "minted"));
        if let Err(MintError::Store(error)) = &minted {
            tracing::error!(store = %request.store, %error, "a mint could not read its store");
        }
        minted
    }

    /// Whether the request would do if its object did, and `client` gets links at all.
    pub fn accepts(&self, client: &ClientName, request: &MintRequest) -> Result<(), MintError> {
        self.0.accepts(request)?;
        self.0.unrevoked(client, [])
    }

    /// Whether no standing revocation forbids `client` a link to these bytes at the request's key.
    pub fn permits(
        &self,
        client: &ClientName,
        request: &MintRequest,
        fingerprint: Fingerprint,
    ) -> Result<(), MintError> {
        let object = Revocation::Object(request.store.clone(), request.key.clone());
        self.0.unrevoked(client, [Revocation::Fingerprint(fingerprint), object])
    }

    /// What a link to content that no store has yet would say of it, or why there would be none.
    pub fn judge(&self, request: &MintRequest, known: &Known) -> Result<Judged, MintError> {
        let (_, policy) = self.0.accepts(request)?;
        check(request, None, known, policy.active_content.contains(&request.store))
    }

    /// What lies at the request's key now. The store is asked, whatever it said a moment ago; a version that nobody has read is read as for a mint.
    pub async fn look(&self, request: &MintRequest) -> Result<Arc<Known>, MintError> {
        let stores = self.0.parts.stores.keep();
        let store = store_of(&stores, request)?;
        let meta = self.0.parts.heads.ask_anew(store, &request.store, &request.key).await?;
        self.0.known(store, request, &meta).await
    }

    /// The largest object that links are made for, in bytes.
    pub fn object_max(&self) -> u64 {
        self.0.settings.object_max
    }
}

impl Inner {
    async fn mint(&self, asker: Asker<'_>) -> Result<Minted, MintError> {
        let request = asker.request;
        let (ttl, policy) = self.accepts(request)?;
        let (meta, known) = self.content(request).await?;
        let stored = meta.media_type.as_deref();
        let checked = check(request, stored, &known, policy.active_content.contains(&request.store))?;
        let (minted, record) = self.seal(&asker, ttl, &meta, &known, checked)?;
        // Before the answer: whoever mints faster than the catalog writes is slowed down by it, and no mint goes unrecorded.
        self.parts.catalog.record_mint(record).await;
        Ok(minted)
    }

    /// The lifetime that the request asks for, and what it may name, which includes its fetcher.
    fn accepts(&self, request: &MintRequest) -> Result<(Duration, Arc<MintPolicy>), MintError> {
        let ttl = self.parts.bounds.ttl(request.ttl)?;
        let policy = self.parts.policy.keep();
        if policy.profiles.contains(&request.fetcher) {
            Ok((ttl, policy))
        } else {
            Err(MintError::NoSuchFetcher(request.fetcher.clone()))
        }
    }

    /// Where the object lies now, and what its content is. What is slow anyway waits in a box, so that a mint that is not takes little memory.
    async fn content(&self, request: &MintRequest) -> Result<(Arc<ObjectMeta>, Arc<Known>), MintError> {
        let stores = self.parts.stores.keep();
        let store = store_of(&stores, request)?;
        let meta = self.parts.heads.ask(store, &request.store, &request.key).await?;
        let known = self.known(store, request, &meta).await?;
        Ok((meta, known))
    }

    /// What the content of the version is of which the store said `meta`.
    async fn known(
        &self,
        store: &Arc<dyn Origin>,
        request: &MintRequest,
        meta: &ObjectMeta,
    ) -> Result<Arc<Known>, MintError> {
        if let Some(coding) = &meta.content_encoding {
            return Err(MintError::ContentEncoded(coding.clone()));
        }
        if meta.length > self.settings.object_max {
            return Err(MintError::TooLarge { length: meta.length, limit: self.settings.object_max });
        }
        let id = ObjectId { store: request.store.clone(), key: request.key.clone(), version: meta.version.clone() };
        match self.parts.known.recall(&id).await {
            Some(known) => Ok(known),
            None => Box::pin(self.first_read(store, &id, meta.length)).await,
        }
    }

    async fn first_read(&self, store: &Arc<dyn Origin>, id: &ObjectId, length: u64) -> Result<Arc<Known>, MintError> {
        let flight = self.reading.join(store, id, length).ok_or(MintError::Busy { retry_after: ASK_AGAIN })?;
        match tokio::time::timeout(self.settings.mint_timeout, flight).await {
            Ok(Ok(known)) => Ok(known),
            Ok(Err(failure)) => {
                // The store may hold another version by now.
                self.parts.heads.forget(&id.store, &id.key).await;
                Err(failure.into())
            }
            Err(_) => Err(MintError::StillReading { retry_after: ASK_AGAIN }),
        }
    }

    fn seal(
        &self,
        asker: &Asker<'_>,
        ttl: Duration,
        meta: &ObjectMeta,
        known: &Known,
        checked: Judged,
    ) -> Result<(Minted, MintRecord), MintError> {
        let now = self.parts.clock.now();
        let validity = self.parts.bounds.validity(now, ttl);
        let mut grant = grant(asker, validity, meta, known, &checked);
        if asker.request.unique {
            make_unique(&mut grant, now)?;
        }
        let (link, key) = self.seal_unrevoked(&mut grant, now)?;
        self.parts.cache.claim(&grant.fingerprint, || Claim {
            expires: grant.expires,
            link: Some(ClaimLink { id: link.id(), key, grant: Arc::new(grant.clone()) }),
        });
        let mut warnings = checked.warnings;
        warnings.extend(length_warning(&link));
        let record = mint_record(asker.request, &link, key, &grant, checked.header, now);
        Ok((Minted { link, grant, sha256: known.sha256, header: checked.header, warnings }, record))
    }

    /// Seals the grant; if that would repeat a link that was revoked, seals another one in its place.
    fn seal_unrevoked(&self, grant: &mut Grant, now: UnixTime) -> Result<(Link, KeyId), MintError> {
        let seals = self.parts.seals.keep();
        let key = seals.active_key().ok_or(SealError::Cipher)?;
        let link = seals.seal(grant)?;
        let Some(ending) = self.ending(&link, key, grant) else { return Ok((link, key)) };
        if !ending.lapses() {
            return Err(MintError::Revoked(ending));
        }
        make_unique(grant, now)?;
        let link = seals.seal(grant)?;
        match self.ending(&link, key, grant) {
            Some(ending) => Err(MintError::Revoked(ending)),
            None => Ok((link, key)),
        }
    }

    /// Refuses what a standing revocation of the client, of the key that would seal, or of one of `others` forbids, before there is a link.
    fn unrevoked<const N: usize>(&self, client: &ClientName, others: [Revocation; N]) -> Result<(), MintError> {
        let key = self.parts.seals.keep().active_key().map(Revocation::Key);
        let all = others.into_iter().chain([Revocation::Client(client.clone())]).chain(key);
        match self.parts.revocations.ask(|set| set.first_of(all)) {
            Some(standing) => Err(MintError::Revoked(standing)),
            None => Ok(()),
        }
    }

    /// The revocation that has ended the link already; one that stands before one that lapses.
    fn ending(&self, link: &Link, key: KeyId, grant: &Grant) -> Option<Revocation> {
        let link = grant.revocable(link.id(), key);
        self.parts.revocations.ask(|set| set.standing(&link).or_else(|| set.ending(&link)))
    }
}

fn store_of<'a>(stores: &'a Stores, request: &MintRequest) -> Result<&'a Arc<dyn Origin>, MintError> {
    stores.get(&request.store).ok_or_else(|| MintError::NoSuchStore(request.store.clone()))
}

fn mint_record(
    request: &MintRequest,
    link: &Link,
    key: KeyId,
    grant: &Grant,
    header: HeaderKind,
    now: UnixTime,
) -> MintRecord {
    MintRecord {
        id: link.id().to_string(),
        store: grant.store.clone(),
        key: grant.key.clone(),
        version: grant.version.clone(),
        fingerprint: grant.fingerprint,
        length: grant.length,
        last_modified: Some(grant.last_modified),
        client: grant.client.clone(),
        reference: request.reference.clone(),
        issued: grant.issued,
        expires: grant.expires,
        media_type: grant.media_type.clone(),
        name: Some(grant.name.clone()),
        profile: grant.profile.clone(),
        cache: grant.cache.as_str().into(),
        header: request.header.map(|_| header.as_str().into()),
        unique: grant.nonce.is_some(),
        key_id: key.to_string(),
        minted_at: now,
    }
}

fn grant(asker: &Asker<'_>, validity: Validity, meta: &ObjectMeta, known: &Known, checked: &Judged) -> Grant {
    let request = asker.request;
    Grant {
        store: request.store.clone(),
        key: request.key.clone(),
        version: meta.version.clone(),
        length: known.length,
        last_modified: meta.last_modified,
        fingerprint: known.fingerprint,
        media_type: checked.media_type.clone(),
        name: checked.name.clone(),
        cache: request.cache,
        profile: request.fetcher.clone(),
        client: asker.client.clone(),
        issued: validity.issued,
        expires: validity.expires,
        nonce: None,
    }
}

/// Makes the link unlike every other. It is then issued now, not with its window: so "everything issued before now is revoked"
/// means what it says.
fn make_unique(grant: &mut Grant, now: UnixTime) -> Result<(), MintError> {
    grant.nonce = Some(random_bytes()?);
    grant.issued = now;
    Ok(())
}

fn length_warning(link: &Link) -> Option<MintWarning> {
    let length = link.url().len();
    (length > Link::LONG).then(|| MintWarning {
        code: "link-long",
        message: format!(
            "The link has {length} characters; some middle tiers cut at {}. A shorter object key makes a shorter link.",
            Link::LONG
        ),
    })
}

/// When to ask again for an object that is being read.
const ASK_AGAIN: Duration = Duration::from_secs(5);
