-- The same input that two sources sent is kept for each of them: each may read it as another phone's, and one of them may
-- be removed. An older program would hand the row of one source to the other, so it may not go on. Where via is NULL, the
-- kind of the source tells them apart; a unique index takes two NULLs for different. The index does not hold the payloads,
-- so that it is built at once.
CREATE UNIQUE INDEX quarantine_digest ON quarantine (org, digest, source, COALESCE(via, ''));
ALTER TABLE quarantine DROP CONSTRAINT quarantine_org_digest_key;
