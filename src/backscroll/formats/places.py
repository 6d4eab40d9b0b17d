"""Places on the map, from the coordinates that a source tells in whatever type."""

from __future__ import annotations

from typing import Any

from backscroll.core.model import Location


def place_at(latitude: object, longitude: object, **more: Any) -> Location | None:
    """The place with these degrees, numbers or text; None where no such place is on Earth.

    ``more`` are the other fields of ``Location``.
    """
    north, east = _degrees(latitude, 90), _degrees(longitude, 180)
    return None if north is None or east is None else Location(latitude=north, longitude=east, **more)


def _degrees(value: object, most: int) -> float | None:
    try:
        degrees = float(value) if isinstance(value, int | float | str) else None
    except (ValueError, OverflowError):
        return None
    # Not the other way round: what is no number is neither above nor below.
    return degrees if degrees is not None and abs(degrees) <= most else None
