"""Asking gateways for messages that their webhooks missed, at each source's interval; one server process at a time."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from backscroll.config import Settings
from backscroll.core.errors import Error, StorageError
from backscroll.ingest.sync import due, sync
from backscroll.jobs.background import attempt, in_thread, join_all
from backscroll.storage.files.media import MediaStore
from backscroll.storage.store import Store

log = logging.getLogger("backscroll.sync")

LOOK_SECONDS = 5.0
END_SECONDS = 5.0
AT_ONCE = 4
"""Number of gateways asked at the same time; a slow one does not delay the others."""


class _Stopped(Exception):
    """The server is stopping; the next run continues."""


@asynccontextmanager
async def syncing(store: Store, media: MediaStore | None, settings: Settings) -> AsyncIterator[None]:
    """Look for sources that are due while the server runs. An interrupted run continues with the next one."""
    rounds = _Rounds(store, media, settings.max_media_bytes)
    async with in_thread("backscroll-sync", rounds.run, rounds.stopping.set, rounds.join):
        yield


class _Rounds:
    def __init__(self, store: Store, media: MediaStore | None, max_media_bytes: int) -> None:
        self.stopping = threading.Event()
        self._store = store
        self._media = media
        self._max_media_bytes = max_media_bytes
        self._asking: dict[str, threading.Thread] = {}

    def run(self) -> None:
        while not self.stopping.wait(LOOK_SECONDS):
            attempt(log, "asking gateways", self._begin)

    def join(self, thread: threading.Thread) -> None:
        """A gateway that does not answer must not keep the server from stopping."""
        join_all((thread, *self._asking.values()), END_SECONDS)

    def _begin(self) -> None:
        now = time.time_ns() // 1000
        for org in self._store.list_orgs():
            for source in due(self._store, org.no, now):
                if source.id not in self._asking and len(self._asking) < AT_ONCE:
                    asking = threading.Thread(target=self._ask, args=(source.id,), name="backscroll-sync", daemon=True)
                    self._asking[source.id] = asking
                    asking.start()

    def _ask(self, id: str) -> None:
        try:
            attempt(log, "asking gateways", lambda: self._sync(id))
        finally:
            self._asking.pop(id, None)

    def _sync(self, id: str) -> None:
        try:
            done = sync(
                self._store,
                self._media,
                id,
                report=lambda _: self._pause(0),
                sleep=self._pause,
                max_media_bytes=self._max_media_bytes,
            )
        except _Stopped:
            return
        except StorageError:
            raise
        except Error as error:
            log.warning("a gateway could not be asked: %s", error)
            return
        if done.summary and done.summary["changed"]:
            log.info("source %s: %d rows changed that its webhooks had missed", id, done.summary["changed"])

    def _pause(self, seconds: float) -> None:
        if self.stopping.wait(seconds):
            raise _Stopped
