-- Substring search: trigrams of the folded text.
CREATE EXTENSION IF NOT EXISTS pg_trgm;

CREATE TABLE search (
    org BIGINT NOT NULL,
    no BIGINT NOT NULL,
    chat BIGINT NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (org, no)
);
CREATE INDEX search_chat ON search (org, chat);
CREATE INDEX search_text ON search USING gin (text gin_trgm_ops);
