-- compatible from: 5
ALTER TABLE sessions ENABLE ROW LEVEL SECURITY;
ALTER TABLE sessions FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON sessions USING (org = CAST(nullif(current_setting('app.org', true), '') AS BIGINT));
