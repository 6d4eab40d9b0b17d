"""GOWA's own databases as events."""
