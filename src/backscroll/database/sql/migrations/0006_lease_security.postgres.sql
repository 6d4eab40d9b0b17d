-- compatible from: 4
ALTER TABLE leases ENABLE ROW LEVEL SECURITY;
ALTER TABLE leases FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON leases USING (org = CAST(nullif(current_setting('app.org', true), '') AS BIGINT));
