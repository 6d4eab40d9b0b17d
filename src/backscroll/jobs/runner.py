"""Maintenance: every server process looks for work, and one at a time does it, under a lease."""

from __future__ import annotations

import logging
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from backscroll.core.model import Org
from backscroll.ingest.quarantine import retry_waiting
from backscroll.jobs.background import attempt, in_thread
from backscroll.storage.store import Store, now_us

log = logging.getLogger("backscroll.maintenance")

ROUND_SECONDS = 2.0
PACE_SECONDS = 0.02
"""Pause after each organisation: with thousands of them a round takes longer instead of using up the whole database."""


@asynccontextmanager
async def maintenance(store: Store, changes_days: int) -> AsyncIterator[None]:
    """Look for work while the server runs, with two seconds between rounds.

    ``changes_days`` is how long the change feed is kept; 0 keeps it for good. Started work continues in another process
    when this one ends.
    """
    stopping = threading.Event()
    async with in_thread("backscroll-maintenance", lambda: _rounds(store, stopping, changes_days), stopping.set):
        yield


def _rounds(store: Store, stopping: threading.Event, changes_days: int) -> None:
    since = now_us()
    while not stopping.wait(ROUND_SECONDS):
        attempt(log, "maintenance", lambda: go_round(store, stopping.is_set, stopping.wait, since, changes_days))


def go_round(
    store: Store, stop: Callable[[], bool], pause: Callable[[float], object], since: int = 0, changes_days: int = 0
) -> None:
    """Check every organisation once; a problem with one, or with one chore, does not affect the others.

    ``since`` is when this server began to listen to sources, in microseconds; see ``maintenance``.
    """
    for org in store.list_orgs():
        if stop():
            return
        # Each by itself: one that fails, for instance because of a damaged row, must not prevent the others.
        for what, work in _chores(store, org, stop, since, changes_days):
            if not stop():
                attempt(log, what, work)
        pause(PACE_SECONDS)


def _chores(
    store: Store, org: Org, stop: Callable[[], bool], since: int, changes_days: int
) -> tuple[tuple[str, Callable[[], None]], ...]:
    """The parts of an organisation's maintenance, with what each is called in the log."""

    def watch_sources() -> None:
        store.sources.attend(org.no)
        if told := store.sources.tell_silences(org.no, since):
            log.info("%d sources of organisation %s fell silent or are heard again", told, org.id)

    def record_coverage() -> None:
        if (import_id := store.coverage.run(org.no)) is not None:
            log.info("recorded what import %d of organisation %s covers", import_id, org.id)

    def finish_merges() -> None:
        if store.finish_merges(org.no, stop):
            log.info("moved messages of merged contacts of organisation %s", org.id)

    def retry() -> None:
        if taken := retry_waiting(store, org.no):
            log.info("processed %d payloads of organisation %s that had been waiting for a message", taken, org.id)

    def prune() -> None:
        if pruned := store.feed.run(org.no, changes_days, stop):
            log.info("dropped %d changes of organisation %s that are older than %d days", pruned, org.id, changes_days)

    def tend_search() -> None:
        if store.tend_search(org.no, stop):
            log.debug("maintained the search index of organisation %s", org.id)

    return (
        ("watching sources", watch_sources),
        ("recording coverage", record_coverage),
        ("merging contacts", finish_merges),
        ("retrying payloads that wait", retry),
        ("pruning changes", prune),
        ("maintaining the search index", tend_search),
    )
