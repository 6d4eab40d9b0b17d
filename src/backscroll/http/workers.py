"""How handlers access the archive: small reads on the event loop, the rest in a few threads, shared fairly."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

from starlette.types import Receive

from backscroll.concurrency import greenlets
from backscroll.concurrency.interruption import Interruption
from backscroll.core.errors import StorageBusy
from backscroll.http.body import ClientGone, hung_up

T = TypeVar("T")

HEAVY_ROWS = 200
"""A page with more rows would block the event loop for milliseconds."""
SMALL_AT_ONCE = 6
"""Number of small reads on the event loop at the same time. A store has connections for these, for all threads, and two
more, so that version reads and writes need not queue behind them.
"""
THREADS = 4
MAX_RUNNING = 2
"""Maximum number of threads for one organisation, so that the others' work can proceed."""
MAX_WAITING = 32
"""Number of tasks of one organisation that may wait for a thread."""
MAX_WAITING_IN_ALL = 256
HEAVY_SECONDS = 30.0
"""Seconds that a task may take, not counting its wait for a thread."""
STOP_SECONDS = 3.0
"""Seconds that running tasks get when the server stops."""

BUSY = "too many requests are in progress; send this one again"
STOPPING = "the server is stopping; send this request again"


class Queue:
    """Turns in a few threads: first come, first served within an organisation, round robin between organisations."""

    def __init__(self, threads: int) -> None:
        self._free = threads
        self._running: dict[int, int] = {}
        self._waiting: dict[int, deque[asyncio.Future[None]]] = {}
        """By organisation; the one whose turn is next comes first."""

    def enter(self, org: int) -> asyncio.Future[None]:
        """A future that is done when it is the caller's turn; the caller then has to call ``leave``. Raises StorageBusy
        if too many are waiting.
        """
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = self._waiting.setdefault(org, deque())
        if len(waiting) >= MAX_WAITING or sum(map(len, self._waiting.values())) >= MAX_WAITING_IN_ALL:
            raise StorageBusy(BUSY)
        waiting.append(turn)
        self._go_on()
        return turn

    async def wait(self, turn: asyncio.Future[None], org: int, gone: asyncio.Future[None] | None) -> None:
        """Wait for the caller's turn; raises ClientGone if the client has ``gone``."""
        try:
            await _first(turn, gone)
            turn.result()
        except BaseException:
            if not turn.cancel() and not turn.cancelled() and turn.exception() is None:
                self.leave(org)
            raise

    def leave(self, org: int) -> None:
        """End a turn."""
        self._free += 1
        self._running[org] -= 1
        if not self._running[org]:
            del self._running[org]
        self._go_on()

    def refuse_all(self) -> None:
        """Refuse all waiting tasks."""
        for waiting in self._waiting.values():
            for turn in waiting:
                if not turn.done():
                    turn.set_exception(StorageBusy(STOPPING))
        self._waiting.clear()

    def __bool__(self) -> bool:
        """Whether any task is waiting."""
        return any(self._waiting.values())

    def _go_on(self) -> None:
        while self._free and (org := self._next()) is not None:
            self._waiting[org].popleft().set_result(None)
            # Move to the end of the line.
            self._waiting[org] = self._waiting.pop(org)
            self._running[org] = self._running.get(org, 0) + 1
            self._free -= 1

    def _next(self) -> int | None:
        """The organisation whose turn it is: the one with the fewest running tasks, and among equals the one that has
        waited longest.
        """
        for org, waiting in list(self._waiting.items()):
            # The waiting request may have been cancelled.
            while waiting and waiting[0].done():
                waiting.popleft()
            if not waiting:
                del self._waiting[org]
        least = min(self._waiting, key=lambda org: self._running.get(org, 0), default=None)
        return least if least is not None and self._running.get(least, 0) < MAX_RUNNING else None


WRITERS = 32
"""Threads that wait for a commit; one transaction takes the batches of all of them."""


