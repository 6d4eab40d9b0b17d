"""Requests that this server makes to addresses which somebody else chose."""
