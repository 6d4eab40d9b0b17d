"""Linked devices as stored in the archive: the state of each, and what a user requested of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

from msgspec import Struct

from backscroll.core.errors import NotFound
from backscroll.database.protocol import Engine
from backscroll.formats.link_lines import LinkState

Asked = Literal["start", "unlink"]


class Link(Struct, frozen=True, kw_only=True):
    """A linked device. Times are microseconds UTC; ``phone`` is the own phone's number in the database."""

    org: int
    id: str
    """Id of its source."""
    phone: int | None = None
    """Unknown until the device is paired, unless a certain phone was requested."""
    phone_name: str | None = None
    """Name for the phone if pairing adds it."""
    state: LinkState = "starting"
    problem: str | None = None
    since: int = 0
    retry_at: int | None = None
    qr: str | None = None
    rows: tuple[str, ...] | None = None
    """The modules of the QR code; ``1`` is dark."""
    code: str | None = None
    code_for: str | None = None
    """The phone number for which a pairing code to type was requested."""
    expires_at: int | None = None
    progress: int | None = None
    jid: str | None = None
    """The account with which the device was paired."""
    asked: Asked | None = None
    silent_after: int | None = None
    """The device counts as silent when nothing has been heard from it for this long."""
    last_event_at: int | None = None
    created_at: int = 0


class Links:
    """The linked devices of an archive; ``Store.sources.links``."""

    def __init__(self, engine: Engine, clock: Callable[[], int]) -> None:
        self._engine = engine
        self._clock = clock

    def add(self, org: int, source: str, phone_name: str | None, code_for: str | None) -> Link:
        """Add the device of an existing source."""
        params = {"org": org, "source": source, "phone_name": phone_name, "code_for": code_for, "now": self._clock()}
        self._engine.write(lambda tx: tx.run("add_link", params), org)
        return self.find(org, source)

    def of(self, org: int) -> list[Link]:
        """All of an organisation, oldest first."""
        return [_link(org, row) for row in self._engine.read(lambda tx: tx.all("list_links", {"org": org}), org)]

    def find(self, org: int, source: str) -> Link:
        """By its source's id; ``NotFound``."""
        row = self._engine.read(lambda tx: tx.one("read_link", {"org": org, "source": source}), org)
        if row is None:
            raise NotFound("link", source[:80])
        return _link(org, row)

    def write(self, link: Link) -> None:
        """Save the current state of the device. What a user requested is not changed."""
        params = {
            "org": link.org,
            "source": link.id,
            "state": link.state,
            "problem": link.problem,
            "since": link.since,
            "retry_at": link.retry_at,
            "qr": link.qr,
            "qr_rows": None if link.rows is None else "\n".join(link.rows),
            "code": link.code,
            "expires_at": link.expires_at,
            "progress": link.progress,
            "jid": link.jid,
        }
        self._engine.write(lambda tx: tx.run("write_link", params), link.org)

    def ask(self, org: int, source: str, asked: Asked, code_for: str | None = None) -> None:
        """Request what the device's supervisor has to do next; raises ``NotFound``."""
        params = {"org": org, "source": source, "asked": asked, "code_for": code_for}
        if self._engine.write(lambda tx: tx.one("ask_of_link", params), org) is None:
            raise NotFound("link", source[:80])

    def warn_after(self, org: int, source: str, silent_after: int | None) -> None:
        """Set after how many microseconds without a sign of life the device counts as silent; None means never."""
        params = {"org": org, "source": source, "silent_after": silent_after}
        self._engine.write(lambda tx: tx.run("silence_of_source", params), org)

    def was_asked(self, link: Link) -> None:
        """Record that the request is being carried out."""
        params = {"org": link.org, "source": link.id, "asked": link.asked}
        self._engine.write(lambda tx: tx.run("link_was_asked", params), link.org)

    def belongs_to(self, link: Link, phone: int) -> None:
        """Record that the device was paired with this own phone."""
        params = {"org": link.org, "source": link.id, "phone": phone}
        self._engine.write(lambda tx: tx.run("phone_of_link", params), link.org)


def _link(org: int, row: Sequence[Any]) -> Link:
    id, phone, name, state, problem, since, retry_at, qr, rows, code, code_for, expires_at, *rest = row
    progress, jid, asked, silent_after, last_event_at, created_at = rest
    return Link(
        org=org,
        id=id,
        phone=phone,
        phone_name=name,
        state=state,
        problem=problem,
        since=since,
        retry_at=retry_at,
        qr=qr,
        rows=None if rows is None else tuple(rows.split("\n")),
        code=code,
        code_for=code_for,
        expires_at=expires_at,
        progress=progress,
        jid=jid,
        asked=asked,
        silent_after=silent_after,
        last_event_at=last_event_at,
        created_at=created_at,
    )
