-- Which source covers which time (storage/write/coverage.py, storage/read/coverage.py).

-- name: span_before
-- The last span of one source that begins before a time.
SELECT since_at, until_at, ended FROM spans
WHERE org = :org AND phone = :phone AND jid = :jid AND import = :import AND origin = :origin AND since_at < :since
ORDER BY since_at DESC LIMIT 1;

-- name: spans_within
-- Spans of one source that begin between two times, both included.
SELECT since_at, until_at, ended FROM spans
WHERE org = :org AND phone = :phone AND jid = :jid AND import = :import AND origin = :origin
    AND since_at BETWEEN :since AND :until
ORDER BY since_at;

-- name: spans_of_source
-- All spans of one source in some chats.
SELECT jid, since_at, until_at, ended FROM spans
WHERE org = :org AND phone = :phone AND jid IN (:jids*) AND import = :import AND origin = :origin
ORDER BY jid, since_at;

-- name: save_span
INSERT INTO spans (org, phone, jid, import, origin, since_at, until_at, ended)
VALUES (:org, :phone, :jid, :import, :origin, :since, :until, :ended)
ON CONFLICT (org, phone, jid, import, origin, since_at) DO UPDATE SET until_at = excluded.until_at, ended = excluded.ended;

-- name: delete_span
DELETE FROM spans
WHERE org = :org AND phone = :phone AND jid = :jid AND import = :import AND origin = :origin AND since_at = :since;

-- name: places_of_origin
-- Phones and chats of which a source covers some time.
SELECT DISTINCT phone, jid FROM spans WHERE org = :org AND import = 0 AND origin = :origin;

-- name: spans_of_import
SELECT phone, jid, origin, since_at FROM spans WHERE org = :org AND import = :import
ORDER BY origin, phone, jid, since_at LIMIT :limit;

-- name: spans_of_chat
-- Of the whole phone under '', of a chat under each of its JIDs; latest first. Only finished imports count.
SELECT s.since_at, s.until_at, s.ended, s.origin, s.import, i.kind, i.file
FROM spans s LEFT JOIN imports i ON i.org = :org AND i.import = s.import
WHERE s.org = :org AND s.phone = :phone AND s.jid IN (:jids*) AND (s.import = 0 OR i.state = 'done')
ORDER BY s.until_at DESC, s.since_at DESC, s.import DESC, s.origin LIMIT :limit;

-- name: spans_after
SELECT phone, jid, import, origin, since_at, until_at, ended FROM spans
WHERE org = :org AND (phone, jid, import, origin, since_at) > (:phone, :jid, :import, :origin, :since)
ORDER BY phone, jid, import, origin, since_at LIMIT :limit;

-- name: dump_spans
-- Valid spans of one phone, in an order that does not depend on numbers of this archive.
SELECT s.jid, s.origin, s.import, i.kind, i.file, s.since_at, s.until_at, s.ended
FROM spans s LEFT JOIN imports i ON i.org = :org AND i.import = s.import
WHERE s.org = :org AND s.phone = :phone AND s.jid = :jid AND (s.import = 0 OR i.state = 'done');

-- name: dump_spanned_chats
SELECT DISTINCT jid FROM spans WHERE org = :org AND phone = :phone AND jid > :after ORDER BY jid LIMIT :limit;

-- name: attended_sources
SELECT source, kind, silent_after, attended_at, sequence FROM sources WHERE org = :org;

-- name: attended_source
SELECT source, kind, silent_after, attended_at, sequence FROM sources WHERE org = :org AND source = :source;

-- name: attend_sources
UPDATE sources SET attended_at = :now WHERE org = :org;

-- name: save_sequence
UPDATE sources SET sequence = :sequence WHERE org = :org AND source = :source;

-- name: import_without_spans
-- An import that was made before spans were recorded and has not been processed yet.
SELECT i.import FROM imports i
WHERE i.org = :org AND i.state = 'done' AND i.progress IS NULL AND NOT (i.kind IN (:kinds*))
    AND NOT EXISTS (SELECT 1 FROM spans s WHERE s.org = :org AND s.import = i.import)
ORDER BY i.import LIMIT 1;

-- name: ends_of_import
-- First and last time of the messages that were new with an import, by phone and chat.
SELECT m.phone, c.jid, MIN(m.sent_at), MAX(m.sent_at)
FROM import_numbers n INDEXED BY import_numbers_import CROSS JOIN messages m CROSS JOIN contacts c
WHERE n.org = :org AND n.import = :import AND m.org = :org AND m.no BETWEEN n.first_no AND n.last_no
    AND c.org = :org AND c.contact = m.chat
GROUP BY m.phone, c.jid;

-- name: mark_import_covered
-- An empty progress marks it as processed; an undo overwrites it with its own.
UPDATE imports SET progress = '{}' WHERE org = :org AND import = :import AND progress IS NULL;

-- name: few_in_chats
-- How many messages of some chats are within a gap, counted up to a limit.
SELECT COUNT(*) FROM (
    SELECT 1 FROM messages WHERE org = :org AND phone IN (:phones*) AND chat IN (:chats*)
        AND sent_at BETWEEN :low AND :high AND (flags & :mask) = :want LIMIT :limit
) AS few;

-- name: few_in_phones
SELECT COUNT(*) FROM (
    SELECT 1 FROM messages WHERE org = :org AND phone IN (:phones*)
        AND sent_at BETWEEN :low AND :high AND (flags & :mask) = :want LIMIT :limit
) AS few;
