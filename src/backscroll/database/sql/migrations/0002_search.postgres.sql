-- Substring search: the folded text of each message, read chat by chat. No trigram index: LIKE is not leakproof, so
-- under row level security PostgreSQL would never use one, and it would cost more than half of all writing.
CREATE TABLE search (
    org BIGINT NOT NULL,
    no BIGINT NOT NULL,
    chat BIGINT NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (org, no)
);
CREATE INDEX search_chat ON search (org, chat);
