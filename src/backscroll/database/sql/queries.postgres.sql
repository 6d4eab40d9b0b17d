-- Statements that PostgreSQL words in its own way.

-- name: count_directory
SELECT COUNT(*) FROM pg_class WHERE oid IN (to_regclass('migrations'), to_regclass('meta'));

-- name: database_size
SELECT CASE WHEN has_database_privilege(current_database(), 'CONNECT') THEN pg_database_size(current_database()) END;

-- name: lease_time
-- The server's clock: those of the machines that compare may differ.
SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT);

-- name: list_in_chats
-- Of a bare (flags & …) = … the planner thinks that one row in 200 fits, and sorts all of them rather than follow the index
-- that has them in order; of a CASE it thinks that half of them fit.
SELECT no, phone, chat, sender, id, sent_at, flags, kind, text, details, ack, deleted_at, edited_at, prev_text, fts, source,
    raw, stored_at, changed_at
FROM messages
WHERE org = :org AND phone IN (:phones*) AND chat IN (:chats*) AND sent_at BETWEEN :low AND :high
    AND CASE WHEN (flags & :mask) = :want THEN TRUE END
ORDER BY sent_at DESC, id DESC, phone DESC, chat DESC, sender DESC LIMIT :limit OFFSET :offset;

-- name: list_media_in_chats
SELECT no, phone, chat, sender, id, sent_at, flags, kind, text, details, ack, deleted_at, edited_at, prev_text, fts, source,
    raw, stored_at, changed_at
FROM messages
WHERE org = :org AND phone IN (:phones*) AND chat IN (:chats*) AND sent_at BETWEEN :low AND :high
    AND (flags & 8) = 8 AND CASE WHEN (flags & :mask) = :want THEN TRUE END
ORDER BY sent_at DESC, id DESC, phone DESC, chat DESC, sender DESC LIMIT :limit OFFSET :offset;

-- name: list_in_phone
SELECT no, phone, chat, sender, id, sent_at, flags, kind, text, details, ack, deleted_at, edited_at, prev_text, fts, source,
    raw, stored_at, changed_at
FROM messages
WHERE org = :org AND phone = :phone AND sent_at BETWEEN :low AND :high AND CASE WHEN (flags & :mask) = :want THEN TRUE END
ORDER BY sent_at DESC, id DESC, chat DESC, sender DESC LIMIT :limit OFFSET :offset;

-- name: list_in_phones
SELECT no, phone, chat, sender, id, sent_at, flags, kind, text, details, ack, deleted_at, edited_at, prev_text, fts, source,
    raw, stored_at, changed_at
FROM messages
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

-- name: keys_in_phone
SELECT phone, chat, id, sender FROM messages
WHERE org = :org AND phone = :phone AND sent_at BETWEEN :low AND :high AND CASE WHEN (flags & :mask) = :want THEN TRUE END
ORDER BY sent_at DESC, id DESC, chat DESC, sender DESC LIMIT :limit OFFSET :offset;

-- name: keys_in_phones
SELECT phone, chat, id, sender FROM messages
WHERE org = :org AND CASE WHEN phone IN (:phones*) THEN TRUE END AND sent_at BETWEEN :low AND :high AND CASE WHEN (flags & :mask) = :want THEN TRUE END
ORDER BY sent_at DESC, id DESC, phone DESC, chat DESC, sender DESC LIMIT :limit OFFSET :offset;

-- name: rows_by_id
-- Only org and id can be looked up: the planner takes every chat for a small one, and would read all of its index.
SELECT no, phone, chat, sender, id, sent_at, flags, kind, text, details, ack, deleted_at, edited_at, prev_text, fts, source,
    raw, stored_at, changed_at
FROM messages WHERE org = :org AND id IN (:ids*)
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
-- An index that a build left behind half made is no index.
SELECT 'index ' || c.relname || ' is not valid' FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = current_schema() AND NOT (i.indisvalid AND i.indisready);

-- name: list_tables
SELECT tablename FROM pg_tables WHERE schemaname = current_schema();

-- name: list_indexes
SELECT indexname FROM pg_indexes WHERE schemaname = current_schema();

-- name: context_before
SELECT no, phone, chat, sender, id, sent_at, flags, kind, text, details, ack, deleted_at, edited_at, prev_text, fts, source,
    raw, stored_at, changed_at
FROM messages
WHERE org = :org AND phone = :phone AND chat IN (:chats*) AND sent_at <= :at AND (sent_at < :at OR id < :id)
    AND CASE WHEN (flags & :mask) = 0 THEN TRUE END
ORDER BY sent_at DESC, id DESC LIMIT :limit;

-- name: context_after
SELECT no, phone, chat, sender, id, sent_at, flags, kind, text, details, ack, deleted_at, edited_at, prev_text, fts, source,
    raw, stored_at, changed_at
FROM messages
WHERE org = :org AND phone = :phone AND chat IN (:chats*) AND sent_at >= :at AND (sent_at > :at OR id > :id)
    AND CASE WHEN (flags & :mask) = 0 THEN TRUE END
ORDER BY sent_at, id LIMIT :limit;
