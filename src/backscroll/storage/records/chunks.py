"""Lists of values as statements take them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

T = TypeVar("T")

CHUNK = 400
"""Values that a statement takes at once."""


def chunks(items: Sequence[T]) -> Iterable[Sequence[T]]:
    """In as many parts as statements take."""
    return (items[i : i + CHUNK] for i in range(0, len(items), CHUNK))
