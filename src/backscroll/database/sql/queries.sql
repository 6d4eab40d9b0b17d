-- Every statement of the archive, by name. protocol.py says what MESSAGE_COLUMNS and LISTED_COLUMNS stand for.

-- name: create_migrations
CREATE TABLE IF NOT EXISTS migrations (version BIGINT NOT NULL PRIMARY KEY, name TEXT NOT NULL, applied_at BIGINT NOT NULL);

-- name: list_migrations
SELECT version FROM migrations ORDER BY version;

-- name: create_meta
-- What concerns the whole database: archive (its own id), compatible_from (migrate.py), copying and copied (copy.py).
CREATE TABLE IF NOT EXISTS meta (key TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL);

-- name: read_meta
SELECT value FROM meta WHERE key = :key;

-- name: save_meta
INSERT INTO meta (key, value) VALUES (:key, :value) ON CONFLICT (key) DO UPDATE SET value = excluded.value;

-- name: keep_meta
INSERT INTO meta (key, value) VALUES (:key, :value) ON CONFLICT (key) DO NOTHING;

-- name: forget_meta
DELETE FROM meta WHERE key = :key;

-- ------------------------------------------------------------------ organisations, phones, tokens

-- name: add_org
INSERT INTO orgs (org, id, name, created_at) VALUES (:org, :id, :name, :now);

-- name: add_org_state
INSERT INTO heads (org, seq, next_no, named, indexed_from, imports, hooks, pruned) VALUES (:org, 0, 1, 0, 0, 0, 0, 0);

-- name: list_orgs
SELECT org, id, name, created_at FROM orgs ORDER BY org;

-- name: rename_org
UPDATE orgs SET name = :name WHERE org = :org;

-- name: read_version
SELECT seq FROM heads WHERE org = :org;

-- name: read_org_state
SELECT seq, next_no, named, indexed_from, next_segment, pruned FROM heads WHERE org = :org;

-- name: lock_org_state
-- Taken first in every writing transaction, so that seq has no gap and each number is given out once.
UPDATE heads SET seq = seq WHERE org = :org RETURNING seq, next_no, named, indexed_from, next_segment, imports, hooks;

-- name: save_org_state
UPDATE heads SET seq = :seq, next_no = :next_no, named = :named, indexed_from = :indexed_from,
    next_segment = :next_segment, imports = :imports
WHERE org = :org;

-- name: add_phone
INSERT INTO phones (org, phone, jid, contact, phone_id, device_id, name, created_at)
VALUES (:org, :phone, :jid, :contact, :phone_id, :device_id, :name, :created_at);

-- name: update_phone
-- What sources report never replaces what is known.
UPDATE phones SET device_id = coalesce(device_id, :device_id), name = coalesce(name, :name)
WHERE org = :org AND phone = :phone;

-- name: correct_phone
-- What an operator enters replaces what is known.
UPDATE phones SET device_id = coalesce(:device_id, device_id), name = coalesce(:name, name)
WHERE org = :org AND phone = :phone;

-- name: list_phones
SELECT phone, jid, phone_id, device_id, name, created_at, contact, state FROM phones WHERE org = :org ORDER BY phone;

-- name: add_token
INSERT INTO tokens (org, token, hash, name, phones, scopes, created_at, expires_at)
VALUES (:org, :token, :hash, :name, :phones, :scopes, :now, :expires_at);

-- name: find_token
SELECT hash, phones, scopes, expires_at, revoked_at, last_used_at FROM tokens WHERE org = :org AND token = :token;

-- name: add_session
INSERT INTO sessions (org, session, hash, token, once, created_at, expires_at)
VALUES (:org, :session, :hash, :token, :once, :now, :expires_at);

-- name: find_session
SELECT hash, token, once, expires_at FROM sessions WHERE org = :org AND session = :session;

-- name: delete_session
DELETE FROM sessions WHERE org = :org AND session = :session RETURNING token;

-- name: delete_old_sessions
DELETE FROM sessions WHERE org = :org AND expires_at <= :now;

-- name: list_tokens
SELECT token, name, phones, scopes, created_at, expires_at, revoked_at, last_used_at
FROM tokens WHERE org = :org ORDER BY created_at, token;

-- name: revoke_token
UPDATE tokens SET revoked_at = coalesce(revoked_at, :now) WHERE org = :org AND token = :token RETURNING token;

-- name: touch_token
UPDATE tokens SET last_used_at = :now WHERE org = :org AND token = :token;

-- ------------------------------------------------------------------ parties

-- name: find_aliases
SELECT a.jid, a.contact, c.merged_into, c.jid, c.imported FROM aliases a
JOIN contacts c ON c.org = a.org AND c.contact = a.contact
WHERE a.org = :org AND a.jid IN (:jids*);

-- name: add_alias
INSERT INTO aliases (org, jid, contact) VALUES (:org, :jid, :contact);

-- name: move_aliases
UPDATE aliases SET contact = :into WHERE org = :org AND contact = :contact;

-- name: add_contact
INSERT INTO contacts (org, contact, jid, lid, kind, name, push_name, business_name, facts, stored_at, changed_at, imported)
VALUES (:org, :contact, :jid, :lid, :kind, NULL, NULL, NULL, NULL, :now, :now, :imported);

-- name: read_contacts
SELECT contact, jid, lid, kind, name, push_name, business_name, facts, merged_into, stored_at, changed_at, imported, told_by
FROM contacts WHERE org = :org AND contact IN (:contacts*);

-- name: read_contacts_seen
-- The same, with the facts by phone of contacts about whom several phones reported: a row for each phone, or one without.
-- The condition on contacts is repeated so that PostgreSQL looks up the facts instead of reading all of these phones.
SELECT c.contact, c.jid, c.lid, c.kind, c.name, c.push_name, c.business_name, c.facts, c.merged_into, c.stored_at,
    c.changed_at, c.imported, c.told_by, f.facts
FROM contacts c LEFT JOIN contact_facts f
    ON f.org = c.org AND f.org = :org AND f.contact = c.contact AND f.contact IN (:contacts*) AND f.phone IN (:phones*)
        AND c.told_by = -1
WHERE c.org = :org AND c.contact IN (:contacts*);

-- name: read_contact_facts
SELECT contact, phone, facts FROM contact_facts WHERE org = :org AND contact IN (:contacts*);

-- name: save_contact_facts
INSERT INTO contact_facts (org, contact, phone, facts, is_named) VALUES (:org, :contact, :phone, :facts, :is_named)
ON CONFLICT (org, contact, phone) DO UPDATE SET facts = excluded.facts, is_named = excluded.is_named;

-- name: delete_contact_facts
DELETE FROM contact_facts WHERE org = :org AND contact = :contact AND phone = :phone;

-- name: delete_all_contact_facts
DELETE FROM contact_facts WHERE org = :org AND contact = :contact;

-- name: save_contact
UPDATE contacts SET jid = :jid, lid = :lid, kind = :kind, name = :name, push_name = :push_name,
    business_name = :business_name, facts = :facts, changed_at = :now, imported = :imported, told_by = :told_by
WHERE org = :org AND contact = :contact;

-- name: merge_contact
UPDATE contacts SET merged_into = :into, facts = NULL, told_by = 0, changed_at = :now WHERE org = :org AND contact = :contact;

-- name: redirect_merged
-- Keeps merged_into one step long: what was merged into the loser now points to the winner.
UPDATE contacts SET merged_into = :into WHERE org = :org AND merged_into = :contact;

-- name: find_by_name
SELECT contact, jid FROM contacts
WHERE org = :org AND merged_into IS NULL AND (name = :name OR push_name = :name OR business_name = :name)
ORDER BY contact;

-- name: list_contacts
-- Everybody, or those whom some phones know: by a chat, by a message, or as themselves. For a bare EXISTS the planners read
-- all messages of the phones, for each contact. `no` is selected because SQLite prefers any index that has all columns;
-- the sender is repeated because PostgreSQL assumes a sender to be frequent, and so expects to find one soon.
SELECT contact, jid, lid, kind, name, push_name, business_name, facts, merged_into, stored_at, changed_at, imported, told_by
FROM contacts
WHERE org = :org AND merged_into IS NULL AND kind IN ('user', 'lid', 'bot', 'unknown', 'export')
    AND (:saved_only = 0
        OR ((:sees_all = 1 OR told_by = 0 OR told_by IN (:viewer*))
            AND (name IS NOT NULL OR push_name IS NOT NULL OR business_name IS NOT NULL))
        OR (told_by = -1 AND EXISTS (SELECT 1 FROM contact_facts f WHERE f.org = :org AND f.contact = contacts.contact
            AND (f.phone = 0 OR f.phone IN (:viewer*)) AND f.is_named = 1)))
    AND (:everybody = 1
        OR contact IN (SELECT c.chat FROM chats c WHERE c.org = :org AND c.phone IN (:phones*))
        OR contact IN (SELECT p.contact FROM phones p WHERE p.org = :org AND p.phone IN (:phones*))
        OR (SELECT m.no FROM messages m WHERE m.org = :org AND m.sender = contacts.contact AND m.sender <> m.chat
            AND m.sender BETWEEN contacts.contact AND contacts.contact AND m.phone IN (:phones*) LIMIT 1) IS NOT NULL)
ORDER BY jid LIMIT :limit OFFSET :offset;

-- name: count_contacts
SELECT COUNT(*) FROM contacts
WHERE org = :org AND merged_into IS NULL AND kind IN ('user', 'lid', 'bot', 'unknown', 'export')
    AND (:saved_only = 0
        OR ((:sees_all = 1 OR told_by = 0 OR told_by IN (:viewer*))
            AND (name IS NOT NULL OR push_name IS NOT NULL OR business_name IS NOT NULL))
        OR (told_by = -1 AND EXISTS (SELECT 1 FROM contact_facts f WHERE f.org = :org AND f.contact = contacts.contact
            AND (f.phone = 0 OR f.phone IN (:viewer*)) AND f.is_named = 1)))
    AND (:everybody = 1
        OR contact IN (SELECT c.chat FROM chats c WHERE c.org = :org AND c.phone IN (:phones*))
        OR contact IN (SELECT p.contact FROM phones p WHERE p.org = :org AND p.phone IN (:phones*))
        OR (SELECT m.no FROM messages m WHERE m.org = :org AND m.sender = contacts.contact AND m.sender <> m.chat
            AND m.sender BETWEEN contacts.contact AND contacts.contact AND m.phone IN (:phones*) LIMIT 1) IS NOT NULL);

-- name: is_known_to
SELECT 1 FROM contacts
WHERE org = :org AND contact = :contact
    AND (EXISTS (SELECT 1 FROM chats c WHERE c.org = :org AND c.phone IN (:phones*) AND c.chat = :contact)
        OR contact IN (SELECT p.contact FROM phones p WHERE p.org = :org AND p.phone IN (:phones*))
        OR (SELECT m.no FROM messages m WHERE m.org = :org AND m.sender = contacts.contact AND m.sender <> m.chat
            AND m.sender BETWEEN contacts.contact AND contacts.contact AND m.phone IN (:phones*) LIMIT 1) IS NOT NULL);

