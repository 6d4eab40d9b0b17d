"""Where handlers ask the archive: small reads on the event loop, the rest in a few threads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from starlette.types import Receive

from backscroll.errors import StorageBusy
from backscroll.http.wire import ClientGone
from backscroll.storage import green

T = TypeVar("T")

HEAVY_ROWS = 200
"""A page of more rows would keep the event loop from others for milliseconds."""
MOST_WAITING = 128


class Workers:
    """``local`` False (the database is across a network): small reads let the loop go on while they wait."""

    def __init__(self, threads: int = 4, local: bool = True) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="archive")
        self.local = local
        self._waiting = 0

    async def run(self, work: Callable[[], T], *, heavy: bool = False, receive: Receive | None = None) -> T:
        """What ``work`` returns. Raises ClientGone when the client hangs up first, StorageBusy when too many wait.

        ``receive`` must have no body left to give: it is only asked whether the client is still there.
        """
        if not heavy and self.local:
            return work()
        if self._waiting >= MOST_WAITING:
            raise StorageBusy("too many requests are being worked on; send this one again")
        self._waiting += 1
        try:
            # To a thread and back costs more than most small reads do.
            return await (self._in_thread(work, receive) if heavy else green.start(work))
        finally:
            self._waiting -= 1

    async def _in_thread(self, work: Callable[[], T], receive: Receive | None) -> T:
        future = asyncio.get_running_loop().run_in_executor(self._pool, work)
        if receive is None:
            return await future
        future.add_done_callback(lambda done: done.cancelled() or done.exception())
        gone = asyncio.ensure_future(_hung_up(receive))
        try:
            await asyncio.wait((future, gone), return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
        if future.done():
            return future.result()
        future.cancel()
        raise ClientGone

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)


async def _hung_up(receive: Receive) -> None:
    # First comes the end of the empty body, then nothing until the client leaves.
    for _ in range(2):
        if (await receive())["type"] == "http.disconnect":
            return
    await asyncio.Event().wait()
