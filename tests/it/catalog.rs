//! The catalog's promises, seen from outside: what is kept, when it is on the disk, and what a fault costs.

#![expect(clippy::unwrap_used, reason = "what builds a test's values is part of the test")]

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use hallpass::catalog::{
    Catalog, CatalogError, CatalogSettings, FetchRecord, KnownObject, MintRecord, NewRevocation, Pruned,
    WhichRevocations,
};
use hallpass::value::{Clock, Fingerprint, Sha256, UnixTime};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, SqliteConnection};
use tempfile::TempDir;

fn settings(dir: &TempDir) -> CatalogSettings {
    CatalogSettings::new(format!("sqlite://{}", file(dir).display()))
}

fn file(dir: &TempDir) -> PathBuf {
    dir.path().join("hallpass.db")
}

fn clock() -> Clock {
    Clock::held_at(at(NOW))
}

fn at(secs: u64) -> UnixTime {
    UnixTime::from_secs(secs).unwrap()
}

async fn open(dir: &TempDir) -> Catalog {
    Catalog::open(&settings(dir), clock()).await.unwrap()
}

/// A connection that the catalog knows nothing of, as another process would have.
async fn stranger(path: &Path) -> SqliteConnection {
    SqliteConnectOptions::new().filename(path).connect().await.unwrap()
}

async fn count(path: &Path, table: &str) -> i64 {
    let sql = AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
    sqlx::query_scalar(sql).fetch_one(&mut stranger(path).await).await.unwrap()
}

fn object(key: &str, content: &[u8]) -> KnownObject {
    KnownObject {
        store: "media".parse().unwrap(),
        key: key.parse().unwrap(),
        version: "v1".parse().unwrap(),
        fingerprint: Fingerprint::of(content),
        sha256: Sha256::from_bytes([7; 32]),
        length: content.len() as u64,
        facts: "{\"kind\":\"jpeg\"}".into(),
        facts_format: 1,
        first_seen: at(NOW),
    }
}

fn mint(id: &str) -> MintRecord {
    MintRecord {
        id: id.into(),
        store: "media".parse().unwrap(),
        key: "promos/winter.jpg".parse().unwrap(),
        version: "v1".parse().unwrap(),
        fingerprint: Fingerprint::of(b"winter"),
        length: 6,
        last_modified: Some(at(NOW - 1000)),
        client: "billing".parse().unwrap(),
        reference: Some("campaign-42".into()),
        issued: at(NOW),
        expires: at(NOW + 1200),
        media_type: "image/jpeg".parse().unwrap(),
        name: Some("winter.jpg".parse().unwrap()),
        profile: "meta".parse().unwrap(),
        cache: "immutable".into(),
        header: Some("image".into()),
        unique: false,
        key_id: "0a0b0c0d".into(),
        minted_at: at(NOW),
    }
}

fn fetch(id: &str, at_ms: u64) -> FetchRecord {
    FetchRecord {
        link_id: id.into(),
        at_ms,
        times: 1,
        client_address: format!("2a03:2880::{at_ms:x}"),
        agent: "facebookexternalhit/1.1".into(),
        agent_class: "meta".into(),
        network_verdict: "inside".into(),
        method: "GET".into(),
        http_version: "1.1".into(),
        range: Some("bytes=0-5".into()),
        status: 206,
        outcome: "served".into(),
        bytes: 6,
        first_byte_ms: Some(2),
        duration_ms: 3,
        completed: true,
    }
}

fn revocation(kind: &str, value: &str) -> NewRevocation {
    NewRevocation {
        kind: kind.into(),
        value: value.into(),
        reason: Some("taken down".into()),
        client: "ops".parse().unwrap(),
        expires_at: None,
    }
}

#[tokio::test]
async fn everything_survives_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let known = object("a.jpg", b"abc");
    let plain =
        MintRecord { reference: None, name: None, header: None, last_modified: None, unique: true, ..mint("lnk_b") };
    let first = open(&dir).await;
    first.remember(known.clone());
    first.keep_manifest(known.fingerprint, vec![0, 1, 255]);
    first.record_mint(mint("lnk_a")).await;
    first.record_mint(plain.clone()).await;
    first.record_fetch(fetch("lnk_a", 1));
    first.record_fetch(FetchRecord { range: None, first_byte_ms: None, completed: false, ..fetch("lnk_a", 2) });
    let revoked = first.revoke(revocation("link", "lnk_a")).await.unwrap();
    first.close().await.unwrap();

    let again = open(&dir).await;
    assert_eq!(again.known(&known.store, &known.key, &known.version).await.unwrap(), Some(known.clone()));
    assert_eq!(again.manifest(&known.fingerprint).await.unwrap(), Some(vec![0, 1, 255]));
    assert_eq!(again.link("lnk_a").await.unwrap().unwrap().mint, mint("lnk_a"));
    assert_eq!(again.link("lnk_b").await.unwrap().unwrap().mint, plain);
    assert_eq!(again.link("lnk_c").await.unwrap(), None);
    let fetches = again.fetches_of("lnk_a", 10).await.unwrap();
    assert_eq!(fetches.iter().map(|f| f.at_ms).collect::<Vec<_>>(), [2, 1], "newest first");
    assert_eq!(fetches[1], fetch("lnk_a", 1));
    assert_eq!((fetches[0].range.as_deref(), fetches[0].first_byte_ms, fetches[0].completed), (None, None, false));
    assert_eq!(again.fetches_of("lnk_a", 1).await.unwrap().len(), 1);
    assert_eq!(again.revocations(WhichRevocations::Active).await.unwrap(), [revoked]);
}

