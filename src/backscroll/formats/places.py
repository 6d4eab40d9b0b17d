"""Locations, from coordinates that a source gives in any type."""

from __future__ import annotations

from typing import Any

from backscroll.core.model import Location


def place_at(latitude: object, longitude: object, **more: Any) -> Location | None:
    """The location with these degrees, given as numbers or text; None if they are not on Earth.

    ``more`` are the other fields of ``Location``.
    """
    north, east = _degrees(latitude, 90), _degrees(longitude, 180)
    return None if north is None or east is None else Location(latitude=north, longitude=east, **more)


def _degrees(value: object, most: int) -> float | None:
    try:
        degrees = float(value) if isinstance(value, int | float | str) else None
    except (ValueError, OverflowError):
        return None
    # Not inverted, because NaN is neither above nor below.
    return degrees if degrees is not None and abs(degrees) <= most else None
