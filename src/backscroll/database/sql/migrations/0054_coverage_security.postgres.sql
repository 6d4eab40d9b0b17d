-- compatible from: 5
ALTER TABLE spans ENABLE ROW LEVEL SECURITY;
ALTER TABLE spans FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON spans USING (org = CAST(nullif(current_setting('app.org', true), '') AS BIGINT));
