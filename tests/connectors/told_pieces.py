"""Reads the output of connectors for other programs' databases, for their tests."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from backscroll.core.events import Event
from backscroll.ingest.connectors.foreign.pieces import Piece
from backscroll.ingest.connectors.foreign.rows import Skipped

T = TypeVar("T")
Told = tuple[list[Piece], list[Skipped]]


def told_by(read: Callable[..., Iterable[Piece]], *files: Any, **options: Any) -> Told:
    """All pieces that ``read`` yields, and what it skipped."""
    skipped: list[Skipped] = []
    return list(read(*files, on_skip=skipped.append, **options)), skipped


def events_of(told: Told) -> list[Event]:
    """All events; asserts that nothing was skipped."""
    found, skipped = told
    assert skipped == []
    return [event for piece in found for event in piece.batch.events]


def of(kind: type[T], events: list[Event]) -> list[T]:
    return [event for event in events if isinstance(event, kind)]
