//! All SQL that runs on SQLite, beside the schema. Values are always bound, never written into a text.

/// `?1` to `?9` in the order of the columns. Content that changed under one version was first seen when it changed.
pub(super) const REMEMBER: &str = "
    INSERT INTO objects (store, object_key, version, fingerprint, sha256, length, facts, facts_format, first_seen)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
    ON CONFLICT (store, object_key, version) DO UPDATE SET
        first_seen = iif(fingerprint = excluded.fingerprint, first_seen, excluded.first_seen),
        fingerprint = excluded.fingerprint, sha256 = excluded.sha256, length = excluded.length,
        facts = excluded.facts, facts_format = excluded.facts_format";

pub(super) const KNOWN: &str = "
    SELECT fingerprint, sha256, length, facts, facts_format, first_seen
    FROM objects WHERE store = ?1 AND object_key = ?2 AND version = ?3";

pub(super) const FORGET: &str = "DELETE FROM objects WHERE store = ?1 AND object_key = ?2 AND version = ?3";

/// The newer one stays: if the older was damaged, that mends it.
pub(super) const KEEP_MANIFEST: &str = "
    INSERT INTO manifests (fingerprint, manifest) VALUES (?1, ?2)
    ON CONFLICT (fingerprint) DO UPDATE SET manifest = excluded.manifest";

pub(super) const MANIFEST: &str = "SELECT manifest FROM manifests WHERE fingerprint = ?1";

/// `VALUES` and its rows follow, then [`MINT_AGAIN`].
pub(super) const MINTS: &str = "
    INSERT INTO links (id, store, object_key, version, fingerprint, length, last_modified, client, reference, issued, expires,
        media_type, name, profile, cache, header, is_unique, key_id, minted_at, mints, last_minted_at) ";

/// The same link minted again is counted; its grant is the same by construction, only the reference may differ.
pub(super) const MINT_AGAIN: &str = "
    ON CONFLICT (id) DO UPDATE SET
        mints = mints + excluded.mints,
        last_minted_at = max(last_minted_at, excluded.last_minted_at),
        reference = coalesce(excluded.reference, reference)";

pub(super) const LINK: &str = "
    SELECT store, object_key, version, fingerprint, length, last_modified, client, reference, issued, expires, media_type, name,
        profile, cache, header, is_unique, key_id, minted_at, mints, last_minted_at
    FROM links WHERE id = ?1";

/// `VALUES` and its rows follow.
pub(super) const FETCHES: &str = "
    INSERT INTO fetches (link_id, at_ms, client_address, agent, agent_class, network_verdict, method, http_version, byte_range,
        status, outcome, bytes, first_byte_ms, duration_ms, completed, times) ";

pub(super) const FETCHES_OF: &str = "
    SELECT at_ms, client_address, agent, agent_class, network_verdict, method, http_version, byte_range, status, outcome, bytes,
        first_byte_ms, duration_ms, completed, times
    FROM fetches WHERE link_id = ?1 ORDER BY at_ms DESC, number DESC LIMIT ?2";

/// The client's own one in force with the latest end; `?3` is now. Each client has its own, so that none can lift another's.
pub(super) const REVOCATION_IN_FORCE: &str = "
    SELECT id, kind, value, reason, client, created_at, expires_at, lifted_at, lifted_by FROM revocations
    WHERE kind = ?1 AND value = ?2 AND client = ?4 AND lifted_at IS NULL AND (expires_at IS NULL OR expires_at > ?3)
    ORDER BY expires_at IS NULL DESC, expires_at DESC, id LIMIT 1";

pub(super) const REVOKE: &str = "
    INSERT INTO revocations (kind, value, reason, client, created_at, expires_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
    RETURNING id, kind, value, reason, client, created_at, expires_at, lifted_at, lifted_by";

pub(super) const PROLONG: &str = "
    UPDATE revocations SET expires_at = ?2 WHERE id = ?1
    RETURNING id, kind, value, reason, client, created_at, expires_at, lifted_at, lifted_by";

/// `?2` is now, `?3` who asks.
pub(super) const LIFT: &str = "
    UPDATE revocations SET lifted_at = ?2, lifted_by = ?3
    WHERE id = ?1 AND lifted_at IS NULL AND (expires_at IS NULL OR expires_at > ?2)
    RETURNING id, kind, value, reason, client, created_at, expires_at, lifted_at, lifted_by";

pub(super) const ACTIVE_REVOCATIONS: &str = "
    SELECT id, kind, value, reason, client, created_at, expires_at, lifted_at, lifted_by FROM revocations
    WHERE lifted_at IS NULL AND (expires_at IS NULL OR expires_at > ?1) ORDER BY id";

pub(super) const ALL_REVOCATIONS: &str = "
    SELECT id, kind, value, reason, client, created_at, expires_at, lifted_at, lifted_by FROM revocations ORDER BY id";

/// The newest number, how many are lifted, and the sum of all ends: one of them changes with every change.
pub(super) const REVOCATIONS_STATE: &str = "
    SELECT coalesce(max(id), 0), count(lifted_at), coalesce(sum(expires_at), 0) FROM revocations";

/// SQLite as it is built here has no `DELETE ... LIMIT`; `?1` is the cutoff and `?2` the slice, here and below.
pub(super) const PRUNE_LINKS: &str = "
    DELETE FROM links WHERE number IN (SELECT number FROM links WHERE last_minted_at < ?1 ORDER BY last_minted_at LIMIT ?2)";

pub(super) const PRUNE_FETCHES: &str = "
    DELETE FROM fetches WHERE number IN (SELECT number FROM fetches WHERE at_ms < ?1 ORDER BY at_ms LIMIT ?2)";

/// `?3` is the cutoff for lifted ones.
pub(super) const PRUNE_REVOCATIONS: &str = "
    DELETE FROM revocations WHERE id IN (SELECT id FROM revocations WHERE expires_at < ?1 OR lifted_at < ?3 LIMIT ?2)";

/// Takes the write lock at once: a transaction that reads first and writes later could be refused in the middle.
pub(super) const BEGIN: &str = "BEGIN IMMEDIATE";

pub(super) const PING: &str = "SELECT 1";
pub(super) const SCHEMA: &str = "PRAGMA user_version";
pub(super) const OWNER: &str = "PRAGMA application_id";
pub(super) const JOURNAL_MODE: &str = "PRAGMA journal_mode";
pub(super) const TABLES: &str = "SELECT count(*) FROM sqlite_schema";
/// Moves the log into the file, so that a stopped catalog is one file that can be copied.
pub(super) const CHECKPOINT: &str = "PRAGMA wal_checkpoint(TRUNCATE)";

/// The schema, step by step. A step that was released is never edited; the next one is appended.
pub(super) const MIGRATIONS: &[&str] =
    &[include_str!("schema_1.sql"), include_str!("schema_2.sql"), include_str!("schema_3.sql")];
