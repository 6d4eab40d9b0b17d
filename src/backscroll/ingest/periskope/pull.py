"""Pulling an organisation's messages out of a server that speaks Periskope's API.

Lists of messages are walked from the newest to the oldest. Each page moves the end of the time window to the
oldest second seen, so that offsets stay near zero, nothing slips through when messages arrive or vanish
meanwhile, and neither the server's ``count`` nor its notion of inclusive bounds matters. An offset grows only
where more messages share one second than a page holds, or where a server does not honour ``end_time``.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urljoin

import httpx
import msgspec
from msgspec import Struct, structs

from backscroll.concurrency.retry import retry
from backscroll.core.errors import BadField, Error, Unauthorised, Unreadable
from backscroll.core.events import Batch, ChatSeen, Event, MediaHeld, MessageSeen, NumberMapped, PhoneSeen, Target
from backscroll.core.events import ContactSeen as _ContactSeen
from backscroll.core.ids import bare_number, canonical
from backscroll.core.model import Media, Message
from backscroll.ingest.connectors.periskope import answers
from backscroll.ingest.connectors.periskope.pages import PulledPage
from backscroll.ingest.fetch import Fetcher, NotFetched
from backscroll.ingest.pipeline import apply_with_retry
from backscroll.storage.files.media import MediaStore
from backscroll.storage.store import Store

DEFAULT_URL = "https://api.periskope.app/v1"
SECOND = 1_000_000
OVERLAP = 2 * 86_400 * SECOND
"""A later run looks this far behind the last complete one: acks, edits and deletions come late."""

_TRIES = 8
_MAX_WAIT = 300.0
_LARGEST_ANSWER = 256 << 20
_SMALLEST_PAGE = 50
_DOWNLOADS = 4
_RETRIED = frozenset({408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529})

Read = Callable[[bytes], PulledPage]


class PullStopped(Error):
    """The server cannot be pulled from now; what came so far is kept and the next run goes on there."""


class PullProgress(Struct, frozen=True, kw_only=True):
    """What was just taken: ``what`` names the list, ``reached`` the oldest moment of the page."""

    what: str
    rows: int
    reached: int | None
    summary: PullSummary


class PullSummary(Struct, kw_only=True):
    """What a run did. ``rows`` counts what the server sent, repeats included; ``changed`` what was new."""

    rows: dict[str, int] = {}
    changed: int = 0
    quarantined: int = 0
    media_held: int = 0
    media_failed: dict[str, int] = {}
    """Files that could not be had, by reason."""
    skipped: dict[str, str] = {}
    """Lists that the server did not give, and why."""


def pull(
    store: Store,
    org: int,
    url: str | None,
    token: str,
    *,
    phone: str | None = None,
    media: MediaStore | None,
    progress: Callable[[PullProgress], None] = lambda _: None,
    page_size: int = 2000,
    client: httpx.Client | None = None,
    full: bool = False,
    max_media_bytes: int = 100 << 20,
    sleep: Callable[[float], None] = time.sleep,
    now: Callable[[], float] = time.time,
) -> PullSummary:
    """Take all that the server has, or all that is new since the last complete run.

    A run that is cut goes on where it was. ``full`` walks everything again; ``media`` None leaves files where
    they are. Raises ``PullStopped``, ``Unauthorised``, ``BadField`` or ``Unreadable``, each with a remedy.
    """
    base = _base(url or DEFAULT_URL)
    own = client or httpx.Client(timeout=httpx.Timeout(90.0, connect=15.0), follow_redirects=False)
    try:
        server = _Server(own, base, token, phone, sleep, now)
        with Fetcher(trusted_host=httpx.URL(base).host) as fetcher:
            files = None if media is None else _Files(store, org, media, fetcher, server, max_media_bytes)
            run = _Run(store, org, server, phone, files, progress, page_size, now)
            run.everything(full)
            return run.summary
    finally:
        if client is None:
            own.close()


def _base(url: str) -> str:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        parsed = httpx.URL()
    if parsed.scheme not in ("http", "https") or not parsed.host or parsed.userinfo or parsed.query:
        raise BadField("url", None, f"must be the address of the API and no more, such as {DEFAULT_URL}")
    return str(parsed).rstrip("/")


# The server: one question at a time, asked again when that may help


class _Refused(Error):
    """The server understood and said no."""

    def __init__(self, status: int, message: str, fields: Mapping[str, Any]) -> None:
        super().__init__(f"HTTP {status}{': ' if message else ''}{message}")
        self.status = status
        self.fields = fields


class _Answer(Struct, frozen=True):
    status: int
    headers: httpx.Headers
    body: bytes


class _Failure(Struct):
    """The body of an error, as far as it is one."""

    message: str = ""
    code: str = ""
    fields: dict[str, Any] | None = None


class _Server:
    def __init__(
        self,
        client: httpx.Client,
        base: str,
        token: str,
        phone: str | None,
        sleep: Callable[[float], None],
        now: Callable[[], float],
    ) -> None:
        self.base = base
        self._client = client
        self._token = token
        self._headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        if phone is not None:
            self._headers["x-phone"] = bare_number(phone.partition("@")[0]) or phone
        self._sleep = sleep
        self._now = now
        self._free_at = 0.0

    def page(self, path: str, read: Read, params: Mapping[str, str | int]) -> tuple[PulledPage, bytes]:
        """The answer to one question. Waits and asks again while the server is busy, down or cut off."""
        tries = cut = 0
        while True:
            tries += 1
            self._wait_for_turn()
            wait, problem = None, ""
            try:
                answer = self._ask(path, params)
                if answer.status == httpx.codes.OK:
                    return self._read(path, answer, read), answer.body
                if answer.status not in _RETRIED:
                    raise self._refusal(answer)
                wait, problem = self._asked_wait(answer.headers), f"it answers HTTP {answer.status}"
            except httpx.RequestError as error:
                problem = f"the connection failed ({type(error).__name__})"
            except Unreadable as error:
                # Most often a cut answer, so it is worth asking again.
                problem, cut = "the answer is not whole", cut + 1
                if cut >= _TRIES // 2:
                    raise self._unreadable(path, error) from error
            if tries >= _TRIES:
                raise PullStopped(
                    f"{self.base}{path}: {problem}, {tries} times in a row. Run it again later: it goes on here."
                )
            self._sleep(self._bounded(wait, path) if wait is not None else _backoff(tries))

    def media_headers(self, url: httpx.URL) -> dict[str, str]:
        """The token goes along only to the very server that it is for."""
        home = httpx.URL(self.base)
        same = (url.scheme, url.host, url.port) == (home.scheme, home.host, home.port)
        return {"Authorization": self._headers["Authorization"]} if same else {}

    def _ask(self, path: str, params: Mapping[str, str | int]) -> _Answer:
        with self._client.stream("GET", f"{self.base}{path}", params=params, headers=self._headers) as response:
            parts, size = [], 0
            for part in response.iter_bytes():
                size += len(part)
                if size > _LARGEST_ANSWER:
                    raise PullStopped(f"{self.base}{path}: the answer is larger than 256 MiB. Ask for smaller pages.")
                parts.append(part)
        self._note_limits(response.headers)
        return _Answer(response.status_code, response.headers, b"".join(parts))

    def _read(self, path: str, answer: _Answer, read: Read) -> PulledPage:
        if "html" in answer.headers.get("content-type", "") or answer.body.lstrip()[:1] == b"<":
            raise PullStopped(f"{self.base}{path} answers with a web page, not with JSON. {_CHECK_ADDRESS}")
        return read(answer.body)

    def _unreadable(self, path: str, error: Unreadable) -> Unreadable:
        remedy = f"asked {_TRIES // 2} times. {_CHECK_ADDRESS} Otherwise run it again with smaller pages"
        return Unreadable(f"{self.base}{path}", error.where, f"{error.problem}; {remedy}")

    def _refusal(self, answer: _Answer) -> _Refused:
        try:
            failure = msgspec.json.decode(answer.body, type=_Failure)
        except (msgspec.DecodeError, UnicodeError):
            failure = _Failure()
        message = (failure.message or failure.code).replace(self._token, "…")[:200]
        if answer.headers.get("location"):
            message = "it sends elsewhere (a redirect); give the address that it leads to"
        return _Refused(answer.status, message, failure.fields or {})

    def _note_limits(self, headers: httpx.Headers) -> None:
        """When no request is left in this window, the next waits for the window's end."""
        left, reset = headers.get("x-ratelimit-remaining", ""), headers.get("x-ratelimit-reset", "")
        if left == "0" and reset.isdecimal():
            self._free_at = self._now() + min(max(int(reset) - self._server_time(headers), 0.0), 60.0)

    def _server_time(self, headers: httpx.Headers) -> float:
        """The server's clock, which its reset times go by."""
        return _http_date(headers.get("date")) or self._now()

    def _wait_for_turn(self) -> None:
        wait = self._free_at - self._now()
        self._free_at = 0.0
        if wait > 0:
            self._sleep(wait)

    def _asked_wait(self, headers: httpx.Headers) -> float | None:
        asked: str = headers.get("retry-after", "")
        if asked.isdecimal():
            return float(asked)
        timestamp = _http_date(asked)
        return None if timestamp is None else max(0.0, timestamp - self._server_time(headers))

    def _bounded(self, wait: float, path: str) -> float:
        if wait > _MAX_WAIT:
            raise PullStopped(f"{self.base}{path} asks to wait {wait:.0f} seconds. Run it again then: it goes on here.")
        return wait + random.uniform(0.0, 0.25)


