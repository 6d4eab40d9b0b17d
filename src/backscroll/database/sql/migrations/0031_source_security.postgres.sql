-- compatible from: 4
ALTER TABLE sources ENABLE ROW LEVEL SECURITY;
ALTER TABLE sources FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON sources USING (org = CAST(nullif(current_setting('app.org', true), '') AS BIGINT));
ALTER TABLE answers ENABLE ROW LEVEL SECURITY;
ALTER TABLE answers FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON answers USING (org = CAST(nullif(current_setting('app.org', true), '') AS BIGINT));
