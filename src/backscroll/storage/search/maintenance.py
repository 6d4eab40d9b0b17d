"""Keeping the number of segments small. Small ones are merged in one short transaction; larger ones are built beside
their sources by the holder of the lease, and replace them at the end.

    fresh    as transactions wrote them; of 64 tiny ones, or 16 others, the smallest become one
    young    from 4,096 messages on
    full     from 57,344 messages on; of fresh ones too where so many wait
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Literal, TypeVar

from msgspec import Struct

from backscroll.database.protocol import Engine, Txn
from backscroll.storage.records.damage import readable
from backscroll.storage.records.org_state import lock_org_state, read_org_state, save_org_state
from backscroll.storage.records.rows import only_value, row_of
from backscroll.storage.search import terms
from backscroll.storage.search.building import (
    LEVEL_NAMES,
    Built,
    Source,
    fresh_of,
    merge,
    read_source,
    rebuild,
    starts_of_level,
)
from backscroll.storage.search.documents import entry_of_row
from backscroll.storage.search.index_writer import READY, SegmentHead, add_fresh, bury, heads_of
from backscroll.storage.search.segments import FRESH, FULL, MAX_FRESH, MAX_FULL, PARTS, YOUNG, Segment

BUILDING, LEFT_OVER = 0, 2
PARTS_AT_ONCE = 256
"""Rows written or deleted in one transaction: a few milliseconds."""
MESSAGES_AT_ONCE = 500
"""Messages of an older archive indexed in one transaction."""

T = TypeVar("T")
BEAT_SECONDS = 1.0
Guard = Callable[[Txn], None]
"""Raises if another process has the lease now."""


class Limits(Struct, frozen=True):
    """When segments are merged."""

    tiny: int = 64
    """Messages; a fresh segment with fewer is tiny."""
    max_tiny: int = 64
    max_small: int = 16
    """Tiny segments, and other fresh ones, that may stand side by side."""
    young: int = MAX_FRESH
    full: int = 57_344
    """Messages of fresh segments that make a young one, of young ones that make a full one."""
    dead_share: int = 16
    """A segment is rewritten when one message in this many has been removed."""
    half_empty: int = MAX_FULL * 3 // 4
    """Messages; two full segments that have no more between them become one."""


LIMITS = Limits()


class Task(Struct, frozen=True):
    """The next task. ``compact`` is short; the others are built beside what they replace."""

    kind: Literal["compact", "merge", "rebuild"]
    sources: tuple[SegmentHead, ...]
    level: int


class Progress(Struct, frozen=True):
    """Progress of the index: messages still to be added, and segments to be rebuilt."""

    messages: int
    segments: int

    @property
    def is_complete(self) -> bool:
        """Whether a search finds everything, by the current rules."""
        return not self.messages and not self.segments


def progress(tx: Txn, org: int) -> Progress:
    """Counts messages that wait, so it is for operators and rounds, not for every search."""
    state = read_org_state(tx, org)
    indexed_from = 0 if state is None else state.indexed_from
    waiting = 0
    if indexed_from is None or indexed_from > 0:
        before = 2**62 if indexed_from is None else indexed_from
        waiting = only_value(tx.one("count_below", {"org": org, "before": before})) or 0
    version = terms.version()
    return Progress(waiting, sum(head.version < version for head in heads_of(tx, org)))


def next_task(heads: Sequence[SegmentHead], limits: Limits = LIMITS, purge: bool = False) -> Task | None:
    """The first thing that these segments need; ``purge`` rids them of every message that has left."""
    return next(_tasks(heads, limits, purge), None)


def _tasks(heads: Sequence[SegmentHead], limits: Limits, purge: bool) -> Iterator[Task]:
    fresh = [head for head in heads if head.level == FRESH]
    tiny = [head for head in fresh if head.docs < limits.tiny]
    others = [head for head in fresh if head.docs >= limits.tiny]
    if sum(head.docs for head in others) >= limits.full:
        # After a large import nobody was there to merge: to write young segments first would only take time and disk.
        yield Task("merge", _up_to(others, MAX_FULL), FULL)
    elif sum(head.docs for head in fresh) >= limits.young:
        yield Task("merge", _up_to(fresh, 2 * limits.young), YOUNG)
    for crowd, most in ((tiny, limits.max_tiny), (others, limits.max_small)):
        together = _smallest(crowd, limits.young) if len(crowd) >= most else ()
        # Compacting one alone would give it another number and nothing else, and could go on for ever.
        if len(together) > 1:
            yield Task("compact", together, FRESH)
    young = [head for head in heads if head.level == YOUNG]
    if sum(head.alive for head in young) >= limits.full:
        yield Task("merge", _up_to(young, MAX_FULL), FULL)
    for head in heads:
        if head.dead and (purge or len(head.dead) * limits.dead_share > head.docs):
            yield Task("compact" if head.level == FRESH else "merge", (head,), head.level)
    full = sorted((head for head in heads if head.level == FULL), key=lambda head: head.alive)
    if len(full) > 1 and full[0].alive + full[1].alive <= limits.half_empty:
        yield Task("merge", tuple(full[:2]), FULL)
    version = terms.version()
    for head in sorted(heads, key=lambda head: -head.high):
        if head.version < version:
            yield Task("rebuild", (head,), head.level)


def _up_to(heads: Sequence[SegmentHead], most: int) -> tuple[SegmentHead, ...]:
    """As many of them as fit, oldest first; at least one."""
    chosen: list[SegmentHead] = []
    total = 0
    for head in heads:
        if not chosen or total + head.alive <= most:
            chosen.append(head)
            total += head.alive
    return tuple(chosen)


def _smallest(heads: Sequence[SegmentHead], most: int) -> tuple[SegmentHead, ...]:
    """As many as fit, preferring small ones, oldest first: one that is nearly full must not keep others apart."""
    chosen = _up_to(sorted(heads, key=lambda head: head.alive), most)
    return tuple(sorted(chosen, key=lambda head: head.segment))


# ------------------------------------------------------------------ short work, alone in its transaction


def take_in(tx: Txn, org: int) -> bool:
    """Index some messages that are older than the index, latest first; returns False if none are left."""
    state = lock_org_state(tx, org)
    before = state.next_no if state.indexed_from is None else state.indexed_from
    if before == 0:
        return False
    params = {"org": org, "before": before, "limit": MESSAGES_AT_ONCE}
    rows = [row_of(values) for values in tx.all("rows_before", params)]
    if sound := readable(org, rows):
        segment = Segment.of(entry_of_row(row) for row in sound)
        add_fresh(tx, org, state.segment(), segment, terms.version())
    state.indexed_from = rows[-1].no if len(rows) == MESSAGES_AT_ONCE else 0
    save_org_state(tx, state)
    return state.indexed_from > 0


def compact(tx: Txn, org: int, limits: Limits = LIMITS, purge: bool = False) -> bool:
    """Merge small segments; returns False if there is nothing to do."""
    state = lock_org_state(tx, org)
    task = next((t for t in _tasks(heads_of(tx, org), limits, purge) if t.kind == "compact"), None)
    if task is None:
        return False
    built = merge([read_source(tx, org, source) for source in task.sources], FRESH)
    if built.offsets:
        add_fresh(tx, org, state.segment(), fresh_of(built), min(source.version for source in task.sources))
    for source in task.sources:
        _drop_fresh(tx, org, source.segment)
    save_org_state(tx, state)
    return True


def start_anew(tx: Txn, org: int) -> None:
    """Delete the whole index; ``take_in`` rebuilds it. Until then searches report that it is incomplete."""
    state = lock_org_state(tx, org)
    tx.run("leave_search", {"org": org})
    state.indexed_from = state.next_no
    save_org_state(tx, state)


def outdate(tx: Txn, org: int) -> None:
    """Mark every segment for rebuilding, while it is still searched."""
    lock_org_state(tx, org)
    tx.run("outdate_search", {"org": org})


def _drop_fresh(tx: Txn, org: int, segment: int) -> None:
    for name in ("delete_search_segment", "delete_tombstones", "delete_search_fresh"):
        tx.run(name, {"org": org, "segment": segment})


# ------------------------------------------------------------------ long work, under a lease


class Builder:
    """Does one task of the latter kind. ``guard`` is called in every transaction that writes."""

    def __init__(
        self, engine: Engine, org: int, guard: Guard, pause: Callable[[], object], limits: Limits = LIMITS
    ) -> None:
        self._engine = engine
        self._limits = limits
        self._org = org
        self._guard = guard
        self._pause = pause
        self._seen = time.monotonic()

    def clean(self) -> None:
        """Delete what an interrupted builder left behind, and the sources of finished segments."""
        for segment, level in self._engine.read(self._of_no_use, self._org):
            self._delete(segment, level)

    def _of_no_use(self, tx: Txn) -> list[tuple[int, int]]:
        states = (BUILDING, LEFT_OVER)
        rows = [row for state in states for row in tx.all("search_segments", {"org": self._org, "state": state})]
        return [(segment, level) for segment, level, *_ in rows]

    def run(self, purge: bool = False) -> bool:
        """Build, write, replace; returns False if there is nothing to do."""
        task, sources, built = self._engine.read(lambda tx: self._read(tx, purge), self._org)
        if task is None:
            return False
        if built is None:
            built = merge(sources, task.level, self._beat)
        version = terms.version() if task.kind == "rebuild" else min(source.head.version for source in sources)
        parts = iter(built.parts)
        number = self._write(lambda tx: self._begin(tx, built, version, list(islice(parts, PARTS_AT_ONCE))))
        while some := list(islice(parts, PARTS_AT_ONCE)):
            self._write(lambda tx, some=some: self._add(tx, built.level, number, some))  # type: ignore[misc]
        self._write(lambda tx: self._replace(tx, sources, built, number))
        self.clean()
        return True

    def _read(self, tx: Txn, purge: bool) -> tuple[Task | None, list[Source], Built | None]:
        task = next((t for t in _tasks(heads_of(tx, self._org), self._limits, purge) if t.kind != "compact"), None)
        if task is None:
            return None, [], None
        sources = [read_source(tx, self._org, source) for source in task.sources]
        return task, sources, rebuild(tx, self._org, sources[0], self._beat) if task.kind == "rebuild" else None

    def _write(self, work: Callable[[Txn], T]) -> T:
        def guarded(tx: Txn) -> T:
            self._guard(tx)
            return work(tx)

        result = self._engine.write(guarded, self._org)
        self._seen = time.monotonic()
        self._pause()
        return result

    def _beat(self) -> None:
        """Renew the lease while nothing is written."""
        if time.monotonic() - self._seen > BEAT_SECONDS:
            self._write(lambda tx: None)

    def _begin(self, tx: Txn, built: Built, version: int, parts: Sequence[tuple[int, bytes]]) -> int:
        state = lock_org_state(tx, self._org)
        number = state.segment()
        save_org_state(tx, state)
        if built.offsets:
            times = built.docs.times
            row = {"org": self._org, "segment": number, "level": built.level, "docs": len(times), "state": BUILDING}
            span = {"low": times[0], "high": times[-1], "starts": starts_of_level(built)}
            tx.run("add_search_segment", row | span | {"version": version})
            self._add(tx, built.level, number, parts)
        return number

    def _add(self, tx: Txn, level: int, number: int, parts: Sequence[tuple[int, bytes]]) -> None:
        if level == FRESH:
            return
        rows = ({"org": self._org, "segment": number, "part": part, "body": body} for part, body in parts)
        tx.many(f"add_search_{LEVEL_NAMES[level]}", rows)

    def _replace(self, tx: Txn, sources: Sequence[Source], built: Built, number: int) -> None:
        """From now on the new segment is searched instead of its sources."""
        lock_org_state(tx, self._org)
        now = {head.segment: head for head in heads_of(tx, self._org)}
        if any(source.head.segment not in now for source in sources):
            # Small ones were brought together meanwhile; what was built is deleted, and built of them next time.
            return
        gone: list[int] = []
        for source in sources:
            left = now[source.head.segment].dead - source.head.dead
            nos = (source.docs.nos[offset] for offset in left)
            gone += [built.offsets[no] for no in nos if no in built.offsets]
            tx.run("set_search_state", {"org": self._org, "segment": source.head.segment, "state": LEFT_OVER})
            tx.run("delete_tombstones", {"org": self._org, "segment": source.head.segment})
        if not built.offsets:
            return
        tx.run("set_search_state", {"org": self._org, "segment": number, "state": READY})
        if built.level == FRESH:
            parts = {"documents": built.docs.encode(), "places": built.places.encode(), "body": built.parts[0][1]}
            tx.run("add_search_fresh", {"org": self._org, "segment": number} | parts)
        if gone:
            times = built.docs.times
            bury(tx, self._org, SegmentHead(number, built.level, len(times), times[0], times[-1], 0, b"", set()), gone)

    def _delete(self, segment: int, level: int) -> None:
        if level != FRESH:
            for first, last in _spans():
                params = {"org": self._org, "segment": segment, "first": first, "last": last}
                self._write(lambda tx, p=params: tx.run(f"delete_search_{LEVEL_NAMES[level]}", p))  # type: ignore[misc]
        self._write(lambda tx: _drop_fresh(tx, self._org, segment))


def _spans() -> Iterator[tuple[int, int]]:
    """Parts of a segment, some hundreds at a time."""
    yield -(2**40), -1
    yield from ((start, start + 1023) for start in range(0, PARTS[FULL], 1024))
