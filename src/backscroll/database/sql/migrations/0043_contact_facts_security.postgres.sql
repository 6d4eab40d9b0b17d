ALTER TABLE contact_facts ENABLE ROW LEVEL SECURITY;
ALTER TABLE contact_facts FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON contact_facts USING (org = CAST(nullif(current_setting('app.org', true), '') AS BIGINT));
