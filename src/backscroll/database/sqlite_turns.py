"""Waiting to write to an SQLite file: threads of this process, and other processes.

SQLite lets one connection write and does not tell it about waiting ones; these retry after pauses that grow to a tenth
of a second, so long work in many transactions, which frees the lock only for moments, may keep them out for seconds.
Here a waiting writer retries often, and holds a shared lock on the folder of the file meanwhile. That lock blocks
nobody: long work sees from it that somebody is waiting, ends its transaction, and starts none until the lock is gone.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from backscroll.database.pauses import QUIET_SECONDS, pause

LOOK_SECONDS = 0.002
"""Seconds between attempts to begin a transaction while another process writes."""
BUSY_SECONDS = 30.0
"""Seconds for which a writer waits for another process before ``StorageBusy``."""
SHARED_SECONDS = 1.0
"""Seconds for which long work expects another writer again after it last saw one."""


def _opened(folder: Path) -> int | None:
    """Open the folder for locking; None if it may not be read, so that waiting processes cannot be noticed."""
    try:
        return os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None


class Turns:
    """Access of this process's threads to its writing connection, and waiting for other processes."""

    def __init__(self, folder: Path) -> None:
        self._lock = threading.Lock()
        self._counting = threading.Lock()
        self._waiting = 0
        self._uncounted = 0
        """Number of past turns of writers that do not count as other writers, because they can wait."""
        self._is_uncounted = False
        """Whether such a turn is in progress."""
        self._since = 0.0
        self._marked = False
        self._seen = -SHARED_SECONDS
        """When long work of this process last saw another writer."""
        # Two descriptors, because a lock held by one can be seen only from the other.
        self._mark, self._look = _opened(folder), _opened(folder)

    @contextmanager
    def taken(self, can_wait: bool = False) -> Iterator[None]:
        """Exclusive writing among the threads of this process. One that ``can_wait`` counts as no other writer."""
        counted = 0 if can_wait else 1
        with self._counting:
            self._waiting += counted
        try:
            self._lock.acquire()
        finally:
            with self._counting:
                self._waiting -= counted
        self._is_uncounted = can_wait
        try:
            yield
        finally:
            self._uncounted += can_wait
            self._is_uncounted = False
            self.arrived()
            self._lock.release()

    def wait(self, tried: int) -> bool:
        """SQLite's busy handler: whether to try once more after ``tried`` tries."""
        now = time.monotonic()
        if tried == 0:
            self._since = now
        if not self._marked and self._mark is not None:
            with suppress(OSError):
                fcntl.flock(self._mark, fcntl.LOCK_SH | fcntl.LOCK_NB)
                self._marked = True
        if now - self._since > BUSY_SECONDS:
            return False
        time.sleep(LOOK_SECONDS)
        return True

    def arrived(self) -> None:
        """The thread that waited for another process has stopped waiting."""
        if self._marked and self._mark is not None:
            self._marked = False
            fcntl.flock(self._mark, fcntl.LOCK_UN)

    def is_wanted(self) -> bool:
        """Whether another thread or process waits to write, or one was seen in the last second."""
        if self._is_waited():
            self._seen = time.monotonic()
            return True
        return self._is_shared()

    def _is_waited(self) -> bool:
        if self._waiting:
            return True
        return self._look is not None and _is_held(self._look)

    def _is_shared(self) -> bool:
        return time.monotonic() - self._seen < SHARED_SECONDS

    def let_others_write(self, version: Callable[[], object]) -> None:
        """Pause for a moment, and for longer while others wait or write; ``version`` changes with every commit."""
        if pause(self._others(version), self._is_waited, QUIET_SECONDS if self._is_shared() else 0.0):
            self._seen = time.monotonic()

    def _others(self, version: Callable[[], object]) -> Callable[[], int]:
        """A function whose result changes with every commit, except those of this process's writers that can wait."""
        uncounted, latest, changes = self._uncounted, version(), 0

        def look() -> int:
            nonlocal uncounted, latest, changes
            # Read before the version: the commit of a turn that ends in between may only be in the next version.
            before_version, previous, latest = self._uncounted, latest, version()
            is_uncounted = self._is_uncounted
            if latest != previous and self._uncounted == uncounted and not is_uncounted:
                changes += 1
            uncounted = before_version
            return changes

        return look

    def close(self) -> None:
        """Close the descriptors. The object cannot be used afterwards."""
        for descriptor in (self._mark, self._look):
            if descriptor is not None:
                with suppress(OSError):
                    os.close(descriptor)


def _is_held(look: int) -> bool:
    """Whether another descriptor holds a lock; False also on file systems without such locks."""
    try:
        fcntl.flock(look, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    fcntl.flock(look, fcntl.LOCK_UN)
    return False
