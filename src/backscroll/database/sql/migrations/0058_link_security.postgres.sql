-- compatible from: 5
ALTER TABLE links ENABLE ROW LEVEL SECURITY;
ALTER TABLE links FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON links USING (org = CAST(nullif(current_setting('app.org', true), '') AS BIGINT));
