//! Reading: a small pool of connections that cannot write, and the way from rows back to checked values.

use std::str::FromStr;

use sqlx::sqlite::SqliteRow;
use sqlx::{ColumnIndex, Decode, Row, Sqlite, SqlitePool, Type};

use super::super::record::{
    FetchRecord, KnownObject, Lifted, LinkRecord, MintRecord, RevocationRecord, RevocationsState, WhichRevocations,
};
use super::{int, queries};
use crate::catalog::CatalogError;
use crate::value::{Fingerprint, ObjectKey, ObjectVersion, StoreName, UnixTime};

/// The read-only connections.
pub(in crate::catalog) struct Reader {
    pub(super) pool: SqlitePool,
}

impl Reader {
    pub(in crate::catalog) async fn known(
        &self,
        store: &StoreName,
        key: &ObjectKey,
        version: &ObjectVersion,
    ) -> Result<Option<KnownObject>, CatalogError> {
        let query = sqlx::query(queries::KNOWN).bind(store.as_str()).bind(key.as_str()).bind(version.as_str());
        let Some(row) = query.fetch_optional(&self.pool).await? else { return Ok(None) };
        Ok(Some(KnownObject {
            store: store.clone(),
            key: key.clone(),
            version: version.clone(),
            fingerprint: parsed(&row, "fingerprint")?,
            sha256: parsed(&row, "sha256")?,
            length: number(&row, "length")?,
            facts: get(&row, "facts")?,
            facts_format: number(&row, "facts_format")?,
            first_seen: time(&row, "first_seen")?,
        }))
    }

    pub(in crate::catalog) async fn manifest(
        &self,
        fingerprint: &Fingerprint,
    ) -> Result<Option<Vec<u8>>, CatalogError> {
        let query = sqlx::query(queries::MANIFEST).bind(fingerprint.to_string());
        query.fetch_optional(&self.pool).await?.map(|row| get(&row, "manifest")).transpose()
    }

    pub(in crate::catalog) async fn link(&self, id: &str) -> Result<Option<LinkRecord>, CatalogError> {
        let row = sqlx::query(queries::LINK).bind(id).fetch_optional(&self.pool).await?;
        row.map(|row| link(id, &row)).transpose()
    }

    pub(in crate::catalog) async fn fetches_of(&self, id: &str, limit: u32) -> Result<Vec<FetchRecord>, CatalogError> {
        let rows = sqlx::query(queries::FETCHES_OF).bind(id).bind(limit).fetch_all(&self.pool).await?;
        rows.iter().map(|row| fetch(id, row)).collect()
    }

    pub(in crate::catalog) async fn revocations(
        &self,
        which: WhichRevocations,
        now: UnixTime,
    ) -> Result<Vec<RevocationRecord>, CatalogError> {
        let query = match which {
            WhichRevocations::Active => sqlx::query(queries::ACTIVE_REVOCATIONS).bind(int(now.as_secs())),
            WhichRevocations::All => sqlx::query(queries::ALL_REVOCATIONS),
        };
        query.fetch_all(&self.pool).await?.iter().map(revocation).collect()
    }

    pub(in crate::catalog) async fn revocations_state(&self) -> Result<RevocationsState, CatalogError> {
        let row = sqlx::query(queries::REVOCATIONS_STATE).fetch_one(&self.pool).await?;
        Ok(RevocationsState { newest: row.try_get(0)?, lifted: row.try_get(1)?, ends: row.try_get(2)? })
    }

    pub(in crate::catalog) async fn ping(&self) -> Result<(), CatalogError> {
        sqlx::query(queries::PING).execute(&self.pool).await?;
        Ok(())
    }

    pub(in crate::catalog) async fn close(&self) {
        self.pool.close().await;
    }
}

