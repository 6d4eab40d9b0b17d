"""Pulling history from a running GOWA."""
