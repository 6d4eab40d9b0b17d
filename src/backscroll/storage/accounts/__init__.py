"""Organisations, phones, tokens, leases."""