class Workers:
    """``local`` is False if the database is across a network: small reads then let the event loop continue while they
    wait.
    """

    def __init__(self, threads: int = THREADS, local: bool = True) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="archive")
        self._prompt = ThreadPoolExecutor(1, thread_name_prefix="prompt")
        self._queue = Queue(threads)
        self._writers = ThreadPoolExecutor(WRITERS, thread_name_prefix="writer")
        self._writing = 0
        self.local = local
        self._interruptions: set[Interruption] = set()
        self._turns = asyncio.Semaphore(SMALL_AT_ONCE)
        self._waiting = 0
        self._begun = 0
        self._stopping: asyncio.Future[None] | None = None
        self._ended = False
        self._closed = False

    async def run(
        self,
        work: Callable[[], T],
        *,
        org: int = 0,
        heavy: bool = False,
        prompt: bool = False,
        receive: Receive | None = None,
    ) -> T:
        """The result of ``work``. Raises StorageBusy if too many tasks are waiting or it takes too long.

        ``heavy``: run in a thread, in the order of ``Queue``; if the client disconnects, the work is ended and
        ClientGone is raised. ``prompt``: a small read that must not queue behind the others. The body must have been
        read from ``receive``, which is only used to notice that the client has disconnected.
        """
        if heavy:
            return await self._in_thread(work, org, receive)
        if self.local:
            return work()
        if self._closed or self._waiting >= MAX_WAITING_IN_ALL:
            raise StorageBusy(STOPPING if self._closed else BUSY)
        self._waiting += 1
        try:
            # Handing over to a thread and back costs more than most small reads.
            if prompt:
                return await self.start(work)
            async with self._turns:
                return await self.start(work)
        finally:
            self._waiting -= 1

    async def run_apart(self, work: Callable[[], T]) -> T:
        """The result of ``work``, run in a separate thread that does nothing else, for example for the health check."""
        if not self.local:
            return await self.start(work)
        return await asyncio.get_running_loop().run_in_executor(self._prompt, work)

    async def write(self, work: Callable[[], T]) -> T:
        """The result of ``work``, which waits for the disk; simultaneous writes are committed together.

        It is completed even if its client has disconnected. Raises StorageBusy if too many are waiting.
        """
        if self._closed or self._writing >= MAX_WAITING_IN_ALL:
            raise StorageBusy("too many requests are being written; send this one again")
        self._writing += 1
        future = asyncio.get_running_loop().run_in_executor(self._writers, work)
        future.add_done_callback(self._written)
        return await asyncio.shield(future)

    def _written(self, future: asyncio.Future[Any]) -> None:
        self._writing -= 1
        if not future.cancelled():
            future.exception()

    def start(self, work: Callable[[], T]) -> asyncio.Future[T]:
        """Start immediately, on the event loop; ``close`` waits for it even if nobody else does."""
        self._begun += 1

        def counted() -> T:
            try:
                return work()
            finally:
                self._begun -= 1

        return greenlets.start(counted)

    async def _in_thread(self, work: Callable[[], T], org: int, receive: Receive | None) -> T:
        if self._ended or self._closed:
            raise StorageBusy(STOPPING)
        turn = self._queue.enter(org)
        gone = asyncio.ensure_future(hung_up(receive)) if receive is not None else None
        try:
            await self._queue.wait(turn, org, gone)
            return await self._begin(work, org, gone)
        finally:
            if gone is not None:
                gone.cancel()

    async def _begin(self, work: Callable[[], T], org: int, gone: asyncio.Future[None] | None) -> T:
        interruption = Interruption()
        self._interruptions.add(interruption)
        future = asyncio.get_running_loop().run_in_executor(self._pool, interruption.run, work)

        def leave(done: asyncio.Future[T]) -> None:
            # The thread becomes free only now, however early the client disconnected.
            self._interruptions.discard(interruption)
            self._queue.leave(org)
            if not done.cancelled():
                done.exception()

        future.add_done_callback(leave)
        try:
            await _first(future, gone, HEAVY_SECONDS)
        except BaseException:
            await asyncio.to_thread(interruption.stop)
            raise
        return future.result()

    def stop(self) -> None:
        """Called when the server stops: heavy work gets a little more time, then it is ended or refused."""
        if self._stopping is None:
            self._stopping = asyncio.ensure_future(self._end_heavy_work())

    async def _end_heavy_work(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS):
                while self._interruptions or self._queue:
                    await asyncio.sleep(0.01)
        self._ended = True
        self._queue.refuse_all()
        for interruption in list(self._interruptions):
            await asyncio.to_thread(interruption.stop)

    async def close(self) -> None:
        """Wait for running work; see ``stop``. New work is refused."""
        self._closed = True
        self.stop()
        if self._stopping is not None:
            await self._stopping
        # Threads may be waiting for connections held by functions on the event loop, which must therefore keep running.
        await asyncio.to_thread(self._pool.shutdown)
        await asyncio.to_thread(self._writers.shutdown)
        while self._waiting or self._begun:
            await asyncio.sleep(0.01)
        # Lets those that await the last result receive it before the threads end.
        await asyncio.sleep(0)
        self._prompt.shutdown(wait=False, cancel_futures=True)


async def _first(wanted: asyncio.Future[Any], gone: asyncio.Future[None] | None, seconds: float | None = None) -> None:
    """Return when ``wanted`` is done. Raises ClientGone if the client disconnects first, StorageBusy after
    ``seconds``.
    """
    futures = [wanted] if gone is None else [wanted, gone]
    await asyncio.wait(futures, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    if wanted.done():
        return
    if gone is not None and gone.done():
        raise ClientGone
    raise StorageBusy(f"this took longer than {HEAVY_SECONDS:.0f} seconds; ask for less, or try again")
