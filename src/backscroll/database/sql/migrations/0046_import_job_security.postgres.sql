-- compatible from: 10
ALTER TABLE import_jobs ENABLE ROW LEVEL SECURITY;
ALTER TABLE import_jobs FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON import_jobs USING (org = CAST(nullif(current_setting('app.org', true), '') AS BIGINT));
ALTER TABLE import_uploads ENABLE ROW LEVEL SECURITY;
ALTER TABLE import_uploads FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON import_uploads USING (org = CAST(nullif(current_setting('app.org', true), '') AS BIGINT));
