-- Schema 2. Manifests belong to content, which several versions of several objects may share. No release wrote any under
-- schema 1, so none are carried over. They are never deleted: one takes 1/8192 of its content, and proves itself when it is read.

CREATE TABLE manifests (
    fingerprint  TEXT PRIMARY KEY NOT NULL,
    manifest     BLOB NOT NULL
) STRICT;

ALTER TABLE objects DROP COLUMN manifest;