fn link(id: &str, row: &SqliteRow) -> Result<LinkRecord, CatalogError> {
    let mint = MintRecord {
        id: id.to_owned(),
        store: parsed(row, "store")?,
        key: parsed(row, "object_key")?,
        version: parsed(row, "version")?,
        fingerprint: parsed(row, "fingerprint")?,
        length: number(row, "length")?,
        last_modified: maybe_time(row, "last_modified")?,
        client: parsed(row, "client")?,
        reference: get(row, "reference")?,
        issued: time(row, "issued")?,
        expires: time(row, "expires")?,
        media_type: parsed(row, "media_type")?,
        name: get::<Option<String>>(row, "name")?.map(|name| parse(&name, "name")).transpose()?,
        profile: parsed(row, "profile")?,
        cache: get::<String>(row, "cache")?.into(),
        header: get::<Option<String>>(row, "header")?.map(Into::into),
        unique: get(row, "is_unique")?,
        key_id: get(row, "key_id")?,
        minted_at: time(row, "minted_at")?,
    };
    Ok(LinkRecord { mint, mints: number(row, "mints")?, last_minted_at: time(row, "last_minted_at")? })
}

fn fetch(id: &str, row: &SqliteRow) -> Result<FetchRecord, CatalogError> {
    Ok(FetchRecord {
        link_id: id.to_owned(),
        at_ms: number(row, "at_ms")?,
        client_address: get(row, "client_address")?,
        agent: get(row, "agent")?,
        agent_class: get::<String>(row, "agent_class")?.into(),
        network_verdict: get::<String>(row, "network_verdict")?.into(),
        method: get::<String>(row, "method")?.into(),
        http_version: get::<String>(row, "http_version")?.into(),
        range: get(row, "byte_range")?,
        status: number(row, "status")?,
        outcome: get::<String>(row, "outcome")?.into(),
        bytes: number(row, "bytes")?,
        first_byte_ms: maybe_number(row, "first_byte_ms")?,
        duration_ms: number(row, "duration_ms")?,
        completed: get(row, "completed")?,
        times: number(row, "times")?,
    })
}

pub(super) fn revocation(row: &SqliteRow) -> Result<RevocationRecord, CatalogError> {
    let lifted = match maybe_time(row, "lifted_at")? {
        Some(at) => Some(Lifted { at, by: parsed(row, "lifted_by")? }),
        None => None,
    };
    Ok(RevocationRecord {
        id: number(row, "id")?,
        kind: get(row, "kind")?,
        value: get(row, "value")?,
        reason: get(row, "reason")?,
        client: parsed(row, "client")?,
        created_at: time(row, "created_at")?,
        expires_at: maybe_time(row, "expires_at")?,
        lifted,
    })
}

fn get<'r, T: Decode<'r, Sqlite> + Type<Sqlite>>(row: &'r SqliteRow, column: &'static str) -> Result<T, CatalogError>
where
    &'static str: ColumnIndex<SqliteRow>,
{
    row.try_get(column).map_err(|_| CatalogError::Unreadable(column))
}

fn parsed<T: FromStr>(row: &SqliteRow, column: &'static str) -> Result<T, CatalogError> {
    parse(get(row, column)?, column)
}

fn parse<T: FromStr>(text: &str, column: &'static str) -> Result<T, CatalogError> {
    text.parse().map_err(|_| CatalogError::Unreadable(column))
}

fn number<T: TryFrom<i64>>(row: &SqliteRow, column: &'static str) -> Result<T, CatalogError> {
    T::try_from(get::<i64>(row, column)?).map_err(|_| CatalogError::Unreadable(column))
}

fn maybe_number(row: &SqliteRow, column: &'static str) -> Result<Option<u64>, CatalogError> {
    let found = get::<Option<i64>>(row, column)?;
    found.map(u64::try_from).transpose().map_err(|_| CatalogError::Unreadable(column))
}

fn time(row: &SqliteRow, column: &'static str) -> Result<UnixTime, CatalogError> {
    UnixTime::from_secs(number(row, column)?).ok_or(CatalogError::Unreadable(column))
}

fn maybe_time(row: &SqliteRow, column: &'static str) -> Result<Option<UnixTime>, CatalogError> {
    let Some(secs) = maybe_number(row, column)? else { return Ok(None) };
    UnixTime::from_secs(secs).map(Some).ok_or(CatalogError::Unreadable(column))
}
