"""Set operations on the messages of one segment, given as rising offsets.

Postings of common words are long: each is gone through once, and not at all where few messages are left to look up.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterable, Sequence

Offsets = Sequence[int]
"""Rising."""
Listed = tuple[Offsets, bytes | None]
"""Postings, and which of them count: those whose kind (see ``kind_of`` below) has a 1 here. None: all."""
Choice = Sequence[Listed]
"""What an item of a query can match by."""
_FAR_LONGER = 12
"""From this ratio of lengths on, the members of the shorter list are looked up in the longer one."""
_WORTH_LESS = 4
"""From this share of what is left on, those already known to match are not looked up again."""


def all_of(choices: Iterable[Choice], kind_of: Sequence[int]) -> Offsets:
    """Messages that match each of these items, of which there is at least one."""
    first, *others = sorted(choices, key=_size)
    found = any_of(first, kind_of)
    for other in others:
        found = _among(found, other, kind_of)
    return found


def any_of(choice: Choice, kind_of: Sequence[int] = ()) -> Offsets:
    """Messages that are in one of these lists."""
    found: Offsets = ()
    known: Collection[int] = ()
    more: set[int] = set()
    # Mostly a word's own postings have nearly everything that those of its stems have.
    for offsets, counted in sorted(choice, key=_usefulness, reverse=True):
        if len(found) and not known:
            known = set(found)
        new = [offset for offset in offsets if offset not in known] if known else offsets
        if counted is not None:
            new = [offset for offset in new if counted[kind_of[offset]]]
        if known:
            more.update(new)
        else:
            found = new
    return sorted([*found, *sorted(more)]) if more else found


def _among(found: Offsets, choice: Choice, kind_of: Sequence[int]) -> Offsets:
    """Those of ``found`` that are in one of these lists."""
    left, every = found, set(found)
    kept: set[int] = set()
    for offsets, counted in sorted(choice, key=_usefulness, reverse=True):
        both: Collection[int]
        if len(left) * _FAR_LONGER < len(offsets):
            both = [offset for offset in left if _has(offsets, offset)]
        else:
            both = every.intersection(offsets)
        if counted is not None:
            both = [offset for offset in both if counted[kind_of[offset]]]
        kept.update(both)
        if len(kept) == len(every):
            return found
        if len(both) * _WORTH_LESS > len(left):
            left = [offset for offset in left if offset not in kept]
    return sorted(kept)


def _has(offsets: Offsets, offset: int) -> bool:
    at = bisect_left(offsets, offset)
    return at < len(offsets) and offsets[at] == offset


def _size(choice: Choice) -> int:
    return sum(len(offsets) for offsets, _ in choice)


def _usefulness(listed: Listed) -> tuple[bool, int]:
    offsets, counted = listed
    return counted is None, len(offsets)
