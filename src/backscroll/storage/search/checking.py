"""Checking the index against the messages: every segment is rebuilt and compared."""

from __future__ import annotations

from array import array
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


def faults(tx: Txn, org: int) -> Iterator[str]:
    """Problems of the index, in words; empty for an intact index, even while it is still being built."""
    state = read_org_state(tx, org)
    if state is None or state.indexed_from is None:
        return
    alive = array("q")
    for head in heads_of(tx, org):
        try:
            yield from _segment_faults(tx, org, head, alive)
        except _ODD as error:
            yield f"segment {head.segment} cannot be read ({type(error).__name__})"
    yield from _coverage_faults(tx, org, state.indexed_from, array("q", sorted(alive)))


def _segment_faults(tx: Txn, org: int, head: SegmentHead, alive: array[int]) -> Iterator[str]:
    source = read_source(tx, org, head)
    times, nos = source.docs.times, source.docs.nos
    alive.extend(no for offset, no in enumerate(nos) if offset not in head.dead)
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


def _coverage_faults(tx: Txn, org: int, indexed_from: int, alive: array[int]) -> Iterator[str]:
    """Numbers in the index and numbers of messages, both rising."""
    at = 0
    for no in _numbers(tx, org, indexed_from):
        while at < len(alive) and alive[at] < no:
            yield f"message {alive[at]} is in the search index and not in the archive"
            at += 1
        count = 0
        while at < len(alive) and alive[at] == no:
            at, count = at + 1, count + 1
        if count != 1 and readable(org, map(row_of, tx.all("rows_by_no", {"org": org, "nos": (no,)}))):
            yield f"message {no} is {'not' if not count else f'{count} times'} in the search index"
    for no in alive[at:]:
        yield f"message {no} is in the search index and not in the archive"


def _numbers(tx: Txn, org: int, first: int) -> Iterator[int]:
    after = first - 1
    while rows := tx.all("numbers_after", {"org": org, "after": after, "limit": _PAGE}):
        for (after,) in rows:
            yield after
