-- compatible from: 5
-- Linked devices: how each stands, the code to scan or to type now, and what a person has asked for last (asked: start or
-- unlink). Their sources are in the table sources, their keys in files beside the database. Times are microseconds.
CREATE TABLE links (
    org BIGINT NOT NULL,
    source TEXT NOT NULL,
    phone_name TEXT,
    state TEXT NOT NULL,
    problem TEXT,
    since BIGINT NOT NULL,
    retry_at BIGINT,
    qr TEXT,
    qr_rows TEXT,
    code TEXT,
    code_for TEXT,
    expires_at BIGINT,
    progress BIGINT,
    jid TEXT,
    asked TEXT,
    PRIMARY KEY (org, source)
) WITHOUT ROWID;
