"""Full-text search of messages."""
