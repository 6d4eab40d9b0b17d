-- compatible from: 48
-- Since when a source has been silent for longer than its owner finds normal, once that was told; NULL while it is heard.
-- no is its number in the change feed, given when it is told the first time.
ALTER TABLE sources ADD COLUMN silent_since BIGINT;
ALTER TABLE sources ADD COLUMN no BIGINT;
