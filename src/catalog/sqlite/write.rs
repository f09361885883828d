//! Writing: one connection, and one `BEGIN IMMEDIATE` transaction per change.
//!
//! After any failure the connection is dropped, which rolls back whatever it held, and the next change opens a fresh one:
//! SQLite ends some transactions by itself when a disk fails, and guessing which is worse than starting clean.

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};

use super::super::queue::{Cutoffs, Record};
use super::super::record::{FetchRecord, KnownObject, MintRecord, NewRevocation, Pruned, RevocationRecord};
use super::read::revocation;
use super::{int, queries};
use crate::catalog::CatalogError;
use crate::value::{ClientName, FileName, ObjectKey, ObjectVersion, StoreName, UnixTime};

/// The one connection that writes.
pub(in crate::catalog) struct Writer {
    options: SqliteConnectOptions,
    connection: Option<SqliteConnection>,
}

impl Writer {
    pub(super) const fn new(options: SqliteConnectOptions, connection: SqliteConnection) -> Self {
        Self { options, connection: Some(connection) }
    }

    /// Commits all `records` or none.
    pub(in crate::catalog) async fn write(
        &mut self,
        records: impl Iterator<Item = &Record> + Send,
    ) -> Result<(), CatalogError> {
        self.change(async |tx| {
            for record in records {
                match record {
                    Record::Object(object) => remember(tx, object).await?,
                    Record::Mint(mint) => insert_mint(tx, mint).await?,
                    Record::Fetch(fetch) => insert_fetch(tx, fetch).await?,
                }
            }
            Ok(())
        })
        .await
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

async fn remember(tx: &mut SqliteConnection, object: &KnownObject) -> Result<(), CatalogError> {
    let query = sqlx::query(queries::REMEMBER)
        .bind(object.store.as_str())
        .bind(object.key.as_str())
        .bind(object.version.as_str())
        .bind(object.fingerprint.to_string())
        .bind(object.sha256.to_string())
        .bind(int(object.length))
        .bind(&object.facts)
        .bind(object.facts_format)
        .bind(int(object.first_seen.as_secs()))
        .bind(object.manifest.as_deref());
    query.execute(tx).await?;
    Ok(())
}

async fn insert_mint(tx: &mut SqliteConnection, mint: &MintRecord) -> Result<(), CatalogError> {
    let query = sqlx::query(queries::MINT)
        .bind(&mint.id)
        .bind(mint.store.as_str())
        .bind(mint.key.as_str())
        .bind(mint.version.as_str())
        .bind(mint.fingerprint.to_string())
        .bind(int(mint.length))
        .bind(mint.last_modified.map(|time| int(time.as_secs())))
        .bind(mint.client.as_str())
        .bind(mint.reference.as_deref())
        .bind(int(mint.issued.as_secs()))
        .bind(int(mint.expires.as_secs()))
        .bind(mint.media_type.as_str())
        .bind(mint.name.as_ref().map(FileName::as_str))
        .bind(mint.profile.as_str())
        .bind(&*mint.cache)
        .bind(mint.header.as_deref())
        .bind(mint.unique)
        .bind(&mint.key_id)
        .bind(int(mint.minted_at.as_secs()));
    query.execute(tx).await?;
    Ok(())
}

async fn insert_fetch(tx: &mut SqliteConnection, fetch: &FetchRecord) -> Result<(), CatalogError> {
    let query = sqlx::query(queries::FETCH)
        .bind(&fetch.link_id)
        .bind(int(fetch.at_ms))
        .bind(&fetch.client_address)
        .bind(&fetch.agent)
        .bind(&*fetch.agent_class)
        .bind(&*fetch.network_verdict)
        .bind(&*fetch.method)
        .bind(&*fetch.http_version)
        .bind(fetch.range.as_deref())
        .bind(fetch.status)
        .bind(&*fetch.outcome)
        .bind(int(fetch.bytes))
        .bind(fetch.first_byte_ms.map(int))
        .bind(int(fetch.duration_ms))
        .bind(fetch.completed);
    query.execute(tx).await?;
    Ok(())
}

async fn in_force(
    tx: &mut SqliteConnection,
    new: &NewRevocation,
    now: UnixTime,
) -> Result<Option<RevocationRecord>, CatalogError> {
    let query = sqlx::query(queries::REVOCATION_IN_FORCE).bind(&new.kind).bind(&new.value).bind(int(now.as_secs()));
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