#[tokio::test]
async fn a_database_in_memory_serves_every_call_and_is_private() {
    let (one, two) = (CatalogSettings::new("sqlite::memory:"), CatalogSettings::new("sqlite::memory:"));
    let (one, two) = (Catalog::open(&one, clock()).await.unwrap(), Catalog::open(&two, clock()).await.unwrap());
    one.record_mint(mint("lnk_a")).await;
    one.revoke(revocation("link", "lnk_a")).await.unwrap();
    one.flush().await.unwrap();
    one.ping().await.unwrap();
    assert!(one.link("lnk_a").await.unwrap().is_some());
    assert_eq!(one.revocations(WhichRevocations::Active).await.unwrap().len(), 1);
    assert_eq!(two.link("lnk_a").await.unwrap(), None);
    one.close().await.unwrap();
}

#[tokio::test]
async fn a_revocation_is_on_the_disk_when_its_answer_is() {
    let dir = tempfile::tempdir().unwrap();
    let catalog = open(&dir).await;
    let mut other = stranger(&file(&dir)).await;
    for n in 0..20 {
        let made = catalog.revoke(revocation("fingerprint", &format!("f{n}"))).await.unwrap();
        let seen: (i64, String) = sqlx::query_as("SELECT id, value FROM revocations ORDER BY id DESC LIMIT 1")
            .fetch_one(&mut other)
            .await
            .unwrap();
        assert_eq!((u64::try_from(seen.0).unwrap(), seen.1), (made.id, made.value));
    }
}

#[tokio::test]
async fn the_database_is_in_wal_mode_by_its_own_word() {
    let dir = tempfile::tempdir().unwrap();
    let catalog = open(&dir).await;
    catalog.revoke(revocation("link", "lnk_a")).await.unwrap();
    let mode: String =
        sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&mut stranger(&file(&dir)).await).await.unwrap();
    assert_eq!(mode, "wal");
}

#[test]
fn what_was_answered_survives_kill_9() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "catalog::child_revokes_until_it_is_killed", "--ignored", "--nocapture"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    writeln!(child.stdin.as_mut().unwrap(), "{}", file(&dir).display()).unwrap();
    // The pipe stays open until the child is dead: it must end by the signal, not by a broken pipe.
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let revoked = lines.by_ref().filter_map(|line| line.split_once("revoked ").map(|(_, value)| value.to_owned()));
    let answered: Vec<String> = revoked.take(25).collect();
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(9));
    assert_eq!(answered.len(), 25);

    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let kept = open(&dir).await.revocations(WhichRevocations::Active).await.unwrap();
        let kept: Vec<_> = kept.into_iter().map(|r| r.value).collect();
        assert_eq!(kept[..25], answered, "every answered revocation is there, in order");
    });
}

#[tokio::test]
#[ignore = "the other half of what_was_answered_survives_kill_9, which starts and kills it"]
async fn child_revokes_until_it_is_killed() {
    let mut path = String::new();
    std::io::stdin().read_line(&mut path).unwrap();
    if path.trim().is_empty() {
        return;
    }
    let settings = CatalogSettings::new(format!("sqlite://{}", path.trim()));
    let catalog = Catalog::open(&settings, clock()).await.unwrap();
    for n in 0_u64.. {
        for m in 0..50 {
            catalog.record_mint(mint(&format!("lnk_{n}_{m}"))).await;
        }
        let made = catalog.revoke(revocation("link", &n.to_string())).await.unwrap();
        println!("revoked {}", made.value);
    }
}

#[tokio::test]
async fn every_change_of_the_revocations_shows_in_their_state() {
    let dir = TempDir::new().unwrap();
    let (catalog, other) = (open(&dir).await, open(&dir).await);
    let mut states = vec![other.revocations_state().await.unwrap()];
    let first = catalog.revoke(revocation("object", "media/a")).await.unwrap();
    states.push(other.revocations_state().await.unwrap());
    catalog.lift(first.id, &first.client).await.unwrap();
    states.push(other.revocations_state().await.unwrap());
    assert!(states[0] != states[1] && states[1] != states[2] && states[0] != states[2], "{states:?}");
}

#[tokio::test]
async fn revoking_twice_gives_one_record_with_the_later_end() {
    let dir = tempfile::tempdir().unwrap();
    let clock = clock();
    let catalog = Catalog::open(&settings(&dir), clock.clone()).await.unwrap();
    let until = |end: Option<u64>| NewRevocation { expires_at: end.map(at), ..revocation("link", "lnk_a") };
    let first = catalog.revoke(until(Some(NOW + 100))).await.unwrap();
    assert_eq!((first.created_at, &first.lifted), (at(NOW), &None));
    for (asked, kept) in
        [(Some(NOW + 50), Some(NOW + 100)), (Some(NOW + 200), Some(NOW + 200)), (None, None), (Some(NOW + 300), None)]
    {
        let again = catalog.revoke(until(asked)).await.unwrap();
        assert_eq!((again.id, again.expires_at), (first.id, kept.map(at)));
    }
    assert_eq!(count(&file(&dir), "revocations").await, 1);
    assert_ne!(
        catalog.revoke(revocation("object", "lnk_a")).await.unwrap().id,
        first.id,
        "another kind is another one"
    );

    let lapsing = catalog.revoke(NewRevocation { value: "lnk_b".into(), ..until(Some(NOW + 10)) }).await.unwrap();
    clock.advance(Duration::from_secs(10));
    let anew = catalog.revoke(NewRevocation { value: "lnk_b".into(), ..until(Some(NOW + 20)) }).await.unwrap();
    assert_ne!(anew.id, lapsing.id, "what lapsed is not prolonged");
}