-- name: pending_merges
SELECT contact, into_contact FROM merges WHERE org = :org ORDER BY contact;

-- name: add_merge
INSERT INTO merges (org, contact, into_contact, created_at) VALUES (:org, :contact, :into, :now);

-- name: redirect_merges
UPDATE merges SET into_contact = :into WHERE org = :org AND into_contact = :contact;

-- name: end_merge
DELETE FROM merges WHERE org = :org AND contact = :contact;

-- ------------------------------------------------------------------ chats

-- name: read_chat
SELECT last_at, has_media, exported, facts, seq, stored_at, changed_at, imported
FROM chats WHERE org = :org AND phone = :phone AND chat = :chat;

-- name: look_at_chats
SELECT chat, exported FROM chats WHERE org = :org AND phone = :phone AND chat IN (:chats*);

-- name: save_chat
INSERT INTO chats (org, phone, chat, last_at, has_media, exported, facts, seq, stored_at, changed_at, imported)
VALUES (:org, :phone, :chat, :last_at, :has_media, :exported, :facts, :seq, :now, :now, :imported)
ON CONFLICT (org, phone, chat) DO UPDATE SET last_at = excluded.last_at, has_media = excluded.has_media,
    exported = excluded.exported, facts = excluded.facts, seq = excluded.seq, changed_at = excluded.changed_at,
    imported = excluded.imported;

-- name: touch_chat
-- A batch of messages: the latest time, and whether there is media or an exported line.
INSERT INTO chats (org, phone, chat, last_at, has_media, exported, facts, seq, stored_at, changed_at, imported)
VALUES (:org, :phone, :chat, :last_at, :has_media, :exported, NULL, :seq, :stored_at, :now, :imported)
ON CONFLICT (org, phone, chat) DO UPDATE SET
    last_at = CASE WHEN chats.last_at IS NULL OR chats.last_at < excluded.last_at THEN excluded.last_at ELSE chats.last_at END,
    has_media = CASE WHEN excluded.has_media > chats.has_media THEN excluded.has_media ELSE chats.has_media END,
    exported = CASE WHEN excluded.exported > chats.exported THEN excluded.exported ELSE chats.exported END,
    seq = excluded.seq, changed_at = excluded.changed_at;

-- name: touch_chat_unseen
-- The same for a batch that changed nothing visible.
INSERT INTO chats (org, phone, chat, last_at, has_media, exported, facts, seq, stored_at, changed_at, imported)
VALUES (:org, :phone, :chat, :last_at, :has_media, :exported, NULL, :seq, :stored_at, :now, :imported)
ON CONFLICT (org, phone, chat) DO UPDATE SET
    last_at = CASE WHEN chats.last_at IS NULL OR chats.last_at < excluded.last_at THEN excluded.last_at ELSE chats.last_at END,
    has_media = CASE WHEN excluded.has_media > chats.has_media THEN excluded.has_media ELSE chats.has_media END,
    exported = CASE WHEN excluded.exported > chats.exported THEN excluded.exported ELSE chats.exported END,
    seq = excluded.seq;

-- name: set_chat_last
UPDATE chats SET last_at = :last_at, has_media = :has_media WHERE org = :org AND phone = :phone AND chat = :chat;

-- name: note_chat_changed
UPDATE chats SET seq = :seq, changed_at = :now WHERE org = :org AND phone = :phone AND chat = :chat;

-- name: labeled_chats
-- Chats of a phone with any label. Reads all chats of the phone, which only a changed label is worth.
SELECT chat, facts FROM chats WHERE org = :org AND phone = :phone AND facts LIKE :pattern ORDER BY chat;

-- name: read_labels
SELECT phone, label, facts FROM labels WHERE org = :org AND phone IN (:phones*) AND label IN (:labels*);

-- name: read_label
SELECT import, facts FROM labels WHERE org = :org AND phone = :phone AND label = :label;

-- name: save_label
INSERT INTO labels (org, phone, label, import, facts) VALUES (:org, :phone, :label, :import, :facts)
ON CONFLICT (org, phone, label, import) DO UPDATE SET facts = excluded.facts;

-- name: labels_of_import
SELECT phone, label FROM labels WHERE org = :org AND import = :import ORDER BY phone, label LIMIT :limit;

-- name: delete_label
DELETE FROM labels WHERE org = :org AND phone = :phone AND label = :label AND import = :import;

-- name: labels_of_phone
SELECT label, facts FROM labels WHERE org = :org AND phone = :phone;

-- name: delete_chat
DELETE FROM chats WHERE org = :org AND phone = :phone AND chat = :chat;

-- name: phones_of_chat
SELECT phone FROM chats WHERE org = :org AND chat = :chat AND phone IN (:phones*) ORDER BY phone;

-- name: chat_of_phones
-- The chat as the first of the phones that have it sees it.
SELECT phone, chat, last_at, facts, stored_at, changed_at
FROM chats WHERE org = :org AND chat = :chat AND phone IN (:phones*) ORDER BY phone LIMIT 1;

-- name: with_chat
-- Which of some parties have a chat with one of the phones.
SELECT DISTINCT chat FROM chats WHERE org = :org AND phone IN (:phones*) AND chat IN (:chats*);

-- name: list_chats
SELECT c.phone, c.chat, c.last_at, c.facts, c.stored_at, c.changed_at
FROM chats c JOIN contacts k ON k.org = c.org AND k.contact = c.chat
WHERE c.org = :org AND c.phone IN (:phones*) AND k.org = :org AND k.merged_into IS NULL
    AND (:any_kind = 1 OR k.kind IN (:kinds*))
    AND (:has_media = 0 OR c.has_media = 1)
    AND (CAST(:since AS BIGINT) IS NULL OR c.last_at >= :since) AND (CAST(:until AS BIGINT) IS NULL OR c.last_at <= :until)
    AND (COALESCE(c.last_at, -4611686018427387904), c.chat, c.phone) < (:after_at, :after_chat, :after_phone)
ORDER BY c.last_at IS NULL, c.last_at DESC, c.chat DESC, c.phone DESC LIMIT :limit OFFSET :offset;

-- name: aliases_of
SELECT jid FROM aliases INDEXED BY aliases_contact WHERE org = :org AND contact IN (:contacts*) ORDER BY jid;

-- name: facts_of_all_chats
SELECT phone, chat, last_at, facts, stored_at, changed_at FROM chats WHERE org = :org AND phone IN (:phones*)
ORDER BY last_at IS NULL, last_at DESC, chat DESC, phone DESC;

-- name: count_chats
SELECT COUNT(*) FROM chats c JOIN contacts k ON k.org = c.org AND k.contact = c.chat
WHERE c.org = :org AND c.phone IN (:phones*) AND k.org = :org AND k.merged_into IS NULL
    AND (:any_kind = 1 OR k.kind IN (:kinds*))
    AND (:has_media = 0 OR c.has_media = 1)
    AND (CAST(:since AS BIGINT) IS NULL OR c.last_at >= :since) AND (CAST(:until AS BIGINT) IS NULL OR c.last_at <= :until);

-- name: glance_at_chats
-- How many messages (not calls, not notices) some chats have, and the number of each one's newest. Counters by month are
-- few to add up. With a CASE, PostgreSQL expects half of the rows to match, and reads the index that has them in order.
SELECT t.phone, t.chat, CAST(SUM(t.plain_in + t.plain_out + t.media_in + t.media_out) AS BIGINT),
    (SELECT m.no FROM messages m WHERE m.org = :org AND m.phone = t.phone AND m.chat = t.chat
        AND CASE WHEN (m.flags & :mask) = 0 THEN TRUE END
    ORDER BY m.sent_at DESC, m.id DESC, m.sender DESC LIMIT 1)
FROM tallies t WHERE t.org = :org AND t.phone IN (:phones*) AND t.chat IN (:chats*) AND t.level = 0
GROUP BY t.phone, t.chat;

-- name: annotations_of_messages
-- Additions to messages of several chats. CROSS makes SQLite keep this order of the tables.
SELECT a.phone, a.chat, a.id, a.kind, a.actor, a.target, a.ref, a.at, a.value FROM messages m CROSS JOIN addons a
WHERE m.org = :org AND m.no IN (:nos*) AND a.org = m.org AND a.phone = m.phone AND a.chat = m.chat AND a.id = m.id;

-- ------------------------------------------------------------------ messages: reading

-- name: list_in_chats
SELECT LISTED_COLUMNS FROM messages
WHERE org = :org AND phone IN (:phones*) AND chat IN (:chats*) AND sent_at BETWEEN :low AND :high
    AND (flags & :mask) = :want
ORDER BY sent_at DESC, id DESC, phone DESC, chat DESC, sender DESC LIMIT :limit OFFSET :offset;

-- name: list_media_in_chats
-- The bit is written as a literal, so that SQLite recognises that the index has these messages.
SELECT LISTED_COLUMNS FROM messages INDEXED BY messages_media
WHERE org = :org AND phone IN (:phones*) AND chat IN (:chats*) AND sent_at BETWEEN :low AND :high
    AND (flags & 8) = 8 AND (flags & :mask) = :want
ORDER BY sent_at DESC, id DESC, phone DESC, chat DESC, sender DESC LIMIT :limit OFFSET :offset;

-- name: list_in_phone
SELECT LISTED_COLUMNS FROM messages
WHERE org = :org AND phone = :phone AND sent_at BETWEEN :low AND :high AND (flags & :mask) = :want
ORDER BY sent_at DESC, id DESC, chat DESC, sender DESC LIMIT :limit OFFSET :offset;

-- name: list_in_phones
-- The plus makes the planner use the index by time over all phones.
SELECT LISTED_COLUMNS FROM messages
WHERE org = :org AND +phone IN (:phones*) AND sent_at BETWEEN :low AND :high AND (flags & :mask) = :want
ORDER BY sent_at DESC, id DESC, phone DESC, chat DESC, sender DESC LIMIT :limit OFFSET :offset;

-- name: phones_in_chat
-- Which of some phones have a message of a chat. For a bare EXISTS PostgreSQL may read all of the chat.
SELECT p.phone FROM phones p WHERE p.org = :org AND p.phone IN (:phones*)
    AND (SELECT m.sent_at FROM messages m WHERE m.org = :org AND m.phone = p.phone AND m.chat = :chat LIMIT 1) IS NOT NULL;

-- name: keys_in_chats
-- The same pages with only the key of each message: for a chat, the index contains all of its columns. Across chats the
-- row has to be visited anyway, and a number is read and looked up fastest.
SELECT phone, chat, id, sender FROM messages
WHERE org = :org AND phone IN (:phones*) AND chat IN (:chats*) AND sent_at BETWEEN :low AND :high
    AND (flags & :mask) = :want
