-- Schema 3. Fetches that differ in nothing but their times, and were written together, are one row.

ALTER TABLE fetches ADD COLUMN times INTEGER NOT NULL DEFAULT 1;
