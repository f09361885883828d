//! Writing: one connection, and one `BEGIN IMMEDIATE` transaction per change.
//!
//! After any failure the connection is dropped, which rolls back whatever it held, and the next change opens a fresh one:
//! SQLite ends some transactions by itself when a disk fails, and guessing which is worse than starting clean.

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};

use super::super::batch::Batch;
use super::super::queue::Cutoffs;
use super::super::record::{KnownObject, NewRevocation, Pruned, RevocationRecord};
use super::place::{Identity, Place};
use super::read::revocation;
use super::{batch, int, queries};
use crate::catalog::CatalogError;
use crate::value::{ClientName, ObjectKey, ObjectVersion, StoreName, UnixTime};

/// The one connection that writes.
pub(in crate::catalog) struct Writer {
    place: Place,
    opened: Identity,
    options: SqliteConnectOptions,
    connection: Option<SqliteConnection>,
}

impl Writer {
    /// Takes over `connection`, which was opened with `options` at `place`.
    pub(super) async fn new(
        place: Place,
        options: SqliteConnectOptions,
        connection: SqliteConnection,
    ) -> Result<Self, CatalogError> {
        let opened = place.identity().await?;
        Ok(Self { place, opened, options, connection: Some(connection) })
    }

    /// Commits all of `batch` or nothing.
    pub(in crate::catalog) async fn write(&mut self, batch: &Batch) -> Result<(), CatalogError> {
        self.change(async |tx| batch::insert(tx, batch).await).await
    }

    pub(in crate::catalog) async fn remember(&mut self, object: &KnownObject) -> Result<(), CatalogError> {
        self.change(async |tx| batch::insert_object(tx, object).await).await
    }

    pub(in crate::catalog) async fn forget(
        &mut self,
        store: &StoreName,
        key: &ObjectKey,
        version: &ObjectVersion,
    ) -> Result<bool, CatalogError> {
        self.change(async |tx| {
            let query = sqlx::query(queries::FORGET).bind(store.as_str()).bind(key.as_str()).bind(version.as_str());
            Ok(query.execute(tx).await?.rows_affected() > 0)
        })
        .await
    }

    pub(in crate::catalog) async fn revoke(
        &mut self,
        new: &NewRevocation,
        now: UnixTime,
    ) -> Result<RevocationRecord, CatalogError> {
        self.change(async |tx| match in_force(tx, new, now).await? {
            Some(old) if outlasts(new.expires_at, old.expires_at) => prolong(tx, old.id, new.expires_at).await,
            Some(old) => Ok(old),
            None => insert_revocation(tx, new, now).await,
        })
        .await
    }

    pub(in crate::catalog) async fn lift(
        &mut self,
        id: u64,
        by: &ClientName,
        now: UnixTime,
    ) -> Result<Option<RevocationRecord>, CatalogError> {
        self.change(async |tx| {
            let query = sqlx::query(queries::LIFT).bind(int(id)).bind(int(now.as_secs())).bind(by.as_str());
            query.fetch_optional(tx).await?.as_ref().map(revocation).transpose()
        })
        .await
    }

    /// Deletes at most [`SLICE_ROWS`] old rows of each kind.
    pub(in crate::catalog) async fn prune_slice(&mut self, old: Cutoffs) -> Result<Pruned, CatalogError> {
        self.change(async |tx| {
            let links = sqlx::query(queries::PRUNE_LINKS).bind(int(old.links_minted.as_secs())).bind(SLICE_ROWS);
            let links = links.execute(&mut *tx).await?.rows_affected();
            let fetches =
                sqlx::query(queries::PRUNE_FETCHES).bind(int(old.fetches_at.as_secs() * 1000)).bind(SLICE_ROWS);
            let fetches = fetches.execute(&mut *tx).await?.rows_affected();
            let lapsed = int(old.revocations_lapsed.as_secs());
            let lifted = int(old.revocations_lifted.as_secs());
            let revocations = sqlx::query(queries::PRUNE_REVOCATIONS).bind(lapsed).bind(SLICE_ROWS).bind(lifted);
            let revocations = revocations.execute(&mut *tx).await?.rows_affected();
            Ok(Pruned { links, fetches, revocations })
        })
        .await
    }

    /// Takes the write lock and leaves it; this shows a lost or locked file, and costs no write to the disk.
    pub(in crate::catalog) async fn ping(&mut self) -> Result<(), CatalogError> {
        self.change(async |_| Ok(())).await
    }

    /// Folds the log into the file and closes it. Failures cost nothing: the log is read again at the next start.
    pub(in crate::catalog) async fn close(&mut self) {
        if let Some(mut connection) = self.connection.take() {
            let folded = sqlx::query(queries::CHECKPOINT).execute(&mut connection).await;
            let closed = connection.close().await;
            if let Err(error) = folded.map(drop).and(closed) {
                tracing::warn!(%error, "the catalog was closed without folding its log into the file");
            }
        }
    }

    /// Runs `work` in a transaction of its own, committed when this returns `Ok`.
    async fn change<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut SqliteConnection) -> Result<T, CatalogError>,
    ) -> Result<T, CatalogError> {
        self.place.must_still_be(self.opened).await?;
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.options.connect().await?,
        };
        let mut tx = connection.begin_with(queries::BEGIN).await?;
        let done = work(&mut tx).await?;
        tx.commit().await?;
        self.connection = Some(connection);
        Ok(done)
    }
}

async fn in_force(
    tx: &mut SqliteConnection,
    new: &NewRevocation,
    now: UnixTime,
) -> Result<Option<RevocationRecord>, CatalogError> {
    let query = sqlx::query(queries::REVOCATION_IN_FORCE).bind(&new.kind).bind(&new.value).bind(int(now.as_secs()));
    let query = query.bind(new.client.as_str());
    query.fetch_optional(tx).await?.as_ref().map(revocation).transpose()
}

async fn insert_revocation(
    tx: &mut SqliteConnection,
    new: &NewRevocation,
    now: UnixTime,
) -> Result<RevocationRecord, CatalogError> {
    let query = sqlx::query(queries::REVOKE)
        .bind(&new.kind)
        .bind(&new.value)
        .bind(new.reason.as_deref())
        .bind(new.client.as_str())
        .bind(int(now.as_secs()))
        .bind(new.expires_at.map(|time| int(time.as_secs())));
    revocation(&query.fetch_one(tx).await?)
}

async fn prolong(
    tx: &mut SqliteConnection,
    id: u64,
    until: Option<UnixTime>,
) -> Result<RevocationRecord, CatalogError> {
    let query = sqlx::query(queries::PROLONG).bind(int(id)).bind(until.map(|time| int(time.as_secs())));
    revocation(&query.fetch_one(tx).await?)
}

/// Whether the end `new` comes after `old`; `None` is no end.
fn outlasts(new: Option<UnixTime>, old: Option<UnixTime>) -> bool {
    match (new, old) {
        (_, None) => false,
        (None, Some(_)) => true,
        (Some(new), Some(old)) => new > old,
    }
}

/// Rows of each kind that one transaction of a pruning deletes: some milliseconds of the writer's time.
const SLICE_ROWS: i64 = 500;
