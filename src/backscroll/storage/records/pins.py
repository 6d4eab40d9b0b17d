"""Pins as annotations: of every actor the latest is stored, and the latest of all of them is in effect.

An unpin has the value NULL; a pin has the time at which it ends in microseconds since 1970 UTC, or "" if that is
unknown. So of what is told for the same time a pin wins over an unpin, and a known end over an unknown one.
"""

from __future__ import annotations

from collections.abc import Iterable

from backscroll.storage.records.resolve import Annotation

PIN = "pin"


def value_of_pin(pinned: bool, until: int | None) -> str | None:
    """The value of the annotation."""
    if not pinned:
        return None
    return "" if until is None else str(until)


def end_of_pin(value: str) -> int | None:
    """The end in the value of a pin; raises ``ValueError`` for a damaged value."""
    return int(value) if value else None


def pins_in_effect(annotations: Iterable[Annotation]) -> list[Annotation]:
    """The pin in effect; several if different actors pinned at the same time until the same time; else none."""
    pins = [a for a in annotations if a.kind == PIN]
    latest = max((a.recency for a in pins), default=None)
    return [a for a in pins if a.recency == latest and a.value is not None]