ORDER BY sent_at DESC, id DESC, phone DESC, chat DESC, sender DESC LIMIT :limit OFFSET :offset;

-- name: keys_of_media_in_chats
SELECT phone, chat, id, sender FROM messages INDEXED BY messages_media
WHERE org = :org AND phone IN (:phones*) AND chat IN (:chats*) AND sent_at BETWEEN :low AND :high
    AND (flags & 8) = 8 AND (flags & :mask) = :want
ORDER BY sent_at DESC, id DESC, phone DESC, chat DESC, sender DESC LIMIT :limit OFFSET :offset;

-- name: numbers_in_phone
SELECT no FROM messages
WHERE org = :org AND phone = :phone AND sent_at BETWEEN :low AND :high AND (flags & :mask) = :want
ORDER BY sent_at DESC, id DESC, chat DESC, sender DESC LIMIT :limit OFFSET :offset;

-- name: numbers_in_phones
SELECT no FROM messages
WHERE org = :org AND +phone IN (:phones*) AND sent_at BETWEEN :low AND :high AND (flags & :mask) = :want
ORDER BY sent_at DESC, id DESC, phone DESC, chat DESC, sender DESC LIMIT :limit OFFSET :offset;

-- name: thread_older
-- Messages of one chat before a place. Few share the same time, so the index by time bounds the work.
SELECT MESSAGE_COLUMNS FROM messages
WHERE org = :org AND phone = :phone AND chat = :chat AND sent_at <= :at
    AND (sent_at < :at OR id < :id OR (id = :id AND sender < :sender))
ORDER BY sent_at DESC, id DESC, sender DESC LIMIT :limit;

-- name: thread_newer
SELECT MESSAGE_COLUMNS FROM messages
WHERE org = :org AND phone = :phone AND chat = :chat AND sent_at >= :at
    AND (sent_at > :at OR id > :id OR (id = :id AND sender > :sender))
ORDER BY sent_at, id, sender LIMIT :limit;

-- name: media_in_chats
-- Newest first, by the index of files of a chat; a page continues after the time and number of a row.
SELECT MESSAGE_COLUMNS FROM messages INDEXED BY messages_media
WHERE org = :org AND phone IN (:phones*) AND chat IN (:chats*) AND (flags & 8) = 8
    AND kind IN (:kinds*) AND sent_at <= :at AND (sent_at < :at OR no < :no)
ORDER BY sent_at DESC, no DESC LIMIT :limit;

-- name: media_in_phones
SELECT MESSAGE_COLUMNS FROM messages
WHERE org = :org AND phone IN (:phones*) AND (flags & 8) = 8
    AND kind IN (:kinds*) AND sent_at <= :at AND (sent_at < :at OR no < :no)
ORDER BY sent_at DESC, no DESC LIMIT :limit;

-- name: read_raw
SELECT source, type, size, payload, stored_at FROM raws WHERE org = :org AND raw = :raw;

-- name: ends_of_chats
-- When the first and the last message were sent. Each chat by itself, because an index has its messages in order.
SELECT
    MIN((SELECT m.sent_at FROM messages m WHERE m.org = :org AND m.phone = :phone AND m.chat = c.contact
        ORDER BY m.sent_at LIMIT 1)),
    MAX((SELECT m.sent_at FROM messages m WHERE m.org = :org AND m.phone = :phone AND m.chat = c.contact
        ORDER BY m.sent_at DESC LIMIT 1))
FROM contacts c WHERE c.org = :org AND c.contact IN (:chats*);

-- name: ends_of_phone
SELECT
    (SELECT sent_at FROM messages WHERE org = :org AND phone = :phone ORDER BY sent_at LIMIT 1),
    (SELECT sent_at FROM messages WHERE org = :org AND phone = :phone ORDER BY sent_at DESC LIMIT 1);

-- name: phones_stored
SELECT phone, COUNT(*) FROM chats WHERE org = :org GROUP BY phone;

-- name: count_in_chats
SELECT COUNT(*) FROM messages
WHERE org = :org AND phone IN (:phones*) AND chat IN (:chats*) AND sent_at BETWEEN :low AND :high
    AND (flags & :mask) = :want;

-- name: count_in_phones
SELECT COUNT(*) FROM messages
WHERE org = :org AND phone IN (:phones*) AND sent_at BETWEEN :low AND :high AND (flags & :mask) = :want;

-- name: texts_in_chats
-- For searches that are too short for the index, and to verify candidates.
SELECT no, sent_at, id, phone, chat, sender, text FROM messages
WHERE org = :org AND phone IN (:phones*) AND chat IN (:chats*) AND sent_at BETWEEN :low AND :high
    AND (flags & :mask) = :want AND text IS NOT NULL;

-- name: texts_by_no
-- The pluses make the planner look up the numbers: by the chat it would read all of it for every few of them.
SELECT no, sent_at, id, phone, chat, sender, text FROM messages
WHERE org = :org AND no IN (:nos*) AND +phone IN (:phones*) AND +chat IN (:chats*) AND +sent_at BETWEEN :low AND :high
    AND (flags & :mask) = :want AND text IS NOT NULL;

-- name: rows_by_no
SELECT MESSAGE_COLUMNS FROM messages WHERE org = :org AND no IN (:nos*);

-- name: rows_by_id
SELECT MESSAGE_COLUMNS FROM messages WHERE org = :org AND phone IN (:phones*) AND chat IN (:chats*) AND id IN (:ids*);

-- name: rows_by_ids
SELECT MESSAGE_COLUMNS FROM messages WHERE org = :org AND id IN (:ids*);

-- name: rows_by_bare_id
-- The plus keeps the planner from using the indexes by time, which contain every message of the phone.
SELECT MESSAGE_COLUMNS FROM messages WHERE org = :org AND id = :id AND phone IN (:phones*)
ORDER BY +sent_at DESC, phone, chat, sender LIMIT 100;

-- name: rows_by_client_ref
SELECT MESSAGE_COLUMNS FROM messages
WHERE org = :org AND client_ref = :ref AND client_ref IS NOT NULL AND phone IN (:phones*) LIMIT 1;

-- name: rows_after
SELECT MESSAGE_COLUMNS FROM messages WHERE org = :org AND no > :after ORDER BY no LIMIT :limit;

-- name: last_in_chat
SELECT sent_at FROM messages WHERE org = :org AND phone = :phone AND chat = :chat AND (flags & 2) = 0
ORDER BY sent_at DESC LIMIT 1;

-- name: ids_said
-- Ids and times of the messages of a chat between two times.
SELECT DISTINCT id, sent_at FROM messages
WHERE org = :org AND phone = :phone AND chat IN (:chats*) AND sent_at BETWEEN :low AND :high;

-- ------------------------------------------------------------------ messages: writing

-- name: places_by_id
-- Phones and chats of the messages with these ids.
SELECT phone, chat, id FROM messages WHERE org = :org AND id IN (:ids*);

-- name: add_message
INSERT INTO messages (org, no, phone, chat, sender, id, sent_at, flags, kind, text, details, ack, deleted_at, edited_at,
    prev_text, fts, client_ref, source, raw, stored_at, changed_at)
VALUES (:org, :no, :phone, :chat, :sender, :id, :sent_at, :flags, :kind, :text, :details, :ack, :deleted_at, :edited_at,
    :prev_text, :fts, :client_ref, :source, :raw, :stored_at, :changed_at);

-- name: save_message
UPDATE messages SET chat = :chat, sender = :sender, sent_at = :sent_at, flags = :flags, kind = :kind, text = :text,
    details = :details, ack = :ack, deleted_at = :deleted_at, edited_at = :edited_at, prev_text = :prev_text, fts = :fts,
    client_ref = :client_ref, source = :source, raw = :raw, changed_at = :changed_at
WHERE org = :org AND no = :no;

-- name: delete_message
DELETE FROM messages WHERE org = :org AND no = :no;

-- name: read_observations
SELECT chat, id, sender, source, digest, message FROM tellings
WHERE org = :org AND phone = :phone AND chat IN (:chats*) AND id IN (:ids*);

-- name: known_observations
SELECT chat, id, sender, source, digest, message, told FROM tellings
WHERE org = :org AND phone = :phone AND chat IN (:chats*) AND id IN (:ids*);

-- name: known_annotations
SELECT chat, id, kind, actor, target, ref, at, value, told FROM addons
WHERE org = :org AND phone = :phone AND chat IN (:chats*) AND id IN (:ids*);

-- name: add_observation
INSERT INTO tellings (org, phone, chat, id, sender, source, digest, message, told)
VALUES (:org, :phone, :chat, :id, :sender, :source, :digest, :message, :told) ON CONFLICT DO NOTHING;

-- name: delete_observations
DELETE FROM tellings WHERE org = :org AND phone = :phone AND chat = :chat AND id = :id;

-- name: read_annotations
SELECT chat, id, kind, actor, target, ref, at, value FROM addons
WHERE org = :org AND phone = :phone AND chat IN (:chats*) AND id IN (:ids*);

-- name: save_annotation
INSERT INTO addons (org, phone, chat, id, kind, actor, target, ref, at, value, told)
VALUES (:org, :phone, :chat, :id, :kind, :actor, :target, :ref, :at, :value, :told)
ON CONFLICT (org, phone, chat, id, kind, actor, target, ref) DO UPDATE SET at = excluded.at, value = excluded.value,
    told = excluded.told;

-- name: delete_annotations
DELETE FROM addons WHERE org = :org AND phone = :phone AND chat = :chat AND id = :id;

-- name: list_reactions
-- Without those whose message never arrived: nobody could look them up. Messages and annotations of a contact that is
-- being merged may have different numbers for a while.
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

-- name: count_reactions
-- Those that list_reactions lists.
SELECT COUNT(*) FROM addons a
WHERE a.org = :org AND a.phone IN (:phones*) AND a.kind = 'reaction'
    AND (:any_chat = 1 OR a.chat IN (:chats*)) AND (CAST(:id AS TEXT) IS NULL OR a.id = :id)
    AND (CAST(:since AS BIGINT) IS NULL OR a.at >= :since) AND (CAST(:until AS BIGINT) IS NULL OR a.at <= :until)
    AND EXISTS (SELECT 1 FROM messages m
        WHERE m.org = a.org AND m.id = a.id AND m.phone = a.phone AND m.chat = a.chat
            AND (a.target IN (0, m.sender) OR EXISTS (SELECT 1 FROM contacts s JOIN contacts t ON t.org = :org
                WHERE s.org = :org AND s.contact = m.sender AND t.contact = a.target
                    AND COALESCE(s.merged_into, s.contact) = COALESCE(t.merged_into, t.contact))));

-- ------------------------------------------------------------------ counters, changes, raw payloads

