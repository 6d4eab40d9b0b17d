"""Idle connections. They are created by the thread that needs one, so nothing comes between an answer of the database
and the next request; when one breaks, those of its age are taken for broken too.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

from msgspec import Struct

from backscroll.concurrency import greenlets
from backscroll.database.postgres.connection import Connection

LIFE_SECONDS = 1800.0
"""A connection is replaced then: servers move, and a backend's memory grows with what it has seen."""


class Exhausted(Exception):
    """All connections have been in use for the whole time."""


class _Pooled(Struct):
    connection: Connection
    generation: int
    made: float


class Pool:
    """Connections to one database, for any thread and for functions of an event loop (greenlets.py)."""

    def __init__(self, connect: Callable[[], Connection], size: int, patience: float) -> None:
        """At most ``size`` connections; a caller waits up to ``patience`` seconds for a free one."""
        self._connect = connect
        self._patience = patience
        self._free = size
        self._waiting: deque[Future[None]] = deque()
        self._lock = threading.Lock()
        self._idle: list[_Pooled] = []
        self._generation = 0
        self._closed = False
        self._connecting = ThreadPoolExecutor(size, thread_name_prefix="connecting")

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """A connection outside a transaction, for one user; put back when it is still good."""
        self._enter()
        try:
            pooled = self._take()
            try:
                pooled.connection.settle()
                yield pooled.connection
            finally:
                self._put(pooled)
        finally:
            self._leave()

    def _enter(self) -> None:
        """Wait for a place, first come, first served: a thread that comes back at once does not push in."""
        with self._lock:
            if self._free:
                self._free -= 1
                return
            turn = Future[None]()
            self._waiting.append(turn)
        try:
            greenlets.wait(turn, self._patience)
        except TimeoutError:
            with self._lock:
                if not turn.done():
                    self._waiting.remove(turn)
                    raise Exhausted from None

    def _leave(self) -> None:
        with self._lock:
            if self._waiting:
                self._waiting.popleft().set_result(None)
            else:
                self._free += 1

    def _take(self) -> _Pooled:
        with self._lock:
            generation = self._generation
            if self._idle:
                return self._idle.pop()
        connection = greenlets.wait(self._connecting.submit(self._connect)) if greenlets.here() else self._connect()
        return _Pooled(connection, generation, time.monotonic())

    def _put(self, pooled: _Pooled) -> None:
        connection = pooled.connection
        if connection.closed:
            self._renew(pooled.generation)
            return
        is_old = time.monotonic() - pooled.made > LIFE_SECONDS
        with self._lock:
            fits = pooled.generation == self._generation and not (is_old or self._closed)
            if fits and connection.is_free:
                self._idle.append(pooled)
                return
        connection.close()

    def _renew(self, broken: int) -> None:
        """One of generation ``broken`` was lost: drop the idle ones that are as old."""
        with self._lock:
            if broken != self._generation:
                return
            self._generation += 1
            dropped, self._idle = self._idle, []
        for pooled in dropped:
            pooled.connection.close()

    def close(self) -> None:
        """Connections in use are closed when they are put back."""
        with self._lock:
            self._closed = True
            dropped, self._idle = self._idle, []
        for pooled in dropped:
            pooled.connection.close()
        self._connecting.shutdown(wait=False, cancel_futures=True)
