"""The kinds of gateways that push what happens into the archive."""

from __future__ import annotations

GATEWAYS = ("gowa", "waha", "evolution", "periskope", "cloud", "events")
ASKED = ("gowa", "periskope")
"""Gateways whose upstream can be asked for what it knows."""
