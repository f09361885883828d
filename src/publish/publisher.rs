//! The story of a publish: take the bytes, judge them, store them where nothing lies, read them back, mint.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep, timeout};

use super::lanes::Lanes;
use super::spool::{Spooled, spool};
use super::{PublishError, PublishRequest, PublishSettings, Published, UploadError};
use crate::mint::{MintError, MintRequest, Minter};
use crate::origin::{Create, CreateError, NewObject, Stores};
use crate::telemetry::Metrics;
use crate::value::{ClientName, Fingerprint, Live};

/// Publishes assets.
#[derive(Clone)]
pub struct Publisher(Arc<Inner>);

struct Inner {
    minter: Minter,
    stores: Live<Stores>,
    settings: PublishSettings,
    metrics: Arc<Metrics>,
    places: Semaphore,
    lanes: Lanes,
}

impl Publisher {
    /// A publisher to these stores, whose links `minter` makes.
    pub fn new(minter: Minter, stores: Live<Stores>, settings: PublishSettings, metrics: Arc<Metrics>) -> Self {
        let places = Semaphore::new(settings.at_once);
        Self(Arc::new(Inner { minter, stores, settings, metrics, places, lanes: Lanes::default() }))
    }

    /// Publishes `bytes` for `client`, or says why not. What is refused is not stored, and its bytes are not read to their end where that is
    /// known before. When the reading back fails, or the link is revoked meanwhile, the object stays, and publishing it again finds it. Dropping it gives the
    /// upload up.
    pub async fn publish<S>(
        &self,
        client: &ClientName,
        request: &PublishRequest,
        bytes: S,
    ) -> Result<Published, PublishError>
    where
        S: Stream<Item = Result<Bytes, UploadError>>,
    {
        let published = self.0.publish(client, request, bytes).await;
        self.0.metrics.publish(match &published {
            Ok(Published { created: true, .. }) => "created",
            Ok(Published { created: false, .. }) => "existed",
            Err(error) => error.label(),
        });
        match &published {
            Err(PublishError::Store(error)) => {
                tracing::error!(store = %request.store, %error, "a store did not take what was published");
            }
            Err(PublishError::Spool(error)) => {
                tracing::error!(%error, "an upload could not be put by (publish.directory)");
            }
            Err(error @ (PublishError::StoredOtherwise(_) | PublishError::KeyTaken(_))) => {
                tracing::error!(store = %request.store, %error, "a store holds other bytes than were published");
            }
            _ => {}
        }
        published
    }
}

impl Inner {
    async fn publish<S>(
        &self,
        client: &ClientName,
        request: &PublishRequest,
        bytes: S,
    ) -> Result<Published, PublishError>
    where
        S: Stream<Item = Result<Bytes, UploadError>>,
    {
        let (draft, creator) = self.expect(client, request)?;
        let _place = self.place().await?;
        let spooled = spool(bytes, self.minter.object_max(), &self.settings).await?;
        let judged = self.minter.judge(&draft, &spooled.known)?;
        let key = request.key(&judged.name, spooled.known.fingerprint)?;
        let request = request.mint(key);
        self.minter.permits(client, &request, spooled.known.fingerprint)?;
        let object =
            NewObject { file: Arc::clone(&spooled.file), length: spooled.known.length, media_type: judged.media_type };
        let created = {
            let lane = self.lanes.of(&request.store, &request.key);
            let _alone = lane.lock().await;
            match creator.create(&request.key, &object).await {
                Ok(()) => true,
                Err(CreateError::Exists) => false,
                Err(CreateError::Store(error)) => return Err(error.into()),
            }
        };
        self.link(client, &request, &spooled, created).await
    }

    /// What can be refused before a byte has come.
    fn expect(
        &self,
        client: &ClientName,
        request: &PublishRequest,
    ) -> Result<(MintRequest, Arc<dyn Create>), PublishError> {
        let draft = request.draft()?;
        self.minter.accepts(client, &draft)?;
        let stores = self.stores.keep();
        if stores.get(&request.store).is_none() {
            return Err(MintError::NoSuchStore(request.store.clone()).into());
        }
        let creator = stores.creator(&request.store).ok_or_else(|| PublishError::ReadOnly(request.store.clone()))?;
        let limit = self.minter.object_max();
        if request.length.is_some_and(|length| length > limit) {
            return Err(PublishError::TooLarge { limit });
        }
        Ok((draft, Arc::clone(creator)))
    }

    /// One of the places of those who publish at once.
    async fn place(&self) -> Result<SemaphorePermit<'_>, PublishError> {
        match timeout(PLACE_WAIT, self.places.acquire()).await {
            Ok(Ok(place)) => Ok(place),
            Ok(Err(_)) => Err(PublishError::GivenUp),
            Err(_) => Err(PublishError::Busy { retry_after: ASK_AGAIN }),
        }
    }

    /// A link to what the store holds now, if that is what was published.
    async fn link(
        &self,
        client: &ClientName,
        request: &MintRequest,
        spooled: &Spooled,
        created: bool,
    ) -> Result<Published, PublishError> {
        let right = |there: Fingerprint| there == spooled.known.fingerprint;
        let wrong = if created { PublishError::StoredOtherwise } else { PublishError::KeyTaken };
        let patience = Patience::for_bytes(spooled.known.length);
        match patience.last(|| self.minter.look(request)).await {
            Ok(there) if right(there.fingerprint) => {}
            Ok(_) | Err(MintError::TooLarge { .. } | MintError::ContentEncoded(_)) => {
                return Err(wrong(request.key.clone()));
            }
            Err(MintError::NoSuchObject | MintError::Changed) => {
                return Err(PublishError::Overtaken(request.key.clone()));
            }
            Err(error) => return Err(error.into()),
        }
        let minted = patience.last(|| self.minter.mint(client, request)).await?;
        if !right(minted.grant.fingerprint) {
            return Err(PublishError::Overtaken(request.key.clone()));
        }
        Ok(Published { minted, key: request.key.clone(), created })
    }
}

/// How long a publish goes on to ask for what takes a while: its client has sent all of its bytes, and would have to send them again.
struct Patience(Instant);

impl Patience {
    fn for_bytes(length: u64) -> Self {
        Self(Instant::now() + READ_WAIT + Duration::from_secs(length / SLOWEST_READ))
    }

    /// Asks until there is an answer other than "later", or until the patience is over.
    async fn last<T, F>(&self, mut ask: impl FnMut() -> F) -> Result<T, MintError>
    where
        F: Future<Output = Result<T, MintError>>,
    {
        loop {
            match ask().await {
                Err(MintError::StillReading { .. }) if Instant::now() < self.0 => {}
                Err(MintError::Busy { retry_after }) if Instant::now() < self.0 => sleep(retry_after).await,
                settled => return settled,
            }
        }
    }
}

/// How long an upload waits for a place.
const PLACE_WAIT: Duration = Duration::from_secs(30);
/// When to ask again for a place.
const ASK_AGAIN: Duration = Duration::from_secs(5);
/// How long the reading back may take, besides the bytes.
const READ_WAIT: Duration = Duration::from_secs(60);
/// The slowest that a store may be read back, in bytes per second.
const SLOWEST_READ: u64 = 1 << 20;
