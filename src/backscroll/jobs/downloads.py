"""Fetching files of messages from live sources; one server process at a time for an organisation."""

from __future__ import annotations

import logging
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

from backscroll.config import Settings
from backscroll.ingest.media import Downloads
from backscroll.ingest.turns import kept
from backscroll.jobs.background import attempt, in_thread
from backscroll.storage.files.media import MediaStore
from backscroll.storage.store import Store
from backscroll.storage.write.fetches import QueuedFile

log = logging.getLogger("backscroll.media")

LOOK_SECONDS = 1.0
AT_ONCE = 4
"""Number of files of one organisation fetched at the same time."""
ORGS_AT_ONCE = 4
END_SECONDS = 5.0


@dataclass
class Fetched:
    """The result of a round."""

    done: int = 0
    failed: int = 0


@asynccontextmanager
async def downloading(store: Store, media: MediaStore | None, settings: Settings) -> AsyncIterator[None]:
    """Process the queue while the server runs; an interrupted file is fetched again by the next process."""
    if media is None:
        yield
        return
    rounds = _Rounds(store, media, settings.max_media_bytes)
    async with in_thread("backscroll-media", rounds.run, rounds.stopping.set, lambda thread: thread.join(END_SECONDS)):
        yield


class _Rounds:
    def __init__(self, store: Store, media: MediaStore, max_bytes: int) -> None:
        self.stopping = threading.Event()
        self._store = store
        self._media = media
        self._max_bytes = max_bytes
        self._working: dict[int, threading.Thread] = {}

    def run(self) -> None:
        while not self.stopping.wait(LOOK_SECONDS):
            attempt(log, "fetching files", self._begin)

    def _begin(self) -> None:
        """An organisation with a slow gateway does not delay the others."""
        for org in self._store.list_orgs():
            if org.no in self._working or len(self._working) >= ORGS_AT_ONCE or not self._store.fetches.due(org.no, 1):
                continue
            thread = threading.Thread(target=self._work, args=(org.no,), name="backscroll-media", daemon=True)
            self._working[org.no] = thread
            thread.start()

    def _work(self, org: int) -> None:
        try:
            attempt(log, "fetching files", lambda: self._fetch(org))
        finally:
            self._working.pop(org, None)

    def _fetch(self, org: int) -> None:
        with Downloads(self._store, self._media, self._max_bytes) as downloads:
            done = fetch_due(self._store, downloads, org, self.stopping.is_set)
        if done.done or done.failed:
            log.info("files of organisation %d: %d fetched, %d not available now", org, done.done, done.failed)


def fetch_due(
    store: Store,
    downloads: Downloads,
    org: int,
    stop: Callable[[], bool] = lambda: False,
    report: Callable[[QueuedFile, str | None], None] = lambda file, problem: None,
) -> Fetched:
    """Fetch the files that are due, under a lease; does nothing while another process is doing it."""
    found = Fetched()
    with turn(store, org) as keeps, ThreadPoolExecutor(AT_ONCE, thread_name_prefix="backscroll-media") as pool:
        while keeps() and not stop() and (due := store.fetches.due(org)):
            for file, problem in zip(due, pool.map(lambda f: _fetch(downloads, org, f, stop), due), strict=True):
                report(file, problem)
                found.done += problem is None
                found.failed += problem is not None
    return found


def _fetch(downloads: Downloads, org: int, file: QueuedFile, stop: Callable[[], bool]) -> str | None:
    return "the server is stopping" if stop() else downloads.fetch(org, file)


@contextmanager
def turn(store: Store, org: int) -> Iterator[Callable[[], bool]]:
    """A function that returns whether it is still this process's turn."""
    lease = store.fetches.take_turn(org)
    if lease is None:
        yield lambda: False
        return
    with kept(lambda: store.fetches.keep_turn(lease), "backscroll-media-lease") as is_ours:
        try:
            yield is_ours
        finally:
            store.fetches.end_turn(lease)
