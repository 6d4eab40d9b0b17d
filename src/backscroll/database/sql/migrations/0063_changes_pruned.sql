-- compatible from: 41
-- How far the change feed was pruned: it begins with the line after this one.
ALTER TABLE heads ADD COLUMN pruned BIGINT NOT NULL DEFAULT 0;

-- How far the feed had come when a day (since 1970, UTC) began, or was first seen (storage/write/feed.py). Lines of the
-- feed have no time of their own.
CREATE TABLE feed_days (
    org BIGINT NOT NULL,
    day BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    PRIMARY KEY (org, day)
) WITHOUT ROWID;
