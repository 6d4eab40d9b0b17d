-- The search index (docs/decisions/0007-search.md): segments of messages, their postings in parts. Replaces `search`.
-- indexed_from: messages with this number or a higher one are in the index, the others are taken in by and by.
-- NULL is an archive from before the index that nobody has written to since. next_segment numbers the segments.
ALTER TABLE heads ADD COLUMN indexed_from BIGINT;
ALTER TABLE heads ADD COLUMN next_segment BIGINT NOT NULL DEFAULT 1;

-- level: 0 fresh, 1 young, 2 full. state: 0 being built, 1 searched, 2 left over. version: of the rules its terms were
-- made by. starts: time of the first message of each chunk of documents.
CREATE TABLE search_segments (
    org BIGINT NOT NULL,
    segment BIGINT NOT NULL,
    level BIGINT NOT NULL,
    state BIGINT NOT NULL,
    docs BIGINT NOT NULL,
    low BIGINT NOT NULL,
    high BIGINT NOT NULL,
    version BIGINT NOT NULL,
    starts BLOB NOT NULL,
    PRIMARY KEY (org, segment)
) WITHOUT ROWID;

-- Offsets of messages that have left a segment.
CREATE TABLE search_tombstones (
    org BIGINT NOT NULL,
    segment BIGINT NOT NULL,
    offsets BLOB NOT NULL,
    PRIMARY KEY (org, segment)
) WITHOUT ROWID;

-- A table for each level: what is written once lies apart from what comes and goes.
CREATE TABLE search_fresh (
    org BIGINT NOT NULL,
    segment BIGINT NOT NULL,
    documents BLOB NOT NULL,
    places BLOB NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (org, segment)
);

-- part: postings from 0; -1 places, -2 vocabulary, from -10 down documents (storage/search/segments.py).
CREATE TABLE search_young (
    org BIGINT NOT NULL,
    segment BIGINT NOT NULL,
    part BIGINT NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (org, segment, part)
) WITHOUT ROWID;
CREATE TABLE search_full (
    org BIGINT NOT NULL,
    segment BIGINT NOT NULL,
    part BIGINT NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (org, segment, part)
) WITHOUT ROWID;

DROP TABLE search;