_CHECK_ADDRESS = "Is the address right? It usually ends in /v1."


def _backoff(tries: int) -> float:
    """0.5, 1, 2 … 60 seconds, each somewhere between half and whole, so that clients do not march in step."""
    longest: float = min(0.5 * 2.0 ** (tries - 1), 60.0)
    return longest * random.uniform(0.5, 1.0)


def _http_date(text: str | None) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp() if text else None
    except ValueError:
        return None


# The run


class _Place(Struct, frozen=True, kw_only=True):
    """How far a list was walked: saved with every page."""

    top: int
    """The pass takes what is not newer than this, and at its end what came meanwhile."""
    floor: int | None = None
    """The pass goes down to here; None is to the very first message."""
    end: int
    offset: int = 0
    by_offset: bool = False
    """The server does not honour end_time, or does not sort: only offsets are left."""
    done: int | None = None
    """The top of the last complete pass."""
    walking: bool = True

    def after(self, page: PulledPage) -> _Place:
        """Where to go on after ``page``, which is not empty."""
        further = structs.replace(self, offset=self.offset + page.rows)
        if page.oldest is None or page.newest is None or self.by_offset:
            return further
        if page.newest >= self.end + SECOND or not page.newest_first:
            return structs.replace(further, by_offset=True)
        # One second more than was seen: whether the server's bound is inclusive is nowhere written.
        end = (page.oldest // SECOND + 1) * SECOND
        return structs.replace(self, end=end, offset=0) if end < self.end else further

    def below_floor(self, page: PulledPage) -> bool:
        """Whether the server ignores start_time and has gone past what was asked for."""
        if self.floor is None or page.oldest is None:
            return False
        return page.newest_first and page.oldest < self.floor - 2 * SECOND

    def finished(self) -> _Place:
        return structs.replace(self, walking=False, done=self.top, offset=0, by_offset=False)


_FAR_END = 253_402_300_799 * SECOND
"""The last second of the year 9999."""


class _Run:
    def __init__(
        self,
        store: Store,
        org: int,
        server: _Server,
        phone: str | None,
        files: _Files | None,
        progress: Callable[[PullProgress], None],
        page_size: int,
        now: Callable[[], float],
    ) -> None:
        self.summary = PullSummary()
        self._store = store
        self._org = org
        self._server = server
        self._scope = phone or "all"
        number = bare_number((phone or "").partition("@")[0])
        self._only = canonical(number) if number else None
        self._files = files
        self._progress = progress
        self._page_size = page_size
        self._now = now

    def everything(self, full: bool) -> None:
        self._optional("phones", self._phones)
        try:
            self._walk("messages", "/chats/messages", answers.messages, full)
        except _Refused as error:
            raise self._explained(error) from error
        self._optional("chats", lambda: self._list("chats", "/chats", answers.chats))
        self._optional("contacts", lambda: self._list("contacts", "/contacts", answers.contacts))
        self._optional("reactions", lambda: self._walk("reactions", "/reactions", answers.reactions, full))
        notices = "/chats/notifications"
        self._optional("notifications", lambda: self._walk("notifications", notices, answers.notifications, full))

    def _optional(self, what: str, take: Callable[[], None]) -> None:
        """Servers offer more or less of the API; what one lacks must not cost the rest."""
        try:
            take()
        except (_Refused, PullStopped, Unreadable) as error:
            self.summary.skipped[what] = str(error)

    def _explained(self, error: _Refused) -> Error:
        where = f"{self._server.base}/chats/messages: {error}."
        match error.status:
            case 401 | 403:
                return Unauthorised(f"{where} Give a token that this server accepts, and a phone that it may read.")
            case 404:
                return PullStopped(f"{where} {_CHECK_ADDRESS}")
            case 422:
                return BadField(next(iter(error.fields), "request"), None, f"{where} The server refuses this value.")
        return PullStopped(f"{where} {_CHECK_ADDRESS}")

    # Lists without time: a few pages, taken anew each run

    def _phones(self) -> None:
        page, body = self._server.page("/phones/all", answers.phones, {})
        self._keep("phones", page, body, None)

    def _list(self, what: str, path: str, read: Read) -> None:
        offset, last = 0, None
        while True:
            page, body = self._ask(path, read, {"offset": offset})
            # A server that does not know offsets sends the same again and again.
            if page.rows == 0 or page.repeats(last):
                return
            self._keep(what, page, body, None)
            offset, last = offset + page.rows, page

    # Lists with time

    def _walk(self, what: str, path: str, read: Read, full: bool) -> None:
        stream = f"periskope {self._server.base} {self._scope} {what}"
        saved = self._store.position(self._org, stream)
        place = None if saved is None else msgspec.json.decode(saved, type=_Place)
        if place is not None and place.walking:
            place = self._pass(stream, what, path, read, place)
        self._pass(stream, what, path, read, self._next_pass(place, full))

    def _next_pass(self, last: _Place | None, full: bool) -> _Place:
        top = int(self._now()) * SECOND
        done = None if last is None else last.done
        floor = None if done is None or full else done - OVERLAP
        return _Place(top=top, end=top, floor=floor, done=done)

    def _pass(self, stream: str, what: str, path: str, read: Read, place: _Place) -> _Place:
        """Down from the top to the floor, then what is newer than the top: it came meanwhile or is dated ahead."""
        for page, body, place in self._pages(path, read, place):  # noqa: B020
            self._keep(what, page, body, (stream, _json(place)))
        ahead = _Place(top=place.top, end=_FAR_END, floor=place.top)
        for page, body, _ in self._pages(path, read, ahead):
            self._keep(what, page, body, None)
        place = place.finished()
        apply_with_retry(self._store, self._org, Batch(source="periskope", events=[], position=(stream, _json(place))))
        return place

    def _pages(self, path: str, read: Read, place: _Place) -> Iterator[tuple[PulledPage, bytes, _Place]]:
        last, at = None, None
        while True:
            page, body = self._ask(path, read, _window(place))
            if page.rows == 0:
                return
            if at == place.end and page.repeats(last):
                self._refuse_stuck(path, page)
                return
            last, at = page, place.end
            place = place.after(page)
            yield page, body, place
            if place.below_floor(page):
                return

    def _refuse_stuck(self, path: str, page: PulledPage) -> None:
        """A server without offsets repeats its last page. Where that page was full, there is more behind it."""
        if page.rows >= self._page_size:
            problem = "the server ignores the offset, and a whole page of messages shares one second"
            raise PullStopped(f"{self._server.base}{path}: {problem}. Run it again with larger pages.")

    def _ask(self, path: str, read: Read, params: dict[str, str | int]) -> tuple[PulledPage, bytes]:
        while True:
            try:
                return self._server.page(path, read, {**params, "limit": self._page_size})
            except _Refused as error:
                if error.status != 422 or "limit" not in error.fields or self._page_size <= _SMALLEST_PAGE:
                    raise
                self._page_size = max(_SMALLEST_PAGE, self._page_size // 2)

    # Keeping

    def _keep(self, what: str, page: PulledPage, body: bytes, position: tuple[str, str] | None) -> None:
        """Write a page; its place counts as reached only when its files are there too."""
        for row in page.unreadable:
            retry(lambda row=row: self._store.quarantine(self._org, "periskope", row.payload, str(row.error)))  # type: ignore[misc]
        events = [event for event in page.events if self._wanted(event)]
        files = self._files
        batch = Batch(source="periskope", events=events, raw=body, position=None if files else position)
        self.summary.changed += apply_with_retry(self._store, self._org, batch).changed
        if files:
            held = files.fetch(events, self.summary)
            if held or position:
                apply_with_retry(self._store, self._org, Batch(source="periskope", events=held, position=position))
        self.summary.quarantined += len(page.unreadable)
        self.summary.rows[what] = self.summary.rows.get(what, 0) + page.rows
        self._progress(PullProgress(what=what, rows=page.rows, reached=page.oldest, summary=self.summary))

    def _wanted(self, event: Event) -> bool:
        """Chats and phones of the others are told too; who asks for one phone gets one phone."""
        if self._only is None:
            return True
        match event:
            case PhoneSeen(jid=phone) | ChatSeen(phone=phone):
                return phone == self._only
            case MessageSeen(message=message):
                return message.key.phone == self._only
            case _ContactSeen() | NumberMapped():
                return True
        return event.target.phone == self._only


def _window(place: _Place) -> dict[str, str | int]:
    params: dict[str, str | int] = {"offset": place.offset}
    if place.floor is not None:
        params["start_time"] = _iso(place.floor - SECOND)
    if place.end < _FAR_END:
        params["end_time"] = _iso(place.end)
    return params


def _iso(micros: int) -> str:
    return datetime.fromtimestamp(micros // SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _json(place: _Place) -> str:
    return msgspec.json.encode(place).decode()


# Files


class _Files:
    """Downloads what messages carry; a file that cannot be had is counted and costs nothing else."""

    def __init__(
        self, store: Store, org: int, media: MediaStore, fetcher: Fetcher, server: _Server, max_bytes: int
    ) -> None:
        self._store = store
        self._org = org
        self._media = media
        self._fetcher = fetcher
        self._server = server
        self._max_bytes = max_bytes
        self._lock = threading.Lock()

    def fetch(self, events: Iterable[Event], summary: PullSummary) -> list[Event]:
        """The files of a page's messages, a few at a time, as events that say where they are."""
        wanted = [event.message for event in events if isinstance(event, MessageSeen) and _address(event.message)]
        missing = [message for message in wanted if not self._has(message)]
        failed: Counter[str] = Counter(summary.media_failed)
        with ThreadPoolExecutor(_DOWNLOADS) as pool:
            held = [event for event in pool.map(lambda message: self._fetch(message, failed), missing) if event]
        summary.media_failed = dict(failed)
        summary.media_held += len(held)
        return list(held)

    def _has(self, message: Message) -> bool:
        """Whether an earlier run brought the file; pages overlap, so this is often so."""
        key = message.key
        phones = tuple(phone.no for phone in self._store.list_phones(self._org) if phone.jid == key.phone)
        known = self._store.find_message(self._org, phones, key.id, chat=key.chat, sender=key.sender)
        media = None if known is None else known.message.details.media
        return media is not None and media.file is not None and self._media.exists(self._org, media.file)

    def _fetch(self, message: Message, failed: Counter[str]) -> MediaHeld | None:
        told, key = message.details.media or Media(), message.key
        try:
            with self._fetcher.get(self._absolute(_address(message)), self._server.media_headers) as fetched:
                if fetched.size is not None and fetched.size > self._max_bytes:
                    raise NotFetched(f"it is larger than {self._max_bytes} bytes")
                stored = self._media.put(
                    self._org,
                    fetched.chunks,
                    max_bytes=self._max_bytes,
                    declared_mimetype=told.mimetype or fetched.mimetype,
                    filename=told.filename,
                )
        except (NotFetched, BadField) as error:
            reason = str(error) if isinstance(error, NotFetched) else f"it is larger than {self._max_bytes} bytes"
            with self._lock:
                failed[reason] += 1
            return None
        media = Media(
            file=stored.sha256,
            size=stored.size,
            mimetype=told.mimetype or stored.mimetype,
            width=told.width or stored.width,
            height=told.height or stored.height,
            duration=told.duration or stored.duration,
        )
        return MediaHeld(target=Target(key.phone, key.chat, key.id, key.sender), media=media)

    def _absolute(self, path: str) -> str:
        """Older servers tell the path only."""
        return urljoin(f"{self._server.base}/", path)


def _address(message: Message) -> str:
    media = message.details.media
    return media.url or "" if media else ""
