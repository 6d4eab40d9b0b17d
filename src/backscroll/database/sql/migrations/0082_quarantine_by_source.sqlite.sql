-- The same input that two sources sent is kept for each of them: each may read it as another phone's, and one of them may
-- be removed. An older program would hand the row of one source to the other, so it may not go on. Where via is NULL, the
-- kind of the source tells them apart; a unique index takes two NULLs for different. SQLite cannot take a rule from a
-- table, so the table is made anew.
ALTER TABLE quarantine RENAME TO quarantine_before;
CREATE TABLE quarantine (
    org BIGINT NOT NULL,
    no BIGINT NOT NULL,
    source TEXT NOT NULL,
    problem TEXT NOT NULL,
    digest TEXT NOT NULL,
    payload BLOB NOT NULL,
    stored_at BIGINT NOT NULL,
    via TEXT,
    waits BIGINT,
    PRIMARY KEY (org, no)
);
INSERT INTO quarantine (org, no, source, problem, digest, payload, stored_at, via, waits)
SELECT org, no, source, problem, digest, payload, stored_at, via, waits FROM quarantine_before;
DROP TABLE quarantine_before;
CREATE INDEX quarantine_waits ON quarantine (org, no) WHERE waits = 1;
CREATE UNIQUE INDEX quarantine_digest ON quarantine (org, digest, source, COALESCE(via, ''));
