"""The versions of organisations where the database is across a network: one read for all who ask at the same time."""

from __future__ import annotations

import asyncio

from backscroll.http.workers import Workers
from backscroll.storage.store import Store


class Versions:
    """Belongs to one event loop."""

    def __init__(self, store: Store, workers: Workers) -> None:
        self._store = store
        self._workers = workers
        self._running: dict[int, asyncio.Task[int]] = {}
        self._next: dict[int, asyncio.Task[int]] = {}

    async def of(self, org: int) -> int:
        """The organisation's version, as it is read after this call began."""
        coming = self._next.get(org)
        if coming is None:
            coming = self._next[org] = asyncio.ensure_future(self._read(org))
            # Whoever waited for it may have gone.
            coming.add_done_callback(lambda done: done.cancelled() or done.exception())
        return await asyncio.shield(coming)

    async def _read(self, org: int) -> int:
        """A read that has begun may be too old for those who ask now: they share the one after it."""
        running = self._running.get(org)
        if running is not None:
            await asyncio.wait([running])
        task = self._running[org] = self._next.pop(org)
        try:
            return await self._workers.run(lambda: self._store.version(org))
        finally:
            if self._running.get(org) is task:
                del self._running[org]
