"""Asking a running GOWA for what it has."""
