//! Queued records on their way into the tables.
//!
//! A statement costs a round trip to the connection's thread and back, which takes longer than the row: mints and fetches go
//! in many at a time, in pieces of few lengths. Objects and manifests are few, so each has its own.

use std::sync::Arc;

use sqlx::{QueryBuilder, Sqlite, SqliteConnection};

use super::super::batch::Batch;
use super::super::mints::QueuedMint;
use super::super::queue::{ManifestRecord, Record};
use super::super::record::{FetchRecord, KnownObject};
use super::{int, queries};
use crate::catalog::CatalogError;
use crate::value::UnixTime;

/// Inserts all of `batch`, each kind in its order.
pub(super) async fn insert(tx: &mut SqliteConnection, batch: &Batch) -> Result<(), CatalogError> {
    let mut fetches = Vec::new();
    for queued in &batch.records {
        match &queued.record {
            Record::Object(object) => insert_object(tx, object).await?,
            Record::Manifest(manifest) => insert_manifest(tx, manifest).await?,
            Record::Fetch(fetch) => fetches.push(&**fetch),
        }
    }
    for rows in pieces(&batch.mints) {
        insert_mints(tx, rows).await?;
    }
    for rows in pieces(&fetches) {
        insert_fetches(tx, rows).await?;
    }
    Ok(())
}

pub(super) async fn insert_object(tx: &mut SqliteConnection, object: &KnownObject) -> Result<(), CatalogError> {
    let query = sqlx::query(queries::REMEMBER)
        .bind(object.store.as_str())
        .bind(object.key.as_str())
        .bind(object.version.as_str())
        .bind(object.fingerprint.to_string())
        .bind(object.sha256.to_string())
        .bind(int(object.length))
        .bind(&object.facts)
        .bind(object.facts_format)
        .bind(secs(object.first_seen));
    query.execute(tx).await?;
    Ok(())
}

async fn insert_manifest(tx: &mut SqliteConnection, manifest: &ManifestRecord) -> Result<(), CatalogError> {
    let query = sqlx::query(queries::KEEP_MANIFEST).bind(manifest.fingerprint.to_string()).bind(&manifest.bytes[..]);
    query.execute(tx).await?;
    Ok(())
}

async fn insert_mints(tx: &mut SqliteConnection, mints: &[QueuedMint]) -> Result<(), CatalogError> {
    let mut insert = QueryBuilder::<Sqlite>::new(queries::MINTS);
    let [mut store, mut client, mut media_type, mut name] = [const { Shared(None) }; 4];
    let [mut profile, mut cache, mut header, mut key_id] = [const { Shared(None) }; 4];
    insert.push_values(mints, |mut row, queued| {
        let mint = &queued.record;
        row.push_bind(own(&mint.id))
            .push_bind(store.of(mint.store.as_str()))
            .push_bind(own(mint.key.as_str()))
            .push_bind(own(mint.version.as_str()))
            .push_bind(own(&mint.fingerprint.to_string()))
            .push_bind(int(mint.length))
            .push_bind(mint.last_modified.map(secs))
            .push_bind(client.of(mint.client.as_str()))
            .push_bind(mint.reference.as_deref().map(own))
            .push_bind(secs(mint.issued))
            .push_bind(secs(mint.expires))
            .push_bind(media_type.of(mint.media_type.as_str()))
            .push_bind(mint.name.as_ref().map(|text| name.of(text.as_str())))
            .push_bind(profile.of(mint.profile.as_str()))
            .push_bind(cache.of(&mint.cache))
            .push_bind(mint.header.as_deref().map(|text| header.of(text)))
            .push_bind(mint.unique)
            .push_bind(key_id.of(&mint.key_id))
            .push_bind(secs(mint.minted_at))
            .push_bind(queued.mints)
            .push_bind(secs(queued.last_minted_at));
    });
    insert.push(queries::MINT_AGAIN).build().execute(tx).await?;
    Ok(())
}

/// A text as the connection's thread takes it, in one allocation: what this thread allocates and that one frees is dear.
fn own(text: &str) -> Arc<str> {
    Arc::from(text)
}

/// A column whose texts are mostly the same as in the row before, and then need no allocation.
struct Shared(Option<Arc<str>>);

impl Shared {
    fn of(&mut self, text: &str) -> Arc<str> {
        let before = self.0.take().filter(|before| **before == *text);
        Arc::clone(self.0.insert(before.unwrap_or_else(|| own(text))))
    }
}

async fn insert_fetches(tx: &mut SqliteConnection, fetches: &[&FetchRecord]) -> Result<(), CatalogError> {
    let mut insert = QueryBuilder::<Sqlite>::new(queries::FETCHES);
    insert.push_values(fetches, |mut row, fetch| {
        row.push_bind(&fetch.link_id)
            .push_bind(int(fetch.at_ms))
            .push_bind(&fetch.client_address)
            .push_bind(&fetch.agent)
            .push_bind(&*fetch.agent_class)
            .push_bind(&*fetch.network_verdict)
            .push_bind(&*fetch.method)
            .push_bind(&*fetch.http_version)
            .push_bind(fetch.range.as_deref())
            .push_bind(fetch.status)
            .push_bind(&*fetch.outcome)
            .push_bind(int(fetch.bytes))
            .push_bind(fetch.first_byte_ms.map(int))
            .push_bind(int(fetch.duration_ms))
            .push_bind(fetch.completed)
            .push_bind(int(fetch.times));
    });
    insert.build().execute(tx).await?;
    Ok(())
}

fn secs(time: UnixTime) -> i64 {
    int(time.as_secs())
}

/// Cuts `rows` into pieces, longest first. Each length is a statement of its own, which is prepared once and kept.
fn pieces<T>(mut rows: &[T]) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let (piece, rest) = PIECES.into_iter().find_map(|length| rows.split_at_checked(length))?;
        rows = rest;
        Some(piece)
    })
}

/// Rows in one statement. SQLite takes 32,766 values in one, and the widest row has 21.
const PIECES: [usize; 3] = [64, 8, 1];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_all_rows_in_order_and_of_few_lengths() {
        for count in [0, 1, 7, 8, 63, 64, 65, 200, 2048] {
            let rows: Vec<_> = (0..count).collect();
            assert_eq!(pieces(&rows).flatten().copied().collect::<Vec<_>>(), rows);
            assert!(pieces(&rows).all(|piece| PIECES.contains(&piece.len())), "{count}");
        }
    }
}
