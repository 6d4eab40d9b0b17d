"""The last change of each chat, as far as this process has read the change feed: cached answers stay valid
until then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial

from msgspec import Struct

from backscroll.core.answers import ChangedPlace

MAX_LINES = 2000
"""Number of lines read from the feed to catch up; if there are more, everything counts as changed."""
MAX_CHATS = 20_000
"""Number of chats per organisation whose last change is remembered, about 100 bytes each."""

Read = Callable[[int, int, int], Sequence[ChangedPlace]]
"""``FeedUpkeep.places_changed_since``."""
Run = Callable[[Callable[[], Sequence[ChangedPlace]]], Awaitable[Sequence[ChangedPlace]]]


class Shown(Struct, frozen=True):
    """What an answer is made from: these phones, and only these of their chats, or all chats if none are named."""

    phones: tuple[int, ...]
    chats: tuple[int, ...] = ()


class _Organisation(Struct):
    """Numbers of the last changes, each valid up to ``seen``; anything not listed has not changed since ``began``."""

    began: int
    seen: int
    accounts: int
    """Last change of a token, session or phone."""
    names: int
    """Last change of a contact, or of anything else that may show in every chat."""
    phones: dict[int, int] = {}
    chats: dict[int, int] = {}
    reading: asyncio.Future[None] | None = None


class LastChanges:
    """Belongs to one event loop. ``read`` asks the store, by means of ``run``."""

    def __init__(self, read: Read, run: Run) -> None:
        self._read = read
        self._run = run
        self._orgs: dict[int, _Organisation] = {}

    def begin(self, org: int, version: int) -> None:
        """Follow the changes of an organisation from ``version`` on, if they are not followed yet."""
        if org not in self._orgs:
            self._orgs[org] = _begun(version)

    async def of_accounts(self, org: int, version: int) -> int:
        """The version at which the access of a credential may last have changed, up to ``version``."""
        return (await self._caught_up(org, version)).accounts

    async def of(self, org: int, shown: Shown, version: int) -> int:
        """The version at which an answer may last have changed, up to ``version`` of the organisation."""
        known = await self._caught_up(org, version)
        last = max(known.accounts, known.names)
        where, asked = (known.chats, shown.chats) if shown.chats else (known.phones, (0, *shown.phones))
        return max(last, *[where.get(one, known.began) for one in asked])

    async def _caught_up(self, org: int, version: int) -> _Organisation:
        """What is known about the organisation, at least up to ``version``."""
        self.begin(org, version)
        known = self._orgs[org]
        while known.seen < version:
            if known.reading is None:
                known.reading = asyncio.get_running_loop().create_future()
                try:
                    await self._read_on(org, known, version)
                finally:
                    known.reading.set_result(None)
                    known.reading = None
            else:
                await known.reading
        return known

    async def _read_on(self, org: int, known: _Organisation, version: int) -> None:
        missing = version - known.seen
        if missing > MAX_LINES:
            _begin_anew(known, version)
            return
        lines = await self._run(partial(self._read, org, known.seen, MAX_LINES))
        if len(lines) < missing:
            # The feed no longer goes back that far.
            _begin_anew(known, version)
            return
        _take(known, lines)
        if len(known.chats) > MAX_CHATS:
            _begin_anew(known, known.seen)


def _begun(version: int) -> _Organisation:
    return _Organisation(began=version, seen=version, accounts=version, names=version)


def _begin_anew(known: _Organisation, version: int) -> None:
    """Treat everything as changed."""
    known.began = known.seen = known.accounts = known.names = version
    known.phones, known.chats = {}, {}


def _take(known: _Organisation, lines: Iterable[ChangedPlace]) -> None:
    for line in lines:
        known.seen = line.seq
        if line.chat:
            known.chats[line.chat] = line.seq
            # 0 stands for every phone.
            known.phones[line.phone] = line.seq
        elif line.what == "contact":
            known.names = line.seq
        else:
            known.accounts = line.seq
