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

-- ------------------------------------------------------------------ indexes named
--
-- SQLite has no statistics here, and assumes that an organisation has about ten rows in each table. For these statements
-- it would therefore read all rows of the organisation.

-- name: list_media_in_chats
-- The bit is written as a literal, so that SQLite recognises that the index has these messages.
SELECT no, phone, chat, sender, id, sent_at, flags, kind, text, details, ack, deleted_at, edited_at, prev_text, fts, source,
    raw, stored_at, changed_at
FROM messages INDEXED BY messages_media
WHERE org = :org AND phone IN (:phones*) AND chat IN (:chats*) AND sent_at BETWEEN :low AND :high
    AND (flags & 8) = 8 AND (flags & :mask) = :want
ORDER BY sent_at DESC, id DESC, phone DESC, chat DESC, sender DESC LIMIT :limit OFFSET :offset;

-- name: keys_of_media_in_chats
SELECT phone, chat, id, sender FROM messages INDEXED BY messages_media
WHERE org = :org AND phone IN (:phones*) AND chat IN (:chats*) AND sent_at BETWEEN :low AND :high
    AND (flags & 8) = 8 AND (flags & :mask) = :want
ORDER BY sent_at DESC, id DESC, phone DESC, chat DESC, sender DESC LIMIT :limit OFFSET :offset;

-- name: media_in_chats
SELECT no, phone, chat, sender, id, sent_at, flags, kind, text, details, ack, deleted_at, edited_at, prev_text, fts, source,
    raw, stored_at, changed_at
FROM messages INDEXED BY messages_media
WHERE org = :org AND phone IN (:phones*) AND chat IN (:chats*) AND (flags & 8) = 8
    AND kind IN (:kinds*) AND sent_at <= :at AND (sent_at < :at OR no < :no)
ORDER BY sent_at DESC, no DESC LIMIT :limit;

-- name: aliases_of
SELECT jid FROM aliases INDEXED BY aliases_contact WHERE org = :org AND contact IN (:contacts*) ORDER BY jid;

-- name: chat_facts_by_jid
SELECT facts FROM import_facts INDEXED BY import_facts_jid WHERE org = :org AND phone = :phone AND jid IN (:jids*);

-- name: contact_facts_by_jid
SELECT -phone, facts FROM import_facts INDEXED BY import_facts_jid WHERE org = :org AND phone <= 0 AND jid IN (:jids*);

-- name: told_jids
SELECT import, jid, MAX(CASE WHEN facts = '' THEN 0 ELSE 1 END)
FROM import_facts INDEXED BY import_facts_jid WHERE org = :org AND jid IN (:jids*)
GROUP BY import, jid ORDER BY import, jid;

-- name: next_in_lane
SELECT o.id, d.attempts, d.first_at, o.event, o.type, o.at, o.phone, o.chat, o.message, o.ref, o.imported
FROM deliveries d INDEXED BY deliveries_waiting JOIN outbox o ON o.org = :org AND o.event = d.event
WHERE d.org = :org AND d.webhook = :webhook AND d.phone = :phone AND d.chat = :chat AND d.state = 0
ORDER BY d.event LIMIT :limit;

-- name: find_delivery
SELECT d.webhook, o.id, d.state, d.attempts, d.last_at, l.next_at, d.status, d.error,
    o.event, o.type, o.at, o.phone, o.chat, o.message, o.ref, o.imported
FROM outbox o INDEXED BY outbox_id CROSS JOIN deliveries d
    LEFT JOIN webhook_lanes l ON l.org = :org AND l.webhook = :webhook AND l.phone = d.phone AND l.chat = d.chat
WHERE o.org = :org AND o.id = :id AND d.org = :org AND d.webhook = :webhook AND d.event = o.event;
