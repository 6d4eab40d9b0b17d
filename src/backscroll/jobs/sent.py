"""Storing messages that were sent while the database was unavailable."""

from __future__ import annotations

import logging
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from backscroll.ingest.sent.keeping import FOLDER, write_waiting
from backscroll.jobs.background import attempt, in_thread
from backscroll.storage.store import Store

log = logging.getLogger("backscroll.upstream")

LOOK_SECONDS = 2.0


@asynccontextmanager
async def writing_sent(store: Store, data: Path) -> AsyncIterator[None]:
    """Look for waiting messages while the server runs, including those left by another process."""
    stopping = threading.Event()
    async with in_thread("backscroll-sent", lambda: _rounds(store, data / FOLDER, stopping), stopping.set):
        yield


def _rounds(store: Store, folder: Path, stopping: threading.Event) -> None:
    while not stopping.wait(LOOK_SECONDS):
        attempt(log, "writing what was sent", lambda: _write(store, folder))


def _write(store: Store, folder: Path) -> None:
    if written := write_waiting(store, folder):
        log.info("stored %d messages that were sent while the database was unavailable", written)
