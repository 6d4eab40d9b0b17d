-- What the planner believes of a table before the server has analysed it: that one row in 200 belongs to the organisation
-- asked for. It would read an index from end to end then, in a first import for each batch. So it is shown rows like ours.
SET LOCAL app.org = '0';

INSERT INTO messages (org, no, phone, chat, sender, id, sent_at, flags, kind, text, source, stored_at, changed_at)
SELECT 0, n, n % 2, n % 40, n % 50, 'ID' || n, n * 60000, 0, 'text', 'text', 'linked', n, n FROM generate_series(1, 400) n;
INSERT INTO search (org, no, chat, text) SELECT org, no, chat, text FROM messages;
INSERT INTO contacts (org, contact, jid, kind, stored_at, changed_at) SELECT 0, n, 'jid' || n, 'user', n, n FROM generate_series(1, 400) n;
INSERT INTO aliases (org, jid, contact) SELECT org, jid, contact FROM contacts;
INSERT INTO chats (org, phone, chat, last_at, has_media, exported, seq, stored_at, changed_at)
SELECT 0, n % 2, n / 2, n, 0, 0, n, n, n FROM generate_series(1, 400) n;
INSERT INTO tellings (org, phone, chat, id, sender, source, digest, message)
SELECT org, phone, chat, id, sender, source, 'digest' || no, 'message' FROM messages;
INSERT INTO addons (org, phone, chat, id, kind, actor, target, ref, at)
SELECT org, phone, chat, id, 'receipt', sender, 0, '3', sent_at FROM messages;
INSERT INTO tallies (org, phone, chat, level, bucket, plain_in, plain_out, media_in, media_out, calls_in, calls_out,
    notices_in, notices_out)
SELECT 0, n % 2, n % 40, n % 3, n, 1, 0, 0, 0, 0, 0, 0, 0 FROM generate_series(1, 400) n;
INSERT INTO changes (org, seq, what, no) SELECT 0, n, 'message', n FROM generate_series(1, 400) n;
INSERT INTO raws (org, raw, digest, source, type, size, payload, stored_at)
SELECT 0, n, 'digest' || n, 'linked', 'json', 1, CAST('x' AS BLOB), n FROM generate_series(1, 400) n;
INSERT INTO positions (org, stream, place) SELECT 0, 'stream' || n, 'place' FROM generate_series(1, 400) n;

ANALYZE messages, search, contacts, aliases, chats, tellings, addons, tallies, changes, raws, positions;

DELETE FROM messages WHERE org = 0;
DELETE FROM search WHERE org = 0;
DELETE FROM contacts WHERE org = 0;
DELETE FROM aliases WHERE org = 0;
DELETE FROM chats WHERE org = 0;
DELETE FROM tellings WHERE org = 0;
DELETE FROM addons WHERE org = 0;
DELETE FROM tallies WHERE org = 0;
DELETE FROM changes WHERE org = 0;
DELETE FROM raws WHERE org = 0;
DELETE FROM positions WHERE org = 0;