-- name: add_counts
INSERT INTO tallies (org, phone, chat, level, bucket, plain_in, plain_out, media_in, media_out, calls_in, calls_out,
    notices_in, notices_out)
VALUES (:org, :phone, :chat, :level, :bucket, :plain_in, :plain_out, :media_in, :media_out, :calls_in, :calls_out,
    :notices_in, :notices_out)
ON CONFLICT (org, phone, chat, level, bucket) DO UPDATE SET
    plain_in = tallies.plain_in + excluded.plain_in, plain_out = tallies.plain_out + excluded.plain_out,
    media_in = tallies.media_in + excluded.media_in, media_out = tallies.media_out + excluded.media_out,
    calls_in = tallies.calls_in + excluded.calls_in, calls_out = tallies.calls_out + excluded.calls_out,
    notices_in = tallies.notices_in + excluded.notices_in, notices_out = tallies.notices_out + excluded.notices_out;

-- name: sum_counters
-- PostgreSQL sums bigints to numeric; the casts bring them back.
SELECT bucket, CAST(SUM(plain_in) AS BIGINT), CAST(SUM(plain_out) AS BIGINT), CAST(SUM(media_in) AS BIGINT),
    CAST(SUM(media_out) AS BIGINT), CAST(SUM(calls_in) AS BIGINT), CAST(SUM(calls_out) AS BIGINT),
    CAST(SUM(notices_in) AS BIGINT), CAST(SUM(notices_out) AS BIGINT)
FROM tallies
WHERE org = :org AND phone IN (:phones*) AND chat IN (:chats*) AND level = :level AND bucket BETWEEN :low AND :high
GROUP BY bucket ORDER BY bucket;

-- name: count_buckets
-- Columns to be counted are multiplied by 1, the others by 0.
SELECT bucket, CAST(SUM(plain_in * :plain_in + plain_out * :plain_out + media_in * :media_in + media_out * :media_out
    + calls_in * :calls_in + calls_out * :calls_out
    + notices_in * :notices_in + notices_out * :notices_out) AS BIGINT)
FROM tallies
WHERE org = :org AND phone IN (:phones*) AND chat IN (:chats*) AND level = :level AND bucket BETWEEN :low AND :high
GROUP BY bucket ORDER BY bucket;

-- name: total_counters
SELECT CAST(SUM(plain_in * :plain_in + plain_out * :plain_out + media_in * :media_in + media_out * :media_out
    + calls_in * :calls_in + calls_out * :calls_out
    + notices_in * :notices_in + notices_out * :notices_out) AS BIGINT)
FROM tallies
WHERE org = :org AND phone IN (:phones*) AND chat IN (:chats*) AND level = :level AND bucket BETWEEN :low AND :high;

-- name: total_messages
-- The same for all messages, with calls or without, which is what most pages ask for: with one factor instead of eight it
-- takes nine tenths of the time.
SELECT CAST(SUM(plain_in + plain_out + media_in + media_out + (calls_in + calls_out) * :calls) AS BIGINT) FROM tallies
WHERE org = :org AND phone IN (:phones*) AND chat IN (:chats*) AND level = :level AND bucket BETWEEN :low AND :high;

-- name: add_change
INSERT INTO changes (org, seq, what, no, aspects, phone, chat)
VALUES (:org, :seq, :what, :no, :aspects, :phone, :chat);

-- name: changes_since
SELECT seq, what, no, aspects, phone FROM changes WHERE org = :org AND seq > :seq ORDER BY seq LIMIT :limit;

-- name: places_changed_since
SELECT seq, what, phone, chat, no, aspects FROM changes WHERE org = :org AND seq > :seq ORDER BY seq LIMIT :limit;

-- name: note_feed_day
-- The end of the feed when a day was first seen.
INSERT INTO feed_days (org, day, seq) VALUES (:org, :day, :seq) ON CONFLICT (org, day) DO NOTHING;

-- name: feed_before
-- How far the feed was pruned, and its end as recorded on the last day before :day.
SELECT h.pruned, (SELECT MAX(d.seq) FROM feed_days d WHERE d.org = :org AND d.day < :day) FROM heads h WHERE h.org = :org;

-- name: prune_changes
DELETE FROM changes WHERE org = :org AND seq <= :upto;

-- name: note_pruned
UPDATE heads SET pruned = :upto WHERE org = :org;

-- name: forget_feed_days
DELETE FROM feed_days WHERE org = :org AND day < :day;

-- name: add_file
INSERT INTO files (org, file, size, mimetype, stored_at) VALUES (:org, :file, :size, :mimetype, :now) ON CONFLICT DO NOTHING;

-- name: find_raw
SELECT raw FROM raws WHERE org = :org AND digest = :digest;

-- name: add_raw
INSERT INTO raws (org, raw, digest, source, type, size, payload, stored_at)
VALUES (:org, :raw, :digest, :source, :type, :size, :payload, :now);

-- name: find_quarantined
SELECT no FROM quarantine
WHERE org = :org AND digest = :digest AND source = :source AND COALESCE(via, '') = COALESCE(:via, '');

-- name: find_orphaned_quarantined
-- The same bytes, which came through a live source that was removed since. The plus keeps SQLite from reading all of them
-- in the order of their numbers.
SELECT q.no FROM quarantine q
WHERE q.org = :org AND q.digest = :digest AND q.via LIKE :sources
AND NOT EXISTS (SELECT 1 FROM sources s WHERE s.org = q.org AND s.source = q.via)
ORDER BY +q.no LIMIT 1;

-- name: resend_quarantined
UPDATE quarantine SET source = :source, problem = :problem, via = :via, waits = :waits
WHERE org = :org AND no = :no AND (
    source <> :source OR COALESCE(via, '') <> COALESCE(:via, '') OR problem <> :problem OR COALESCE(waits, 0) <> :waits
);

-- name: add_quarantined
INSERT INTO quarantine (org, no, source, problem, digest, payload, stored_at, via, waits)
VALUES (:org, :no, :source, :problem, :digest, :payload, :now, :via, :waits);

-- name: list_quarantined
SELECT no, source, problem, payload, stored_at, via FROM quarantine WHERE org = :org ORDER BY no;

-- name: index_of_quarantine
SELECT no, source, problem, stored_at, via FROM quarantine
WHERE org = :org AND (CAST(:via AS TEXT) IS NULL OR via = :via) ORDER BY no;

-- name: latest_quarantined
-- Of the latest inputs only, so that the work does not grow with the quarantine.
SELECT via, waits, COUNT(*), MAX(stored_at)
FROM (SELECT via, waits, stored_at FROM quarantine WHERE org = :org ORDER BY no DESC LIMIT :limit) AS latest
GROUP BY via, waits;

-- name: quarantine_that_waits
SELECT no FROM quarantine WHERE org = :org AND waits = 1 AND no > :after ORDER BY no LIMIT :limit;

-- name: read_quarantined
SELECT no, source, problem, payload, stored_at, via FROM quarantine WHERE org = :org AND no = :no;

-- name: rename_quarantined
UPDATE quarantine SET problem = :problem WHERE org = :org AND no = :no;

-- name: drop_quarantined
DELETE FROM quarantine WHERE org = :org AND no = :no RETURNING no;

-- name: read_position
SELECT place FROM positions WHERE org = :org AND stream = :stream;

-- name: save_position
INSERT INTO positions (org, stream, place, told) VALUES (:org, :stream, :place, :told)
ON CONFLICT (org, stream) DO UPDATE SET place = excluded.place, told = excluded.told;

-- name: take_lease
-- Returns nothing while another process holds it.
INSERT INTO leases (org, name, holder, term, ends_at) VALUES (:org, :name, :holder, 1, :ends_at)
ON CONFLICT (org, name) DO UPDATE SET holder = excluded.holder, term = leases.term + 1, ends_at = excluded.ends_at
WHERE leases.ends_at <= :now OR leases.ends_at > :farthest
RETURNING term;

-- name: keep_lease
UPDATE leases SET ends_at = :ends_at WHERE org = :org AND name = :name AND holder = :holder AND term = :term
RETURNING term;

-- name: end_lease
UPDATE leases SET ends_at = 0 WHERE org = :org AND name = :name AND holder = :holder AND term = :term;

-- name: list_leases
SELECT name, holder, term, ends_at FROM leases WHERE org = :org ORDER BY name;

-- name: list_positions
SELECT stream, place FROM positions WHERE org = :org ORDER BY stream;

-- ------------------------------------------------------------------ the search index (storage/search/)

-- name: search_segments
SELECT s.segment, s.level, s.docs, s.low, s.high, s.version, s.starts, t.offsets
FROM search_segments s LEFT JOIN search_tombstones t ON t.org = s.org AND t.segment = s.segment
WHERE s.org = :org AND s.state = :state ORDER BY s.segment;

-- name: add_search_segment
INSERT INTO search_segments (org, segment, level, state, docs, low, high, version, starts)
VALUES (:org, :segment, :level, :state, :docs, :low, :high, :version, :starts);

-- name: set_search_state
UPDATE search_segments SET state = :state WHERE org = :org AND segment = :segment;

-- name: outdate_search
UPDATE search_segments SET version = 0 WHERE org = :org AND state = 1;

-- name: leave_search
UPDATE search_segments SET state = 2 WHERE org = :org;

-- name: delete_search_segment
DELETE FROM search_segments WHERE org = :org AND segment = :segment;

-- name: save_tombstones
INSERT INTO search_tombstones (org, segment, offsets) VALUES (:org, :segment, :offsets)
ON CONFLICT (org, segment) DO UPDATE SET offsets = excluded.offsets;

-- name: delete_tombstones
DELETE FROM search_tombstones WHERE org = :org AND segment = :segment;

-- name: add_search_fresh
INSERT INTO search_fresh (org, segment, documents, places, body) VALUES (:org, :segment, :documents, :places, :body);

-- name: search_fresh_documents
SELECT documents FROM search_fresh WHERE org = :org AND segment = :segment;

-- name: search_fresh_segments
SELECT segment, documents, places, body FROM search_fresh WHERE org = :org AND segment IN (:segments*);

-- name: delete_search_fresh
DELETE FROM search_fresh WHERE org = :org AND segment = :segment;

-- name: add_search_young
INSERT INTO search_young (org, segment, part, body) VALUES (:org, :segment, :part, :body);

-- name: search_young_parts
SELECT segment, part, body FROM search_young WHERE org = :org AND segment IN (:segments*) AND part IN (:parts*);

-- name: search_young_all
SELECT segment, part, body FROM search_young WHERE org = :org AND segment = :segment
ORDER BY part;

-- name: delete_search_young
DELETE FROM search_young WHERE org = :org AND segment = :segment AND part BETWEEN :first AND :last;

-- name: add_search_full
INSERT INTO search_full (org, segment, part, body) VALUES (:org, :segment, :part, :body);

-- name: search_full_parts
SELECT segment, part, body FROM search_full WHERE org = :org AND segment IN (:segments*) AND part IN (:parts*);

