"""Requests to addresses supplied by users or sources."""
