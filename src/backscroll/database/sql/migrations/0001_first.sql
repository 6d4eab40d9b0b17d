-- The archive. Organisation first in every key: rows of one organisation live together and may be moved together.
-- Times are microseconds since 1970 UTC. No triggers, no sequences: numbers come from the organisation's row in heads.

CREATE TABLE orgs (
    org BIGINT NOT NULL PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL UNIQUE,
    created_at BIGINT NOT NULL
);

-- One row an organisation, raised in every writing transaction: seq numbers the changes without a gap,
-- next_no hands out the numbers of messages, contacts and phones, named is the seq of the last change of a contact.
CREATE TABLE heads (
    org BIGINT NOT NULL PRIMARY KEY,
    seq BIGINT NOT NULL,
    next_no BIGINT NOT NULL,
    named BIGINT NOT NULL
);

CREATE TABLE phones (
    org BIGINT NOT NULL,
    phone BIGINT NOT NULL,
    jid TEXT NOT NULL,
    contact BIGINT NOT NULL,
    phone_id TEXT NOT NULL,
    device_id TEXT,
    name TEXT,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (org, phone),
    UNIQUE (org, jid),
    UNIQUE (org, phone_id),
    UNIQUE (org, device_id)
);

CREATE TABLE tokens (
    org BIGINT NOT NULL,
    token TEXT NOT NULL,
    hash BLOB NOT NULL,
    name TEXT,
    phones TEXT,
    scopes TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    revoked_at BIGINT,
    last_used_at BIGINT,
    PRIMARY KEY (org, token)
);

-- A party: person, group, channel … Numbered once; every JID it is known by is an alias.
-- facts holds what sources told, each with its time and rank; the columns show the outcome.
CREATE TABLE contacts (
    org BIGINT NOT NULL,
    contact BIGINT NOT NULL,
    jid TEXT NOT NULL,
    lid TEXT,
    kind TEXT NOT NULL,
    name TEXT,
    push_name TEXT,
    business_name TEXT,
    facts TEXT,
    merged_into BIGINT,
    stored_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    PRIMARY KEY (org, contact)
);

CREATE TABLE aliases (
    org BIGINT NOT NULL,
    jid TEXT NOT NULL,
    contact BIGINT NOT NULL,
    PRIMARY KEY (org, jid)
) WITHOUT ROWID;
CREATE INDEX aliases_contact ON aliases (org, contact);

-- Rows that still stand under a contact that was merged into another. Empty but for the time of a merge.
CREATE TABLE merges (
    org BIGINT NOT NULL,
    contact BIGINT NOT NULL,
    into_contact BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (org, contact)
);

CREATE TABLE chats (
    org BIGINT NOT NULL,
    phone BIGINT NOT NULL,
    chat BIGINT NOT NULL,
    last_at BIGINT,
    has_media BIGINT NOT NULL,
    exported BIGINT NOT NULL,
    facts TEXT,
    seq BIGINT NOT NULL,
    stored_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    PRIMARY KEY (org, phone, chat)
);
CREATE INDEX chats_last ON chats (org, phone, last_at);

-- flags: see storage/rows.py. sender 0 is unknown.
CREATE TABLE messages (
    org BIGINT NOT NULL,
    no BIGINT NOT NULL,
    phone BIGINT NOT NULL,
    chat BIGINT NOT NULL,
    sender BIGINT NOT NULL,
    id TEXT NOT NULL,
    sent_at BIGINT NOT NULL,
    flags BIGINT NOT NULL,
    kind TEXT NOT NULL,
    text TEXT,
    details TEXT,
    ack BIGINT,
    deleted_at BIGINT,
    edited_at BIGINT,
    prev_text TEXT,
    fts TEXT,
    client_ref TEXT,
    source TEXT NOT NULL,
    raw BIGINT,
    stored_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    PRIMARY KEY (org, no)
);
CREATE UNIQUE INDEX messages_key ON messages (org, id, phone, chat, sender);
CREATE INDEX messages_chat ON messages (org, phone, chat, sent_at, id, sender, flags);
CREATE INDEX messages_phone ON messages (org, phone, sent_at, flags);
CREATE INDEX messages_org ON messages (org, sent_at, phone, flags);
CREATE INDEX messages_media ON messages (org, phone, chat, sent_at, id, sender) WHERE (flags & 8) = 8;
CREATE INDEX messages_client_ref ON messages (org, client_ref) WHERE client_ref IS NOT NULL;
CREATE INDEX messages_sender ON messages (org, sender, phone, no) WHERE sender <> chat;

