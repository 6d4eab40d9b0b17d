"""WAHA's stores: ``store.sqlite3`` of its engine NOWEB, and ``gows.db`` of its engine GOWS.

Both keep each message as JSON: NOWEB Baileys' ``WebMessageInfo``, GOWS whatsmeow's event. Which one a file is, is told
by its tables. Nothing is ever written to the files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from backscroll.core import ids
from backscroll.core.errors import Unreadable
from backscroll.core.events import Event, PhoneSeen
from backscroll.ingest.connectors.foreign.pieces import Found, Piece, first_piece
from backscroll.ingest.connectors.foreign.rows import OnSkip, Row, Unusable
from backscroll.ingest.connectors.foreign.sqlite import Product, opened
from backscroll.ingest.connectors.foreign.stages import Stage, Told, each, told_of, walk
from backscroll.ingest.connectors.foreign.tables import Tables
from backscroll.ingest.connectors.foreign.whatsmeow import COLUMNS, Whatsmeow, own_number
from backscroll.ingest.connectors.waha_store import gows, noweb
from backscroll.ingest.connectors.webhooks import wire
from backscroll.ingest.connectors.webhooks.proto_json import Node

T = TypeVar("T")

WAHA = Product("WAHA", "WAHA's ")
BATCH = 500
_NOWEB = {"jid", "id", "messageTimestamp", "data"}
_GOWS = {"jid", "id", "timestamp", "data"}
MAX_CREDENTIALS = 1 << 20


class _Me(Struct):
    id: str | None = None


class _Credentials(Struct):
    """Of NOWEB's ``creds.json`` the own number alone: everything else in it is secret."""

    me: _Me | None = None


def looks_like(tables: set[str], columns: set[str]) -> bool:
    """Whether a database with these tables, and these columns of ``messages``, is a store of WAHA's."""
    return "gows_messages" in tables or ({"messages", "chats", "contacts"} <= tables and columns >= _NOWEB)


def look(path: Path, credentials: Path | None = None, phone: str | None = None) -> Found:
    """Whose messages a store holds, and how many. ``credentials`` is NOWEB's ``creds.json``, for the own number.

    ``Question`` where ``phone`` must be told, ``Unreadable`` where a file is not what it should be.
    """
    with _opened(path, credentials, phone, lambda skipped: None) as reading:
        return Found(reading.phone, int(reading.tables.file.one(f"SELECT count(*) FROM {reading.messages}")))  # noqa: S608


def read(
    path: Path,
    credentials: Path | None = None,
    *,
    phone: str | None = None,
    after: str | None = None,
    batch_size: int = BATCH,
    on_skip: OnSkip,
) -> Iterator[Piece]:
    """Everything that the store tells, from the place ``after`` on; raises as ``look``."""
    with _opened(path, credentials, phone, on_skip) as reading:
        if after is None:
            yield first_piece("database", [PhoneSeen(jid=reading.phone)])
        yield from walk(reading.stages(), "database", after, batch_size)


@contextmanager
def _opened(path: Path, credentials: Path | None, phone: str | None, on_skip: OnSkip) -> Iterator[_Reading]:
    with ExitStack() as stack:
        store = stack.enter_context(opened(path, WAHA, "store.sqlite3 or gows.db"))
        linked = Whatsmeow(store, on_skip)
        tables = Tables(store, on_skip, COLUMNS)
        if _GOWS.issubset(store.columns("gows_messages")):
            own = own_number(phone, linked.own_numbers(), path.name)
            yield _Reading(tables, linked, own, "gows_messages", gows.message_of)
        elif _NOWEB.issubset(store.columns("messages")):
            own = own_number(phone, _own_of(credentials), path.name)
            yield _Reading(tables, linked, own, "messages", noweb.message_of)
        else:
            raise store.unreadable("this is not a WAHA store; name NOWEB's store.sqlite3 or GOWS's gows.db")


def _own_of(credentials: Path | None) -> set[str]:
    if credentials is None:
        return set()
    try:
        with credentials.open("rb") as file:
            told = msgspec.json.decode(file.read(MAX_CREDENTIALS), type=_Credentials)
    except (OSError, msgspec.DecodeError, UnicodeError, RecursionError):
        return set()
    jid = ids.canonical(told.me.id) if told.me and told.me.id else ""
    return {jid} if ids.kind_of(jid) == "user" else set()


class _Reading:
    def __init__(
        self,
        tables: Tables,
        linked: Whatsmeow,
        phone: str,
        messages: str,
        message_of: Callable[[dict[str, Any], str], Told],
    ) -> None:
        self.tables = tables
        self.linked = linked
        self.phone = phone
        self.messages = messages
        self._message_of = message_of

    def stages(self) -> tuple[Stage, ...]:
        """In the order in which what they tell can be applied."""
        common = Stage(self.messages, self.tables, self._messages, counts=True)
        if self.messages == "gows_messages":
            return (
                *self.linked.stages(self.phone),
                self._each("gows_chats", gows.chat_of),
                self._each("gows_groups", gows.group_of),
                self._each("gows_labels", _label_of),
                self._each("gows_label_associations", gows.labeled_of),
                common,
            )
        return (
            each("lid_map", self.tables, noweb.mapping_of),
            self._each("contacts", noweb.contact_of),
            self._each("groups", noweb.group_of),
            self._each("chats", noweb.chat_of),
            self._each("labels", _label_of),
            self._each("labelAssociations", noweb.labeled_of),
            common,
        )

    def _each(self, table: str, tell: Callable[[dict[str, Any], str], list[Event]]) -> Stage:
        return each(table, self.tables, lambda row: _reading(row, lambda data: tell(data, self.phone)))

    def _messages(self, numbers: list[int]) -> Told:
        told = Told(raw=list(self.tables.rows(self.messages, numbers)))
        for row in told.raw:
            found = told_of(row, lambda row: _reading(row, lambda data: self._message_of(data, self.phone)))
            told.events += found.events
            told.files += found.files
        return told


def _reading(row: Row, tell: Callable[[dict[str, Any]], T]) -> T:
    """What ``tell`` makes of the JSON in a row; ``Unusable`` where it makes no sense."""
    text = row.values.get("data")
    raw = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass") if isinstance(text, str) else b""
    try:
        value = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise Unusable("data", "is not JSON") from None
    if not isinstance(value, dict):
        raise Unusable("data", "is not a JSON object")
    try:
        return tell(value)
    except Unreadable as error:
        raise Unusable(f"data.{error.where}", error.problem) from None


def _label_of(data: dict[str, Any], phone: str) -> list[Event]:
    """A label. Neither engine keeps a time, and both forget deleted labels."""
    node = Node(data)
    id = node.text("id")
    return [wire.label_of(phone, id, None, node.text("name"), node.number("color"))] if id else []
