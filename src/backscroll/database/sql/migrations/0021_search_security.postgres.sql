ALTER TABLE search_segments ENABLE ROW LEVEL SECURITY;
ALTER TABLE search_segments FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON search_segments USING (org = CAST(nullif(current_setting('app.org', true), '') AS BIGINT));

ALTER TABLE search_tombstones ENABLE ROW LEVEL SECURITY;
ALTER TABLE search_tombstones FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON search_tombstones USING (org = CAST(nullif(current_setting('app.org', true), '') AS BIGINT));

ALTER TABLE search_fresh ENABLE ROW LEVEL SECURITY;
ALTER TABLE search_fresh FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON search_fresh USING (org = CAST(nullif(current_setting('app.org', true), '') AS BIGINT));

ALTER TABLE search_young ENABLE ROW LEVEL SECURITY;
ALTER TABLE search_young FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON search_young USING (org = CAST(nullif(current_setting('app.org', true), '') AS BIGINT));

ALTER TABLE search_full ENABLE ROW LEVEL SECURITY;
ALTER TABLE search_full FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON search_full USING (org = CAST(nullif(current_setting('app.org', true), '') AS BIGINT));

-- Postings do not compress: they are read as they lie.
ALTER TABLE search_fresh ALTER COLUMN documents SET STORAGE EXTERNAL;
ALTER TABLE search_fresh ALTER COLUMN places SET STORAGE EXTERNAL;
ALTER TABLE search_fresh ALTER COLUMN body SET STORAGE EXTERNAL;
ALTER TABLE search_young ALTER COLUMN body SET STORAGE EXTERNAL;
ALTER TABLE search_full ALTER COLUMN body SET STORAGE EXTERNAL;

-- What the planner believes of these tables before the server has analysed them, as in 0004: that they are large, and
-- that one of a few organisations has many rows.
SET LOCAL app.org = '0';
INSERT INTO search_segments (org, segment, level, state, docs, low, high, version, starts)
SELECT 0, n, n % 3, 1, 4096, n, n, 1, CAST('' AS BLOB) FROM generate_series(1, 100) n;
INSERT INTO search_tombstones (org, segment, offsets) SELECT 0, n, CAST('x' AS BLOB) FROM generate_series(1, 100) n;
INSERT INTO search_fresh (org, segment, documents, places, body)
SELECT 0, n, CAST('x' AS BLOB), CAST('x' AS BLOB), CAST('x' AS BLOB) FROM generate_series(1, 100) n;
INSERT INTO search_young (org, segment, part, body)
SELECT 0, n / 512, n % 512, CAST(repeat('x', 500) AS BLOB) FROM generate_series(1, 5120) n;
INSERT INTO search_full (org, segment, part, body)
SELECT 0, n / 512, n % 512, CAST(repeat('x', 500) AS BLOB) FROM generate_series(1, 5120) n;
ANALYZE search_segments, search_tombstones, search_fresh, search_young, search_full;
DELETE FROM search_segments WHERE org = 0;
DELETE FROM search_tombstones WHERE org = 0;
DELETE FROM search_fresh WHERE org = 0;
DELETE FROM search_young WHERE org = 0;
DELETE FROM search_full WHERE org = 0;
