"""Stop work in another thread: its client has gone, its time is over, or the server is stopping."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

from backscroll.core.errors import StorageBusy

T = TypeVar("T")

_local = threading.local()


class Interruption:
    """One piece of work in a thread. Databases look at it between statements, and are called to end a long one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ends: list[Callable[[], None]] = []
        self.is_set = False

    def stop(self) -> None:
        """End what runs now, and whatever comes after it. May wait for a database; may be called twice."""
        with self._lock:
            self.is_set = True
            for end in self._ends:
                # The work may have come to its end by itself.
                with suppress(Exception):
                    end()

    def run(self, work: Callable[[], T]) -> T:
        """What ``work`` returns, in this thread and under this interruption."""
        _local.current = self
        try:
            return work()
        finally:
            _local.current = None

    @contextmanager
    def ended_by(self, end: Callable[[], None]) -> Iterator[None]:
        """Meanwhile ``stop`` calls ``end``. A call under way is over when this is left."""
        with self._lock:
            self._ends.append(end)
        try:
            yield
        finally:
            with self._lock:
                self._ends.remove(end)


def is_interrupted() -> bool:
    """Whether the work of this thread is to stop."""
    current: Interruption | None = getattr(_local, "current", None)
    return current is not None and current.is_set


def check() -> None:
    """Raise StorageBusy when the work of this thread is to stop."""
    if is_interrupted():
        raise StorageBusy("The database took too long; ask for less, or try again")


@contextmanager
def ended_by(end: Callable[[], None]) -> Iterator[None]:
    """Meanwhile ``end`` is called when the work of this thread is to stop; nothing where it cannot be stopped."""
    current: Interruption | None = getattr(_local, "current", None)
    if current is None:
        yield
        return
    with current.ended_by(end):
        yield
