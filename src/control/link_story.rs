//! What became of a link, as JSON: what it permits, how it stands now, how often it was minted and who fetched it.
//!
//! The URL is not among it: it is a credential that we do not keep.

use serde::Serialize;
use utoipa::ToSchema;

use crate::catalog::{CatalogError, FetchRecord, LinkRecord, MintRecord};
use crate::link::{CachePolicy, Grant, KeyId, LinkId, Revocations};
use crate::value::{ClientName, Fingerprint, MediaType, ObjectKey, ProfileName, StoreName, UnixTime};

/// A link, and what became of it.
#[derive(Serialize, ToSchema)]
pub(super) struct LinkStory {
    /// What logs, revocations and delivery records call the link.
    #[schema(value_type = String, example = "lnk_b4k7abcdefgh2345")]
    id: LinkId,
    /// How it stands now.
    state: State,
    /// What it permits.
    grant: GrantStory,
    /// The newest reference that a mint gave.
    #[serde(rename = "ref")]
    reference: Option<String>,
    /// How often it was minted: the same request within one window gives the same link.
    mints: u64,
    /// When it was minted first.
    #[schema(value_type = String, format = DateTime)]
    first_minted_at: UnixTime,
    /// When it was minted last.
    #[schema(value_type = String, format = DateTime)]
    last_minted_at: UnixTime,
    /// The newest requests for it, newest first, at most 100.
    fetches: Vec<Fetch>,
}

/// How a link stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum State {
    /// It is believed.
    Valid,
    /// Its time is over.
    Expired,
    /// It was ended early.
    Revoked,
}

/// What a link permits.
#[derive(Serialize, ToSchema)]
pub(super) struct GrantStory {
    /// The store that holds the asset.
    #[schema(value_type = String)]
    store: StoreName,
    /// The asset's key.
    #[schema(value_type = String)]
    key: ObjectKey,
    /// Which overwrite of it, in the store's own words.
    version: String,
    /// BLAKE3-256 of the content.
    #[schema(value_type = String, pattern = "^[0-9a-f]{64}$")]
    fingerprint: Fingerprint,
    /// What the asset is served as.
    #[schema(value_type = String)]
    content_type: MediaType,
    /// What the file is called.
    filename: String,
    /// The content's length in bytes.
    size: u64,
    /// When the asset was written.
    #[schema(value_type = String, format = DateTime)]
    last_modified: UnixTime,
    /// What caches may do.
    #[schema(value_type = String, example = "immutable")]
    cache: &'static str,
    /// The fetcher profile.
    #[schema(value_type = String)]
    fetcher: ProfileName,
    /// Who minted it.
    #[schema(value_type = String)]
    client: ClientName,
    /// When its window began; for a unique link, when it was minted.
    #[schema(value_type = String, format = DateTime)]
    issued_at: UnixTime,
    /// The first second at which it is over.
    #[schema(value_type = String, format = DateTime)]
    expires_at: UnixTime,
    /// Whether it was made unlike every other.
    unique: bool,
    /// The key that sealed it.
    #[schema(pattern = "^[0-9a-f]{8}$")]
    key_id: String,
}

/// One request for a link.
#[derive(Serialize, ToSchema)]
struct Fetch {
    /// When it began; of several, the first.
    #[schema(value_type = String, format = DateTime)]
    at: UnixTime,
    /// How many it stands for: fetches that differ in nothing but their times, and were written down together, are told once.
    times: u64,
    /// Where it came from.
    client_address: String,
    /// Its `User-Agent`.
    agent: String,
    /// What the profile took the agent for.
    agent_class: String,
    /// What the profile took the network for.
    network: String,
    /// Its method.
    method: String,
    /// Its HTTP version.
    http_version: String,
    /// Its `Range`.
    range: Option<String>,
    /// The answer's status.
    status: u16,
    /// How it ended, in one word.
    outcome: String,
    /// Body bytes that left.
    bytes: u64,
    /// Milliseconds until the first byte of the body left.
    first_byte_ms: Option<u64>,
    /// Milliseconds until its end.
    duration_ms: u64,
    /// Whether all of the answer left.
    completed: bool,
}

