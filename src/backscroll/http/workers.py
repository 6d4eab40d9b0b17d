"""Where handlers ask the archive: small reads on the event loop, the rest in a few threads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from starlette.types import Receive

from backscroll.concurrency import greenlets
from backscroll.core.errors import StorageBusy
from backscroll.http.body import ClientGone, hung_up

T = TypeVar("T")

HEAVY_ROWS = 200
"""A page of more rows would keep the event loop from others for milliseconds."""
MAX_WAITING = 128
SMALL_AT_ONCE = 6
"""Small reads on the event loop. A store has two connections more, so that versions and writing need not queue behind
them."""


class Workers:
    """``local`` False (the database is across a network): small reads let the loop go on while they wait."""

    def __init__(self, threads: int = 4, local: bool = True) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="archive")
        self.local = local
        self._waiting = 0
        self._turns = asyncio.Semaphore(SMALL_AT_ONCE)
        self._begun = 0
        self._closed = False

    async def run(
        self, work: Callable[[], T], *, heavy: bool = False, prompt: bool = False, receive: Receive | None = None
    ) -> T:
        """What ``work`` returns. Raises ClientGone when the client hangs up first, StorageBusy when too many wait.

        ``prompt``: a small read that must not queue behind the others. ``receive`` must have no body left to give: it
        is only asked whether the client is still there.
        """
        if not heavy and self.local:
            return work()
        if self._closed or self._waiting >= MAX_WAITING:
            raise StorageBusy("too many requests are being worked on; send this one again")
        self._waiting += 1
        try:
            if heavy:
                return await self._in_thread(work, receive)
            # To a thread and back costs more than most small reads do.
            if prompt:
                return await self.start(work)
            async with self._turns:
                return await self.start(work)
        finally:
            self._waiting -= 1

    def start(self, work: Callable[[], T]) -> asyncio.Future[T]:
        """Begin at once, on the event loop; ``close`` waits for it even if nobody else does."""
        self._begun += 1

        def counted() -> T:
            try:
                return work()
            finally:
                self._begun -= 1

        return greenlets.start(counted)

    async def _in_thread(self, work: Callable[[], T], receive: Receive | None) -> T:
        future = asyncio.get_running_loop().run_in_executor(self._pool, work)
        if receive is None:
            return await future
        future.add_done_callback(lambda done: done.cancelled() or done.exception())
        gone = asyncio.ensure_future(hung_up(receive))
        try:
            await asyncio.wait((future, gone), return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
        if future.done():
            return future.result()
        future.cancel()
        raise ClientGone

    async def close(self) -> None:
        """Wait for what was begun. What still waits for a thread is cancelled, what comes later refused."""
        self._closed = True
        # Threads may wait for connections that the loop's functions have: these must go on.
        await asyncio.to_thread(self._pool.shutdown, cancel_futures=True)
        while self._waiting or self._begun:
            await asyncio.sleep(0.01)
