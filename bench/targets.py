"""Targets of the measurement."""

from __future__ import annotations

from msgspec import Struct

from bench.measuring import Cost, Share, Target


class Targets(Struct, frozen=True, kw_only=True):
    """Targets that differ by engine: of pages, cached or not, and least write rates."""

    newest: Target
    across: Target
    warm_newest: Target
    """With rendered messages kept, but no pages."""
    warm_across: Target
    cached_newest: Target
    cached_across: Target
    crowds: tuple[int, ...] = (64, 512)
    """Numbers of connections that all send requests at once."""
    search: float
    """Times the milliseconds that a search may cost on SQLite."""
    imported: int | None = None
    stored: int | None = None
    singly: int | None = None
    pushed: int | None = 1000
    disk: int | None = None


UNCACHED, CACHED = Share(0.30), Share(0.60)
"""Of PostgreSQL's requests per second compared with SQLite's."""

TARGETS = {
    "sqlite": Targets(
        # nginx reads nothing, so what a page costs that is read and rendered is no share of what nginx does.
        newest=Cost(600),
        across=Cost(22_000),
        warm_newest=Share(0.12),
        warm_across=Share(0.30),
        cached_newest=Share(0.25),
        cached_across=Share(0.60),
        search=1,
        imported=7_000,
        stored=8_000,
        singly=1_500,
        disk=1_600,
    ),
    "postgres": Targets(
        newest=UNCACHED,
        across=UNCACHED,
        warm_newest=UNCACHED,
        warm_across=UNCACHED,
        cached_newest=CACHED,
        cached_across=CACHED,
        # Of more than 256 requests that wait for the database in one process, it refuses some with 503.
        crowds=(64, 256),
        search=2,
    ),
}
"""SQLite's rival is nginx, PostgreSQL's is SQLite."""
