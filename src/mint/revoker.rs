//! Ending links early, so that it holds before the answer is given and after a crash.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::RwLock;

use crate::catalog::{Catalog, CatalogError, NewRevocation, RevocationRecord, WhichRevocations};
use crate::link::{LinkBounds, Revocation, RevocationSet, Revocations};
use crate::presign::PresignRules;
use crate::value::{ClientName, Clock};

/// Makes and lifts revocations: in the catalog first, then in force.
#[derive(Clone)]
pub struct Revoker {
    catalog: Catalog,
    in_force: Arc<Revocations>,
    clock: Clock,
    /// Shared by changes, alone for whoever puts the whole catalog in force: else a set that was read before a revocation was
    /// committed could take its place after it was in force.
    order: Arc<RwLock<()>>,
}

/// Why nothing was revoked.
#[derive(Debug, thiserror::Error)]
pub enum RevokeError {
    /// "Issued before" a time that has not come would forbid every mint until then.
    #[error("issued_before lies in the future; give a time that has passed, such as now")]
    FutureTime,
    /// Our own task ended before it was done, as in a shutdown.
    #[error("the revocation was given up; ask again")]
    GivenUp,
    /// The catalog holds one that this release does not know.
    #[error(
        "revocation {id} is of the kind {kind:?}, which this release does not know; run the newer release again, and lift it there"
    )]
    Unreadable {
        /// Its number.
        id: u64,
        /// Its kind.
        kind: String,
    },
    /// The catalog could not write it down, so it would not survive.
    #[error("the revocation could not be committed; ask again")]
    Catalog(#[from] CatalogError),
}

impl Revoker {
    /// A revoker that keeps `in_force` and `catalog` alike.
    pub fn new(catalog: Catalog, in_force: Arc<Revocations>, clock: Clock) -> Self {
        Self { catalog, in_force, clock, order: Arc::default() }
    }

    /// Revokes. When it returns, the revocation is on disk and in force; it comes to that even if the caller does not wait.
    pub async fn revoke(
        &self,
        client: &ClientName,
        revocation: Revocation,
        reason: Option<String>,
    ) -> Result<RevocationRecord, RevokeError> {
        let now = self.clock.now();
        if matches!(revocation, Revocation::IssuedBefore(time) if time > now) {
            return Err(RevokeError::FutureTime);
        }
        let new = NewRevocation {
            kind: revocation.kind().to_owned(),
            value: revocation.value(),
            reason,
            client: client.clone(),
            expires_at: revocation.lapses().then(|| now.plus(longest_life_of_any())),
        };
        let this = self.clone();
        tokio::spawn(async move { this.commit(new, revocation).await }).await.unwrap_or(Err(RevokeError::GivenUp))
    }

    async fn commit(&self, new: NewRevocation, revocation: Revocation) -> Result<RevocationRecord, RevokeError> {
        let _change = self.order.read().await;
        let committed = self.catalog.revoke(new).await;
        // One that came too late to tell may be on disk: it is then better in force than not.
        if matches!(committed, Ok(_) | Err(CatalogError::Late)) {
            self.in_force.insert(revocation);
        }
        Ok(committed?)
    }

    /// Lifts a revocation; `None` when none of that number is in force. It comes to that even if the caller does not wait.
    pub async fn lift(&self, client: &ClientName, id: u64) -> Result<Option<RevocationRecord>, RevokeError> {
        let (this, client) = (self.clone(), client.clone());
        let lifting = tokio::spawn(async move {
            let lifted = this.catalog.lift(id, &client).await?;
            if lifted.is_some() {
                this.refresh().await?;
            }
            Ok(lifted)
        });
        lifting.await.unwrap_or(Err(RevokeError::GivenUp))
    }

    /// The revocations in force, oldest first.
    pub async fn list(&self) -> Result<Vec<RevocationRecord>, RevokeError> {
        Ok(self.catalog.revocations(WhichRevocations::Active).await?)
    }

    /// Puts in force what the catalog holds: at the start, and whenever another process may have written to it.
    pub async fn refresh(&self) -> Result<(), RevokeError> {
        let _alone = self.order.write().await;
        let records = self.list().await?;
        let set = records.iter().map(read_record).collect::<Result<RevocationSet, _>>()?;
        self.in_force.replace(set);
        Ok(())
    }
}

/// How long anything that a revocation can mean may live: by any settings, for those of tomorrow may allow more than those in force.
fn longest_life_of_any() -> Duration {
    LinkBounds::longest_life_of_any().max(PresignRules::longest_life_of_any())
}

/// One that cannot be read is an error and not left out: its links would be served.
fn read_record(record: &RevocationRecord) -> Result<Revocation, RevokeError> {
    Revocation::parse(&record.kind, &record.value)
        .map_err(|_| RevokeError::Unreadable { id: record.id, kind: record.kind.clone() })
}
