ALTER TABLE imports ENABLE ROW LEVEL SECURITY;
ALTER TABLE imports FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON imports USING (org = CAST(nullif(current_setting('app.org', true), '') AS BIGINT));

ALTER TABLE import_numbers ENABLE ROW LEVEL SECURITY;
ALTER TABLE import_numbers FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON import_numbers USING (org = CAST(nullif(current_setting('app.org', true), '') AS BIGINT));

ALTER TABLE import_retold ENABLE ROW LEVEL SECURITY;
ALTER TABLE import_retold FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON import_retold USING (org = CAST(nullif(current_setting('app.org', true), '') AS BIGINT));

ALTER TABLE import_facts ENABLE ROW LEVEL SECURITY;
ALTER TABLE import_facts FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON import_facts USING (org = CAST(nullif(current_setting('app.org', true), '') AS BIGINT));

ALTER TABLE import_mappings ENABLE ROW LEVEL SECURITY;
ALTER TABLE import_mappings FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON import_mappings USING (org = CAST(nullif(current_setting('app.org', true), '') AS BIGINT));

ALTER TABLE import_files ENABLE ROW LEVEL SECURITY;
ALTER TABLE import_files FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON import_files USING (org = CAST(nullif(current_setting('app.org', true), '') AS BIGINT));
