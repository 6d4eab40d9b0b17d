"""Pulling an organisation's messages out of a server that speaks Periskope's API.

Lists of messages are walked from the newest to the oldest. Each page moves the end of the time window to the
oldest second seen, so that offsets stay near zero, nothing is missed when messages arrive or vanish
meanwhile, and neither the server's ``count`` nor whether its bounds are inclusive matters. An offset grows only
if more messages share one second than a page holds, or if a server ignores ``end_time``.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial

import httpx
import msgspec
from msgspec import Struct, to_builtins

from backscroll.concurrency.retry import retry
from backscroll.core.coverage import Coverage, origin_of
from backscroll.core.errors import BadField, Error, Unauthorised, Unreadable
from backscroll.core.events import Batch, ChatLabeled, ChatSeen, Event, LabelSeen, MessageSeen, NumberMapped, PhoneSeen
from backscroll.core.events import ContactSeen as _ContactSeen
from backscroll.core.ids import bare_number, canonical
from backscroll.core.imports import NewImport
from backscroll.ingest import imports
from backscroll.ingest.connectors.periskope import answers
from backscroll.ingest.connectors.periskope.pages import PulledPage, UnreadableRow
from backscroll.ingest.fetch import Fetcher
from backscroll.ingest.periskope.files import Files
from backscroll.ingest.periskope.place import FAR_END, SECOND, Place, saved, window_of
from backscroll.ingest.periskope.server import CHECK_ADDRESS, PullStopped, Read, Refused, Server
from backscroll.ingest.pipeline import apply_with_retry
from backscroll.ingest.quarantined_rows import via_periskope
from backscroll.storage.files.media import MediaStore
from backscroll.storage.store import Store

DEFAULT_URL = "https://api.periskope.app/v1"


MAX_NAMED = 20
"""Rows in quarantine that a summary names."""
OVERLAP = 2 * 86_400 * SECOND
"""A later run reads this far back before the last complete one, because acks, edits and deletions come late."""


_SMALLEST_PAGE = 50


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
    refused: list[str] = []
    """The first rows that went to quarantine, each with its reason."""
    media_held: int = 0
    media_failed: dict[str, int] = {}
    """Unavailable files, counted by reason."""
    skipped: dict[str, str] = {}
    """Lists that the server did not provide, with the reason."""
    walked: tuple[int, int] | None = None
    """Between these times all messages of all chats were asked for, beyond what an earlier run had walked."""


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
    full: bool = False,
    max_media_bytes: int = 100 << 20,
    sleep: Callable[[float], None] = time.sleep,
    now: Callable[[], float] = time.time,
) -> PullSummary:
    """Import everything that the server has, or everything new since the last complete run.

    An interrupted run continues where it was. ``full`` reads everything again; ``media`` None leaves files where they
    are. Raises ``PullStopped``, ``Unauthorised``, ``BadField`` or ``Unreadable``, each with a remedy.
    """
    base = _base(url or DEFAULT_URL)
    source = NewImport(kind="periskope", file=base, answers={"phone": phone} if phone else {})
    with Fetcher(trusted=httpx.URL(base)) as fetcher, imports.importing(store, org, source) as running:
        server = Server(fetcher, base, token, phone, sleep, now)
        files = None if media is None else Files(running.store, org, media, fetcher, server, max_media_bytes)
        run = _Run(running.store, org, server, phone, files, progress, page_size, now)
        run.everything(full)
        running.report = to_builtins(run.summary)
        return run.summary


def _base(url: str) -> str:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        parsed = httpx.URL()
    if parsed.scheme not in ("http", "https") or not parsed.host or parsed.userinfo or parsed.query:
        raise BadField("url", None, f"must be the address of the API and no more, such as {DEFAULT_URL}")
    return str(parsed).rstrip("/")


class _Run:
    def __init__(
        self,
        store: Store,
        org: int,
        server: Server,
        phone: str | None,
        files: Files | None,
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
        self._phones_met: set[str] = set()

    def everything(self, full: bool) -> None:
        """All lists; those beside the messages are skipped where the server does not offer them."""
        self._optional("phones", self._phones)
        try:
            self._walk("messages", "/chats/messages", answers.messages, full)
        except Refused as error:
            raise self._explained(error) from error
        self._optional("chats", lambda: self._list("chats", "/chats", answers.chats))
        self._optional("contacts", lambda: self._list("contacts", "/contacts", answers.contacts))
        self._optional("reactions", lambda: self._walk("reactions", "/reactions", answers.reactions, full))
        notices = "/chats/notifications"
        self._optional("notifications", lambda: self._walk("notifications", notices, answers.notifications, full))

    def _optional(self, what: str, take: Callable[[], None]) -> None:
        """Import a list that the server may not offer, so that a missing list does not prevent the others."""
        try:
            take()
        except (Refused, PullStopped, Unreadable) as error:
            self.summary.skipped[what] = str(error)

    def _explained(self, error: Refused) -> Error:
        where = f"{self._server.base}/chats/messages: {error}."
        match error.status:
            case 401 | 403:
                return Unauthorised(f"{where} Give a token that this server accepts, and a phone that it may read.")
            case 404:
                return PullStopped(f"{where} {CHECK_ADDRESS}")
            case 422:
                return BadField(next(iter(error.fields), "request"), None, f"{where} The server refuses this value.")
        return PullStopped(f"{where} {CHECK_ADDRESS}")

    # Lists without time: a few pages, taken anew each run

    def _phones(self) -> None:
        page, body = self._server.page("/phones/all", answers.phones, {})
        self._keep("phones", page, body, None)

    def _list(self, what: str, path: str, read: Read) -> None:
        offset, last = 0, None
        while True:
            page, body = self._ask(path, read, {"offset": offset})
            # A server without support for offsets sends the same page again and again.
            if page.rows == 0 or page.repeats(last):
                return
            self._keep(what, page, body, None)
            offset, last = offset + page.rows, page

    # Lists with time

    def _walk(self, what: str, path: str, read: Read, full: bool) -> None:
        stream = f"periskope {self._server.base} {self._scope} {what}"
        saved = self._store.position(self._org, stream)
        place = None if saved is None else msgspec.json.decode(saved, type=Place)
        if place is not None and place.walking:
            place = self._pass(stream, what, path, read, place)
        self._pass(stream, what, path, read, self._next_pass(place, full))

    def _next_pass(self, last: Place | None, full: bool) -> Place:
        top = int(self._now()) * SECOND
        done = None if last is None else last.done
        floor = None if done is None or full else done - OVERLAP
        return Place(top=top, end=top, floor=floor, done=done)

    def _pass(self, stream: str, what: str, path: str, read: Read, place: Place) -> Place:
        """Down from the top to the floor, then what is newer than the top: it came meanwhile or is dated ahead."""
        for page, body, place in self._pages(path, read, place):  # noqa: B020
            self._keep(what, page, body, (stream, saved(place)), vouches=what == "messages" and place.floor is None)
        ahead = Place(top=place.top, end=FAR_END, floor=place.top)
        for page, body, _ in self._pages(path, read, ahead):
            self._keep(what, page, body, None)
        coverage = self._covered(place) if what == "messages" else ()
        place = place.finished()
        done = Batch(source="periskope", events=[], position=(stream, saved(place)), coverage=coverage)
        apply_with_retry(self._store, self._org, done)
        return place

    def _covered(self, place: Place) -> tuple[Coverage, ...]:
        """What a run that goes on from an earlier one adds: the same stretch of all chats.

        A run that walks everything is an import that vouches for each chat by its messages.
        """
        if place.floor is None or place.top <= place.floor:
            return ()
        self.summary.walked = (place.floor, place.top)
        origin = origin_of("pull", "periskope", self._server.base)
        jids = sorted(self._phones_met if self._only is None else {self._only})
        return tuple(Coverage(phone=jid, since=place.floor, until=place.top, origin=origin) for jid in jids)

    def _pages(self, path: str, read: Read, place: Place) -> Iterator[tuple[PulledPage, bytes, Place]]:
        last, at = None, None
        while True:
            page, body = self._ask(path, read, window_of(place))
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
        """Raise if a server without offsets repeats a full page, because there are more rows after it."""
        if page.rows >= self._page_size:
            problem = "the server ignores the offset, and a whole page of messages shares one second"
            raise PullStopped(f"{self._server.base}{path}: {problem}. Run it again with larger pages.")

    def _ask(self, path: str, read: Read, params: dict[str, str | int]) -> tuple[PulledPage, bytes]:
        while True:
            try:
                return self._server.page(path, read, {**params, "limit": self._page_size})
            except Refused as error:
                if error.status != 422 or "limit" not in error.fields or self._page_size <= _SMALLEST_PAGE:
                    raise
                self._page_size = max(_SMALLEST_PAGE, self._page_size // 2)

    # Keeping

    def _keep(
        self, what: str, page: PulledPage, body: bytes, position: tuple[str, str] | None, *, vouches: bool = False
    ) -> None:
        """Write a page. Its position is saved only once its files are stored too."""
        for row in page.unreadable:
            retry(partial(self._quarantine, what, row))
        events = [event for event in page.events if self._wanted(event)]
        files = self._files
        self._phones_met |= {canonical(event.jid) for event in events if isinstance(event, PhoneSeen)}
        place = None if files else position
        batch = Batch(source="periskope", events=events, raw=body, position=place, vouches=vouches)
        applied = apply_with_retry(self._store, self._org, batch)
        self.summary.changed += applied.changed
        if files:
            failed = Counter(self.summary.media_failed)
            held = files.fetch(events, failed)
            self.summary.media_failed = dict(failed)
            self.summary.media_held += len(held)
            if held or position:
                apply_with_retry(self._store, self._org, Batch(source="periskope", events=held, position=position))
        refused = [*(str(row.error) for row in page.unreadable), *applied.refused]
        self.summary.quarantined += len(refused)
        self.summary.refused += refused[: MAX_NAMED - len(self.summary.refused)]
        self.summary.rows[what] = self.summary.rows.get(what, 0) + page.rows
        self._progress(PullProgress(what=what, rows=page.rows, reached=page.oldest, summary=self.summary))

    def _quarantine(self, what: str, row: UnreadableRow) -> None:
        via = via_periskope(what)
        self._store.quarantine(self._org, "periskope", row.payload, str(row.error), via=via)

    def _wanted(self, event: Event) -> bool:
        """Whether the event belongs to the requested phone. Servers also send chats and phones of others."""
        if self._only is None:
            return True
        match event:
            case PhoneSeen(jid=phone) | ChatSeen(phone=phone) | LabelSeen(phone=phone) | ChatLabeled(phone=phone):
                return phone == self._only
            case MessageSeen(message=message):
                return message.key.phone == self._only
            case _ContactSeen() | NumberMapped():
                return True
        return event.target.phone == self._only
