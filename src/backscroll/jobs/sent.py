"""Writing what was sent while the database was away, as soon as it is back."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from backscroll.core.errors import StorageError, story_of
from backscroll.ingest.sent.keeping import FOLDER, write_waiting
from backscroll.storage.store import Store

log = logging.getLogger("backscroll.upstream")

LOOK_SECONDS = 2.0


@asynccontextmanager
async def writing_sent(store: Store, data: Path) -> AsyncIterator[None]:
    """Look for what waits while the server runs, also for what another process left."""
    stopping = threading.Event()
    thread = threading.Thread(
        target=_rounds, args=(store, data / FOLDER, stopping), name="backscroll-sent", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        await asyncio.to_thread(thread.join)


def _rounds(store: Store, folder: Path, stopping: threading.Event) -> None:
    while not stopping.wait(LOOK_SECONDS):
        try:
            if written := write_waiting(store, folder):
                log.info("wrote %d messages that were sent while the database was away", written)
        except StorageError as error:
            log.warning("what was sent waits for the database: %s", type(error).__name__)
        except Exception as error:
            log.error("writing what was sent failed: %s", story_of(error))