-- name: search_full_all
SELECT segment, part, body FROM search_full WHERE org = :org AND segment = :segment
ORDER BY part;

-- name: delete_search_full
DELETE FROM search_full WHERE org = :org AND segment = :segment AND part BETWEEN :first AND :last;

-- name: rows_before
-- Messages that the index does not have yet, the latest numbers first.
SELECT MESSAGE_COLUMNS FROM messages WHERE org = :org AND no < :before ORDER BY no DESC LIMIT :limit;

-- name: context_before
-- The messages right before one in its chat, latest first.
SELECT MESSAGE_COLUMNS FROM messages
WHERE org = :org AND phone = :phone AND chat = :chat AND sent_at <= :at AND (sent_at < :at OR id < :id)
    AND (flags & :mask) = 0
ORDER BY sent_at DESC, id DESC LIMIT :limit;

-- name: context_after
SELECT MESSAGE_COLUMNS FROM messages
WHERE org = :org AND phone = :phone AND chat = :chat AND sent_at >= :at AND (sent_at > :at OR id > :id)
    AND (flags & :mask) = 0
ORDER BY sent_at, id LIMIT :limit;

-- name: search_names
SELECT contact, jid, lid, kind, name, push_name, business_name FROM contacts WHERE org = :org AND merged_into IS NULL;

-- name: search_names_told
SELECT contact, jid, lid, kind, told_by, name, push_name, business_name FROM contacts
WHERE org = :org AND merged_into IS NULL;

-- name: search_facts_seen
SELECT contact, facts FROM contact_facts WHERE org = :org AND phone IN (:phones*);

-- name: numbers_after
SELECT no FROM messages WHERE org = :org AND no > :after ORDER BY no LIMIT :limit;

-- name: count_below
SELECT COUNT(*) FROM messages WHERE org = :org AND no < :before;

-- ------------------------------------------------------------------ merging two parties

-- name: rows_of_chat
-- The next rows that are still stored under a merged chat.
SELECT MESSAGE_COLUMNS FROM messages WHERE org = :org AND phone = :phone AND chat = :chat ORDER BY sent_at LIMIT :limit;

-- name: rows_of_chat_until
SELECT MESSAGE_COLUMNS FROM messages
WHERE org = :org AND phone = :phone AND chat = :chat AND sent_at <= :until ORDER BY sent_at;

-- name: rows_of_sender
SELECT MESSAGE_COLUMNS FROM messages
WHERE org = :org AND sender = :sender AND sender <> chat ORDER BY phone, no LIMIT :limit;

-- name: waiting_of_chat
SELECT DISTINCT id FROM addons WHERE org = :org AND phone = :phone AND chat = :chat LIMIT :limit;

-- name: annotations_of
-- What a merged party did, and what was done to its messages.
SELECT phone, chat, id FROM addons WHERE org = :org AND actor = :contact
UNION SELECT phone, chat, id FROM addons WHERE org = :org AND target = :contact AND target <> 0 LIMIT :limit;

-- name: observations_of
-- Reads all observations: only for parties known by name, whose observations may be stored under another party's message.
SELECT DISTINCT phone, chat, id FROM tellings WHERE org = :org AND sender = :contact LIMIT :limit;

-- name: messages_with_annotations
SELECT DISTINCT id FROM addons WHERE org = :org AND phone = :phone AND chat IN (:chats*) AND id IN (:ids*);

-- name: phones_with_chat
SELECT p.phone FROM phones p CROSS JOIN chats c
WHERE p.org = :org AND c.org = :org AND c.phone = p.phone AND c.chat = :chat ORDER BY p.phone;

-- ------------------------------------------------------------------ imports, and what each of them reported

-- name: add_import
INSERT INTO imports (org, import, kind, file, sha256, size, answers, state, started_at, finished_at, report, replaces, sketch, progress, job)
VALUES (:org, :import, :kind, :file, :sha256, :size, :answers, 'running', :now, NULL, NULL, :replaces,
    :sketch, NULL, :job);

-- name: list_imports
SELECT import, kind, file, sha256, size, answers, state, started_at, finished_at, report, replaces, sketch, progress, job
FROM imports WHERE org = :org ORDER BY import;

-- name: latest_imports
SELECT import, kind, file, state, started_at, finished_at FROM imports WHERE org = :org ORDER BY import DESC LIMIT :limit;

-- name: read_import
SELECT import, kind, file, sha256, size, answers, state, started_at, finished_at, report, replaces, sketch, progress, job
FROM imports WHERE org = :org AND import = :import;

-- name: imports_of_file
SELECT import, kind, file, sha256, size, answers, state, started_at, finished_at, report, replaces, sketch, progress, job
FROM imports WHERE org = :org AND sha256 = :sha256 ORDER BY import;

-- name: imports_of_job
SELECT import, kind, file, sha256, size, answers, state, started_at, finished_at, report, replaces, sketch, progress, job
FROM imports WHERE org = :org AND job = :job ORDER BY import;

-- name: imports_without_job
-- Of files only: repeated pulls are not imports that a person looks for.
SELECT import, kind, file, sha256, size, answers, state, started_at, finished_at, report, replaces, sketch, progress, job
FROM imports WHERE org = :org AND job IS NULL AND sha256 IS NOT NULL AND (started_at, import) < (:before, :import)
ORDER BY started_at DESC, import DESC LIMIT :limit;

-- name: add_import_job
INSERT INTO import_jobs (org, job, origin, state, name, phone, kind, answers, secrets, confirm, spooled, found, questions,
    progress, error, notes, request_key, created_at, updated_at, finished_at)
VALUES (:org, :job, :origin, :state, :name, :phone, :kind, :answers, NULL, :confirm, :spooled, '[]', '[]',
    NULL, NULL, '[]', :request_key, :now, :now, NULL);

-- name: read_import_job
SELECT job, origin, state, name, phone, kind, answers, confirm, spooled, found, questions, progress, error, notes, created_at, updated_at, finished_at, secrets IS NOT NULL
FROM import_jobs WHERE org = :org AND job = :job;

-- name: import_job_by_key
SELECT job FROM import_jobs WHERE org = :org AND request_key = :request_key ORDER BY created_at DESC LIMIT 1;

-- name: list_import_jobs
SELECT job, origin, state, name, phone, kind, answers, confirm, spooled, found, questions, progress, error, notes, created_at, updated_at, finished_at, secrets IS NOT NULL
FROM import_jobs WHERE org = :org AND (created_at, job) < (:before, :job) ORDER BY created_at DESC, job DESC LIMIT :limit;

-- name: open_import_jobs
SELECT job, state, updated_at FROM import_jobs WHERE org = :org AND finished_at IS NULL ORDER BY updated_at, job;

-- name: running_import_items
-- What is being imported now, job by job.
SELECT job, found FROM import_jobs WHERE org = :org AND finished_at IS NULL AND state = 'running';

-- name: import_jobs_changed
SELECT job, state, progress, updated_at FROM import_jobs WHERE org = :org AND updated_at > :since ORDER BY updated_at, job;

-- name: save_import_job
UPDATE import_jobs SET state = :state, phone = :phone, kind = :kind, answers = :answers, spooled = :spooled, found = :found,
    questions = :questions, progress = :progress, error = :error, notes = :notes, updated_at = :now,
    finished_at = :finished_at, secrets = CASE WHEN :over = 1 THEN NULL ELSE secrets END
WHERE org = :org AND job = :job AND state = :expected
RETURNING job;

-- name: advance_import_job
UPDATE import_jobs SET progress = :progress, updated_at = :now WHERE org = :org AND job = :job AND state = :state
RETURNING job;

-- name: touch_import_job
UPDATE import_jobs SET updated_at = :now WHERE org = :org AND job = :job;

-- name: seal_import_secrets
UPDATE import_jobs SET secrets = :secrets WHERE org = :org AND job = :job;

-- name: read_import_secrets
SELECT secrets FROM import_jobs WHERE org = :org AND job = :job;

-- name: join_import_job
UPDATE imports SET job = :job WHERE org = :org AND import = :import;

-- name: delete_import_job
DELETE FROM import_jobs WHERE org = :org AND job = :job;

-- name: add_import_upload
INSERT INTO import_uploads (org, job, file, name, size, received) VALUES (:org, :job, :file, :name, :size, :received);

-- name: import_uploads
SELECT file, name, size, received FROM import_uploads WHERE org = :org AND job = :job ORDER BY file;

-- name: receive_import_upload
UPDATE import_uploads SET received = :received
WHERE org = :org AND job = :job AND file = :file AND received < :received;

-- name: delete_import_uploads
DELETE FROM import_uploads WHERE org = :org AND job = :job;

-- name: drop_lease
DELETE FROM leases WHERE org = :org AND name = :name AND holder = :holder AND term = :term;

-- name: brought_by_imports
-- Which of some messages were first stored by one of these imports.
SELECT m.no FROM messages m WHERE m.org = :org AND m.no IN (:nos*) AND (
    SELECT CASE WHEN n.last_no >= m.no THEN n.import END FROM import_numbers n
    WHERE n.org = :org AND n.first_no <= m.no ORDER BY n.first_no DESC LIMIT 1
) IN (:imports*);

-- name: retold_by_others
SELECT no FROM import_retold WHERE org = :org AND no IN (:nos*) AND NOT (import IN (:imports*));

-- name: tellers_beside
SELECT m.no, t.told FROM messages m
JOIN tellings t ON t.org = m.org AND t.phone = m.phone AND t.chat = m.chat AND t.id = m.id
WHERE m.org = :org AND m.no IN (:nos*);

-- name: finish_import
UPDATE imports SET state = :state, finished_at = :now, report = :report WHERE org = :org AND import = :import;

-- name: advance_import
UPDATE imports SET state = :state, progress = :progress WHERE org = :org AND import = :import;

-- name: add_import_numbers
INSERT INTO import_numbers (org, first_no, last_no, import) VALUES (:org, :first_no, :last_no, :import);

-- name: range_at
-- The last range of numbers given to an import that begins at or below :no, and where the next one begins.
SELECT first_no, last_no, import,
    (SELECT MIN(n.first_no) FROM import_numbers n WHERE n.org = :org AND n.first_no > :no)
FROM import_numbers WHERE org = :org AND first_no <= :no ORDER BY first_no DESC LIMIT 1;

-- name: next_range
SELECT MIN(first_no) FROM import_numbers WHERE org = :org AND first_no > :no;

-- name: ranges_of_import
SELECT first_no, last_no FROM import_numbers INDEXED BY import_numbers_import
WHERE org = :org AND import = :import AND first_no >= :low
ORDER BY first_no LIMIT :limit;

-- name: disown_numbers
UPDATE import_numbers INDEXED BY import_numbers_import SET import = :disowned WHERE org = :org AND import = :import;

