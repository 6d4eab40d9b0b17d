"""The queue of files that live sources announced but the archive does not have yet.

A row is written in the transaction of its message, so it exists whenever the message does. Only the address is stored
here; everything else about the file is in the message.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from msgspec import Struct

from backscroll.core import events
from backscroll.core.ids import canonical
from backscroll.database.protocol import Engine, Row, Txn
from backscroll.storage.accounts import leases
from backscroll.storage.write.phones import OwnPhones

LEASE = "media"
_ENCRYPTED = (".whatsapp.net", ".whatsapp.com")
"""Files on WhatsApp's own servers are encrypted; only a linked device can fetch them."""


class QueuedFile(Struct, frozen=True, kw_only=True):
    """A file to be fetched. ``phone`` is the number of the own phone; times are in microseconds UTC."""

    phone: int
    chat: str
    id: str
    sender: str | None
    source: str | None
    url: str
    tries: int = 0
    next_at: int | None = None
    """None if it was given up."""
    problem: str | None = None
    created_at: int = 0


class _FetchRow(NamedTuple):
    """A row of fetches, in the order of columns of the statement due_fetches."""

    phone: int
    jid: str
    id: str
    sender: str
    source: str
    url: str
    tries: int
    next_at: int | None
    problem: str | None
    created_at: int


def is_fetchable(url: str | None) -> bool:
    """Whether a file could be fetched from this address: http or https, or relative to its gateway."""
    if not url:
        return False
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    return parts.scheme in ("", "http", "https") and not host.endswith(_ENCRYPTED)


def note_files(tx: Txn, org: int, batch: events.Batch, phones: OwnPhones, now: int) -> None:
    """Queue the files of a live source's messages."""
    for event in batch.events if batch.via is not None else ():
        if isinstance(event, events.MessageSeen):
            media, key = event.message.details.media, event.message.key
            if media is not None and media.file is None and is_fetchable(media.url):
                queued = QueuedFile(
                    phone=phones.number_of(key.phone),
                    chat=canonical(key.chat),
                    id=key.id,
                    sender=None if key.sender is None else canonical(key.sender),
                    source=batch.via,
                    url=media.url or "",
                )
                tx.run("add_fetch", _key(org, queued) | {"source": queued.source or "", "now": now})


def _key(org: int, file: QueuedFile) -> dict[str, Any]:
    where = {"org": org, "phone": file.phone, "jid": file.chat, "id": file.id}
    return where | {"sender": file.sender or "", "url": file.url}


def queued_of(values: Row) -> QueuedFile:
    """Made from the columns of ``due_fetches``."""
    row = _FetchRow(*values)
    return QueuedFile(
        phone=row.phone,
        chat=row.jid,
        id=row.id,
        sender=row.sender or None,
        source=row.source or None,
        url=row.url,
        tries=row.tries,
        next_at=row.next_at,
        problem=row.problem,
        created_at=row.created_at,
    )


class FetchQueue:
    """The queue of an archive; ``Store.fetches``."""

    def __init__(self, engine: Engine, clock: Callable[[], int]) -> None:
        self._engine = engine
        self._clock = clock

    def due(self, org: int, limit: int = 100) -> list[QueuedFile]:
        """Files that are due, the longest waiting first."""
        params = {"org": org, "now": self._clock(), "limit": limit}
        return [queued_of(row) for row in self._engine.read(lambda tx: tx.all("due_fetches", params), org)]

    def walk(self, org: int, page: int = 500) -> Iterable[QueuedFile]:
        """All files, including those given up, read a page at a time."""
        after: dict[str, Any] = {"phone": -1, "jid": "", "id": "", "sender": ""}
        while True:
            params = after | {"org": org, "limit": page}
            rows = self._engine.read(lambda tx, params=params: tx.all("fetches_after", params), org)  # type: ignore[misc]
            files = [queued_of(row) for row in rows]
            yield from files
            if len(files) < page:
                return
            after = _key(org, files[-1])

    def counts(self, org: int) -> tuple[int, int]:
        """How many files are waiting, and how many were given up."""
        every, waiting = self._engine.read(lambda tx: tx.one("count_fetches", {"org": org}), org) or (0, 0)
        return int(waiting), int(every) - int(waiting)

    def add(self, org: int, file: QueuedFile) -> None:
        """Queue a file by hand. If it is already queued with this address, nothing changes."""
        params = _key(org, file) | {"source": file.source or "", "now": self._clock()}
        self._engine.write(lambda tx: tx.run("add_fetch", params), org)

    def postpone(self, org: int, file: QueuedFile, tries: int, wait_us: int | None, problem: str | None) -> None:
        """Retry it later; ``wait_us`` None gives it up."""
        next_at = None if wait_us is None else self._clock() + wait_us
        params = _key(org, file) | {"tries": tries, "next_at": next_at, "problem": problem}
        self._engine.write(lambda tx: tx.run("postpone_fetch", params), org)

    def drop(self, org: int, file: QueuedFile) -> None:
        """Remove it from the queue, because the file has arrived or its message is gone."""
        self._engine.write(lambda tx: tx.run("drop_fetch", _key(org, file)), org)

    def take_turn(self, org: int) -> leases.Lease | None:
        """The lease for processing the queue; None if another process has it."""
        return self._engine.write(lambda tx: leases.take(tx, org, LEASE, self._clock()), org)

    def keep_turn(self, lease: leases.Lease) -> bool:
        """Renew the lease; False if another process has taken over."""
        return leases.is_kept(self._engine, lease, self._clock())

    def end_turn(self, lease: leases.Lease) -> None:
        """Release the lease for other processes. If the database is away, the lease expires by itself."""
        leases.release(self._engine, lease)
