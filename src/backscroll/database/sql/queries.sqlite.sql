-- Statements that SQLite words in its own way.

-- name: count_directory
SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name IN ('migrations', 'meta');

-- name: lease_time
SELECT CAST(:now AS INTEGER);

-- name: add_search
INSERT INTO search (rowid, text, scope) VALUES (:rowid, :text, :scope);

-- name: delete_search
DELETE FROM search WHERE rowid = :rowid;

-- name: search_rows
-- Numbers of messages of a chat whose text has all trigrams.
SELECT rowid & 1099511627775 FROM search WHERE search MATCH :match;

-- name: unindexed
-- Messages with text that the search index does not know.
SELECT m.no FROM messages m
WHERE m.org = :org AND m.text IS NOT NULL AND m.text <> ''
    AND :base + m.no NOT IN (SELECT rowid FROM search WHERE rowid BETWEEN :low AND :high);

-- name: quick_check
PRAGMA quick_check(1);

-- name: refresh_statistics
-- Nothing: plans are chosen without statistics here, so that they never change by themselves.
SELECT 1;

-- name: integrity_check
PRAGMA integrity_check(50);

-- name: map_nothing
PRAGMA mmap_size = 0;

-- name: list_tables
SELECT name FROM sqlite_master WHERE type = 'table';

-- name: list_indexes
SELECT name FROM sqlite_master WHERE type = 'index';

-- name: search_rows_after
-- The index keeps no text; a row of it whose message has none, or is gone, is one too many.
SELECT s.rowid & 1099511627775, NULL, NULL, m.chat, m.text FROM search s
LEFT JOIN messages m ON m.org = :org AND m.no = (s.rowid & 1099511627775)
WHERE s.rowid > :base + :after AND s.rowid <= :high ORDER BY s.rowid LIMIT :limit;

-- name: rebuild_indexes
REINDEX;
