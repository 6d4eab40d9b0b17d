"""Checking the index against the messages: every segment is rebuilt and compared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import msgspec

from backscroll.database.protocol import Txn
from backscroll.storage.records.damage import readable
from backscroll.storage.records.org_state import read_org_state
from backscroll.storage.records.rows import row_of
from backscroll.storage.search import terms
from backscroll.storage.search.building import Built, merge, read_source, rebuild
from backscroll.storage.search.index_writer import SegmentHead, heads_of
from backscroll.storage.search.segments import FIRST_DOCS, PLACES

_PAGE = 10_000
_ODD = (LookupError, ValueError, TypeError, msgspec.MsgspecError)
"""Errors when reading a damaged segment."""


class Counted:
    """How often each number was met: a bit for each, and more only for those that are odd."""

    def __init__(self, below: int) -> None:
        self._bits = bytearray(max(below, 0) // 8 + 1)
        self._more: Counter[int] = Counter()
        """Of numbers that were met again, and of those that nothing can have."""

    def add(self, no: int) -> None:
        byte, bit = no >> 3, 1 << (no & 7)
        if 0 <= byte < len(self._bits) and not self._bits[byte] & bit:
            self._bits[byte] |= bit
        else:
            self._more[no] += 1

    def take(self, no: int) -> int:
        """How often it was met; it counts as never met then."""
        byte, bit = no >> 3, 1 << (no & 7)
        count = self._more.pop(no, 0)
        if 0 <= byte < len(self._bits) and self._bits[byte] & bit:
            self._bits[byte] ^= bit
            count += 1
        return count

    def left(self) -> Iterator[int]:
        """Numbers that were not taken."""
        for byte, bits in enumerate(self._bits):
            if bits:
                yield from (byte * 8 + bit for bit in range(8) if bits & 1 << bit)
        yield from sorted(self._more.elements())


def faults(tx: Txn, org: int) -> Iterator[str]:
    """Problems of the index, in words; empty for an intact index, even while it is still being built."""
    state = read_org_state(tx, org)
    if state is None or state.indexed_from is None:
        return
    alive = Counted(state.next_no)
    for head in heads_of(tx, org):
        try:
            yield from _segment_faults(tx, org, head, alive)
        except _ODD as error:
            yield f"segment {head.segment} cannot be read ({type(error).__name__})"
    yield from _coverage_faults(tx, org, state.indexed_from, alive)


def _segment_faults(tx: Txn, org: int, head: SegmentHead, alive: Counted) -> Iterator[str]:
    source = read_source(tx, org, head)
    times, nos = source.docs.times, source.docs.nos
    for offset, no in enumerate(nos):
        if offset not in head.dead:
            alive.add(no)
    if (len(nos), len(source.places.chat_of)) != (head.docs, head.docs) or (times[0], times[-1]) != (
        head.low,
        head.high,
    ):
        yield f"segment {head.segment} does not contain the messages that it lists"
    elif head.version == terms.version():
        yield from _differences(head.segment, merge([source], head.level), rebuild(tx, org, source))


def _differences(segment: int, kept: Built, anew: Built) -> Iterator[str]:
    if (kept.docs.times, kept.docs.nos) != (anew.docs.times, anew.docs.nos):
        ours, theirs = (set(zip(docs.nos, docs.times, strict=True)) for docs in (kept.docs, anew.docs))
        odd, *_ = min(ours ^ theirs, default=("order",))
        yield f"segment {segment} has other messages or times than the archive: {odd}"
        return
    stored, made = dict(kept.parts), dict(anew.parts)
    wrong = sorted(part for part in stored.keys() | made.keys() if stored.get(part) != made.get(part))
    if wrong:
        what = {PLACES: "places"}.get(wrong[-1], "documents" if wrong[-1] <= FIRST_DOCS else f"part {wrong[-1]}")
        yield f"segment {segment} does not match its messages: {what}"


def _coverage_faults(tx: Txn, org: int, indexed_from: int, alive: Counted) -> Iterator[str]:
    for no in _numbers(tx, org, indexed_from):
        count = alive.take(no)
        if count != 1 and readable(org, map(row_of, tx.all("rows_by_no", {"org": org, "nos": (no,)}))):
            yield f"message {no} is {'not' if not count else f'{count} times'} in the search index"
    for no in alive.left():
        yield f"message {no} is in the search index but not in the archive"


def _numbers(tx: Txn, org: int, first: int) -> Iterator[int]:
    after = first - 1
    while rows := tx.all("numbers_after", {"org": org, "after": after, "limit": _PAGE}):
        for (after,) in rows:
            yield after
