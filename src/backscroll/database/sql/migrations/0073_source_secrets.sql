-- compatible from: 41
-- The secret that a source signed with before, sealed, and until when it counts too.
ALTER TABLE sources ADD COLUMN previous_secret BLOB;
ALTER TABLE sources ADD COLUMN previous_until BIGINT;
