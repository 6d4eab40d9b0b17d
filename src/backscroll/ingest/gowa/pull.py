"""Pulling a phone's messages from a running GOWA, chat by chat, newest first.

Each page moves the end of the time window to the oldest second seen, so that nothing slips through when messages
arrive meanwhile. An offset grows only where more messages share a second than a page holds.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
from msgspec import Struct

from backscroll.concurrency.retry import retry
from backscroll.core.coverage import Coverage
from backscroll.core.errors import Error, Unauthorised, Unreadable
from backscroll.core.events import Batch
from backscroll.formats.timestamps import go_text
from backscroll.ingest.connectors.gowa.answers import BadRow, ChatRow, read_chats, read_messages
from backscroll.ingest.pipeline import apply_with_retry
from backscroll.ingest.quarantined_rows import via_gowa
from backscroll.storage.store import Store

PAGE = 100
"""GOWA gives no more at once."""
SECOND = 1_000_000
_TRIES = 6
_MAX_WAIT = 30.0
_LARGEST_ANSWER = 64 << 20
_RETRIED = frozenset({408, 425, 429, 500, 502, 503, 504})
_CHECK_ADDRESS = "Is it the address of GOWA, with its base path?"

T = TypeVar("T")


class PullStopped(Error):
    """GOWA cannot be asked now; what came so far is kept."""


class PullSummary(Struct, kw_only=True):
    """What a run did. ``messages`` counts what GOWA sent; ``changed`` what was new."""

    chats: int = 0
    messages: int = 0
    changed: int = 0
    quarantined: int = 0


def pull(
    store: Store,
    org: int,
    phone: str,
    url: str,
    login: str | None = None,
    *,
    since: int | None = None,
    progress: Callable[[PullSummary], None] = lambda _: None,
    client: httpx.Client | None = None,
    sleep: Callable[[float], None] = time.sleep,
    origin: str | None = None,
) -> PullSummary:
    """Take what GOWA has of ``phone`` (a JID): everything, or what was written after ``since``.

    ``login`` is USER:PASSWORD. Receiving known messages again does no harm. Raises ``PullStopped``,
    ``Unauthorised`` or ``Unreadable``; what ``progress`` raises ends the run as well. ``origin`` is who vouches for
    what was walked; nobody does without it.
    """
    own = client or httpx.Client(timeout=httpx.Timeout(60.0, connect=15.0), follow_redirects=False)
    try:
        run = _Run(store, org, phone, _Server(own, url.rstrip("/"), login, phone, sleep), progress, origin)
        run.everything(since)
        return run.summary
    finally:
        if client is None:
            own.close()


class _Server:
    def __init__(
        self, client: httpx.Client, base: str, login: str | None, phone: str, sleep: Callable[[float], None]
    ) -> None:
        user, _, password = (login or "").partition(":")
        self._client = client
        self._base = base
        self._auth = httpx.BasicAuth(user, password) if login else None
        self._headers = {"Accept": "application/json", "X-Device-Id": phone}
        self._sleep = sleep

    def ask(self, path: str, params: dict[str, Any], read: Callable[[bytes], T]) -> tuple[T, bytes]:
        """The answer to one question; asked again while GOWA is busy, away or cut off."""
        tried = 0
        while True:
            tried += 1
            try:
                status, body = self._get(path, params)
                if status == httpx.codes.OK:
                    return read(body), body
                if status not in _RETRIED:
                    raise self._refusal(path, status)
                problem = f"it answers HTTP {status}"
            except httpx.RequestError as error:
                problem = f"the connection failed ({type(error).__name__})"
            except Unreadable as error:
                problem = f"the answer is not GOWA's ({error.where}). {_CHECK_ADDRESS}"
            if tried >= _TRIES:
                raise PullStopped(f"{self._base}{path}: {problem}, {tried} times in a row")
            self._sleep(min(0.5 * 2.0 ** (tried - 1), _MAX_WAIT) * random.uniform(0.5, 1.0))

    def _get(self, path: str, params: dict[str, Any]) -> tuple[int, bytes]:
        auth = self._auth or httpx.USE_CLIENT_DEFAULT
        url = f"{self._base}{path}"
        with self._client.stream("GET", url, params=params, headers=self._headers, auth=auth) as response:
            parts, size = [], 0
            for part in response.iter_bytes():
                size += len(part)
                if size > _LARGEST_ANSWER:
                    raise PullStopped(f"{url}: the answer is larger than 64 MiB")
                parts.append(part)
            return response.status_code, b"".join(parts)

    def _refusal(self, path: str, status: int) -> Error:
        where = f"{self._base}{path}: HTTP {status}."
        if status in (401, 403):
            return Unauthorised(f"{where} Give GOWA's USER:PASSWORD with --upstream-token.")
        if status == httpx.codes.NOT_FOUND:
            return PullStopped(f"{where} GOWA has no such device, or this is not its address. {_CHECK_ADDRESS}")
        return PullStopped(f"{where} {_CHECK_ADDRESS}")


class _Run:
    def __init__(
        self,
        store: Store,
        org: int,
        phone: str,
        server: _Server,
        progress: Callable[[PullSummary], None],
        origin: str | None,
    ) -> None:
        self.summary = PullSummary()
        self._store = store
        self._org = org
        self._phone = phone
        self._server = server
        self._progress = progress
        self._origin = origin
        self._started = time.time_ns() // 1000

    def everything(self, since: int | None) -> None:
        """All chats first: which of them come later in the list changes with each message."""
        for chat in [*self._chats()]:
            if since is None or chat.touched_at is None or chat.touched_at >= since:
                self._walk(chat.jid, since)
        if since is not None:
            self._keep(Batch(source="gowa", events=[], coverage=self._covered(None, since)), [])

    def _covered(self, chat: str | None, since: int | None) -> tuple[Coverage, ...]:
        """What was walked: from now back to ``since``."""
        if self._origin is None or since is None or since > self._started:
            return ()
        told = Coverage(phone=self._phone, chat=chat, since=since, until=self._started, origin=self._origin)
        return (told,)

    def _chats(self) -> Iterator[ChatRow]:
        offset, seen = 0, set[str]()
        while True:
            params = {"limit": PAGE, "offset": offset}
            page, body = self._server.ask("/chats", params, lambda body: read_chats(body, self._phone))
            self._keep(Batch(source="gowa", events=page.events, raw=body), page.bad, "chats")
            new = [chat for chat in {chat.jid: chat for chat in page.chats}.values() if chat.jid not in seen]
            seen |= {chat.jid for chat in new}
            self.summary.chats += len(new)
            yield from new
            # A server that does not know offsets sends the same again and again.
            if page.rows < PAGE or not new:
                return
            offset += page.rows

    def _walk(self, chat: str, since: int | None) -> None:
        window = {} if since is None else {"start_time": go_text(since // SECOND * SECOND)}
        path, end, offset, last = f"/chat/{quote(chat, safe='')}/messages", None, 0, b""
        while True:
            params = window | {"limit": PAGE, "offset": offset} | ({} if end is None else {"end_time": go_text(end)})
            page, body = self._server.ask(path, params, lambda body: read_messages(body, self._phone))
            if offset and body == last:
                raise PullStopped(f"{path}: the server ignores the offset, so older messages cannot be had")
            last = body
            covered = self._covered(chat, page.oldest) if since is None else ()
            self._keep(Batch(source="gowa", events=page.events, raw=body, coverage=covered), page.bad, "messages")
            self.summary.messages += page.rows
            self._progress(self.summary)
            if page.rows < PAGE:
                return
            # One second more than was seen: the rows of that second need not all have come.
            further = None if page.oldest is None else (page.oldest // SECOND + 1) * SECOND
            if further is not None and (end is None or further < end):
                end, offset = further, 0
            else:
                offset += page.rows

    def _keep(self, batch: Batch, bad: list[BadRow], what: str = "messages") -> None:
        via = via_gowa(what, self._phone)
        for row in bad:
            retry(partial(self._store.quarantine, self._org, "gowa", row.payload, row.problem, via))
        self.summary.quarantined += len(bad)
        self.summary.changed += apply_with_retry(self._store, self._org, batch).changed
