"""The versions of organisations where the database is across a network: one read for all who ask at the same time."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from backscroll.storage.store import Store

THREADS = 2


class Versions:
    """Belongs to one event loop. Has threads of its own: answers that are ready must not wait for long searches."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="versions")
        self._asking: dict[int, list[asyncio.Future[int]]] = {}
        """Who is told by the next read."""
        self._reading: set[int] = set()

    def of(self, org: int) -> asyncio.Future[int]:
        """The organisation's version, as it is read after this call."""
        asked: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._asking.setdefault(org, []).append(asked)
        if org not in self._reading:
            self._soon(org)
        return asked

    def _soon(self, org: int) -> None:
        """When all have asked whom the loop lets ask in this round."""
        self._reading.add(org)
        asyncio.get_running_loop().call_soon(self._read, org)

    def _read(self, org: int) -> None:
        """A read that has begun may be too old for those who ask now: they share the one after it."""
        asking = self._asking.pop(org)
        try:
            read = asyncio.get_running_loop().run_in_executor(self._threads, self._store.version, org)
        except RuntimeError:
            # Closed: the server ends.
            self._reading.discard(org)
            _give_up(asking)
        else:
            read.add_done_callback(partial(self._tell, org, asking))

    def _tell(self, org: int, asking: list[asyncio.Future[int]], read: asyncio.Future[int]) -> None:
        self._reading.discard(org)
        if org in self._asking:
            self._soon(org)
        if read.cancelled():
            _give_up(asking)
            return
        error = read.exception()
        for asked in asking:
            # Whoever waited may have gone.
            if not asked.done() and error is None:
                asked.set_result(read.result())
            elif not asked.done() and error is not None:
                asked.set_exception(error)

    def close(self) -> None:
        """Wait for reads that have begun; whoever waits for another is cancelled."""
        self._threads.shutdown(wait=True, cancel_futures=True)


def _give_up(asking: list[asyncio.Future[int]]) -> None:
    for asked in asking:
        asked.cancel()
