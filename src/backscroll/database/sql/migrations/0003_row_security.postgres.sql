-- A second wall between organisations: a transaction sees only rows of the organisation it was opened for, and none
-- when it named none. Forced on the owner too; who may bypass it takes on the role backscroll_app (storage/postgres.py).

ALTER TABLE heads ENABLE ROW LEVEL SECURITY;
ALTER TABLE heads FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON heads USING (org = CAST(nullif(current_setting('app.org', true), '') AS BIGINT));

ALTER TABLE phones ENABLE ROW LEVEL SECURITY;
ALTER TABLE phones FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON phones USING (org = CAST(nullif(current_setting('app.org', true), '') AS BIGINT));

ALTER TABLE tokens ENABLE ROW LEVEL SECURITY;
ALTER TABLE tokens FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON tokens USING (org = CAST(nullif(current_setting('app.org', true), '') AS BIGINT));

ALTER TABLE contacts ENABLE ROW LEVEL SECURITY;
ALTER TABLE contacts FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON contacts USING (org = CAST(nullif(current_setting('app.org', true), '') AS BIGINT));

ALTER TABLE aliases ENABLE ROW LEVEL SECURITY;
ALTER TABLE aliases FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON aliases USING (org = CAST(nullif(current_setting('app.org', true), '') AS BIGINT));

ALTER TABLE merges ENABLE ROW LEVEL SECURITY;
ALTER TABLE merges FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON merges USING (org = CAST(nullif(current_setting('app.org', true), '') AS BIGINT));

ALTER TABLE chats ENABLE ROW LEVEL SECURITY;
ALTER TABLE chats FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON chats USING (org = CAST(nullif(current_setting('app.org', true), '') AS BIGINT));

ALTER TABLE messages ENABLE ROW LEVEL SECURITY;
ALTER TABLE messages FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON messages USING (org = CAST(nullif(current_setting('app.org', true), '') AS BIGINT));

ALTER TABLE tellings ENABLE ROW LEVEL SECURITY;
ALTER TABLE tellings FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON tellings USING (org = CAST(nullif(current_setting('app.org', true), '') AS BIGINT));

ALTER TABLE addons ENABLE ROW LEVEL SECURITY;
ALTER TABLE addons FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON addons USING (org = CAST(nullif(current_setting('app.org', true), '') AS BIGINT));

ALTER TABLE tallies ENABLE ROW LEVEL SECURITY;
ALTER TABLE tallies FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON tallies USING (org = CAST(nullif(current_setting('app.org', true), '') AS BIGINT));

ALTER TABLE changes ENABLE ROW LEVEL SECURITY;
ALTER TABLE changes FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON changes USING (org = CAST(nullif(current_setting('app.org', true), '') AS BIGINT));

ALTER TABLE files ENABLE ROW LEVEL SECURITY;
ALTER TABLE files FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON files USING (org = CAST(nullif(current_setting('app.org', true), '') AS BIGINT));

ALTER TABLE raws ENABLE ROW LEVEL SECURITY;
ALTER TABLE raws FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON raws USING (org = CAST(nullif(current_setting('app.org', true), '') AS BIGINT));

ALTER TABLE quarantine ENABLE ROW LEVEL SECURITY;
ALTER TABLE quarantine FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON quarantine USING (org = CAST(nullif(current_setting('app.org', true), '') AS BIGINT));

ALTER TABLE positions ENABLE ROW LEVEL SECURITY;
ALTER TABLE positions FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON positions USING (org = CAST(nullif(current_setting('app.org', true), '') AS BIGINT));

ALTER TABLE search ENABLE ROW LEVEL SECURITY;
ALTER TABLE search FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON search USING (org = CAST(nullif(current_setting('app.org', true), '') AS BIGINT));
