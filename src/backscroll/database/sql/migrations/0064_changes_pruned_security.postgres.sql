-- compatible from: 41
ALTER TABLE feed_days ENABLE ROW LEVEL SECURITY;
ALTER TABLE feed_days FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON feed_days USING (org = CAST(nullif(current_setting('app.org', true), '') AS BIGINT));
