-- Statements that differ for SQLite.

-- name: count_directory
SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name IN ('migrations', 'meta');

-- name: database_size
SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size();

-- name: lease_time
SELECT CAST(:now AS INTEGER);

-- name: quick_check
PRAGMA quick_check(1);

-- name: refresh_statistics
-- Nothing: on SQLite plans are chosen without statistics, so that they do not change by themselves.
SELECT 1;

-- name: integrity_check
PRAGMA integrity_check(50);

-- name: map_nothing
PRAGMA mmap_size = 0;

-- name: keys_with_annotations
-- Those of some messages, [[phone, chat, id], …], that have annotations.
SELECT k.value ->> 0, k.value ->> 1, k.value ->> 2 FROM json_each(:keys) AS k
WHERE EXISTS (SELECT 1 FROM addons a
    WHERE a.org = :org AND a.phone = k.value ->> 0 AND a.chat = k.value ->> 1 AND a.id = k.value ->> 2);

-- name: list_tables
SELECT name FROM sqlite_master WHERE type = 'table';

-- name: list_indexes
SELECT name FROM sqlite_master WHERE type = 'index';
