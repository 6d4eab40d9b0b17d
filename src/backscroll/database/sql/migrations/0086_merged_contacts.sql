-- concurrently
-- compatible from: 82
-- Contacts that were merged into another, which are looked for when that one is merged itself, or removed.
CREATE INDEX CONCURRENTLY IF NOT EXISTS contacts_merged ON contacts (org, merged_into) WHERE merged_into IS NOT NULL;