-- name: import_rows
SELECT no, phone, chat, id FROM messages WHERE org = :org AND no BETWEEN :low AND :high ORDER BY no LIMIT :limit;

-- name: retold_by_no
SELECT no, import FROM import_retold WHERE org = :org AND no IN (:nos*);

-- name: add_retold
INSERT INTO import_retold (org, import, no) VALUES (:org, :import, :no) ON CONFLICT DO NOTHING;

-- name: delete_retold
DELETE FROM import_retold WHERE org = :org AND import = :import AND no = :no;

-- name: retold_by_import
SELECT no FROM import_retold WHERE org = :org AND import = :import AND no > :after ORDER BY no LIMIT :limit;

-- name: tellings_after
-- Observations of any import in a chat.
SELECT id, told FROM tellings
WHERE org = :org AND phone = :phone AND chat = :chat AND id > :after AND told IS NOT NULL ORDER BY id LIMIT :limit;

-- name: addons_after
SELECT id, told FROM addons
WHERE org = :org AND phone = :phone AND chat = :chat AND id > :after AND told IS NOT NULL ORDER BY id LIMIT :limit;

-- name: read_import_facts
SELECT phone, jid, facts FROM import_facts WHERE org = :org AND import = :import AND phone = :phone AND jid IN (:jids*);

-- name: save_import_facts
INSERT INTO import_facts (org, import, phone, jid, facts) VALUES (:org, :import, :phone, :jid, :facts)
ON CONFLICT (org, import, phone, jid) DO UPDATE SET facts = excluded.facts;

-- name: name_in_import
-- Facts are NULL for a contact that an import used without reporting facts, '' for one that it only tied to another JID.
INSERT INTO import_facts (org, import, phone, jid, facts) VALUES (:org, :import, :phone, :jid, NULL)
ON CONFLICT (org, import, phone, jid) DO UPDATE SET facts = NULL WHERE import_facts.facts = '';

-- name: tie_in_import
INSERT INTO import_facts (org, import, phone, jid, facts) VALUES (:org, :import, :phone, :jid, '') ON CONFLICT DO NOTHING;

-- name: facts_of_import
SELECT phone, jid FROM import_facts
WHERE org = :org AND import = :import AND (phone, jid) > (:phone, :jid)
ORDER BY phone, jid LIMIT :limit;

-- name: chats_of_import
SELECT phone, jid FROM import_facts
WHERE org = :org AND import = :import AND +phone > 0 AND (phone, jid) > (:phone, :jid)
ORDER BY phone, jid LIMIT :limit;

-- name: named_alone
-- What an import names, and how many others name the same, or knew it before (imported 0 or less).
SELECT f.phone, f.jid,
    (SELECT COUNT(*) FROM import_facts o WHERE o.org = :org AND o.jid = f.jid AND o.import <> f.import
        AND CASE WHEN f.phone > 0 THEN o.phone = f.phone ELSE o.phone <= 0 END)
    + CASE WHEN f.phone > 0
        THEN (SELECT COUNT(*) FROM aliases a JOIN chats c ON c.org = a.org AND c.chat = a.contact
            WHERE a.org = :org AND c.org = :org AND a.jid = f.jid AND c.phone = f.phone AND c.imported = 0)
        ELSE (SELECT COUNT(*) FROM aliases a JOIN contacts k ON k.org = a.org AND k.contact = a.contact
            WHERE a.org = :org AND k.org = :org AND a.jid = f.jid AND k.imported <= 0)
            + (SELECT COUNT(*) FROM phones p WHERE p.org = :org AND p.jid = f.jid) END
FROM import_facts f
WHERE f.org = :org AND f.import = :import AND +f.phone >= 0 AND (f.phone, f.jid) > (:phone, :jid)
ORDER BY f.phone, f.jid LIMIT :limit;

-- name: count_files_alone
SELECT COUNT(*) FROM import_files f WHERE f.org = :org AND f.import = :import
    AND NOT EXISTS (SELECT 1 FROM import_files o WHERE o.org = :org AND o.file = f.file AND o.import <> f.import);

-- name: delete_import_facts
DELETE FROM import_facts WHERE org = :org AND import = :import AND phone = :phone AND jid = :jid;

-- name: chat_facts_by_jid
SELECT facts FROM import_facts INDEXED BY import_facts_jid WHERE org = :org AND phone = :phone AND jid IN (:jids*);

-- name: contact_facts_by_jid
SELECT -phone, facts FROM import_facts INDEXED BY import_facts_jid WHERE org = :org AND phone <= 0 AND jid IN (:jids*);

-- name: told_jids
-- Which imports know some JIDs, and whether they reported more than that a JID belongs to the same contact as another.
SELECT import, jid, MAX(CASE WHEN facts = '' THEN 0 ELSE 1 END)
FROM import_facts INDEXED BY import_facts_jid WHERE org = :org AND jid IN (:jids*)
GROUP BY import, jid ORDER BY import, jid;

-- name: add_import_mapping
INSERT INTO import_mappings (org, import, lid, jid) VALUES (:org, :import, :lid, :jid) ON CONFLICT DO NOTHING;

-- name: mapping_tellers
SELECT import FROM import_mappings WHERE org = :org AND lid = :lid AND jid = :jid;

-- name: imported_mapping_among
SELECT 1 FROM import_mappings WHERE org = :org AND lid IN (:jids*) AND jid IN (:jids*) AND import > 0 LIMIT 1;

-- name: mapped_by_import
SELECT jid FROM import_mappings WHERE org = :org AND import = :import AND lid = :lid;

-- name: mappings_after
-- Every mapping that was recorded, also one that was refused because it contradicts others.
SELECT import, lid, jid FROM import_mappings
WHERE org = :org AND (import, lid, jid) > (:import, :lid, :jid)
ORDER BY import, lid, jid LIMIT :limit;

-- name: mappings_among
SELECT lid, jid FROM import_mappings WHERE org = :org AND lid IN (:jids*) AND jid IN (:jids*);

-- name: set_alias
UPDATE aliases SET contact = :contact WHERE org = :org AND jid = :jid;

-- name: delete_alias
DELETE FROM aliases WHERE org = :org AND jid = :jid;

-- name: ids_waiting
SELECT DISTINCT id FROM addons WHERE org = :org AND phone = :phone AND chat = :chat AND id > :after
ORDER BY id LIMIT :limit;

-- name: sent_after
SELECT no, chat, id FROM messages
WHERE org = :org AND sender = :sender AND sender <> chat AND phone = :phone AND no > :after ORDER BY no LIMIT :limit;

-- name: doings_after
SELECT phone, chat, id FROM addons
WHERE org = :org AND actor = :contact AND (phone, chat, id) > (:phone, :chat, :id)
UNION SELECT phone, chat, id FROM addons
WHERE org = :org AND target = :contact AND target <> 0 AND (phone, chat, id) > (:phone, :chat, :id)
ORDER BY phone, chat, id LIMIT :limit;

-- name: mark_chat_imported
UPDATE chats SET imported = 1 WHERE org = :org AND phone = :phone AND chat = :chat;

-- name: mappings_of_import
SELECT lid, jid FROM import_mappings WHERE org = :org AND import = :import ORDER BY lid, jid LIMIT :limit;

-- name: delete_import_mapping
DELETE FROM import_mappings WHERE org = :org AND import = :import AND lid = :lid AND jid = :jid;

-- name: file_tellers
SELECT import FROM import_files WHERE org = :org AND file = :file;

-- name: has_file
SELECT 1 FROM files WHERE org = :org AND file = :file;

-- name: add_import_file
INSERT INTO import_files (org, import, file) VALUES (:org, :import, :file) ON CONFLICT DO NOTHING;

-- name: told_positions
SELECT stream, told FROM positions WHERE org = :org AND told IS NOT NULL ORDER BY stream;

-- name: told_position
SELECT told FROM positions WHERE org = :org AND stream = :stream;

-- name: delete_position
DELETE FROM positions WHERE org = :org AND stream = :stream;

-- name: files_of_import
SELECT file FROM import_files WHERE org = :org AND import = :import ORDER BY file LIMIT :limit;

-- name: delete_import_file
DELETE FROM import_files WHERE org = :org AND import = :import AND file = :file;

-- name: delete_file
DELETE FROM files WHERE org = :org AND file = :file;

-- name: import_raws
SELECT raw FROM raws WHERE org = :org AND raw BETWEEN :low AND :high ORDER BY raw LIMIT :limit;

-- name: delete_raw
DELETE FROM raws WHERE org = :org AND raw = :raw;

-- name: import_phones
SELECT phone, jid, contact FROM phones WHERE org = :org ORDER BY phone;

-- name: chat_is_told_of
-- Whether a chat has messages, or additions that wait for a line of an exported chat.
SELECT 1 WHERE EXISTS (SELECT 1 FROM messages m WHERE m.org = :org AND m.phone = :phone AND m.chat = :chat)
    OR EXISTS (SELECT 1 FROM addons a WHERE a.org = :org AND a.phone = :phone AND a.chat = :chat
        AND substr(a.id, 1, 4) = 'exp_');

-- name: contact_is_referred_to
-- By way of the phones where an index begins with organisation and phone. CROSS makes SQLite keep this order of the tables.
SELECT 1 WHERE EXISTS (SELECT 1 FROM phones p WHERE p.org = :org AND p.contact = :contact)
    OR EXISTS (SELECT 1 FROM phones p CROSS JOIN chats c
        WHERE p.org = :org AND c.org = :org AND c.phone = p.phone AND c.chat = :contact)
    OR EXISTS (SELECT 1 FROM messages m INDEXED BY messages_sender
        WHERE m.org = :org AND m.sender = :contact AND m.sender <> m.chat)
    OR EXISTS (SELECT 1 FROM phones p CROSS JOIN addons a
        WHERE p.org = :org AND a.org = :org AND a.phone = p.phone AND a.chat = :contact)
    OR EXISTS (SELECT 1 FROM addons a WHERE a.org = :org AND a.actor = :contact)
    OR EXISTS (SELECT 1 FROM addons a WHERE a.org = :org AND a.target = :contact AND a.target <> 0);

-- name: phone_is_referred_to
SELECT 1 WHERE EXISTS (SELECT 1 FROM chats c WHERE c.org = :org AND c.phone = :phone)
    OR EXISTS (SELECT 1 FROM spans s WHERE s.org = :org AND s.phone = :phone)
    OR EXISTS (SELECT 1 FROM labels l WHERE l.org = :org AND l.phone = :phone)
    OR EXISTS (SELECT 1 FROM messages m WHERE m.org = :org AND m.phone = :phone)
    OR EXISTS (SELECT 1 FROM addons a WHERE a.org = :org AND a.phone = :phone)
    -- Others than the import that is being taken back, who told of contacts as this phone knows them.
    OR EXISTS (SELECT 1 FROM import_facts f WHERE f.org = :org AND f.phone = -:phone AND f.import <> :import)
    OR EXISTS (SELECT 1 FROM contacts c WHERE c.org = :org AND c.told_by = :phone AND c.imported = 0)
    OR EXISTS (SELECT 1 FROM contact_facts k JOIN contacts c ON c.org = k.org AND c.contact = k.contact
        WHERE k.org = :org AND c.org = :org AND k.phone = :phone AND c.imported = 0);

