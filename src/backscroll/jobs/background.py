"""Threads of a server that look around for work: how they begin and end, and what becomes of their errors."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

from backscroll.core.errors import Error, StorageError, story_of


@asynccontextmanager
async def in_thread(
    name: str,
    run: Callable[[], None],
    stop: Callable[[], None],
    join: Callable[[threading.Thread], object] = threading.Thread.join,
) -> AsyncIterator[None]:
    """``run`` goes on in a thread meanwhile. At the end ``stop`` tells it so, and ``join`` waits for it."""
    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop()
        await asyncio.to_thread(join, thread)


def join_all(threads: Iterable[threading.Thread], seconds: float) -> None:
    """Wait for threads, but no longer than ``seconds`` for all of them together."""
    end = time.monotonic() + seconds
    for thread in list(threads):
        thread.join(max(0.0, end - time.monotonic()))


def attempt(log: logging.Logger, what: str, work: Callable[[], object]) -> None:
    """Do ``work``; what goes wrong is logged as that of ``what``, and a later round tries again."""
    try:
        work()
    except StorageError as error:
        log.warning("%s waits: %s", what, type(error).__name__)
    except Error as error:
        log.warning("%s failed: %s", what, story_of(error))
    except Exception as error:
        log.error("%s failed: %s", what, story_of(error))
