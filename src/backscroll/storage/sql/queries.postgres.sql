-- Statements that PostgreSQL words in its own way.

-- name: count_directory
SELECT COUNT(*) FROM pg_class WHERE oid IN (to_regclass('migrations'), to_regclass('meta'));

-- name: add_search
INSERT INTO search (org, no, chat, text) VALUES (:org, :no, :chat, :text);

-- name: delete_search
DELETE FROM search WHERE org = :org AND no = :no;

-- name: search_rows
-- Numbers of messages of a chat whose folded text has the words.
SELECT no FROM search WHERE org = :org AND chat = :chat AND text LIKE :pattern;

-- name: unindexed
-- Messages with text that the search index does not know.
SELECT m.no FROM messages m LEFT JOIN search s ON s.org = m.org AND s.no = m.no
WHERE m.org = :org AND m.text IS NOT NULL AND m.text <> '' AND s.no IS NULL;
