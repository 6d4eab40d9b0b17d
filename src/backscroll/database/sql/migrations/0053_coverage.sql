-- compatible from: 5
-- Which source vouches for which time (storage/write/coverage.py, docs/decisions/0009-coverage.md). jid is the chat, as
-- the source spelt it, '' all chats of the phone. import is the import that told it, 0 where it was none; origin says
-- what kind of source that was and its name, '' where the import says so. ended is why a live source was heard of no
-- more. Rows of the same phone, chat and source never overlap.
CREATE TABLE spans (
    org BIGINT NOT NULL,
    phone BIGINT NOT NULL,
    jid TEXT NOT NULL,
    import BIGINT NOT NULL,
    origin TEXT NOT NULL,
    since_at BIGINT NOT NULL,
    until_at BIGINT NOT NULL,
    ended TEXT,
    PRIMARY KEY (org, phone, jid, import, origin, since_at)
) WITHOUT ROWID;
CREATE INDEX spans_origin ON spans (org, import, origin);

-- When a server last looked after the source, and which numbers of its requests have not come (JSON), where it counts.
ALTER TABLE sources ADD COLUMN attended_at BIGINT;
ALTER TABLE sources ADD COLUMN sequence TEXT;