-- name: delete_phone
DELETE FROM phones WHERE org = :org AND phone = :phone;

-- name: delete_aliases
DELETE FROM aliases WHERE org = :org AND contact = :contact;

-- name: delete_merged_into
DELETE FROM contacts WHERE org = :org AND merged_into = :contact;

-- name: delete_contact
DELETE FROM contacts WHERE org = :org AND contact = :contact;

-- name: delete_import_tallies
-- Counters of a deleted chat; all of them are 0.
DELETE FROM tallies WHERE org = :org AND phone = :phone AND chat = :chat;

-- name: read_org_imports
SELECT imports FROM heads WHERE org = :org;

-- name: every_import_range
SELECT first_no, last_no, import FROM import_numbers WHERE org = :org ORDER BY first_no;

-- name: stray_retold
SELECT r.import, r.no FROM import_retold r WHERE r.org = :org
    AND NOT EXISTS (SELECT 1 FROM messages m WHERE m.org = :org AND m.no = r.no)
    AND NOT EXISTS (SELECT 1 FROM raws w WHERE w.org = :org AND w.raw = r.no)
    AND NOT EXISTS (SELECT 1 FROM phones p WHERE p.org = :org AND p.phone = r.no);

-- name: every_told_telling
SELECT phone, chat, id, told FROM tellings WHERE org = :org AND told IS NOT NULL
    AND (phone, chat, id) > (:phone, :chat, :id)
ORDER BY phone, chat, id LIMIT :limit;

-- name: every_told_addon
SELECT phone, chat, id, told FROM addons WHERE org = :org AND told IS NOT NULL
    AND (phone, chat, id) > (:phone, :chat, :id)
ORDER BY phone, chat, id LIMIT :limit;

-- name: import_references
SELECT DISTINCT import, 'import_retold' FROM import_retold WHERE org = :org
UNION ALL SELECT DISTINCT import, 'import_facts' FROM import_facts WHERE org = :org
UNION ALL SELECT DISTINCT import, 'import_mappings' FROM import_mappings WHERE org = :org
UNION ALL SELECT DISTINCT import, 'import_files' FROM import_files WHERE org = :org
UNION ALL SELECT DISTINCT import, 'labels' FROM labels WHERE org = :org
UNION ALL SELECT DISTINCT import, 'spans' FROM spans WHERE org = :org;

-- name: lost_import_files
SELECT f.import, f.file FROM import_files f WHERE f.org = :org
    AND NOT EXISTS (SELECT 1 FROM files k WHERE k.org = :org AND k.file = f.file);

-- name: imported_contacts
SELECT contact, facts FROM contacts WHERE org = :org AND imported > 0 AND merged_into IS NULL AND contact > :after
ORDER BY contact LIMIT :limit;

-- ------------------------------------------------------------------ invariants

-- name: count_changes
SELECT COUNT(*), MIN(seq), MAX(seq) FROM changes WHERE org = :org;

-- name: stored_twice
SELECT phone, chat, id, sender FROM messages WHERE org = :org GROUP BY id, phone, chat, sender HAVING COUNT(*) > 1;

-- ------------------------------------------------------------------ dumping all that was reported (storage/transfer/dump.py)

-- name: dump_contacts
-- Parties in the order of their main JIDs: the primary key of aliases has that order.
SELECT c.contact, c.jid, c.told_by, c.facts FROM aliases a
JOIN contacts c ON c.org = a.org AND c.contact = a.contact AND c.jid = a.jid
WHERE a.org = :org AND a.jid > :after ORDER BY a.jid LIMIT :limit;

-- name: dump_aliases
SELECT contact, jid FROM aliases WHERE org = :org AND contact IN (:contacts*) ORDER BY contact, jid;

-- name: facts_of_chats
SELECT phone, chat, facts FROM chats WHERE org = :org AND phone IN (:phones*) AND chat IN (:chats*);

-- name: dump_waiting_chats
-- Chats of which only edits, receipts and the like are known.
SELECT DISTINCT phone, chat FROM addons WHERE org = :org AND phone IN (:phones*) AND chat IN (:chats*);

-- name: dump_messages
SELECT MESSAGE_COLUMNS FROM messages
WHERE org = :org AND phone = :phone AND chat = :chat AND sent_at >= :at AND (sent_at > :at OR id > :id)
ORDER BY sent_at, id, sender LIMIT :limit;

-- name: dump_waiting
-- Ids of which edits, receipts and the like are known, but no message yet.
SELECT DISTINCT a.id FROM addons a
WHERE a.org = :org AND a.phone = :phone AND a.chat = :chat AND a.id > :after AND NOT EXISTS (
    SELECT 1 FROM messages m WHERE m.org = a.org AND m.id = a.id AND m.phone = a.phone AND m.chat = a.chat
)
ORDER BY a.id LIMIT :limit;

-- name: dump_actors
-- Everybody who wrote or did something in a chat.
SELECT sender FROM messages WHERE org = :org AND phone IN (:phones*) AND chat = :chat
UNION SELECT sender FROM tellings WHERE org = :org AND phone IN (:phones*) AND chat = :chat
UNION SELECT actor FROM addons WHERE org = :org AND phone IN (:phones*) AND chat = :chat
UNION SELECT target FROM addons WHERE org = :org AND phone IN (:phones*) AND chat = :chat;

-- name: dump_count
SELECT COUNT(*) FROM messages WHERE org = :org AND phone IN (:phones*) AND (:any_chat = 1 OR chat = :chat);

-- name: dump_digests
SELECT raw, digest FROM raws WHERE org = :org AND raw IN (:raws*);

-- name: dump_files
SELECT file, size, mimetype FROM files WHERE org = :org AND file > :after ORDER BY file LIMIT :limit;

-- name: dump_raws
-- Ordered by the SHA-256 of the content: the same order in every archive.
SELECT digest, source, type, payload FROM raws WHERE org = :org AND digest > :after ORDER BY digest LIMIT :limit;

-- name: keep_position
-- An archive's own position in a stream is newer than that of a dump.
INSERT INTO positions (org, stream, place, told) VALUES (:org, :stream, :place, :told) ON CONFLICT (org, stream) DO NOTHING;

-- name: last_stored
-- Numbers only increase, so the highest belongs to the newest row.
SELECT stored_at, source FROM messages WHERE org = :org ORDER BY no DESC LIMIT 1;

-- ------------------------------------------------------------------ live sources

-- name: add_source
INSERT INTO sources (org, source, kind, phone, secret, verify_token, upstream, upstream_token, every, silent_after, created_at)
VALUES (:org, :source, :kind, :phone, :secret, :verify_token, :upstream, :upstream_token, :every, :silent_after, :now);

-- name: list_sources
SELECT source, kind, phone, upstream, every, silent_after, last_event_at, created_at, previous_until
FROM sources WHERE org = :org ORDER BY created_at, source;

-- name: read_source
SELECT source, kind, phone, upstream, every, silent_after, last_event_at, created_at, previous_until, secret, verify_token,
    upstream_token, previous_secret
FROM sources WHERE org = :org AND source = :source;

-- name: change_source
UPDATE sources SET upstream = :upstream, upstream_token = :upstream_token, every = :every, silent_after = :silent_after
WHERE org = :org AND source = :source RETURNING source;

-- name: rotate_source
UPDATE sources SET secret = :secret, previous_secret = :previous, previous_until = :until
WHERE org = :org AND source = :source RETURNING source;

-- name: remove_source
DELETE FROM sources WHERE org = :org AND source = :source RETURNING phone;

-- name: hear_source
-- Called at intervals, so that not every event causes a write.
UPDATE sources SET last_event_at = :now
WHERE org = :org AND source = :source AND (last_event_at IS NULL OR last_event_at < :now);

-- name: connect_phone
-- The later report wins, in whatever order they arrive.
UPDATE phones SET state = :state, state_at = :at
WHERE org = :org AND phone = :phone AND (state_at IS NULL OR state_at <= :at) AND (state IS NULL OR state <> :state)
RETURNING phone;

-- name: forget_connection
UPDATE phones SET state = NULL, state_at = NULL WHERE org = :org AND phone = :phone AND state IS NOT NULL RETURNING phone;

-- name: find_answer
SELECT digest, status, body FROM answers WHERE org = :org AND source = :source AND key = :key AND created_at >= :since;

-- name: add_answer
INSERT INTO answers (org, source, key, digest, status, body, created_at)
VALUES (:org, :source, :key, :digest, :status, :body, :now)
ON CONFLICT (org, source, key) DO UPDATE
SET digest = excluded.digest, status = excluded.status, body = excluded.body, created_at = excluded.created_at;

-- name: drop_old_answers
DELETE FROM answers WHERE org = :org AND created_at < :before;

-- ------------------------------------------------------------------ linked devices

-- name: add_link
INSERT INTO links (org, source, phone_name, state, since, code_for)
VALUES (:org, :source, :phone_name, 'starting', :now, :code_for);

-- name: list_links
SELECT l.source, s.phone, l.phone_name, l.state, l.problem, l.since, l.retry_at, l.qr, l.qr_rows, l.code, l.code_for,
    l.expires_at, l.progress, l.jid, l.asked, s.silent_after, s.last_event_at, s.created_at
FROM links l JOIN sources s ON s.org = l.org AND s.source = l.source
WHERE l.org = :org ORDER BY s.created_at, l.source;

-- name: read_link
SELECT l.source, s.phone, l.phone_name, l.state, l.problem, l.since, l.retry_at, l.qr, l.qr_rows, l.code, l.code_for,
    l.expires_at, l.progress, l.jid, l.asked, s.silent_after, s.last_event_at, s.created_at
FROM links l JOIN sources s ON s.org = l.org AND s.source = l.source
WHERE l.org = :org AND l.source = :source;

-- name: write_link
UPDATE links SET state = :state, problem = :problem, since = :since, retry_at = :retry_at, qr = :qr, qr_rows = :qr_rows,
    code = :code, expires_at = :expires_at, progress = :progress, jid = :jid
WHERE org = :org AND source = :source;

-- name: ask_of_link
UPDATE links SET asked = :asked, code_for = :code_for WHERE org = :org AND source = :source RETURNING source;

-- name: silence_of_source
UPDATE sources SET silent_after = :silent_after WHERE org = :org AND source = :source;

-- name: link_was_asked
-- Only the request that was read: one that a person makes in the meantime is kept.
UPDATE links SET asked = NULL WHERE org = :org AND source = :source AND asked = :asked;

