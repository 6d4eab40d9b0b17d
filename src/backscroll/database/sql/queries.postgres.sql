-- Statements that differ for PostgreSQL.

-- name: count_directory
SELECT COUNT(*) FROM pg_class WHERE oid IN (to_regclass('migrations'), to_regclass('meta'));

-- name: database_size
SELECT CASE WHEN has_database_privilege(current_database(), 'CONNECT') THEN pg_database_size(current_database()) END;

-- name: lease_time
-- The server's clock, because the clocks of the machines that compare times may differ.
SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT);

-- name: list_in_chats
-- For a bare (flags & …) = … the planner expects one row in 200 to match, and sorts all of them instead of reading the
-- index that has them in order; for a CASE it expects half of them to match.
SELECT LISTED_COLUMNS FROM messages
WHERE org = :org AND phone IN (:phones*) AND chat IN (:chats*) AND sent_at BETWEEN :low AND :high
    AND CASE WHEN (flags & :mask) = :want THEN TRUE END
ORDER BY sent_at DESC, id DESC, phone DESC, chat DESC, sender DESC LIMIT :limit OFFSET :offset;

-- name: list_media_in_chats
SELECT LISTED_COLUMNS FROM messages
WHERE org = :org AND phone IN (:phones*) AND chat IN (:chats*) AND sent_at BETWEEN :low AND :high
    AND (flags & 8) = 8 AND CASE WHEN (flags & :mask) = :want THEN TRUE END
ORDER BY sent_at DESC, id DESC, phone DESC, chat DESC, sender DESC LIMIT :limit OFFSET :offset;

-- name: list_in_phone
SELECT LISTED_COLUMNS FROM messages
WHERE org = :org AND phone = :phone AND sent_at BETWEEN :low AND :high AND CASE WHEN (flags & :mask) = :want THEN TRUE END
ORDER BY sent_at DESC, id DESC, chat DESC, sender DESC LIMIT :limit OFFSET :offset;

-- name: list_in_phones
SELECT LISTED_COLUMNS FROM messages
WHERE org = :org AND CASE WHEN phone IN (:phones*) THEN TRUE END AND sent_at BETWEEN :low AND :high AND CASE WHEN (flags & :mask) = :want THEN TRUE END
ORDER BY sent_at DESC, id DESC, phone DESC, chat DESC, sender DESC LIMIT :limit OFFSET :offset;

-- name: keys_in_chats
SELECT phone, chat, id, sender FROM messages
WHERE org = :org AND phone IN (:phones*) AND chat IN (:chats*) AND sent_at BETWEEN :low AND :high
    AND CASE WHEN (flags & :mask) = :want THEN TRUE END
ORDER BY sent_at DESC, id DESC, phone DESC, chat DESC, sender DESC LIMIT :limit OFFSET :offset;

-- name: keys_of_media_in_chats
SELECT phone, chat, id, sender FROM messages
WHERE org = :org AND phone IN (:phones*) AND chat IN (:chats*) AND sent_at BETWEEN :low AND :high
    AND (flags & 8) = 8 AND CASE WHEN (flags & :mask) = :want THEN TRUE END
ORDER BY sent_at DESC, id DESC, phone DESC, chat DESC, sender DESC LIMIT :limit OFFSET :offset;

-- name: numbers_in_phone
SELECT no FROM messages
WHERE org = :org AND phone = :phone AND sent_at BETWEEN :low AND :high AND CASE WHEN (flags & :mask) = :want THEN TRUE END
ORDER BY sent_at DESC, id DESC, chat DESC, sender DESC LIMIT :limit OFFSET :offset;

-- name: numbers_in_phones
SELECT no FROM messages
WHERE org = :org AND CASE WHEN phone IN (:phones*) THEN TRUE END AND sent_at BETWEEN :low AND :high AND CASE WHEN (flags & :mask) = :want THEN TRUE END
ORDER BY sent_at DESC, id DESC, phone DESC, chat DESC, sender DESC LIMIT :limit OFFSET :offset;

-- name: rows_by_id
-- Only org and id are looked up: the planner assumes that every chat is small, and would read all of its index.
SELECT MESSAGE_COLUMNS FROM messages WHERE org = :org AND id IN (:ids*)
    AND CASE WHEN phone IN (:phones*) AND chat IN (:chats*) THEN TRUE END;

-- name: texts_by_no
SELECT no, sent_at, id, phone, chat, sender, text FROM messages
WHERE org = :org AND no IN (:nos*) AND CASE WHEN phone IN (:phones*) AND chat IN (:chats*) THEN TRUE END
    AND sent_at BETWEEN :low AND :high
    AND (flags & :mask) = :want AND text IS NOT NULL;

-- name: refresh_statistics
ANALYZE heads, phones, contacts, contact_facts, aliases, chats, messages, tellings, addons, tallies, changes, files, raws,
    search_segments, search_tombstones, search_fresh, search_young, search_full;

-- name: integrity_check
-- An index whose creation was interrupted is not valid.
SELECT 'index ' || c.relname || ' is not valid' FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = current_schema() AND NOT (i.indisvalid AND i.indisready);

-- name: keys_with_annotations
-- Those of some messages, [[phone, chat, id], …], that have annotations. The first OFFSET 0 has the keys taken apart
-- first, because row level security keeps conditions with ->> from an index; the second has each looked up by itself.
SELECT k.phone, k.chat, k.id FROM (
    SELECT CAST(value ->> 0 AS BIGINT) AS phone, CAST(value ->> 1 AS BIGINT) AS chat, value ->> 2 AS id
    FROM json_array_elements(CAST(:keys AS JSON)) OFFSET 0) AS k
WHERE EXISTS (SELECT 1 FROM addons a
    WHERE a.org = :org AND a.phone = k.phone AND a.chat = k.chat AND a.id = k.id OFFSET 0);

-- name: list_tables
SELECT tablename FROM pg_tables WHERE schemaname = current_schema();

-- name: list_indexes
SELECT indexname FROM pg_indexes WHERE schemaname = current_schema();

-- name: context_before
SELECT MESSAGE_COLUMNS FROM messages
WHERE org = :org AND phone = :phone AND chat = :chat AND sent_at <= :at AND (sent_at < :at OR id < :id)
    AND CASE WHEN (flags & :mask) = 0 THEN TRUE END
ORDER BY sent_at DESC, id DESC LIMIT :limit;

-- name: context_after
SELECT MESSAGE_COLUMNS FROM messages
WHERE org = :org AND phone = :phone AND chat = :chat AND sent_at >= :at AND (sent_at > :at OR id > :id)
    AND CASE WHEN (flags & :mask) = 0 THEN TRUE END
ORDER BY sent_at, id LIMIT :limit;
