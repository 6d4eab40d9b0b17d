"""Index changes of one writing transaction: new messages become a segment, removed ones tombstones."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from typing import Any

from msgspec import Struct

from backscroll.database.protocol import Txn
from backscroll.storage.records.org_state import OrgState
from backscroll.storage.records.rows import only_value
from backscroll.storage.search import terms
from backscroll.storage.search.documents import Entry
from backscroll.storage.search.segments import (
    DOCS_CHUNK,
    FIRST_DOCS,
    FRESH,
    MAX_FRESH,
    Docs,
    Segment,
    encode_part,
    encode_tombstones,
    tombstones,
    unpack,
)

READY = 1
"""State of a searched segment; those being built and those left over have other states."""
EARLY = 1_024
"""Messages for which a large transaction writes a segment before its end, so that its end does not take long."""
PART_STATEMENTS = {1: "search_young_parts", 2: "search_full_parts"}


class SegmentHead(Struct):
    """A segment's row: what is known without reading its parts. Times are in microseconds UTC."""

    segment: int
    level: int
    docs: int
    low: int
    high: int
    version: int
    starts: bytes
    dead: set[int]

    @property
    def alive(self) -> int:
        """The number of messages without a tombstone."""
        return self.docs - len(self.dead)


def heads_of(tx: Txn, org: int) -> list[SegmentHead]:
    """All segments that are searched, oldest number first."""
    rows = tx.all("search_segments", {"org": org, "state": READY})
    return [
        SegmentHead(segment, level, docs, low, high, version, starts, tombstones(offsets))
        for segment, level, docs, low, high, version, starts, offsets in rows
    ]


def add_fresh(tx: Txn, org: int, number: int, segment: Segment, version: int) -> None:
    """Write a small segment whole."""
    times = segment.docs.times
    row = {"org": org, "segment": number, "level": FRESH, "docs": segment.size, "version": version, "state": READY}
    tx.run("add_search_segment", row | {"low": times[0], "high": times[-1], "starts": b""})
    parts = {"documents": segment.docs.encode(), "places": segment.places.encode()}
    tx.run("add_search_fresh", {"org": org, "segment": number, "body": encode_part(segment.postings)} | parts)


def bury(tx: Txn, org: int, head: SegmentHead, offsets: Iterable[int]) -> None:
    """Add tombstones to a segment."""
    head.dead |= set(offsets)
    tx.run("save_tombstones", {"org": org, "segment": head.segment, "offsets": encode_tombstones(head.dead)})


class IndexWriter:
    """Collects what a transaction adds and removes; ``flush`` writes it. The organisation's head row is locked
    meanwhile.
    """

    def __init__(self, tx: Txn, state: OrgState) -> None:
        self._tx = tx
        self._state = state
        self._first_no = state.next_no
        self._added: dict[int, Entry] = {}
        self._removed: dict[int, int] = {}

    def add(self, entry: Entry) -> None:
        """A message, new or changed."""
        if self._covers(entry.no):
            self._added[entry.no] = entry

    def remove(self, no: int, sent_at: int) -> None:
        """A message that was removed or changed; ``sent_at`` as in the index."""
        if self._added.pop(no, None) is None and self._covers(no):
            self._removed[no] = sent_at

    def _covers(self, no: int) -> bool:
        """Whether the index already has the message; an older one will be added later in its state at that time."""
        indexed_from = self._state.indexed_from
        return no >= (self._first_no if indexed_from is None else indexed_from)

    def flush_early(self) -> None:
        """Write what was gathered when it is worth a segment."""
        if len(self._added) >= EARLY:
            self.flush()

    def flush(self) -> None:
        """Write what was collected."""
        if self._state.indexed_from is None and (self._added or self._removed):
            self._state.indexed_from = self._first_no
        if self._removed:
            bury_messages(self._tx, self._state.org, self._removed)
        entries = list(self._added.values())
        for start in range(0, len(entries), MAX_FRESH):
            segment = Segment.of(entries[start : start + MAX_FRESH])
            add_fresh(self._tx, self._state.org, self._state.segment(), segment, terms.version())
        self._added, self._removed = {}, {}


def bury_messages(tx: Txn, org: int, removed: dict[int, int]) -> None:
    """Find messages (number: time) in the segments, and put tombstones there."""
    finder = _Finder(tx, org)
    left = {(sent_at, no) for no, sent_at in removed.items()}
    for head in reversed(heads_of(tx, org)):
        wanted = [(sent_at, no) for sent_at, no in left if head.low <= sent_at <= head.high]
        found = finder.find(head, wanted) if wanted else {}
        if found:
            bury(tx, org, head, found.values())
            left.difference_update(found)
        if not left:
            return


class _Finder:
    """Offsets of messages in segments."""

    def __init__(self, tx: Txn, org: int) -> None:
        self._tx = tx
        self._org = org

    def find(self, head: SegmentHead, wanted: Iterable[tuple[int, int]]) -> dict[tuple[int, int], int]:
        """Those of ``wanted`` (time, number) that are in this segment."""
        if head.level == FRESH:
            body = only_value(self._tx.one("search_fresh_documents", {"org": self._org, "segment": head.segment}))
            places: dict[tuple[int, int], tuple[int, ...]] = dict.fromkeys(wanted, (0,))
            docs = {0: Docs.decode(body)} if body is not None else {}
        else:
            starts = unpack(head.starts, "q")
            places = {(sent_at, no): _chunks(starts, sent_at) for sent_at, no in wanted}
            docs = self._chunks(head, {chunk for chunks in places.values() for chunk in chunks})
        found: dict[tuple[int, int], int] = {}
        for key, chunks in places.items():
            for chunk in chunks:
                at = docs[chunk].find(*key) if chunk in docs else None
                if at is not None and (offset := chunk * DOCS_CHUNK + at) not in head.dead:
                    found[key] = offset
        return found

    def _chunks(self, head: SegmentHead, chunks: Iterable[int]) -> dict[int, Docs]:
        params: dict[str, Any] = {"org": self._org, "segments": (head.segment,)}
        params["parts"] = sorted(FIRST_DOCS - chunk for chunk in chunks)
        rows = self._tx.all(PART_STATEMENTS[head.level], params)
        return {FIRST_DOCS - part: Docs.decode(body) for _, part, body in rows}


def _chunks(starts: Any, sent_at: int) -> tuple[int, ...]:
    """The chunks that may hold a message of this time: several where many have the same."""
    last = bisect_right(starts, sent_at) - 1
    first = last
    while first > 0 and starts[first] == sent_at:
        first -= 1
    return tuple(range(max(first, 0), last + 1))