impl LinkStory {
    /// The story that the catalog's records tell, as it stands at `now`.
    pub(super) fn told(
        id: LinkId,
        record: LinkRecord,
        fetches: Vec<FetchRecord>,
        revocations: &Revocations,
        now: UnixTime,
    ) -> Result<Self, CatalogError> {
        let LinkRecord { mint, mints, last_minted_at } = record;
        let (reference, first_minted_at, unique) = (mint.reference.clone(), mint.minted_at, mint.unique);
        let (grant, key) = permitted(mint)?;
        Ok(Self {
            id,
            state: State::of(id, key, &grant, revocations, now),
            grant: GrantStory { unique, ..GrantStory::new(&grant, key) },
            reference,
            mints,
            first_minted_at,
            last_minted_at,
            fetches: fetches.into_iter().map(Fetch::from).collect(),
        })
    }
}

impl State {
    fn of(id: LinkId, key: KeyId, grant: &Grant, revocations: &Revocations, now: UnixTime) -> Self {
        if now >= grant.expires {
            Self::Expired
        } else if revocations.ask(|set| set.ending(&grant.revocable(id, key))).is_some() {
            Self::Revoked
        } else {
            Self::Valid
        }
    }
}

impl GrantStory {
    /// What `grant`, sealed with `key`, permits.
    pub(super) fn new(grant: &Grant, key: KeyId) -> Self {
        Self {
            store: grant.store.clone(),
            key: grant.key.clone(),
            version: grant.version.to_string(),
            fingerprint: grant.fingerprint,
            content_type: grant.media_type.clone(),
            filename: grant.name.to_string(),
            size: grant.length,
            last_modified: grant.last_modified,
            cache: grant.cache.as_str(),
            fetcher: grant.profile.clone(),
            client: grant.client.clone(),
            issued_at: grant.issued,
            expires_at: grant.expires,
            unique: grant.nonce.is_some(),
            key_id: key.to_string(),
        }
    }
}

/// The grant of a mint record, without the nonce, which is not kept.
fn permitted(mint: MintRecord) -> Result<(Grant, KeyId), CatalogError> {
    let key = mint.key_id.parse().map_err(|_| CatalogError::Unreadable("key_id"))?;
    let name = mint.name.or_else(|| "file".parse().ok()).ok_or(CatalogError::Unreadable("name"))?;
    let cache: Result<CachePolicy, _> = mint.cache.parse();
    let grant = Grant {
        store: mint.store,
        key: mint.key,
        version: mint.version,
        length: mint.length,
        last_modified: mint.last_modified.unwrap_or(UnixTime::EPOCH),
        fingerprint: mint.fingerprint,
        media_type: mint.media_type,
        name,
        cache: cache.map_err(|_| CatalogError::Unreadable("cache"))?,
        profile: mint.profile,
        client: mint.client,
        issued: mint.issued,
        expires: mint.expires,
        nonce: None,
    };
    Ok((grant, key))
}

impl From<FetchRecord> for Fetch {
    fn from(record: FetchRecord) -> Self {
        Self {
            at: UnixTime::from_secs(record.at_ms / 1000).unwrap_or(UnixTime::MAX),
            times: record.times,
            client_address: record.client_address,
            agent: record.agent,
            agent_class: record.agent_class.into_owned(),
            network: record.network_verdict.into_owned(),
            method: record.method.into_owned(),
            http_version: record.http_version.into_owned(),
            range: record.range,
            status: record.status,
            outcome: record.outcome.into_owned(),
            bytes: record.bytes,
            first_byte_ms: record.first_byte_ms,
            duration_ms: record.duration_ms,
            completed: record.completed,
        }
    }
}
