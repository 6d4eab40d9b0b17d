-- Imports, and which of them told what, so that each can be taken back (storage/write/provenance.py,
-- docs/decisions/0006-imports-and-undo.md). What was told before this, or by a live source, has no import: 0 where a
-- number is needed. An older program would not keep this up, so it may not go on.

ALTER TABLE heads ADD COLUMN imports BIGINT NOT NULL DEFAULT 0;
-- JSON lists of who told it; NULL is a live source alone.
ALTER TABLE tellings ADD COLUMN told TEXT;
ALTER TABLE addons ADD COLUMN told TEXT;
ALTER TABLE positions ADD COLUMN told TEXT;
-- 1: import_facts holds all that was told of it, whoever told it. 0: no import told anything of it.
ALTER TABLE contacts ADD COLUMN imported BIGINT NOT NULL DEFAULT 0;
ALTER TABLE chats ADD COLUMN imported BIGINT NOT NULL DEFAULT 0;

CREATE TABLE imports (
    org BIGINT NOT NULL,
    import BIGINT NOT NULL,
    kind TEXT NOT NULL,
    file TEXT,
    sha256 TEXT,
    size BIGINT,
    answers TEXT NOT NULL,
    state TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    finished_at BIGINT,
    report TEXT,
    replaces TEXT,
    sketch TEXT,
    progress TEXT,
    PRIMARY KEY (org, import)
);
CREATE INDEX imports_sha256 ON imports (org, sha256);

-- Numbers that were given out while an import was written: messages, contacts, phones and payloads in between came from
-- it, unless they say otherwise. Negative once it is being taken back.
CREATE TABLE import_numbers (
    org BIGINT NOT NULL,
    first_no BIGINT NOT NULL,
    last_no BIGINT NOT NULL,
    import BIGINT NOT NULL,
    PRIMARY KEY (org, first_no)
) WITHOUT ROWID;
CREATE INDEX import_numbers_import ON import_numbers (org, import, first_no);

-- What others than the one that brought it told again, in the same words: messages without rows in tellings, payloads,
-- phones.
CREATE TABLE import_retold (
    org BIGINT NOT NULL,
    import BIGINT NOT NULL,
    no BIGINT NOT NULL,
    PRIMARY KEY (org, import, no)
) WITHOUT ROWID;
CREATE INDEX import_retold_no ON import_retold (org, no);

-- What each import told of a contact (phone 0) or of a phone's chat, under the JID that it used; facts NULL when it only
-- named it.
CREATE TABLE import_facts (
    org BIGINT NOT NULL,
    import BIGINT NOT NULL,
    phone BIGINT NOT NULL,
    jid TEXT NOT NULL,
    facts TEXT,
    PRIMARY KEY (org, import, phone, jid)
) WITHOUT ROWID;
CREATE INDEX import_facts_jid ON import_facts (org, jid, phone);

-- Which import told that two JIDs are one contact.
CREATE TABLE import_mappings (
    org BIGINT NOT NULL,
    import BIGINT NOT NULL,
    lid TEXT NOT NULL,
    jid TEXT NOT NULL,
    PRIMARY KEY (org, import, lid, jid)
) WITHOUT ROWID;
CREATE INDEX import_mappings_pair ON import_mappings (org, lid, jid);

CREATE TABLE import_files (
    org BIGINT NOT NULL,
    import BIGINT NOT NULL,
    file TEXT NOT NULL,
    PRIMARY KEY (org, import, file)
) WITHOUT ROWID;
CREATE INDEX import_files_file ON import_files (org, file);