-- name: phone_of_link
UPDATE sources SET phone = :phone WHERE org = :org AND source = :source;

-- name: remove_link
DELETE FROM links WHERE org = :org AND source = :source;

-- ------------------------------------------------------------------ outbound webhooks (storage/write/outbox.py)

-- name: add_event
INSERT INTO outbox (org, event, id, type, at, phone, chat, message, ref, imported)
VALUES (:org, :event, :id, :type, :at, :phone, :chat, :message, :ref, :imported);

-- name: read_hooks
SELECT hooks FROM heads WHERE org = :org;

-- name: save_hooks
UPDATE heads SET hooks = :hooks WHERE org = :org;

-- name: list_webhooks
SELECT webhook, name, url, format, types, subscriptions, phones, imports, enabled, created_at, changed_at, previous_until,
    position, failures, failing_since, retry_at, last_success_at, last_failure_at, last_error
FROM webhooks WHERE org = :org ORDER BY created_at, webhook;

-- name: read_webhook
SELECT webhook, name, url, format, types, subscriptions, phones, imports, enabled, created_at, changed_at, previous_until,
    position, failures, failing_since, retry_at, last_success_at, last_failure_at, last_error,
    secret, previous_secret
FROM webhooks WHERE org = :org AND webhook = :webhook;

-- name: look_at_webhooks
-- Each endpoint, the time at which its first lane is due, and the newest event.
SELECT webhook, name, url, format, types, subscriptions, phones, imports, enabled, created_at, changed_at, previous_until,
    position, failures, failing_since, retry_at, last_success_at, last_failure_at, last_error,
    (SELECT MIN(l.next_at) FROM webhook_lanes l WHERE l.org = :org AND l.webhook = w.webhook),
    (SELECT MAX(o.event) FROM outbox o WHERE o.org = :org)
FROM webhooks w WHERE w.org = :org ORDER BY w.created_at, w.webhook;

-- name: add_webhook
INSERT INTO webhooks (org, webhook, name, url, format, types, subscriptions, phones, imports, enabled, secret, created_at,
    changed_at, position, failures, retry_at)
VALUES (:org, :webhook, :name, :url, :format, :types, :subscriptions, :phones, :imports, :enabled, :secret, :now, :now,
    :position, 0, 0);

-- name: change_webhook
UPDATE webhooks SET name = :name, url = :url, format = :format, types = :types, subscriptions = :subscriptions,
    phones = :phones, imports = :imports, enabled = :enabled, position = :position, changed_at = :now
WHERE org = :org AND webhook = :webhook;

-- name: forgive_webhook
UPDATE webhooks SET failures = 0, failing_since = NULL, retry_at = 0 WHERE org = :org AND webhook = :webhook;

-- name: rotate_webhook
UPDATE webhooks SET secret = :secret, previous_secret = :previous, previous_until = :until, changed_at = :now
WHERE org = :org AND webhook = :webhook;

-- name: remove_webhook
DELETE FROM webhooks WHERE org = :org AND webhook = :webhook;

-- name: forget_deliveries
DELETE FROM deliveries
WHERE org = :org AND webhook = :webhook
    AND event IN (SELECT d.event FROM deliveries d WHERE d.org = :org AND d.webhook = :webhook LIMIT :limit)
RETURNING event;

-- name: forget_lanes
DELETE FROM webhook_lanes WHERE org = :org AND webhook = :webhook;

-- name: forget_outbox
DELETE FROM outbox
WHERE org = :org AND event IN (SELECT o.event FROM outbox o WHERE o.org = :org ORDER BY o.event LIMIT :limit)
RETURNING event;

-- name: events_after
SELECT event, type, at, phone, chat, message, ref, imported FROM outbox
WHERE org = :org AND event > :after ORDER BY event LIMIT :limit;

-- name: add_delivery
INSERT INTO deliveries (org, webhook, event, phone, chat, state, attempts, queued_at)
VALUES (:org, :webhook, :event, :phone, :chat, 0, 0, :now);

-- name: add_lane
INSERT INTO webhook_lanes (org, webhook, phone, chat, next_at) VALUES (:org, :webhook, :phone, :chat, :now)
ON CONFLICT DO NOTHING;

-- name: advance_webhooks
UPDATE webhooks SET position = :position WHERE org = :org AND position < :position AND enabled = 1;

-- name: due_lanes
SELECT phone, chat FROM webhook_lanes
WHERE org = :org AND webhook = :webhook AND next_at <= :now ORDER BY next_at LIMIT :limit;

-- name: next_in_lane
SELECT o.id, d.attempts, d.first_at, o.event, o.type, o.at, o.phone, o.chat, o.message, o.ref, o.imported
FROM deliveries d INDEXED BY deliveries_waiting JOIN outbox o ON o.org = :org AND o.event = d.event
WHERE d.org = :org AND d.webhook = :webhook AND d.phone = :phone AND d.chat = :chat AND d.state = 0
ORDER BY d.event LIMIT :limit;

-- name: first_in_lane
SELECT event FROM deliveries
WHERE org = :org AND webhook = :webhook AND phone = :phone AND chat = :chat AND state = 0 LIMIT 1;

-- name: settle_delivery
UPDATE deliveries SET state = :state, attempts = :attempts, first_at = :first_at, last_at = :last_at, status = :status,
    error = :error
WHERE org = :org AND webhook = :webhook AND event = :event;

-- name: end_lane
DELETE FROM webhook_lanes WHERE org = :org AND webhook = :webhook AND phone = :phone AND chat = :chat;

-- name: put_lane_off
UPDATE webhook_lanes SET next_at = :next_at WHERE org = :org AND webhook = :webhook AND phone = :phone AND chat = :chat;

-- name: hurry_lane
INSERT INTO webhook_lanes (org, webhook, phone, chat, next_at) VALUES (:org, :webhook, :phone, :chat, :now)
ON CONFLICT (org, webhook, phone, chat) DO UPDATE SET next_at = excluded.next_at;

-- name: hurry_lanes
UPDATE webhook_lanes SET next_at = :now WHERE org = :org AND webhook = :webhook AND next_at > :now;

-- name: note_success
UPDATE webhooks SET last_success_at = :at, failing_since = NULL WHERE org = :org AND webhook = :webhook;

-- name: note_failure
UPDATE webhooks SET last_failure_at = :at, last_error = :error, failing_since = COALESCE(failing_since, :at)
WHERE org = :org AND webhook = :webhook;

-- name: note_health
UPDATE webhooks SET failures = :failures, retry_at = :retry_at WHERE org = :org AND webhook = :webhook;

-- name: count_deliveries
SELECT COUNT(*) FROM (
    SELECT 1 FROM deliveries WHERE org = :org AND webhook = :webhook AND state = :state LIMIT :limit
) counted;

-- name: find_delivery
SELECT d.webhook, o.id, d.state, d.attempts, d.last_at, l.next_at, d.status, d.error,
    o.event, o.type, o.at, o.phone, o.chat, o.message, o.ref, o.imported
FROM outbox o INDEXED BY outbox_id CROSS JOIN deliveries d
    LEFT JOIN webhook_lanes l ON l.org = :org AND l.webhook = :webhook AND l.phone = d.phone AND l.chat = d.chat
WHERE o.org = :org AND o.id = :id AND d.org = :org AND d.webhook = :webhook AND d.event = o.event;

-- name: deliveries_before
SELECT d.webhook, o.id, d.state, d.attempts, d.last_at, l.next_at, d.status, d.error,
    o.event, o.type, o.at, o.phone, o.chat, o.message, o.ref, o.imported
FROM deliveries d JOIN outbox o ON o.org = :org AND o.event = d.event
    LEFT JOIN webhook_lanes l ON l.org = :org AND l.webhook = :webhook AND l.phone = d.phone AND l.chat = d.chat
WHERE d.org = :org AND d.webhook = :webhook AND d.event < :before ORDER BY d.event DESC LIMIT :limit;

-- name: deliveries_in_state_before
SELECT d.webhook, o.id, d.state, d.attempts, d.last_at, l.next_at, d.status, d.error,
    o.event, o.type, o.at, o.phone, o.chat, o.message, o.ref, o.imported
FROM deliveries d INDEXED BY deliveries_state JOIN outbox o ON o.org = :org AND o.event = d.event
    LEFT JOIN webhook_lanes l ON l.org = :org AND l.webhook = :webhook AND l.phone = d.phone AND l.chat = d.chat
WHERE d.org = :org AND d.webhook = :webhook AND d.state = :state AND d.event < :before ORDER BY d.event DESC LIMIT :limit;

-- name: oldest_in_state
SELECT o.event, o.type, o.at, o.phone, o.chat, o.message, o.ref, o.imported
FROM deliveries d JOIN outbox o ON o.org = :org AND o.event = d.event
WHERE d.org = :org AND d.webhook = :webhook AND d.state = :state ORDER BY d.event LIMIT :limit;

-- name: queue_again
UPDATE deliveries SET state = 0, attempts = 0, queued_at = :now, first_at = NULL, status = NULL, error = NULL
WHERE org = :org AND webhook = :webhook AND event = :event;

-- name: hold_lease
UPDATE leases SET ends_at = ends_at WHERE org = :org AND name = :name RETURNING term;

-- name: park_old
UPDATE deliveries SET state = 2, error = :error
WHERE org = :org AND webhook = :webhook AND state = 0 AND queued_at <= :before
    AND event IN (
        SELECT d.event FROM deliveries d
        WHERE d.org = :org AND d.webhook = :webhook AND d.state = 0 ORDER BY d.event LIMIT :limit
    )
RETURNING phone, chat;

-- name: sweep_deliveries
DELETE FROM deliveries
WHERE org = :org AND webhook = :webhook AND state = :state AND COALESCE(last_at, queued_at) <= :before
    AND event IN (
        SELECT d.event FROM deliveries d
        WHERE d.org = :org AND d.webhook = :webhook AND d.state = :state ORDER BY d.event LIMIT :limit
    );

-- name: event_numbers
SELECT event FROM outbox WHERE org = :org AND event > :after ORDER BY event LIMIT :limit;

-- name: delivered_between
SELECT event FROM deliveries WHERE org = :org AND webhook IN (:webhooks*) AND event BETWEEN :first AND :last;

-- name: sweep_outbox
DELETE FROM outbox WHERE org = :org AND event IN (:events*);

-- name: source_by_no
SELECT source, kind, last_event_at, silent_since, silent_after FROM sources WHERE org = :org AND no = :no;

-- name: watched_sources
SELECT source, no, phone, silent_since, silent_after, last_event_at, created_at FROM sources
WHERE org = :org AND (silent_after IS NOT NULL OR silent_since IS NOT NULL);

-- name: tell_silence
UPDATE sources SET no = :no, silent_since = :silent_since WHERE org = :org AND source = :source;

-- name: sources_by_no
SELECT no, source, phone FROM sources WHERE org = :org AND no IN (:nos*);