-- What each source told, kept for messages that more than one telling or an edit has touched.
-- A message without rows here was told once: its own row is the telling.
CREATE TABLE tellings (
    org BIGINT NOT NULL,
    phone BIGINT NOT NULL,
    chat BIGINT NOT NULL,
    id TEXT NOT NULL,
    sender BIGINT NOT NULL,
    source TEXT NOT NULL,
    digest TEXT NOT NULL,
    message TEXT NOT NULL,
    PRIMARY KEY (org, phone, chat, id, sender, source, digest)
) WITHOUT ROWID;

-- What is added to a message: edits, revokes, reactions, receipts, poll votes. May come before the message.
-- target is the sender of the message meant, 0 when the source does not know it.
CREATE TABLE addons (
    org BIGINT NOT NULL,
    phone BIGINT NOT NULL,
    chat BIGINT NOT NULL,
    id TEXT NOT NULL,
    kind TEXT NOT NULL,
    actor BIGINT NOT NULL,
    target BIGINT NOT NULL,
    ref TEXT NOT NULL,
    at BIGINT,
    value TEXT,
    PRIMARY KEY (org, phone, chat, id, kind, actor, target, ref)
) WITHOUT ROWID;
CREATE INDEX addons_actor ON addons (org, actor);
CREATE INDEX addons_target ON addons (org, target) WHERE target <> 0;
CREATE INDEX addons_reactions ON addons (org, phone, at) WHERE kind = 'reaction';

-- How many messages a chat (or, as chat 0, a phone) has in a month (level 0), day (1) or hour (2).
CREATE TABLE tallies (
    org BIGINT NOT NULL,
    phone BIGINT NOT NULL,
    chat BIGINT NOT NULL,
    level BIGINT NOT NULL,
    bucket BIGINT NOT NULL,
    plain_in BIGINT NOT NULL,
    plain_out BIGINT NOT NULL,
    media_in BIGINT NOT NULL,
    media_out BIGINT NOT NULL,
    calls_in BIGINT NOT NULL,
    calls_out BIGINT NOT NULL,
    notices_in BIGINT NOT NULL,
    notices_out BIGINT NOT NULL,
    PRIMARY KEY (org, phone, chat, level, bucket)
) WITHOUT ROWID;

-- Append-only: what changed, in the order of commits. Written in the transaction that changes it.
CREATE TABLE changes (
    org BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    what TEXT NOT NULL,
    no BIGINT NOT NULL,
    PRIMARY KEY (org, seq)
) WITHOUT ROWID;

CREATE TABLE files (
    org BIGINT NOT NULL,
    file TEXT NOT NULL,
    size BIGINT NOT NULL,
    mimetype TEXT,
    stored_at BIGINT NOT NULL,
    PRIMARY KEY (org, file)
);

-- Payloads as received, compressed with zstd; the same bytes once.
CREATE TABLE raws (
    org BIGINT NOT NULL,
    raw BIGINT NOT NULL,
    digest TEXT NOT NULL,
    source TEXT NOT NULL,
    type TEXT NOT NULL,
    size BIGINT NOT NULL,
    payload BLOB NOT NULL,
    stored_at BIGINT NOT NULL,
    PRIMARY KEY (org, raw),
    UNIQUE (org, digest)
);

-- Input that could not be understood, sealed with the key outside the database, for a person to look at.
CREATE TABLE quarantine (
    org BIGINT NOT NULL,
    no BIGINT NOT NULL,
    source TEXT NOT NULL,
    problem TEXT NOT NULL,
    digest TEXT NOT NULL,
    payload BLOB NOT NULL,
    stored_at BIGINT NOT NULL,
    PRIMARY KEY (org, no),
    UNIQUE (org, digest)
);

-- Where a source that is pulled goes on after a cut.
CREATE TABLE positions (
    org BIGINT NOT NULL,
    stream TEXT NOT NULL,
    place TEXT NOT NULL,
    PRIMARY KEY (org, stream)
);
