"""Batches of an import, many per transaction, without blocking writers of single messages."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from msgspec import Struct, structs

from backscroll.core import events
from backscroll.database.protocol import Engine, Txn
from backscroll.storage.records.org_state import Applied
from backscroll.storage.write.batch import Session
from backscroll.storage.write.raws import PackedRaw, packed, unpacked
from backscroll.storage.write.validation import cleaned_batch

LARGEST = 10_000
"""Maximum events per transaction. Large transactions write an index page once, small ones again and again."""
ALONE_SECONDS = 0.8
WANTED_SECONDS = 0.1
"""Seconds after which a transaction is committed: while there is no other writer, and while there is one."""
ALONE_PART_SECONDS = 0.1
PART_SECONDS = 0.04
LEAST = 50
"""Intended seconds for a part of a batch while there is no other writer and while there is one, estimated from recent
speed, and the minimum events of a part. Whether another writer is waiting is checked between parts."""
FIRST_GUESS = 3_000.0
"""Events per second, as long as nothing has been written."""


class _Batch(Struct):
    """A batch that waits to be written."""

    batch: events.Batch
    raw: PackedRaw | None
    is_divisible: bool
    """Whether it may be written in parts. Not with phones or mappings: they must come before all other events."""
    has_mapping: bool
    """Whether it contains a mapping, after which merges of contacts are due."""
    written: int = 0
    """How many of its events earlier transactions wrote."""
    changed: int = 0
    """Rows changed by those events."""

    @property
    def size(self) -> int:
        """A batch counts as at least one event, because it may contain nothing but a position."""
        return max(1, len(self.batch.events))

    def part(self, start: int, size: int) -> events.Batch:
        """Some of its events. Data about the batch as a whole comes with the last part."""
        part = structs.replace(self.batch, events=self.batch.events[start : start + size])
        is_last = start + size >= len(self.batch.events)
        return part if is_last else structs.replace(part, position=None, answer=None, coverage=(), heard=None)


class BulkWriter:
    """Writes batches of an organisation in the order in which they are added."""

    def __init__(
        self,
        engine: Engine,
        org: int,
        import_id: int | None,
        clock: Callable[[], int],
        make_phone_id: Callable[[], str],
        finish_merges: Callable[[], object],
    ) -> None:
        self._engine = engine
        self._org = org
        self._import_id = import_id
        self._clock = clock
        self._make_phone_id = make_phone_id
        self._finish_merges = finish_merges
        self._pending: deque[_Batch] = deque()
        self._events = 0
        self._per_second = FIRST_GUESS
        """Events written per second recently."""
        self._finishing_since = 0.0
        self._ending = 0.0
        """Seconds per event that the end of a transaction took recently: writing what is buffered, and committing."""

    def add(self, batch: events.Batch) -> None:
        """Add a batch to be written later; ``BadField`` if one of its events cannot be stored."""
        cleaned = cleaned_batch(batch)
        if cleaned.import_id is None:
            cleaned = structs.replace(cleaned, import_id=self._import_id)
        # Compressing takes long, so it is done while others can write. Ten payloads as received take several megabytes.
        raw = packed(cleaned.raw) if cleaned.raw else None
        cleaned = structs.replace(cleaned, raw=None)
        kinds = set(map(type, cleaned.events))
        has_mapping = events.NumberMapped in kinds
        is_divisible = not has_mapping and events.PhoneSeen not in kinds
        self._pending.append(_Batch(cleaned, raw, is_divisible, has_mapping))
        self._events += self._pending[-1].size

    @property
    def is_full(self) -> bool:
        """Whether there are enough events for a transaction."""
        return self._events >= LARGEST

    @property
    def is_empty(self) -> bool:
        """Whether everything is written."""
        return not self._pending

    @property
    def first(self) -> events.Batch:
        """The batch that is written next. Parts of it may have been written already."""
        first = self._pending[0]
        return first.batch if first.raw is None else structs.replace(first.batch, raw=unpacked(first.raw))

    def write(self) -> list[Applied]:
        """Write the next events in one transaction; returns the results of the batches that it completed, if any.

        After an error nothing of this transaction is written, and all of its events are still pending.
        """
        parts = self._engine.write(self._write_some, self._org)
        self._note_ending(sum(size for size, _ in parts))
        done: list[Applied] = []
        is_mapped = False
        for size, applied in parts:
            first = self._pending[0]
            first.changed += applied.changed
            is_mapped |= first.has_mapping
            first.written += size
            if first.written >= len(first.batch.events):
                self.drop_first()
                done.append(structs.replace(applied, changed=first.changed))
        if is_mapped:
            self._finish_merges()
        self._engine.let_others_write()
        return done

    def drop_first(self) -> None:
        """Skip the next batch."""
        self._events -= self._pending.popleft().size

    def _write_some(self, tx: Txn) -> list[tuple[int, Applied]]:
        """Write parts of batches; returns the number of events and the result of each part."""
        began = time.monotonic()
        session = Session(tx, self._org, self._make_phone_id)
        written: list[tuple[int, Applied]] = []
        told = 0
        for waiting in self._pending:
            start = waiting.written
            while start == waiting.written or start < len(waiting.batch.events):
                if written and (told >= LARGEST or self._is_over(began, told)):
                    return self._finished(session, written)
                part = waiting.part(start, self._size_for(waiting))
                written.append((len(part.events), self._timed(session, part, waiting.raw)))
                start += len(part.events)
                told += max(1, len(part.events))
                if not part.events:
                    break
        return self._finished(session, written)

    def _finished(self, session: Session, written: list[tuple[int, Applied]]) -> list[tuple[int, Applied]]:
        self._finishing_since = time.monotonic()
        session.finish()
        return written

    def _note_ending(self, told: int) -> None:
        # A log that is copied into the database file with this commit says nothing about the next.
        took = min(time.monotonic() - self._finishing_since, WANTED_SECONDS / 2)
        self._ending = (self._ending + took / max(told, LEAST)) / 2

    def _size_for(self, waiting: _Batch) -> int:
        if not waiting.is_divisible:
            return waiting.size
        seconds = PART_SECONDS if self._engine.is_wanted() else ALONE_PART_SECONDS
        return max(LEAST, int(self._per_second * seconds))

    def _timed(self, session: Session, part: events.Batch, raw: PackedRaw | None) -> Applied:
        began = time.monotonic()
        applied = session.write(part, self._clock(), raw)
        session.write_rows()
        took = max(time.monotonic() - began, 1e-6)
        if len(part.events) >= LEAST:
            self._per_second = (self._per_second + len(part.events) / took) / 2
        return applied

    def _is_over(self, began: float, told: int) -> bool:
        took = time.monotonic() - began + told * self._ending
        return took >= WANTED_SECONDS and (took >= ALONE_SECONDS or self._engine.is_wanted())


@contextmanager
def bulk_writer(engine: Engine, *about: Any) -> Iterator[BulkWriter]:
    """A ``BulkWriter`` with these arguments. Meanwhile the engine is set up for bulk writing."""
    with engine.bulk():
        yield BulkWriter(engine, *about)