#[tokio::test]
async fn a_lifted_or_lapsed_revocation_is_no_longer_active_but_still_listed() {
    let dir = tempfile::tempdir().unwrap();
    let clock = clock();
    let catalog = Catalog::open(&settings(&dir), clock.clone()).await.unwrap();
    let standing = catalog.revoke(revocation("object", "media/a")).await.unwrap();
    let lapsing = NewRevocation { expires_at: Some(at(NOW + 1)), ..revocation("link", "lnk_a") };
    let lapsing = catalog.revoke(lapsing).await.unwrap();
    assert_eq!(catalog.revocations(WhichRevocations::Active).await.unwrap(), [standing.clone(), lapsing.clone()]);

    clock.advance(Duration::from_secs(1));
    assert_eq!(catalog.revocations(WhichRevocations::Active).await.unwrap(), std::slice::from_ref(&standing));
    let ops = "ops-2".parse().unwrap();
    let lifted = catalog.lift(standing.id, &ops).await.unwrap().unwrap().lifted.unwrap();
    assert_eq!((lifted.at, lifted.by), (at(NOW + 1), ops.clone()));
    for id in [standing.id, lapsing.id, 999, u64::MAX] {
        assert_eq!(catalog.lift(id, &ops).await.unwrap(), None);
    }
    assert_eq!(catalog.revocations(WhichRevocations::Active).await.unwrap(), []);
    assert_eq!(catalog.revocations(WhichRevocations::All).await.unwrap().len(), 2);
    assert_ne!(catalog.revoke(revocation("object", "media/a")).await.unwrap().id, standing.id);
}

#[tokio::test]
async fn a_link_minted_again_is_counted_once_per_mint() {
    let dir = tempfile::tempdir().unwrap();
    let catalog = open(&dir).await;
    catalog.record_mint(mint("lnk_a")).await;
    catalog.record_mint(MintRecord { reference: None, minted_at: at(NOW + 5), ..mint("lnk_a") }).await;
    catalog.record_mint(MintRecord { reference: Some("second".into()), minted_at: at(NOW + 3), ..mint("lnk_a") }).await;
    catalog.flush().await.unwrap();
    let link = catalog.link("lnk_a").await.unwrap().unwrap();
    assert_eq!((link.mints, link.last_minted_at), (3, at(NOW + 5)));
    assert_eq!(link.mint, MintRecord { reference: Some("second".into()), ..mint("lnk_a") });
}

#[tokio::test]
async fn equal_mints_that_wait_are_one_row_and_take_the_room_of_one() {
    let dir = tempfile::tempdir().unwrap();
    let catalog = open(&dir).await;
    for round in 1..=2 {
        for n in 0..1000 {
            let reference = (n % 10 == 7).then(|| format!("campaign-{n}"));
            catalog.record_mint(MintRecord { reference, minted_at: at(NOW + n), ..mint("lnk_a") }).await;
            assert!(catalog.counters().waiting_bytes < 2000, "{:?}", catalog.counters());
        }
        catalog.record_mint(mint("lnk_b")).await;
        catalog.flush().await.unwrap();
        let link = catalog.link("lnk_a").await.unwrap().unwrap();
        assert_eq!((link.mints, link.last_minted_at, link.mint.minted_at), (round * 1000, at(NOW + 999), at(NOW)));
        assert_eq!(link.mint.reference.as_deref(), Some("campaign-997"), "the newest that was given");
        assert_eq!(catalog.link("lnk_b").await.unwrap().unwrap().mints, round);
        let counters = catalog.counters();
        assert_eq!((counters.queued, counters.written, counters.waiting_bytes), (round * 1001, round * 1001, 0));
    }
    assert_eq!(count(&file(&dir), "links").await, 2);
}

#[tokio::test]
async fn other_content_under_one_version_is_first_seen_when_it_changed() {
    let dir = tempfile::tempdir().unwrap();
    let catalog = open(&dir).await;
    let first = object("a", b"one");
    let later = KnownObject { facts: "{}".into(), facts_format: 2, first_seen: at(NOW + 9), ..object("a", b"one") };
    let known = async || catalog.known(&first.store, &first.key, &first.version).await.unwrap();

    catalog.remember_now(first.clone()).await.unwrap();
    catalog.remember_now(later.clone()).await.unwrap();
    assert_eq!(known().await, Some(KnownObject { first_seen: first.first_seen, ..later }));

    let other = KnownObject { first_seen: at(NOW + 20), ..object("a", b"two") };
    catalog.remember_now(other.clone()).await.unwrap();
    assert_eq!(known().await, Some(other));
}

#[tokio::test]
async fn a_manifest_belongs_to_its_content_and_to_no_object() {
    let dir = tempfile::tempdir().unwrap();
    let catalog = open(&dir).await;
    let (one, two) = (Fingerprint::of(b"one"), Fingerprint::of(b"two"));
    assert_eq!(catalog.manifest(&one).await.unwrap(), None);
    catalog.keep_manifest(one, vec![1; 64]);
    catalog.keep_manifest(two, Vec::new());
    catalog.flush().await.unwrap();
    assert_eq!(catalog.manifest(&one).await.unwrap(), Some(vec![1; 64]));
    assert_eq!(catalog.manifest(&two).await.unwrap(), Some(Vec::new()));
    assert_eq!(catalog.manifest(&Fingerprint::of(b"three")).await.unwrap(), None);

    let object = object("a", b"one");
    catalog.remember_now(object.clone()).await.unwrap();
    catalog.forget(&object.store, &object.key, &object.version).await.unwrap();
    assert_eq!(catalog.manifest(&one).await.unwrap(), Some(vec![1; 64]), "other objects may hold that content");

    catalog.keep_manifest(one, vec![2; 96]);
    catalog.flush().await.unwrap();
    assert_eq!(catalog.manifest(&one).await.unwrap(), Some(vec![2; 96]), "the newer one mends a damaged one");
    assert_eq!(count(&file(&dir), "manifests").await, 2);
}

