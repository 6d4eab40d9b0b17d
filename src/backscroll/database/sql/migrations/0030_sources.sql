-- compatible from: 4
-- Gateways that push what happens, and what must be known to trust them. Secrets are sealed with the key outside the
-- database. phone is the own phone that a payload means which names none. Times and spans are microseconds.
CREATE TABLE sources (
    org BIGINT NOT NULL,
    source TEXT NOT NULL,
    kind TEXT NOT NULL,
    phone BIGINT,
    secret BLOB NOT NULL,
    verify_token BLOB,
    upstream TEXT,
    upstream_token BLOB,
    every BIGINT,
    silent_after BIGINT,
    last_event_at BIGINT,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (org, source)
) WITHOUT ROWID;

-- What was answered to a request that names an Idempotency-Key, written with the request's own effects.
CREATE TABLE answers (
    org BIGINT NOT NULL,
    source TEXT NOT NULL,
    key TEXT NOT NULL,
    digest TEXT NOT NULL,
    status BIGINT NOT NULL,
    body BLOB NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (org, source, key)
) WITHOUT ROWID;
CREATE INDEX answers_age ON answers (org, created_at);

-- Whether a live source has the phone connected to WhatsApp, as one said last; NULL where none ever did.
ALTER TABLE phones ADD COLUMN state TEXT;
ALTER TABLE phones ADD COLUMN state_at BIGINT;

-- The source that the input came through, so that it can be read again; and whether it is understood as soon as a
-- message is here that it names.
ALTER TABLE quarantine ADD COLUMN via TEXT;
ALTER TABLE quarantine ADD COLUMN waits BIGINT;
CREATE INDEX quarantine_waits ON quarantine (org, no) WHERE waits = 1;
