-- compatible from: 41
ALTER TABLE labels ENABLE ROW LEVEL SECURITY;
ALTER TABLE labels FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON labels USING (org = CAST(nullif(current_setting('app.org', true), '') AS BIGINT));