#[tokio::test]
async fn a_catalog_of_the_first_schema_keeps_its_rows() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(file(&dir), b"").unwrap();
    let (with, without) = (object("a", b"with"), object("b", b"without"));
    let mut old = stranger(&file(&dir)).await;
    sqlx::raw_sql(include_str!("../../src/catalog/sqlite/schema_1.sql")).execute(&mut old).await.unwrap();
    sqlx::raw_sql("PRAGMA application_id = 0x48616c6c; PRAGMA user_version = 1").execute(&mut old).await.unwrap();
    for (known, manifest) in [(&with, Some(vec![7_u8; 64])), (&without, None)] {
        let insert = "INSERT INTO objects
            (store, object_key, version, fingerprint, sha256, length, facts, facts_format, first_seen, manifest)
            VALUES ('media', ?, 'v1', ?, ?, ?, ?, 1, ?, ?)";
        let row = sqlx::query(insert)
            .bind(known.key.as_str())
            .bind(known.fingerprint.to_string())
            .bind(known.sha256.to_string())
            .bind(i64::try_from(known.length).unwrap())
            .bind(&known.facts)
            .bind(i64::try_from(NOW).unwrap())
            .bind(manifest);
        row.execute(&mut old).await.unwrap();
    }
    let revoke = "INSERT INTO revocations (kind, value, client, created_at) VALUES ('link', 'lnk_a', 'ops', 1)";
    sqlx::raw_sql(revoke).execute(&mut old).await.unwrap();
    old.close().await.unwrap();

    for start in 1..=2 {
        let catalog = open(&dir).await;
        for known in [&with, &without] {
            let found = catalog.known(&known.store, &known.key, &known.version).await.unwrap();
            assert_eq!(found.as_ref(), Some(known), "start {start}");
        }
        assert_eq!(catalog.revocations(WhichRevocations::Active).await.unwrap().len(), 1);
        let kept = catalog.manifest(&without.fingerprint).await.unwrap();
        assert_eq!(kept.is_some(), start == 2);
        catalog.keep_manifest(without.fingerprint, vec![1; 64]);
        catalog.remember(object("c", b"new"));
        catalog.close().await.unwrap();
    }
    assert_eq!(count(&file(&dir), "objects").await, 3);
    let columns = count(&file(&dir), "pragma_table_info('objects') WHERE name = 'manifest'").await;
    assert_eq!(columns, 0);
}

