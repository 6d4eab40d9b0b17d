"""Plain functions on an event loop, with greenlets: where they would block, the loop continues with other work.

What ``start`` runs may call ``wait``, ``sleep`` and ``ready`` at any depth. Called elsewhere, the first two block.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterable
from concurrent import futures
from functools import partial
from typing import Any, TypeVar

from greenlet import getcurrent, greenlet

T = TypeVar("T")

READ, WRITE = 1, 2
MAX_IDLE = 32
"""Number of greenlets of a thread that are kept for later functions."""


class _Idle(threading.local):
    """The greenlets of this thread that have nothing to run: greenlets cannot change threads."""

    def __init__(self) -> None:
        self.greens: list[_Green] = []


_idle = _Idle()


class _Green(greenlet):
    """Runs such functions, one after another: memory is mapped for the stack of every new greenlet."""

    loop: asyncio.AbstractEventLoop
    """The loop that the current function runs on."""
    hub: greenlet
    """The loop's own greenlet."""

    def __init__(self) -> None:
        super().__init__(_run_all)

    def begin(self, work: Callable[[], None], loop: asyncio.AbstractEventLoop) -> None:
        """Run ``work`` until it ends or gives way for the first time."""
        self.loop, self.hub = loop, getcurrent()
        # The function does not see context variables of the previous one.
        self.gr_context = None
        self.switch(work)

    def give_way(self) -> Any:
        """Yield to the loop until it calls ``switch``; returns what ``switch`` was given."""
        return self.hub.switch()


def _run_all(work: Callable[[], None]) -> None:
    """What each greenlet runs. It holds no reference to its greenlet, which otherwise could never be deleted."""
    while True:
        work()
        # What the function refers to is not kept while the greenlet is idle.
        del work
        hub = _rest()
        if hub is None:
            return
        work = hub.switch()


def _rest() -> greenlet | None:
    """Keep the current greenlet for another function. Returns its loop's greenlet; None if enough are kept."""
    green = getcurrent()
    if not isinstance(green, _Green) or len(_idle.greens) >= MAX_IDLE:
        return None
    _idle.greens.append(green)
    return green.hub


def start(work: Callable[[], T]) -> asyncio.Future[T]:
    """A future for the result of ``work``, which starts immediately and is completed even if its caller is cancelled.

    For coroutines and callbacks of a loop, which run in the loop's own greenlet.
    """
    loop = asyncio.get_running_loop()
    told: asyncio.Future[T] = loop.create_future()

    green = _idle.greens.pop() if _idle.greens else _Green()
    green.begin(partial(tell, work, [told]), loop)
    return told


def tell(work: Callable[[], T], waiting: Iterable[asyncio.Future[T]]) -> None:
    """Run ``work`` and give its result, or its error, to all who are still waiting for it."""
    try:
        result = work()
    except BaseException as error:
        for told in waiting:
            if not told.done():
                told.set_exception(_as_told(error))
    else:
        for told in waiting:
            if not told.done():
                told.set_result(result)


def _as_told(error: BaseException) -> BaseException:
    """A future does not accept StopIteration, just as a coroutine does not raise it: a waiter would wait for ever."""
    if not isinstance(error, StopIteration):
        return error
    told = RuntimeError("StopIteration")
    told.__cause__ = error
    return told


def here() -> bool:
    """Whether the caller runs within ``start``."""
    return isinstance(getcurrent(), _Green)


def ready(fd: int, wanted: int, seconds: float | None = None) -> int:
    """Wait until a file descriptor can be read or written, as ``wanted``; returns which, or 0 on timeout.

    Only within ``start``.
    """
    green = getcurrent()
    if not isinstance(green, _Green):
        raise RuntimeError("only within start()")
    loop = green.loop

    def unwatch() -> None:
        if wanted & READ:
            loop.remove_reader(fd)
        if wanted & WRITE:
            loop.remove_writer(fd)

    def go_on(event: int) -> None:
        """Whichever comes first, the descriptor or the timeout, cancels the other and wakes the waiting greenlet."""
        unwatch()
        if timer is not None:
            timer.cancel()
        green.switch(event)

    try:
        if wanted & READ:
            loop.add_reader(fd, go_on, READ)
        if wanted & WRITE:
            loop.add_writer(fd, go_on, WRITE)
    except OSError:
        # Nothing may wake this greenlet later, when it runs another function.
        unwatch()
        raise
    timer = None if seconds is None else loop.call_later(seconds, go_on, 0)
    event: int = green.give_way()
    return event


def sleep(seconds: float) -> None:
    """As ``time.sleep``; 0 lets the loop's other work have its turn."""
    green = getcurrent()
    if not isinstance(green, _Green):
        time.sleep(seconds)
        return
    if seconds:
        green.loop.call_later(seconds, green.switch)
    else:
        green.loop.call_soon(green.switch)
    green.give_way()


def wait(future: futures.Future[T], seconds: float | None = None) -> T:
    """Like ``future.result(seconds)``: returns its result or raises its error, or ``TimeoutError``."""
    green = getcurrent()
    if not isinstance(green, _Green):
        return future.result(seconds)
    _until_done(green, future, seconds)
    return future.result(0)


def _until_done(green: _Green, future: futures.Future[T], seconds: float | None) -> None:
    loop = green.loop
    woken = loop.create_future()

    def wake() -> None:
        if not woken.done():
            woken.set_result(None)

    woken.add_done_callback(lambda _: green.switch())
    future.add_done_callback(lambda _: loop.call_soon_threadsafe(wake))
    timer = None if seconds is None else loop.call_later(seconds, wake)
    green.give_way()
    if timer is not None:
        timer.cancel()
