-- Files that are still to be fetched from their source (storage/write/fetches.py).

-- name: add_fetch
-- A new address is tried at once; the same address again changes nothing.
INSERT INTO fetches (org, phone, jid, id, sender, source, url, tries, next_at, problem, created_at)
VALUES (:org, :phone, :jid, :id, :sender, :source, :url, 0, :now, NULL, :now)
ON CONFLICT (org, phone, jid, id, sender) DO UPDATE
SET url = excluded.url, source = excluded.source, tries = 0, next_at = excluded.next_at, problem = NULL
WHERE fetches.url <> excluded.url;

-- name: due_fetches
SELECT phone, jid, id, sender, source, url, tries, next_at, problem, created_at FROM fetches
WHERE org = :org AND next_at <= :now ORDER BY next_at LIMIT :limit;

-- name: fetches_after
SELECT phone, jid, id, sender, source, url, tries, next_at, problem, created_at FROM fetches
WHERE org = :org AND (phone, jid, id, sender) > (:phone, :jid, :id, :sender)
ORDER BY phone, jid, id, sender LIMIT :limit;

-- name: fetch_of_message
SELECT phone, jid, id, sender, source, url, tries, next_at, problem, created_at FROM fetches
WHERE org = :org AND phone = :phone AND jid IN (:jids*) AND id = :id ORDER BY created_at DESC LIMIT 1;

-- name: count_fetches
SELECT COUNT(*), COUNT(next_at) FROM fetches WHERE org = :org;

-- name: postpone_fetch
UPDATE fetches SET tries = :tries, next_at = :next_at, problem = :problem
WHERE org = :org AND phone = :phone AND jid = :jid AND id = :id AND sender = :sender AND url = :url;

-- name: drop_fetch
DELETE FROM fetches
WHERE org = :org AND phone = :phone AND jid = :jid AND id = :id AND sender = :sender AND url = :url;
