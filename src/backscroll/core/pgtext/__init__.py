"""PostgreSQL 15's English text search, rebuilt so that both engines give the same bytes."""
