"""Followers of the change feed: all open streams of a process share one check of each organisation's version.

A stream keeps only its position in the feed, so a thousand of them cost little, and what many of them request at the
same position is read and rendered once.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from msgspec import Struct

from backscroll.core.errors import NotFound, StorageError, Unauthorised, story_of
from backscroll.core.model import Access
from backscroll.http.auth import admission_of, sent_credential
from backscroll.http.job_news import JobNews
from backscroll.http.workers import Workers
from backscroll.storage.read.names import Reading
from backscroll.storage.store import Store

if TYPE_CHECKING:
    from backscroll.http.messages import AppState

log = logging.getLogger("backscroll.http")

LOOK_SECONDS = 0.5
"""Seconds between checks of an organisation's version."""
HEARTBEAT_SECONDS = 15.0
"""How often a follower checks whether it still has access, and a stream shows that it is alive, however busy it is."""
BUSY_SECONDS = 1.0
"""Seconds before a follower retries while the database is unavailable."""
MAX_SHARED = 64
"""Number of cached answers for followers that request the same."""


class _Organisation(Struct):
    """A followed organisation: its version, and the followers that wait for the next one."""

    followers: int = 0
    seq: int = -1
    changed: asyncio.Event = asyncio.Event()
    jobs: JobNews | None = None


class FeedPage(Protocol):
    """The rendering of some lines of the feed. ``upto`` is where to continue."""

    @property
    def upto(self) -> int: ...

    @property
    def touches_tokens(self) -> bool: ...


P = TypeVar("P", bound=FeedPage)


class Way(Struct, Generic[P], frozen=True):
    """How lines after a position are read and rendered; ``name`` distinguishes different ways."""

    name: str
    read: Callable[[Reading, Access, int], P]


class Heartbeat:
    """When a follower's next heartbeat is due. Changes do not put it off: not all of them are for this follower, and
    none of them is needed for a credential to expire.
    """

    def __init__(self) -> None:
        self._due = time.monotonic() + HEARTBEAT_SECONDS

    @property
    def left(self) -> float:
        """Seconds until then."""
        return max(0.0, self._due - time.monotonic())

    def beat(self) -> None:
        """Begin the wait for the next one."""
        self._due = time.monotonic() + HEARTBEAT_SECONDS


class Feeds:
    """Belongs to one event loop."""

    def __init__(self, store: Store, workers: Workers, look_seconds: float = LOOK_SECONDS) -> None:
        self._store = store
        self._workers = workers
        self._look_seconds = look_seconds
        self._orgs: dict[int, _Organisation] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._shared: OrderedDict[tuple[str, int, bool, tuple[int, ...], int], asyncio.Future[Any]] = OrderedDict()
        self._closed = asyncio.Event()

    def follow(self, org: int) -> None:
        """Count a follower; the first one starts the checks."""
        jobs = JobNews(time.time_ns() // 1000)
        known = self._orgs.setdefault(org, _Organisation(changed=asyncio.Event(), jobs=jobs))
        known.followers += 1
        if org not in self._tasks:
            self._tasks[org] = asyncio.ensure_future(self._look(org, known))

    def leave(self, org: int) -> None:
        """Count one follower less; the checks stop after the last one."""
        known = self._orgs[org]
        known.followers -= 1
        if not known.followers:
            del self._orgs[org]
            self._tasks.pop(org).cancel()

    async def news(self, org: int, after: int, heartbeat: Heartbeat, jobs: int | None = None) -> bool:
        """Wait until there is something after a position, or after a number of the job news if that is given.

        Returns False when the heartbeat is due.
        """
        known, left = self._orgs[org], heartbeat.left

        def is_news() -> bool:
            return known.seq > after or (jobs is not None and self.jobs(org).last > jobs)

        if not left:
            return False
        try:
            async with asyncio.timeout(left):
                while not is_news() and not self.is_closed:
                    await known.changed.wait()
        except TimeoutError:
            return False
        return is_news()

    def seq(self, org: int) -> int:
        """The last seen version of an organisation."""
        return self._orgs[org].seq

    def jobs(self, org: int) -> JobNews:
        """The import job changes of a followed organisation."""
        found = self._orgs[org].jobs
        assert found is not None
        return found

    @property
    def is_closed(self) -> bool:
        """Whether the server is stopping."""
        return self._closed.is_set()

    async def closed(self) -> None:
        """Return when the server is stopping."""
        await self._closed.wait()

    async def read(self, access: Access, after: int, way: Way[P]) -> P:
        """The changes that readers of these phones see after a position. Identical requests share the answer."""
        phones = tuple(phone.no for phone in access.phones)
        key = (way.name, access.org.no, access.scoped, phones, after)
        found = self._shared.get(key)
        if found is None:
            work = partial(
                self._store.seen_by(access.viewer).ask, access.org.no, lambda reading: way.read(reading, access, after)
            )
            found = self._shared[key] = asyncio.ensure_future(self._workers.run(work, org=access.org.no, heavy=True))
            found.add_done_callback(lambda done: done.cancelled() or done.exception())
            while len(self._shared) > MAX_SHARED:
                self._shared.popitem(last=False)
        try:
            page: P = await asyncio.shield(found)
        except BaseException:
            self._shared.pop(key, None)
            raise
        if not page.upto > after:
            # There was nothing yet: the next request has to look again.
            self._shared.pop(key, None)
        return page

    async def _look(self, org: int, known: _Organisation) -> None:
        """Look for changes until the last follower leaves: if this ended, all of them would wait for ever."""
        logged: type[Exception] | None = None
        while True:
            try:
                await self._look_once(org, known)
                logged = None
            except StorageError:
                pass
            except Exception as error:
                # Once, although it may happen twice a second.
                if type(error) is not logged:
                    log.error("following the changes of organisation %d: %s", org, story_of(error))
                logged = type(error)
            await asyncio.sleep(self._look_seconds)

    async def _look_once(self, org: int, known: _Organisation) -> None:
        seq = await self._workers.run(partial(self._store.version, org), prompt=True)
        if await self._look_at_jobs(org) or seq != known.seq:
            known.seq = seq
            waiting, known.changed = known.changed, asyncio.Event()
            waiting.set()

    async def _look_at_jobs(self, org: int) -> bool:
        jobs = self.jobs(org)
        try:
            since = jobs.since
            changed = await self._workers.run(lambda: self._store.import_jobs.changed(org, since), prompt=True)
        except StorageError:
            return False
        return jobs.see(changed)

    async def close(self) -> None:
        """End all streams."""
        self.end()

    def end(self) -> None:
        """The same, from a callback of the event loop."""
        self._closed.set()
        for known in self._orgs.values():
            known.changed.set()
        for task in self._tasks.values():
            task.cancel()


async def reason_to_end(app: AppState, headers: Mapping[str, str], granted: Access) -> str | None:
    """``revoked`` if the credential is no longer valid, ``changed`` if it gives access to other phones than before."""
    credential = sent_credential(headers)
    if credential is None:
        return None
    try:
        admission = await app.workers.run(partial(admission_of, app.store, credential))
    except (Unauthorised, NotFound):
        return "revoked"
    except StorageError:
        return None
    return None if _reach(admission.access) == _reach(granted) else "changed"


def _reach(access: Access) -> tuple[int, ...]:
    return tuple(phone.no for phone in access.phones)
