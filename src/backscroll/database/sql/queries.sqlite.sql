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
-- SQLite has no statistics here, and assumes that an organisation has about ten rows in each table. It would run these
-- statements by reading all rows of the organisation, of a webhook or of a chat.

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

-- name: deliveries_in_state_before
SELECT d.webhook, o.id, d.state, d.attempts, d.last_at, l.next_at, d.status, d.error,
    o.event, o.type, o.at, o.phone, o.chat, o.message, o.ref, o.imported
FROM deliveries d INDEXED BY deliveries_state JOIN outbox o ON o.org = :org AND o.event = d.event
    LEFT JOIN webhook_lanes l ON l.org = :org AND l.webhook = :webhook AND l.phone = d.phone AND l.chat = d.chat
WHERE d.org = :org AND d.webhook = :webhook AND d.state = :state AND d.event < :before ORDER BY d.event DESC LIMIT :limit;

-- name: list_reactions
SELECT a.phone, a.chat, a.id, a.actor, a.target, a.ref, a.at, a.value FROM addons a INDEXED BY addons_reactions
WHERE a.org = :org AND a.phone IN (:phones*) AND a.kind = 'reaction'
    AND (:any_chat = 1 OR a.chat IN (:chats*)) AND (CAST(:id AS TEXT) IS NULL OR a.id = :id)
    AND (CAST(:since AS BIGINT) IS NULL OR a.at >= :since) AND (CAST(:until AS BIGINT) IS NULL OR a.at <= :until)
    AND EXISTS (SELECT 1 FROM messages m
        WHERE m.org = a.org AND m.id = a.id AND m.phone = a.phone AND m.chat = a.chat
            AND (a.target IN (0, m.sender) OR EXISTS (SELECT 1 FROM contacts s JOIN contacts t ON t.org = :org
                WHERE s.org = :org AND s.contact = m.sender AND t.contact = a.target
                    AND COALESCE(s.merged_into, s.contact) = COALESCE(t.merged_into, t.contact))))
ORDER BY a.at DESC, a.id DESC, a.phone DESC, a.actor DESC LIMIT :limit OFFSET :offset;

-- name: ranges_of_import
SELECT first_no, last_no FROM import_numbers INDEXED BY import_numbers_import
WHERE org = :org AND import = :import AND first_no >= :low
ORDER BY first_no LIMIT :limit;

-- name: disown_numbers
UPDATE import_numbers INDEXED BY import_numbers_import SET import = :disowned WHERE org = :org AND import = :import;

-- name: ends_of_import
SELECT m.phone, c.jid, MIN(m.sent_at), MAX(m.sent_at)
FROM import_numbers n INDEXED BY import_numbers_import CROSS JOIN messages m CROSS JOIN contacts c
WHERE n.org = :org AND n.import = :import AND m.org = :org AND m.no BETWEEN n.first_no AND n.last_no
    AND c.org = :org AND c.contact = m.chat
GROUP BY m.phone, c.jid;
