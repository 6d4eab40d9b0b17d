"""Batches of an import, many to a transaction, without holding up those that write single messages meanwhile."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from msgspec import structs

from backscroll.core import events
from backscroll.database.protocol import Engine, Txn
from backscroll.storage.records.org_state import Applied
from backscroll.storage.write.batch import Session
from backscroll.storage.write.validation import cleaned_batch

LARGEST = 10_000
"""Events of one transaction: pages of the indexes are written once where smaller ones would write them again."""
ALONE_SECONDS = 0.8
WANTED_SECONDS = 0.15
"""After so long a transaction takes no further batch in, when nobody waits and when somebody does."""


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
        self._pending: deque[events.Batch] = deque()
        self._events = 0

    def add(self, batch: events.Batch) -> None:
        """Take a batch in, to be written later; ``BadField`` when one of its events cannot be kept."""
        cleaned = cleaned_batch(batch)
        if cleaned.import_id is None:
            cleaned = structs.replace(cleaned, import_id=self._import_id)
        self._pending.append(cleaned)
        self._events += _size(cleaned)

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
        """The batch that is written next."""
        return self._pending[0]

    def write(self) -> list[Applied]:
        """Write what is next in one transaction: at least one batch; what was done of each.

        After an error nothing of it is written, and all of it is still to be written.
        """
        done = self._engine.write(self._write_some, self._org)
        written = [self.drop_first() for _ in done]
        if any(isinstance(event, events.NumberMapped) for batch in written for event in batch.events):
            self._finish_merges()
        self._engine.let_others_write()
        return done

    def drop_first(self) -> events.Batch:
        """Take out the batch that is next."""
        batch = self._pending.popleft()
        self._events -= _size(batch)
        return batch

    def _write_some(self, tx: Txn) -> list[Applied]:
        began = time.monotonic()
        session = Session(tx, self._org, self._make_phone_id)
        applied: list[Applied] = []
        told = 0
        for batch in self._pending:
            if applied and (told + _size(batch) > LARGEST or self._is_over(began)):
                break
            applied.append(session.write(batch, self._clock()))
            session.write_rows()
            told += _size(batch)
        session.finish()
        return applied

    def _is_over(self, began: float) -> bool:
        took = time.monotonic() - began
        return took >= WANTED_SECONDS and (took >= ALONE_SECONDS or self._engine.is_wanted())


def _size(batch: events.Batch) -> int:
    return max(1, len(batch.events))


@contextmanager
def bulk_writer(engine: Engine, *about: Any) -> Iterator[BulkWriter]:
    """A ``BulkWriter`` of these, while the engine is prepared for much."""
    with engine.bulk():
        yield BulkWriter(engine, *about)
