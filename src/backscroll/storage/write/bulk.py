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
from backscroll.storage.write.validation import cleaned_batch

LARGEST = 10_000
"""Events of one transaction: pages of the indexes are written once where smaller ones would write them again."""
ALONE_SECONDS = 0.8
WANTED_SECONDS = 0.15
"""After so long a transaction takes nothing further in, when nobody waits and when somebody does."""
PART_SECONDS = 0.1
LEAST = 50
"""So long a part of a batch is to take, by the speed of those before, and how many events it has at least: between two
parts it is seen whether somebody waits."""


class _Batch(Struct):
    """A batch that waits to be written."""

    batch: events.Batch
    written: int = 0
    """How many of its events are in earlier transactions."""
    changed: int = 0
    """Rows that these changed."""

    @property
    def size(self) -> int:
        """A batch counts as one event at least: it may only tell a position."""
        return max(1, len(self.batch.events))

    @property
    def is_divisible(self) -> bool:
        """Whether it may be written in parts: what it tells of who is who must come before all else that it tells."""
        return not any(isinstance(event, events.PhoneSeen | events.NumberMapped) for event in self.batch.events)

    def part(self, start: int, size: int) -> events.Batch:
        """Some of its events; what is told of the batch as a whole comes with the last of them."""
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
        self._per_second = 10_000.0
        """Events that were written in a second, lately."""

    def add(self, batch: events.Batch) -> None:
        """Take a batch in, to be written later; ``BadField`` when one of its events cannot be kept."""
        cleaned = cleaned_batch(batch)
        if cleaned.import_id is None:
            cleaned = structs.replace(cleaned, import_id=self._import_id)
        self._pending.append(_Batch(cleaned))
        self._events += self._pending[-1].size

    @property
    def is_full(self) -> bool:
        """Whether enough is there for a transaction."""
        return self._events >= LARGEST

    @property
    def is_empty(self) -> bool:
        """Whether everything is written."""
        return not self._pending

    @property
    def first(self) -> events.Batch:
        """The batch that is written next; parts of it may be written already."""
        return self._pending[0].batch

    def write(self) -> list[Applied]:
        """Write what is next in one transaction; what was done of each batch that is whole now, none or more of them.

        After an error nothing of it is written, and all of it is still to be written.
        """
        parts = self._engine.write(self._write_some, self._org)
        done: list[Applied] = []
        is_mapped = False
        for size, applied in parts:
            first = self._pending[0]
            first.changed += applied.changed
            is_mapped |= any(isinstance(event, events.NumberMapped) for event in first.batch.events)
            first.written += size
            if first.written >= len(first.batch.events):
                self.drop_first()
                done.append(structs.replace(applied, changed=first.changed))
        if is_mapped:
            self._finish_merges()
        self._engine.let_others_write()
        return done

    def drop_first(self) -> None:
        """Leave out the batch that is next."""
        self._events -= self._pending.popleft().size

    def _write_some(self, tx: Txn) -> list[tuple[int, Applied]]:
        """Parts of batches: how many events each has, and what it did."""
        began = time.monotonic()
        session = Session(tx, self._org, self._make_phone_id)
        written: list[tuple[int, Applied]] = []
        told = 0
        for waiting in self._pending:
            start = waiting.written
            while start == waiting.written or start < len(waiting.batch.events):
                if written and (told >= LARGEST or self._is_over(began)):
                    session.finish()
                    return written
                part = waiting.part(start, self._size_for(waiting))
                written.append((len(part.events), self._timed(session, part)))
                start += len(part.events)
                told += max(1, len(part.events))
                if not part.events:
                    break
        session.finish()
        return written

    def _size_for(self, waiting: _Batch) -> int:
        return max(LEAST, int(self._per_second * PART_SECONDS)) if waiting.is_divisible else waiting.size

    def _timed(self, session: Session, part: events.Batch) -> Applied:
        began = time.monotonic()
        applied = session.write(part, self._clock())
        session.write_rows()
        took = max(time.monotonic() - began, 1e-6)
        if len(part.events) >= LEAST:
            self._per_second = (self._per_second + len(part.events) / took) / 2
        return applied

    def _is_over(self, began: float) -> bool:
        took = time.monotonic() - began
        return took >= WANTED_SECONDS and (took >= ALONE_SECONDS or self._engine.is_wanted())


@contextmanager
def bulk_writer(engine: Engine, *about: Any) -> Iterator[BulkWriter]:
    """A ``BulkWriter`` of these, while the engine is prepared for much."""
    with engine.bulk():
        yield BulkWriter(engine, *about)