#[tokio::test]
async fn forgetting_reaches_what_is_still_queued() {
    let dir = tempfile::tempdir().unwrap();
    let catalog = open(&dir).await;
    let known = object("a", b"wrong");
    catalog.remember(known.clone());
    assert!(catalog.forget(&known.store, &known.key, &known.version).await.unwrap());
    catalog.flush().await.unwrap();
    assert_eq!(catalog.known(&known.store, &known.key, &known.version).await.unwrap(), None);
    assert!(!catalog.forget(&known.store, &known.key, &known.version).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_mints_at_once_are_all_written() {
    let dir = tempfile::tempdir().unwrap();
    let catalog = open(&dir).await;
    let began = Instant::now();
    for n in 0..10_000 {
        catalog.record_mint(mint(&format!("lnk_{n}"))).await;
    }
    let queued = began.elapsed();
    catalog.flush().await.unwrap();
    let counters = catalog.counters();
    println!("10,000 mints: queued in {queued:?}, on the disk in {:?}; {counters:?}", began.elapsed());
    assert_eq!((counters.queued, counters.written, counters.dropped, counters.waiting_bytes), (10_000, 10_000, 0, 0));
    assert_eq!(count(&file(&dir), "links").await, 10_000);
    assert!(began.elapsed() < Duration::from_secs(20), "batches, not a sync per record");
}

#[tokio::test]
async fn a_record_is_written_without_being_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let catalog = open(&dir).await;
    catalog.record_mint(mint("lnk_a")).await;
    let began = Instant::now();
    while catalog.counters().written == 0 {
        assert!(began.elapsed() < Duration::from_secs(5), "the batch is due after 100 ms");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(catalog.link("lnk_a").await.unwrap().is_some());
    assert!(catalog.counters().lag >= Duration::from_millis(100));
}

#[tokio::test]
async fn a_full_queue_drops_counts_and_never_waits() {
    let dir = tempfile::tempdir().unwrap();
    let small = CatalogSettings { queue_records: 10, ..settings(&dir) };
    let catalog = Catalog::open(&small, clock()).await.unwrap();
    // On one thread the writer cannot run before the first await.
    (0..25).for_each(|n| catalog.record_fetch(fetch("lnk_a", n)));
    assert_eq!((catalog.counters().queued, catalog.counters().dropped), (10, 15));
    catalog.flush().await.unwrap();
    assert_eq!((catalog.counters().written, catalog.counters().waiting_bytes), (10, 0));

    let dir = tempfile::tempdir().unwrap();
    let small = CatalogSettings { queue_bytes: 100_000, ..settings(&dir) };
    let catalog = Catalog::open(&small, clock()).await.unwrap();
    let big = |key| KnownObject { facts: " ".repeat(60_000), ..object(key, b"x") };
    catalog.remember(big("a"));
    catalog.remember(big("b"));
    catalog.keep_manifest(Fingerprint::of(b"x"), vec![0; 60_000]);
    assert_eq!((catalog.counters().queued, catalog.counters().dropped), (1, 2), "bytes are bounded, not only records");
    catalog.flush().await.unwrap();
    catalog.keep_manifest(Fingerprint::of(b"x"), vec![0; 60_000]);
    assert!(catalog.counters().waiting_bytes > 60_000);
    catalog.remember(big("b"));
    assert_eq!((catalog.counters().queued, catalog.counters().dropped), (2, 3), "a manifest's bytes are bytes too");
    catalog.flush().await.unwrap();
    assert_eq!((catalog.counters().written, catalog.counters().waiting_bytes), (2, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn mints_wait_for_a_slow_database_and_none_goes_unrecorded() {
    let dir = tempfile::tempdir().unwrap();
    let small = CatalogSettings { mint_bytes: 100_000, mint_wait: Duration::from_mins(1), ..settings(&dir) };
    let catalog = Catalog::open(&small, clock()).await.unwrap();
    let mut other = stranger(&file(&dir)).await;
    let lock = other.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let began = Instant::now();
    let minters: Vec<_> = (0..20)
        .map(|minter| {
            let catalog = catalog.clone();
            tokio::spawn(async move {
                for n in 0..100 {
                    catalog.record_mint(mint(&format!("lnk_{minter}_{n}"))).await;
                }
            })
        })
        .collect();
    // SQLite waits five seconds for the lock, so all this time the database is slow, and nobody knows that it is stuck.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let counters = catalog.counters();
    assert!(counters.queued < 200 && counters.waiting_bytes <= 100_000, "what waits is bounded: {counters:?}");
    assert_eq!((counters.written, counters.dropped, counters.failures), (0, 0, 0));
    assert!(counters.lag >= Duration::from_millis(1500), "a writer that stands still shows: {counters:?}");
    catalog.record_fetch(fetch("lnk_a", 1));
    assert_eq!(catalog.counters().dropped, 0, "other records have room of their own");

    lock.rollback().await.unwrap();
    for minter in minters {
        minter.await.unwrap();
    }
    catalog.flush().await.unwrap();
    let counters = catalog.counters();
    assert_eq!((counters.queued, counters.written, counters.dropped, counters.waiting_bytes), (2001, 2001, 0, 0));
    assert!(counters.lag < began.elapsed(), "{counters:?}");
    assert_eq!(count(&file(&dir), "links").await, 2000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stuck_database_is_waited_for_once_and_then_by_nobody() {
    let wait = Duration::from_millis(300);
    // It is found to be stuck by the wait of a mint, or by the failure of a commit, whichever comes first.
    for (mint_wait, busy_timeout) in [(wait, Duration::from_mins(1)), (Duration::from_mins(1), wait)] {
        let dir = tempfile::tempdir().unwrap();
        let small = CatalogSettings { mint_bytes: 20_000, mint_wait, busy_timeout, attempts: 1000, ..settings(&dir) };
        let catalog = Catalog::open(&small, clock()).await.unwrap();
        let mut other = stranger(&file(&dir)).await;
        let lock = other.begin_with("BEGIN IMMEDIATE").await.unwrap();
        let (mut began, mut most) = (Instant::now(), 0);
        while catalog.counters().failures == 0 && catalog.counters().dropped == 0 {
            assert!(began.elapsed() < Duration::from_secs(20), "{:?}", catalog.counters());
            // Room for some, and one that waits; in the second case for a commit's failure, which is told to the next.
            let late = catalog.record_mint(mint(&format!("lnk_{most}")));
            let _ = tokio::time::timeout(Duration::from_secs(2), late).await;
            most += 1;
        }
        let before = catalog.counters();
        began = Instant::now();
        for n in 0..200 {
            catalog.record_mint(mint(&format!("lnk_late_{n}"))).await;
        }
        let counters = catalog.counters();
        assert!(began.elapsed() < wait, "nobody waits for what is known to be stuck: {:?}", began.elapsed());
        assert!(counters.dropped >= before.dropped + 150, "what is lost is counted: {counters:?}");
        assert_eq!(counters.queued + counters.dropped, before.queued + before.dropped + 200);
        assert!(counters.waiting_bytes <= 20_000, "{counters:?}");

        lock.rollback().await.unwrap();
        while catalog.flush().await.is_err() {
            assert!(began.elapsed() < Duration::from_secs(20));
        }
        for n in 0..200 {
            catalog.record_mint(mint(&format!("lnk_new_{n}"))).await;
        }
        catalog.flush().await.unwrap();
        let after = catalog.counters();
        assert_eq!((after.dropped, after.waiting_bytes), (counters.dropped, 0), "it is waited for again");
        assert_eq!(after.written, counters.queued + 200);
    }
}

#[tokio::test]
async fn closing_ends_the_wait_for_room() {
    let dir = tempfile::tempdir().unwrap();
    let small = CatalogSettings { mint_bytes: 1, mint_wait: Duration::from_mins(1), ..settings(&dir) };
    let catalog = Catalog::open(&small, clock()).await.unwrap();
    catalog.record_mint(mint("lnk_a")).await;
    let late = tokio::spawn(catalog.record_mint(mint("lnk_b")));
    catalog.close().await.unwrap();
    late.await.unwrap();
    let counters = catalog.counters();
    assert_eq!((counters.written + counters.dropped, counters.waiting_bytes), (2, 0), "{counters:?}");
    assert!(counters.written >= 1, "what is larger than the room has it alone");
}

#[tokio::test]
async fn a_locked_database_delays_records_and_refuses_revocations_then_recovers() {
    let dir = tempfile::tempdir().unwrap();
    let quick = CatalogSettings {
        busy_timeout: Duration::from_millis(20),
        retry_after: Duration::from_millis(50),
        attempts: 1000,
        ..settings(&dir)
    };
    let catalog = Catalog::open(&quick, clock()).await.unwrap();
    let mut other = stranger(&file(&dir)).await;
    let lock = other.begin_with("BEGIN IMMEDIATE").await.unwrap();
    catalog.record_mint(mint("lnk_a")).await;
    let refused = catalog.revoke(revocation("link", "lnk_a")).await.unwrap_err();
    assert!(matches!(refused, CatalogError::Database(_)), "{refused}");
    assert!(catalog.ping().await.is_err());
    assert!(catalog.flush().await.is_err());
    assert_eq!(catalog.link("lnk_a").await.unwrap(), None, "reading goes on");
    let counters = catalog.counters();
    assert!(counters.failures > 0 && counters.dropped == 0 && counters.written == 0, "{counters:?}");

    lock.rollback().await.unwrap();
    catalog.flush().await.unwrap();
    catalog.ping().await.unwrap();
    catalog.revoke(revocation("link", "lnk_a")).await.unwrap();
    assert!(catalog.link("lnk_a").await.unwrap().is_some());
    assert_eq!((catalog.counters().written, catalog.counters().dropped), (1, 0));
}

#[tokio::test]
async fn a_database_that_stays_broken_costs_records_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let quick = CatalogSettings { retry_after: Duration::from_millis(10), attempts: 3, ..settings(&dir) };
    let catalog = Catalog::open(&quick, clock()).await.unwrap();
    let mut other = stranger(&file(&dir)).await;
    sqlx::raw_sql("DROP TABLE fetches").execute(&mut other).await.unwrap();
    (0..7).for_each(|n| catalog.record_fetch(fetch("lnk_a", n)));
    let began = Instant::now();
    while catalog.counters().dropped < 7 {
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", catalog.counters());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let counters = catalog.counters();
    assert_eq!((counters.failures, counters.written, counters.waiting_bytes), (3, 0, 0));
    catalog.revoke(revocation("link", "lnk_a")).await.unwrap();
    catalog.record_mint(mint("lnk_a")).await;
    catalog.close().await.unwrap();
    assert_eq!(catalog.counters().written, 1, "the writer lives");
}

#[tokio::test]
async fn closing_a_broken_database_is_bounded_and_counts_what_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let catalog = Catalog::open(&CatalogSettings { batch_records: 2, ..settings(&dir) }, clock()).await.unwrap();
    sqlx::raw_sql("DROP TABLE fetches").execute(&mut stranger(&file(&dir)).await).await.unwrap();
    (0..9).for_each(|n| catalog.record_fetch(fetch("lnk_a", n)));
    assert!(matches!(catalog.close().await, Err(CatalogError::Database(_))));
    let counters = catalog.counters();
    assert_eq!((counters.dropped, counters.written, counters.waiting_bytes), (9, 0, 0));
}

#[tokio::test]
async fn closing_drains_the_queue_and_later_calls_say_so() {
    let dir = tempfile::tempdir().unwrap();
    let catalog = open(&dir).await;
    (0..3000).for_each(|n| catalog.record_fetch(fetch("lnk_a", n)));
    catalog.close().await.unwrap();
    catalog.close().await.unwrap();
    assert_eq!(catalog.counters().written, 3000);
    assert!(!file(&dir).with_extension("db-wal").exists(), "one file is left, ready to be copied");
    assert_eq!(count(&file(&dir), "fetches").await, 3000);

    catalog.record_mint(mint("lnk_a")).await;
    assert_eq!((catalog.counters().dropped, catalog.counters().waiting_bytes), (1, 0));
    assert!(matches!(catalog.revoke(revocation("link", "x")).await, Err(CatalogError::Closed)));
    assert!(catalog.ping().await.is_err() && catalog.link("lnk_a").await.is_err());
}

#[tokio::test]
async fn dropping_the_last_handle_still_writes_what_is_queued() {
    let dir = tempfile::tempdir().unwrap();
    let catalog = open(&dir).await;
    let twin = catalog.clone();
    catalog.record_mint(mint("lnk_a")).await;
    drop(catalog);
    twin.ping().await.unwrap();
    twin.record_mint(mint("lnk_b")).await;
    drop(twin);
    let began = Instant::now();
    while count(&file(&dir), "links").await < 2 {
        assert!(began.elapsed() < Duration::from_secs(5));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let log = file(&dir).with_extension("db-wal");
    while std::fs::metadata(&log).is_ok_and(|log| log.len() > 0) {
        assert!(began.elapsed() < Duration::from_secs(10), "no task of the catalog outlives its last handle");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn old_rows_go_in_slices_and_young_ones_stay() {
    let dir = tempfile::tempdir().unwrap();
    let clock = clock();
    let catalog = Catalog::open(&settings(&dir), clock.clone()).await.unwrap();
    for n in 0..1200 {
        catalog.record_mint(mint(&format!("lnk_{n}"))).await;
    }
    (0..700).for_each(|n| catalog.record_fetch(fetch("lnk_1", NOW * 1000 + n)));
    let lapsing = NewRevocation { expires_at: Some(at(NOW + 60)), ..revocation("link", "lnk_1") };
    catalog.revoke(lapsing).await.unwrap();
    let lifted = catalog.revoke(revocation("object", "media/a")).await.unwrap();
    catalog.lift(lifted.id, &lifted.client).await.unwrap();
    catalog.revoke(revocation("fingerprint", "ff")).await.unwrap();
    catalog.remember(object("a", b"kept"));
    catalog.flush().await.unwrap();
    assert_eq!(catalog.prune().await.unwrap(), Pruned::default());

    clock.set(at(NOW + 60 + DAY));
    assert_eq!(catalog.prune().await.unwrap(), Pruned::default(), "to the second");
    clock.advance(Duration::from_secs(1));
    assert_eq!(catalog.prune().await.unwrap(), Pruned { revocations: 1, ..Pruned::default() });

    clock.set(at(NOW + 31 * DAY));
    catalog.record_mint(MintRecord { minted_at: clock.now(), ..mint("lnk_young") }).await;
    catalog.flush().await.unwrap();
    assert_eq!(catalog.prune().await.unwrap(), Pruned { links: 1200, fetches: 0, revocations: 1 });
    clock.set(at(NOW + 91 * DAY));
    assert_eq!(catalog.prune().await.unwrap(), Pruned { links: 1, fetches: 700, revocations: 0 });
    assert_eq!(catalog.revocations(WhichRevocations::All).await.unwrap().len(), 1, "a standing one stays for ever");
    assert_eq!(count(&file(&dir), "objects").await, 1);
}

#[tokio::test]
async fn old_rows_go_by_themselves() {
    let dir = tempfile::tempdir().unwrap();
    let often = CatalogSettings { prune_every: Duration::from_secs(1), ..settings(&dir) };
    let clock = clock();
    let catalog = Catalog::open(&often, clock.clone()).await.unwrap();
    catalog.record_mint(mint("lnk_a")).await;
    catalog.flush().await.unwrap();
    clock.set(at(NOW + 31 * DAY));
    let began = Instant::now();
    while catalog.link("lnk_a").await.unwrap().is_some() {
        assert!(began.elapsed() < Duration::from_secs(10));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_read_while_records_pour_in() {
    let dir = tempfile::tempdir().unwrap();
    let catalog = open(&dir).await;
    for n in 0..100 {
        catalog.record_mint(mint(&format!("lnk_{n}"))).await;
    }
    catalog.flush().await.unwrap();
    (0..8000).for_each(|n| catalog.record_fetch(fetch("lnk_1", n)));
    let readers: Vec<_> = (0..16)
        .map(|n| {
            let catalog = catalog.clone();
            tokio::spawn(async move {
                for m in 0..25 {
                    let id = format!("lnk_{}", (n * 25 + m) % 100);
                    assert_eq!(catalog.link(&id).await.unwrap().unwrap().mint.id, id);
                }
            })
        })
        .collect();
    for reader in readers {
        reader.await.unwrap();
    }
    catalog.flush().await.unwrap();
    assert_eq!(catalog.counters().written, 8100);
}

#[tokio::test]
async fn a_revocation_overtakes_the_queued_records() {
    let dir = tempfile::tempdir().unwrap();
    let catalog = open(&dir).await;
    (0..8000).for_each(|n| catalog.record_fetch(fetch("lnk_a", n)));
    let revoker = catalog.clone();
    tokio::spawn(async move { revoker.revoke(revocation("link", "lnk_a")).await.unwrap() }).await.unwrap();
    let written = catalog.counters().written;
    assert!(written <= 1024, "{written} records went first");
    catalog.flush().await.unwrap();
    assert_eq!(catalog.counters().written, 8000);
}

#[tokio::test]
async fn hostile_texts_come_back_as_they_were_or_cut() {
    let dir = tempfile::tempdir().unwrap();
    let catalog = open(&dir).await;
    let mut known = object("x' OR '1'='1/\"; DROP TABLE links; --/größe/😀 %00 ?1 :a @b $c", b"x");
    known.version = "v\0\u{202e}".parse().unwrap();
    known.facts = "{\"a\":\"\u{0}'\"}".into();
    catalog.remember_now(known.clone()).await.unwrap();
    assert_eq!(catalog.known(&known.store, &known.key, &known.version).await.unwrap(), Some(known.clone()));
    let longer = "v\0\u{202e}!".parse().unwrap();
    assert_eq!(catalog.known(&known.store, &known.key, &longer).await.unwrap(), None, "a NUL ends no text");

    for text in ["", "'", "\"", "\0", "a\0b", "'); DROP TABLE fetches; --", "😀\u{feff}\u{202e}", "\r\n\u{1b}[31m"] {
        let hostile = MintRecord { reference: Some(text.into()), ..mint(text) };
        catalog.record_mint(hostile.clone()).await;
        catalog.record_fetch(FetchRecord { agent: text.into(), range: Some(text.into()), ..fetch(text, 1) });
        let revoked = catalog.revoke(revocation("link", text)).await.unwrap();
        assert_eq!(revoked.value, text);
        catalog.flush().await.unwrap();
        assert_eq!(catalog.link(text).await.unwrap().unwrap().mint, hostile);
        assert_eq!(catalog.fetches_of(text, 9).await.unwrap()[0].agent, text);
    }

    let endless = "é".repeat(100_000);
    catalog.record_fetch(FetchRecord {
        agent: endless.clone(),
        range: Some(endless.clone()),
        ..fetch("lnk_e", u64::MAX)
    });
    catalog.record_mint(MintRecord { reference: Some(endless.clone()), ..mint("lnk_e") }).await;
    catalog.flush().await.unwrap();
    let kept = &catalog.fetches_of("lnk_e", 1).await.unwrap()[0];
    assert_eq!((kept.agent.len(), kept.range.as_ref().unwrap().len()), (512, 512));
    assert_eq!(catalog.link("lnk_e").await.unwrap().unwrap().mint.reference.unwrap().len(), 1024);
    assert!(matches!(catalog.revoke(revocation("link", &endless)).await, Err(CatalogError::TooLong { .. })));
}

#[tokio::test]
async fn the_files_are_for_their_owner_only() {
    let dir = tempfile::tempdir().unwrap();
    let catalog = open(&dir).await;
    catalog.revoke(revocation("link", "lnk_a")).await.unwrap();
    for name in ["hallpass.db", "hallpass.db-wal", "hallpass.db-shm"] {
        let mode = std::fs::metadata(dir.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[tokio::test]
async fn an_empty_file_becomes_a_catalog_and_a_newer_one_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(file(&dir), b"").unwrap();
    open(&dir).await.close().await.unwrap();
    open(&dir).await.close().await.unwrap();

    let mut other = stranger(&file(&dir)).await;
    sqlx::raw_sql("PRAGMA user_version = 99").execute(&mut other).await.unwrap();
    other.close().await.unwrap();
    let refused = Catalog::open(&settings(&dir), clock()).await.unwrap_err();
    assert!(matches!(refused, CatalogError::TooNew { found: 99, known: 3, .. }), "{refused}");
}

#[tokio::test]
async fn a_place_that_cannot_hold_a_catalog_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let refused = async |url: String| Catalog::open(&CatalogSettings::new(url), clock()).await.unwrap_err().to_string();
    let missing = dir.path().join("no/such/hallpass.db");
    let said = refused(format!("sqlite://{}", missing.display())).await;
    assert!(said.contains("the directory") && said.contains("does not exist; make it first"), "{said}");
    assert!(!missing.exists());
    let said = refused(format!("sqlite://{}", dir.path().display())).await;
    assert!(said.contains("it is a directory"), "{said}");
    let said = refused("postgres://db/hallpass".into()).await;
    assert!(said.contains("PostgreSQL is not supported yet"), "{said}");
}

#[tokio::test]
async fn a_file_that_was_taken_away_refuses_changes_instead_of_losing_them() {
    let dir = tempfile::tempdir().unwrap();
    let catalog = open(&dir).await;
    catalog.revoke(revocation("link", "lnk_a")).await.unwrap();
    let away = dir.path().join("away.db");
    std::fs::rename(file(&dir), &away).unwrap();
    let refused = catalog.revoke(revocation("link", "lnk_b")).await.unwrap_err();
    assert!(matches!(refused, CatalogError::CannotOpen { .. }), "{refused}");
    assert!(catalog.ping().await.is_err());
    std::fs::write(file(&dir), b"").unwrap();
    let refused = catalog.revoke(revocation("link", "lnk_b")).await.unwrap_err();
    assert!(refused.to_string().contains("another file was put in its place"), "{refused}");
    std::fs::rename(&away, file(&dir)).unwrap();
    catalog.revoke(revocation("link", "lnk_b")).await.unwrap();
}

#[tokio::test]
async fn a_damaged_file_is_refused_and_left_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let garbage = b"these are not the rows that you look for ".repeat(500);
    std::fs::write(file(&dir), &garbage).unwrap();
    let refused = Catalog::open(&settings(&dir), clock()).await.unwrap_err();
    assert!(matches!(refused, CatalogError::Damaged { .. }), "{refused}");
    assert!(refused.to_string().contains("put a backup in its place"), "{refused}");
    assert_eq!(std::fs::read(file(&dir)).unwrap(), garbage);

    let dir = tempfile::tempdir().unwrap();
    open(&dir).await.close().await.unwrap();
    // The first page after its header: where the tables are listed.
    std::fs::OpenOptions::new().write(true).open(file(&dir)).unwrap().write_all_at(&[0xee; 3900], 100).unwrap();
    let refused = Catalog::open(&settings(&dir), clock()).await.unwrap_err();
    assert!(matches!(refused, CatalogError::Damaged { .. }), "{refused}");
}

#[tokio::test]
async fn a_row_that_no_release_wrote_is_an_error_and_not_a_panic() {
    let dir = tempfile::tempdir().unwrap();
    let catalog = open(&dir).await;
    let known = object("a", b"x");
    catalog.remember_now(known.clone()).await.unwrap();
    catalog.record_mint(mint("lnk_a")).await;
    catalog.flush().await.unwrap();
    let spoil = "UPDATE objects SET fingerprint = 'zz'; UPDATE links SET expires = -1";
    sqlx::raw_sql(spoil).execute(&mut stranger(&file(&dir)).await).await.unwrap();
    let read = catalog.known(&known.store, &known.key, &known.version).await;
    assert!(matches!(read, Err(CatalogError::Unreadable("fingerprint"))));
    assert!(matches!(catalog.link("lnk_a").await, Err(CatalogError::Unreadable("expires"))));
}

/// 2026-11-21T10:20:00Z.
const NOW: u64 = 1_795_256_400;
const DAY: u64 = 86_400;
