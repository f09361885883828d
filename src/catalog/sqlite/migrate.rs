//! The schema's version, and the way from an older one to ours.
//!
//! All missing steps and the new version are one transaction: a crash leaves the old schema, whole. A file that another
//! program made is never touched, and one from a newer release is refused, as its rows may mean more than we know.

use sqlx::{AssertSqlSafe, Connection, SqliteConnection};

use super::place::Place;
use super::queries;
use crate::catalog::CatalogError;

/// Applies the steps that the database lacks.
pub(super) async fn migrate(
    connection: &mut SqliteConnection,
    place: &Place,
    steps: &'static [&'static str],
) -> Result<(), CatalogError> {
    let explain = |error| place.explain(error);
    let mut tx = connection.begin_with(queries::BEGIN).await.map_err(explain)?;
    let missing = missing(&mut tx, place, steps).await?;
    if missing.is_empty() {
        return tx.rollback().await.map_err(explain);
    }
    for step in missing {
        sqlx::raw_sql(*step).execute(&mut *tx).await.map_err(explain)?;
    }
    let mark = format!("PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {}", steps.len());
    sqlx::raw_sql(AssertSqlSafe(mark)).execute(&mut *tx).await.map_err(explain)?;
    tx.commit().await.map_err(explain)
}

/// The steps that the database lacks. A file that is not ours, or of a newer release, is refused.
pub(super) async fn missing(
    connection: &mut SqliteConnection,
    place: &Place,
    steps: &'static [&'static str],
) -> Result<&'static [&'static str], CatalogError> {
    let done = usize::try_from(found(connection, place).await?).unwrap_or(usize::MAX);
    let too_new = || {
        let (found, known) = (count(done), count(steps.len()));
        CatalogError::TooNew { path: place.path().to_owned(), found, known }
    };
    steps.get(done..).ok_or_else(too_new)
}

/// The schema version, once it is sure that the file is ours or empty.
async fn found(tx: &mut SqliteConnection, place: &Place) -> Result<i64, CatalogError> {
    let explain = |error| place.explain(error);
    let owner: i64 = sqlx::query_scalar(queries::OWNER).fetch_one(&mut *tx).await.map_err(explain)?;
    let version: i64 = sqlx::query_scalar(queries::SCHEMA).fetch_one(&mut *tx).await.map_err(explain)?;
    let tables: i64 = sqlx::query_scalar(queries::TABLES).fetch_one(&mut *tx).await.map_err(explain)?;
    let empty = (owner, version, tables) == (0, 0, 0);
    if empty || (owner == APPLICATION_ID && version > 0) {
        return Ok(version);
    }
    place.cannot("it is another program's database; name a file of its own".to_owned())
}

fn count(steps: usize) -> i64 {
    i64::try_from(steps).unwrap_or(i64::MAX)
}

/// "Hall" in ASCII, so that `file` and we can tell whose database it is.
const APPLICATION_ID: i64 = 0x4861_6c6c;

#[cfg(test)]
mod tests {
    use super::*;
    use sqlx::ConnectOptions;
    use sqlx::sqlite::SqliteConnectOptions;

    const ONE: &[&str] = &["CREATE TABLE a (x INTEGER) STRICT; INSERT INTO a VALUES (1);"];
    const TWO: &[&str] = &[ONE[0], "ALTER TABLE a ADD COLUMN y TEXT; UPDATE a SET y = 'kept';"];
    const BROKEN: &[&str] = &[ONE[0], "CREATE TABLE b (x INTEGER) STRICT", "CREATE TABLE a (x INTEGER) STRICT"];

    async fn empty(dir: &tempfile::TempDir) -> (SqliteConnection, Place) {
        let path = dir.path().join("a.db");
        let options = SqliteConnectOptions::new().filename(&path).create_if_missing(true);
        (options.connect().await.unwrap(), Place::File(path))
    }

    async fn one(connection: &mut SqliteConnection, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(connection).await.unwrap()
    }

    #[tokio::test]
    async fn steps_are_applied_in_order_and_once() {
        let dir = tempfile::tempdir().unwrap();
        let (mut connection, place) = empty(&dir).await;
        migrate(&mut connection, &place, ONE).await.unwrap();
        migrate(&mut connection, &place, ONE).await.unwrap();
        assert_eq!(one(&mut connection, "SELECT count(*) FROM a").await, 1);
        migrate(&mut connection, &place, TWO).await.unwrap();
        assert_eq!(one(&mut connection, "SELECT count(*) FROM a WHERE x = 1 AND y = 'kept'").await, 1);
        assert_eq!(one(&mut connection, queries::SCHEMA).await, 2);
    }

    #[tokio::test]
    async fn a_step_that_fails_leaves_the_old_schema_whole() {
        let dir = tempfile::tempdir().unwrap();
        let (mut connection, place) = empty(&dir).await;
        migrate(&mut connection, &place, ONE).await.unwrap();
        assert!(migrate(&mut connection, &place, BROKEN).await.is_err());
        drop(connection);
        let (mut connection, _) = empty(&dir).await;
        assert_eq!(one(&mut connection, queries::SCHEMA).await, 1);
        assert_eq!(one(&mut connection, "SELECT count(*) FROM sqlite_schema WHERE name = 'b'").await, 0);
    }

    #[tokio::test]
    async fn a_newer_schema_and_a_stranger_are_refused_untouched() {
        let dir = tempfile::tempdir().unwrap();
        let (mut connection, place) = empty(&dir).await;
        migrate(&mut connection, &place, TWO).await.unwrap();
        let refused = migrate(&mut connection, &place, ONE).await.unwrap_err();
        assert!(matches!(refused, CatalogError::TooNew { found: 2, known: 1, .. }), "{refused}");

        let strange = tempfile::tempdir().unwrap();
        let (mut connection, place) = empty(&strange).await;
        sqlx::raw_sql("CREATE TABLE invoices (x)").execute(&mut connection).await.unwrap();
        let refused = migrate(&mut connection, &place, ONE).await.unwrap_err();
        assert!(refused.to_string().contains("another program's database"), "{refused}");
        assert_eq!(one(&mut connection, queries::TABLES).await, 1);
    }
}
