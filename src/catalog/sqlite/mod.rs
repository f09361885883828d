//! The catalog in one SQLite file: WAL, so that readers and the writer do not wait for each other, and `synchronous=FULL`, so
//! that what was committed is on the disk.
//!
//! A file is only ever created here, at the start, and with mode 0600. A connection that is opened later finds the file or
//! fails: a catalog that vanished must not come back empty, without its revocations.

mod batch;
mod migrate;
mod place;
mod queries;
mod read;
mod write;

use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, SqliteConnection, SqlitePool};

use self::place::Place;
pub(super) use self::read::Reader;
pub(super) use self::write::Writer;
use super::{CatalogError, CatalogLook, CatalogSettings};

/// Opens or makes the database, brings its schema up to date, and gives the two ways in.
pub(super) async fn open(settings: &CatalogSettings) -> Result<(Reader, Writer), CatalogError> {
    let place = Place::from_url(&settings.url)?;
    place.prepare()?;
    let options = options(&place, settings);
    let mut connection = options.connect().await.map_err(|error| place.explain(error))?;
    must_be_wal(&place, &mut connection).await?;
    migrate::migrate(&mut connection, &place, queries::MIGRATIONS).await?;
    let pool = pool(options.clone(), settings).await.map_err(|error| place.explain(error))?;
    Ok((Reader { pool }, Writer::new(place, options, connection).await?))
}

/// Looks at the database and changes nothing: neither its schema nor that it is missing.
pub(super) async fn look(settings: &CatalogSettings) -> Result<CatalogLook, CatalogError> {
    let place = Place::from_url(&settings.url)?;
    if !place.is_made()? {
        return Ok(CatalogLook::Missing);
    }
    let connection = options(&place, settings).read_only(true).connect().await;
    let mut connection = connection.map_err(|error| place.explain(error))?;
    let missing = migrate::missing(&mut connection, &place, queries::MIGRATIONS).await?;
    Ok(if missing.is_empty() { CatalogLook::Current } else { CatalogLook::Older(missing.len()) })
}

fn options(place: &Place, settings: &CatalogSettings) -> SqliteConnectOptions {
    let options = SqliteConnectOptions::new()
        .create_if_missing(false)
        .foreign_keys(true)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(settings.busy_timeout)
        .disable_statement_logging();
    match place {
        Place::Memory(name) => options.filename(name).vfs("memdb"),
        Place::File(path) => options
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            // The log is cut back to this after a burst; without a limit it keeps its largest size.
            .pragma("journal_size_limit", MAX_IDLE_LOG_BYTES),
    }
}

async fn pool(options: SqliteConnectOptions, settings: &CatalogSettings) -> sqlx::Result<SqlitePool> {
    SqlitePoolOptions::new()
        .max_connections(settings.readers)
        .acquire_timeout(settings.answer_max.max(Duration::from_millis(1)))
        // Also what keeps a database in memory alive while the writer reconnects.
        .min_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_with(options.read_only(true))
        .await
}

/// SQLite answers a wish for WAL with the mode it could get; over a network file system that is another one.
async fn must_be_wal(place: &Place, connection: &mut SqliteConnection) -> Result<(), CatalogError> {
    let Place::File(path) = place else { return Ok(()) };
    let mode: String =
        sqlx::query_scalar(queries::JOURNAL_MODE).fetch_one(connection).await.map_err(|error| place.explain(error))?;
    if mode == "wal" {
        return Ok(());
    }
    let reason = "its file system cannot hold SQLite's write-ahead log; put it on a local disk".to_owned();
    Err(CatalogError::CannotOpen { path: path.clone(), reason })
}

/// SQLite's integers are signed; no count or time of ours comes near the edge.
fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// How long the write-ahead log may stay when nothing is in it, in bytes.
const MAX_IDLE_LOG_BYTES: &str = "67108864";

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn connections_are_as_durable_and_strict_as_promised() {
        let dir = tempfile::tempdir().unwrap();
        let settings = CatalogSettings::new(format!("sqlite://{}", dir.path().join("a.db").display()));
        let (reader, _writer) = open(&settings).await.unwrap();
        let place = Place::from_url(&settings.url).unwrap();
        let mut connection = options(&place, &settings).connect().await.unwrap();
        for (pragma, value) in [
            ("PRAGMA synchronous", 2),
            ("PRAGMA foreign_keys", 1),
            ("PRAGMA busy_timeout", 5000),
            ("PRAGMA query_only", 0),
        ] {
            let found: i64 = sqlx::query_scalar(pragma).fetch_one(&mut connection).await.unwrap();
            assert_eq!(found, value, "{pragma}");
        }
        let refused = sqlx::query("DELETE FROM revocations").execute(&reader.pool).await.unwrap_err();
        assert!(refused.to_string().contains("readonly"), "{refused}");
    }

    #[tokio::test]
    async fn a_catalog_that_vanished_is_not_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        let settings = CatalogSettings::new(format!("sqlite://{}", dir.path().join("a.db").display()));
        let place = Place::from_url(&settings.url).unwrap();
        assert!(options(&place, &settings).connect().await.is_err());
        assert!(!place.path().exists());
    }
}
