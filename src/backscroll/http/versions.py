"""The versions of organisations in a database across a network: one read for all simultaneous requests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from backscroll.concurrency import greenlets
from backscroll.storage.store import Store

Start = Callable[[Callable[[], None]], asyncio.Future[None]]
"""As ``greenlets.start``: runs a function on the loop's own thread."""


class Versions:
    """Belongs to one event loop."""

    def __init__(self, store: Store, start: Start = greenlets.start) -> None:
        self._store = store
        self._start = start
        self._asking: dict[int, list[asyncio.Future[int]]] = {}
        """The requests answered by the next read."""
        self._reading: set[int] = set()

    def of(self, org: int) -> asyncio.Future[int]:
        """The organisation's version, read after this call."""
        asked: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._asking.setdefault(org, []).append(asked)
        if org not in self._reading:
            self._soon(org)
        return asked

    def _soon(self, org: int) -> None:
        """After all tasks that are ready in this round of the event loop have asked."""
        self._reading.add(org)
        asyncio.get_running_loop().call_soon(self._read, org)

    def _read(self, org: int) -> None:
        """A read in progress may be too old for new requests: they share the next one."""
        self._start(partial(self._read_for, org, self._asking.pop(org)))

    def _read_for(self, org: int, asking: list[asyncio.Future[int]]) -> None:
        greenlets.tell(partial(self._store.version, org), asking)
        self._reading.discard(org)
        if org in self._asking:
            self._soon(org)
