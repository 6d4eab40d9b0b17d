-- What `backscroll check` reads and `check --repair` writes (storage/transfer/check). Whole tables, a page at a time.

-- ------------------------------------------------------------------ counters and chats

-- name: places_of_messages
SELECT DISTINCT phone, chat FROM messages WHERE org = :org;

-- name: places_of_counters
SELECT DISTINCT phone, chat FROM tallies WHERE org = :org;

-- name: counts_of_chat
-- Messages of a chat by the first microsecond of their day, and the latest of each.
SELECT sent_at - ((sent_at % 86400000000) + 86400000000) % 86400000000, flags & 15, COUNT(*), MAX(sent_at)
FROM messages WHERE org = :org AND phone = :phone AND chat = :chat GROUP BY 1, 2;

-- name: counts_of_phone
-- Messages of a phone by the first microsecond of their hour.
SELECT sent_at - ((sent_at % 3600000000) + 3600000000) % 3600000000, flags & 15, COUNT(*)
FROM messages WHERE org = :org AND phone = :phone AND sent_at BETWEEN :low AND :high GROUP BY 1, 2;

-- name: next_time
SELECT MIN(sent_at) FROM messages WHERE org = :org AND phone = :phone AND sent_at >= :since;

-- name: counters_between
SELECT bucket, plain_in, plain_out, media_in, media_out, calls_in, calls_out, notices_in, notices_out
FROM tallies WHERE org = :org AND phone = :phone AND chat = :chat AND level = :level AND bucket BETWEEN :low AND :high;

-- name: sums_of_counters
SELECT level, CAST(SUM(plain_in) AS BIGINT), CAST(SUM(plain_out) AS BIGINT), CAST(SUM(media_in) AS BIGINT),
    CAST(SUM(media_out) AS BIGINT), CAST(SUM(calls_in) AS BIGINT), CAST(SUM(calls_out) AS BIGINT),
    CAST(SUM(notices_in) AS BIGINT), CAST(SUM(notices_out) AS BIGINT)
FROM tallies WHERE org = :org AND phone = :phone AND chat = :chat GROUP BY level;

-- name: chats_after
SELECT phone, chat, last_at, has_media, exported, facts, seq, stored_at, changed_at FROM chats
WHERE org = :org AND (phone, chat) > (:phone, :chat) ORDER BY phone, chat LIMIT :limit;

-- name: delete_counters
DELETE FROM tallies WHERE org = :org;

-- ------------------------------------------------------------------ messages and what was reported of them

-- name: labels_after
SELECT phone, label, import, facts FROM labels WHERE org = :org
    AND (phone, label, import) > (:phone, :label, :import)
ORDER BY phone, label, import LIMIT :limit;

-- name: contact_facts_after
SELECT f.contact, f.phone, f.facts, f.is_named, c.told_by, c.facts
FROM contact_facts f LEFT JOIN contacts c ON c.org = f.org AND c.org = :org AND c.contact = f.contact
WHERE f.org = :org AND (f.contact, f.phone) > (:contact, :phone) ORDER BY f.contact, f.phone LIMIT :limit;

-- name: contacts_told_by
-- Contacts with facts of one phone (told_by) or of several (-1), and how many rows of facts each of them has.
SELECT c.contact, c.told_by, (SELECT COUNT(*) FROM contact_facts f WHERE f.org = :org AND f.contact = c.contact)
FROM contacts c WHERE c.org = :org AND c.told_by <> 0 AND c.contact > :after ORDER BY c.contact LIMIT :limit;

-- name: rows_of_contacts
-- Which of these chats and senders exist, and what they were merged into.
SELECT contact, merged_into FROM contacts WHERE org = :org AND contact IN (:contacts*);

-- name: files_named
SELECT file FROM files WHERE org = :org AND file IN (:files*);

-- name: raws_named
SELECT raw FROM raws WHERE org = :org AND raw IN (:raws*);

-- name: refs_after
-- The reference in the column is a copy of the one in the details.
SELECT no, client_ref, details FROM messages
WHERE org = :org AND no > :after AND (client_ref IS NOT NULL OR details LIKE '%"client_ref"%') ORDER BY no LIMIT :limit;

-- name: observations_after
SELECT phone, chat, id, sender, source, digest, message FROM tellings
WHERE org = :org AND (phone, chat, id, sender, source, digest) > (:phone, :chat, :id, :sender, :source, :digest)
ORDER BY phone, chat, id, sender, source, digest LIMIT :limit;

