-- Schema 1. Times are seconds since 1970 unless the name says _ms. No foreign keys between the tables: mint records may be
-- lost in a crash, and a fetch or a revocation must not depend on one.

CREATE TABLE objects (
    id            INTEGER PRIMARY KEY,
    store         TEXT    NOT NULL,
    object_key    TEXT    NOT NULL,
    version       TEXT    NOT NULL,
    fingerprint   TEXT    NOT NULL,
    sha256        TEXT    NOT NULL,
    length        INTEGER NOT NULL,
    facts         TEXT    NOT NULL,
    facts_format  INTEGER NOT NULL,
    first_seen    INTEGER NOT NULL,
    manifest      BLOB,
    UNIQUE (store, object_key, version)
) STRICT;

CREATE TABLE links (
    number         INTEGER PRIMARY KEY,
    id             TEXT    NOT NULL UNIQUE,
    store          TEXT    NOT NULL,
    object_key     TEXT    NOT NULL,
    version        TEXT    NOT NULL,
    fingerprint    TEXT    NOT NULL,
    length         INTEGER NOT NULL,
    last_modified  INTEGER,
    client         TEXT    NOT NULL,
    reference      TEXT,
    issued         INTEGER NOT NULL,
    expires        INTEGER NOT NULL,
    media_type     TEXT    NOT NULL,
    name           TEXT,
    profile        TEXT    NOT NULL,
    cache          TEXT    NOT NULL,
    header         TEXT,
    is_unique      INTEGER NOT NULL,
    key_id         TEXT    NOT NULL,
    minted_at      INTEGER NOT NULL,
    mints          INTEGER NOT NULL DEFAULT 1,
    last_minted_at INTEGER NOT NULL
) STRICT;

CREATE INDEX links_by_mint ON links (last_minted_at);

CREATE TABLE revocations (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    kind        TEXT    NOT NULL,
    value       TEXT    NOT NULL,
    reason      TEXT,
    client      TEXT    NOT NULL,
    created_at  INTEGER NOT NULL,
    expires_at  INTEGER,
    lifted_at   INTEGER,
    lifted_by   TEXT
) STRICT;

CREATE INDEX revocations_by_selector ON revocations (kind, value);

CREATE TABLE fetches (
    number           INTEGER PRIMARY KEY,
    link_id          TEXT    NOT NULL,
    at_ms            INTEGER NOT NULL,
    client_address   TEXT    NOT NULL,
    agent            TEXT    NOT NULL,
    agent_class      TEXT    NOT NULL,
    network_verdict  TEXT    NOT NULL,
    method           TEXT    NOT NULL,
    http_version     TEXT    NOT NULL,
    byte_range       TEXT,
    status           INTEGER NOT NULL,
    outcome          TEXT    NOT NULL,
    bytes            INTEGER NOT NULL,
    first_byte_ms    INTEGER,
    duration_ms      INTEGER NOT NULL,
    completed        INTEGER NOT NULL
) STRICT;

CREATE INDEX fetches_by_link ON fetches (link_id, at_ms);
CREATE INDEX fetches_by_time ON fetches (at_ms);
