"""Import jobs in the server: every process looks for them, and the one that holds a job's lease works on it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from backscroll.config import Settings
from backscroll.core.errors import NotFound, StorageError, story_of
from backscroll.core.import_jobs import WORKED_ON, JobState
from backscroll.core.model import Org
from backscroll.ingest.importing.desk import EXPIRES_US, Desk
from backscroll.ingest.importing.worker import Worker
from backscroll.ingest.importing.working import ImportContext, tidy, worked
from backscroll.jobs.background import attempt, in_thread, join_all
from backscroll.storage.files.media import MediaStore
from backscroll.storage.store import Store

log = logging.getLogger("backscroll.imports")

LOOK_SECONDS = 2.0
PACE_SECONDS = 0.01
"""Pause after each organisation, so that thousands of them do not use up the whole database."""
AT_ONCE = 2
"""Number of jobs that a process works on at the same time, each from a different organisation."""
END_SECONDS = 8.0
SWEEP_SECONDS = 3600.0
FIRST_WAIT, MAX_WAIT = 2.0, 120.0
"""Seconds before retrying a job for which the database or the disk was unavailable."""


@asynccontextmanager
async def importing(store: Store, media: MediaStore | None, desk: Desk, settings: Settings) -> AsyncIterator[None]:
    """Work on import jobs while the server runs. Started jobs continue in another process when this one ends."""
    if media is None:
        yield
        return
    context = ImportContext(store=store, media=media, spool=desk.spool, max_media_bytes=settings.max_media_bytes)
    rounds = Rounds(context, desk)
    async with in_thread("backscroll-imports", rounds.run, rounds.stop, rounds.join):
        yield


class Rounds:
    """Looks for jobs, and runs them in separate threads."""

    def __init__(self, context: ImportContext, desk: Desk) -> None:
        self._context = context
        self._desk = desk
        self._stopping = threading.Event()
        self._working: dict[int, threading.Thread] = {}
        """By organisation."""
        self._waits: dict[str, tuple[float, float]] = {}
        """For jobs that could not continue: when they are retried, and how long they waited."""
        self._swept = 0.0

    def stop(self) -> None:
        """Make running jobs stop after their next batch."""
        self._stopping.set()
        self._desk.news.set()

    def join(self, thread: threading.Thread) -> None:
        """Wait for that; a thread in the middle of a long operation is abandoned, and its lease expires by itself."""
        join_all((thread, *self._working.values()), END_SECONDS)

    def run(self) -> None:
        """Run until it is stopped."""
        while not self._stopping.is_set():
            self._desk.news.clear()
            attempt(log, "looking for imports", self.look)
            self._desk.news.wait(LOOK_SECONDS)

    def look(self) -> None:
        """Check every organisation once."""
        orgs = self._context.store.list_orgs()
        for org in orgs:
            if self._stopping.is_set():
                return
            attempt(log, "looking for imports", lambda org=org: self._see_to(org))  # type: ignore[misc]
            time.sleep(PACE_SECONDS)
        if time.monotonic() - self._swept > SWEEP_SECONDS or not self._swept:
            self._swept = time.monotonic()
            tidy(self._context)

    def _see_to(self, org: Org) -> None:
        now = time.time_ns() // 1000
        for id, state, updated_at in self._context.store.import_jobs.open_jobs(org.no):
            if state in WORKED_ON and self._may_begin(org, id):
                self._begin(org, id)
            elif state in ("uploading", "asking") and updated_at < now - EXPIRES_US:
                self._expire(org, id, state)

    def _may_begin(self, org: Org, id: str) -> bool:
        is_free = org.no not in self._working and len(self._working) < AT_ONCE
        until, _ = self._waits.get(id, (0.0, 0.0))
        return is_free and time.monotonic() >= until

    def _begin(self, org: Org, id: str) -> None:
        thread = threading.Thread(target=self._work, args=(org, id), name="backscroll-import", daemon=True)
        self._working[org.no] = thread
        thread.start()

    def _work(self, org: Org, id: str) -> None:
        try:
            self._go_on(org, id)
        except StorageError as error:
            _, waited = self._waits.get(id, (0.0, FIRST_WAIT / 2))
            wait = min(MAX_WAIT, 2 * waited)
            self._waits[id] = (time.monotonic() + wait, wait)
            log.warning("import %s waits %.0f s: %s", id, wait, type(error).__name__)
        except NotFound:
            return
        except Exception as error:
            # Another attempt would end the same way: the job fails with an error.
            log.error("import %s failed: %s", id, story_of(error))
            attempt(log, "ending an import", lambda: self._break_off(org, id))
        else:
            self._waits.pop(id, None)
        finally:
            self._working.pop(org.no, None)
            self._desk.news.set()

    def _go_on(self, org: Org, id: str) -> None:
        worker = worked(self._context, org, id, stopping=self._stopping.is_set)
        if worker is None:
            # Another process is working on it; look again when that may have ended.
            self._waits[id] = (time.monotonic() + LOOK_SECONDS, FIRST_WAIT / 2)
        else:
            log.info("import %s of organisation %s is %s", id, org.id, worker.job.state)

    def _break_off(self, org: Org, id: str) -> None:
        worked(self._context, org, id, begin=Worker.break_off)

    def _expire(self, org: Org, id: str, state: JobState) -> None:
        """Expire jobs that were abandoned."""
        self._desk.expire(org, id, state)
        log.info("import %s of organisation %s expired", id, org.id)