-- name: annotations_after
SELECT phone, chat, id, kind, actor, target, ref, at, value FROM addons
WHERE org = :org AND (phone, chat, id, kind, actor, target, ref) > (:phone, :chat, :id, :kind, :actor, :target, :ref)
ORDER BY phone, chat, id, kind, actor, target, ref LIMIT :limit;

-- name: marks_of_messages
-- Flags of the messages with these ids.
SELECT phone, chat, id, sender, flags FROM messages INDEXED BY messages_key WHERE org = :org AND id IN (:ids*);

-- name: save_derived
-- Columns that are derived from other columns of the row.
UPDATE messages SET flags = :flags, fts = :fts, client_ref = :client_ref WHERE org = :org AND no = :no;

-- ------------------------------------------------------------------ contacts, phones, tokens

-- name: contacts_after
SELECT contact, jid, lid, kind, name, push_name, business_name, facts, merged_into, stored_at, changed_at, imported,
    told_by
FROM contacts WHERE org = :org AND contact > :after ORDER BY contact LIMIT :limit;

-- name: aliases_after
SELECT jid, contact FROM aliases WHERE org = :org AND jid > :after ORDER BY jid LIMIT :limit;

-- name: set_alias
INSERT INTO aliases (org, jid, contact) VALUES (:org, :jid, :contact)
ON CONFLICT (org, jid) DO UPDATE SET contact = excluded.contact;

-- name: every_token
SELECT token, hash, name, phones, scopes, created_at, expires_at, revoked_at, last_used_at
FROM tokens WHERE org = :org ORDER BY token;

-- ------------------------------------------------------------------ numbers, changes, payloads, files

-- name: highest_numbers
SELECT 'messages', MAX(no) FROM messages WHERE org = :org
UNION ALL SELECT 'contacts', MAX(contact) FROM contacts WHERE org = :org
UNION ALL SELECT 'phones', MAX(phone) FROM phones WHERE org = :org
UNION ALL SELECT 'raws', MAX(raw) FROM raws WHERE org = :org
UNION ALL SELECT 'quarantine', MAX(no) FROM quarantine WHERE org = :org
UNION ALL SELECT 'outbox', MAX(event) FROM outbox WHERE org = :org
UNION ALL SELECT 'sources', MAX(no) FROM sources WHERE org = :org;

-- name: odd_changes
-- Values of `what` are short and in lower case, and a change only refers to numbers that were given out.
SELECT seq, what, no FROM changes
WHERE org = :org
    AND (LENGTH(what) NOT BETWEEN 3 AND 20 OR what <> LOWER(what) OR no < 0 OR no >= :next_no)
ORDER BY seq LIMIT :limit;

-- name: raws_after
SELECT raw, digest, source, size, payload FROM raws WHERE org = :org AND raw > :after ORDER BY raw LIMIT :limit;

-- name: quarantined_after
SELECT no, source, digest, payload FROM quarantine WHERE org = :org AND no > :after ORDER BY no LIMIT :limit;

-- ------------------------------------------------------------------ webhooks

-- name: every_webhook
SELECT webhook, name, url, format, types, subscriptions, phones, imports, enabled, created_at, changed_at, previous_until,
    position, failures, failing_since, retry_at, last_success_at, last_failure_at, last_error, secret, previous_secret
FROM webhooks WHERE org = :org ORDER BY webhook;

-- name: odd_events
SELECT event, type FROM outbox WHERE org = :org AND NOT (type IN (:types*)) ORDER BY event LIMIT :limit;

-- name: odd_deliveries
SELECT d.webhook, d.event, d.state FROM deliveries d
    LEFT JOIN outbox o ON o.org = :org AND o.event = d.event
    LEFT JOIN webhooks w ON w.org = :org AND w.webhook = d.webhook
WHERE d.org = :org AND (o.event IS NULL OR w.webhook IS NULL OR d.state < 0 OR d.state >= :states)
ORDER BY d.webhook, d.event LIMIT :limit;

-- name: laneless_deliveries
SELECT DISTINCT d.webhook, d.phone, d.chat FROM deliveries d
    LEFT JOIN webhook_lanes l ON l.org = :org AND l.webhook = d.webhook AND l.phone = d.phone AND l.chat = d.chat
WHERE d.org = :org AND d.state = 0 AND l.webhook IS NULL
ORDER BY d.webhook, d.phone, d.chat LIMIT :limit;
