"""Stopping work in another thread, because its client has disconnected, its time is over, or the server is stopping."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import TypeVar

from backscroll.core.errors import StorageBusy

T = TypeVar("T")

_local = threading.local()


class Interruption:
    """One task in a thread. Database code checks it between statements, and is called to end a long one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ends: list[Callable[[], None]] = []
        self.is_set = False

    def stop(self) -> None:
        """End the current work, and whatever follows. May wait for a database; may be called twice."""
        with self._lock:
            self.is_set = True
            for end in self._ends:
                # The work may already have ended by itself.
                with suppress(Exception):
                    end()

    def run(self, work: Callable[[], T]) -> T:
        """The result of ``work``, run in this thread under this interruption."""
        _local.current = self
        try:
            return work()
        finally:
            _local.current = None

    @contextmanager
    def ended_by(self, end: Callable[[], None]) -> Iterator[None]:
        """Context in which ``stop`` calls ``end``. A call in progress has finished when the context is left."""
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
    """Raise StorageBusy if the work of this thread has to stop."""
    if is_interrupted():
        raise StorageBusy("The database took too long; ask for less, or try again")


def ended_by(end: Callable[[], None]) -> AbstractContextManager[None]:
    """Context in which ``end`` is called if the work of this thread has to stop; does nothing if it cannot be
    stopped.
    """
    current: Interruption | None = getattr(_local, "current", None)
    return nullcontext() if current is None else current.ended_by(end)
