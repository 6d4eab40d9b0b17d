-- compatible from: 5
-- Files of messages that are still to be fetched from their source (storage/write/fetches.py). A row is written with its
-- message and goes when the file is here. jid and sender as the source spelt them, sender '' when it named none. next_at
-- is when it is tried again, NULL when it was given up; source is the live source that told it, '' when none did.
CREATE TABLE fetches (
    org BIGINT NOT NULL,
    phone BIGINT NOT NULL,
    jid TEXT NOT NULL,
    id TEXT NOT NULL,
    sender TEXT NOT NULL,
    source TEXT NOT NULL,
    url TEXT NOT NULL,
    tries BIGINT NOT NULL,
    next_at BIGINT,
    problem TEXT,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (org, phone, jid, id, sender)
) WITHOUT ROWID;
CREATE INDEX fetches_due ON fetches (org, next_at);
