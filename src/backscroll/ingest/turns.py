"""Showing that one is still at work that only one process may do."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from backscroll.core.errors import StorageError

KEEP_SECONDS = 1.5
"""So often, well within a lease."""


@contextmanager
def kept(keep: Callable[[], bool], name: str) -> Iterator[Callable[[], bool]]:
    """Call ``keep`` from a thread of this name meanwhile; gives a function that says whether the turn is still ours.

    A database that is away for a moment is no end: ``keep`` is asked again.
    """
    ended, lost = threading.Event(), threading.Event()

    def go_on() -> None:
        while not ended.wait(KEEP_SECONDS):
            try:
                if not keep():
                    lost.set()
                    return
            except StorageError:
                continue

    thread = threading.Thread(target=go_on, name=name, daemon=True)
    thread.start()
    try:
        yield lambda: not lost.is_set()
    finally:
        ended.set()
        thread.join()
