"""What an archive needs done by somebody: every server process looks, one at a time does it (storage/leases.py)."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from backscroll.errors import StorageError
from backscroll.http.routes import AppState
from backscroll.storage.store import Store

log = logging.getLogger("backscroll.upkeep")

ROUND_SECONDS = 2.0
PACE_SECONDS = 0.02
"""Between two organisations: with thousands of them a round takes longer rather than all of the database."""


@asynccontextmanager
async def upkeep(app: AppState) -> AsyncIterator[None]:
    """Look every two seconds while the server runs. What is begun goes on in another process when this one ends."""
    stopping = threading.Event()
    thread = threading.Thread(target=_rounds, args=(app.store, stopping), name="backscroll-upkeep", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        await asyncio.to_thread(thread.join)


def _rounds(store: Store, stopping: threading.Event) -> None:
    while not stopping.wait(ROUND_SECONDS):
        try:
            go_round(store, stopping.is_set, stopping.wait)
        except StorageError as error:
            # The next round tries again.
            log.warning("upkeep waits: %s", type(error).__name__)


def go_round(store: Store, stop: Callable[[], bool], pause: Callable[[float], object]) -> None:
    """See to every organisation once."""
    for org in store.list_orgs():
        if stop():
            return
        if store.finish_merges(org.no, stop):
            log.info("moved messages of merged contacts of organisation %s", org.id)
        pause(PACE_SECONDS)
