"""Targets of the measurement."""

from __future__ import annotations

from msgspec import Struct


class Targets(Struct, frozen=True, kw_only=True):
    """Targets that differ by engine: least share of a rival's requests, cached or not, and least write rates."""

    newest: float
    across: float
    warm_newest: float
    """With rendered messages kept, but no pages."""
    warm_across: float
    cached_newest: float
    cached_across: float
    search: float
    """Times the milliseconds that a search may cost on SQLite."""
    imported: int | None = None
    stored: int | None = None
    singly: int | None = None
    pushed: int | None = 1000
    disk: int | None = None


TARGETS = {
    "sqlite": Targets(
        newest=0.10,
        across=0.15,
        warm_newest=0.12,
        warm_across=0.30,
        cached_newest=0.40,
        cached_across=0.60,
        search=1,
        imported=5_000,
        stored=8_000,
        singly=1_500,
        disk=1_600,
    ),
    "postgres": Targets(
        newest=0.30,
        across=0.30,
        warm_newest=0.30,
        warm_across=0.30,
        cached_newest=0.60,
        cached_across=0.60,
        search=2,
    ),
}
"""SQLite's rival is nginx, PostgreSQL's is SQLite."""
