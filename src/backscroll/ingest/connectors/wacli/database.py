"""``wacli.db``: chats, messages, polls, calls and statuses of wacli, and ``session.db`` beside it.

Versions since 0.1 are read by the columns that a file has: reactions, edits, deletions, quotes, polls, places and calls
came one after the other. Nothing is ever written to the files.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from backscroll.core.events import Event, MessageSeen, PhoneSeen
from backscroll.ingest.connectors.foreign.pieces import Found, Piece, first_piece
from backscroll.ingest.connectors.foreign.rows import OnSkip, Row, read_row
from backscroll.ingest.connectors.foreign.sqlite import ForeignFile, Product, opened
from backscroll.ingest.connectors.foreign.stages import Stage, Told, each, walk
from backscroll.ingest.connectors.foreign.tables import Tables
from backscroll.ingest.connectors.foreign.whatsmeow import Whatsmeow, own_number
from backscroll.ingest.connectors.wacli import mapping

WACLI = Product("wacli", "wacli's ")
BATCH = 1000
_MESSAGES = {"chat_jid", "msg_id", "sender_jid", "ts", "from_me", "text"}
_BESIDE = {
    "starred": (("chat_jid", "chat_jid"), ("msg_id", "msg_id")),
    "polls": (("chat_jid", "chat_jid"), ("msg_id", "msg_id")),
    "poll_votes": (("chat_jid", "chat_jid"), ("msg_id", "poll_msg_id")),
    "message_locations": (("chat_jid", "chat_jid"), ("msg_id", "msg_id")),
    "call_events": (("chat_jid", "chat_jid"), ("msg_id", "call_id")),
}
"""Tables whose rows belong to a message, with the columns by which they name it."""


def looks_like(tables: set[str], columns: set[str]) -> bool:
    """Whether a database with these tables, and these columns of ``messages``, is wacli's."""
    return {"messages", "chats", "contacts", "groups"} <= tables and columns >= _MESSAGES


def look(path: Path, session: Path | None = None, phone: str | None = None) -> Found:
    """Whose messages a file holds, and how many. ``session`` is ``session.db`` beside it: numbers and LIDs.

    ``Question`` where ``phone`` must be told, ``Unreadable`` where a file is not what it should be.
    """
    with _opened(path, session, phone, lambda skipped: None) as reading:
        return Found(reading.phone, int(reading.store.one("SELECT count(*) FROM messages")))


def read(
    path: Path,
    session: Path | None = None,
    *,
    phone: str | None = None,
    after: str | None = None,
    batch_size: int = BATCH,
    on_skip: OnSkip,
) -> Iterator[Piece]:
    """Everything that the files tell, from the place ``after`` on; raises as ``look``."""
    with _opened(path, session, phone, on_skip) as reading:
        if after is None:
            yield first_piece("database", [PhoneSeen(jid=reading.phone)])
        yield from walk(reading.stages(), "database", after, batch_size)


@contextmanager
def _opened(path: Path, session: Path | None, phone: str | None, on_skip: OnSkip) -> Iterator[_Reading]:
    with ExitStack() as stack:
        store = stack.enter_context(opened(path, WACLI, "wacli.db"))
        _check(store)
        linked = Whatsmeow(stack.enter_context(opened(session, WACLI, "session.db")), on_skip)
        yield _Reading(store, linked, own_number(phone, linked.own_numbers(), path.name), on_skip)


def _check(store: ForeignFile) -> None:
    if not _MESSAGES.issubset(store.columns("messages")):
        if "whatsmeow_device" in store.tables():
            raise store.unreadable("this is wacli's session.db, which holds no messages; name the file wacli.db")
        raise store.unreadable("this is not a database of wacli; name the file wacli.db")


class _Reading:
    def __init__(self, store: ForeignFile, linked: Whatsmeow, phone: str, on_skip: OnSkip) -> None:
        self.store = store
        self.linked = linked
        self.phone = phone
        self.tables = Tables(store, on_skip)

    def stages(self) -> tuple[Stage, ...]:
        """In the order in which what they tell can be applied."""
        return (
            *self.linked.stages(self.phone),
            each("contacts", self.tables, lambda row: mapping.contact_of(row, self.phone)),
            each("contact_aliases", self.tables, lambda row: mapping.alias_of(row, self.phone)),
            each("chats", self.tables, lambda row: mapping.chat_of(row, self.phone)),
            each("groups", self.tables, self._group),
            Stage("messages", self.tables, self._messages, counts=True),
            each("status_messages", self.tables, lambda row: mapping.status_of(row, self.phone)),
            each("call_events", self.tables, lambda row: mapping.call_of(row, self.phone)),
        )

    def _group(self, row: Row) -> Event:
        members: Iterable[Row] = ()
        if "group_jid" in self.store.columns("group_participants"):
            sql = "SELECT rowid FROM group_participants WHERE group_jid = ? LIMIT 5000"
            numbers = [no for (no,) in self.store.rows(sql, row.values.get("jid"))]
            members = self.tables.rows("group_participants", numbers)
        return mapping.group_of(row, self.phone, members)

    def _messages(self, numbers: list[int]) -> Told:
        rows = list(self.tables.rows("messages", numbers))
        beside = {table: self._beside(table, numbers) for table in _BESIDE}
        told = Told()
        for row in rows:
            parts = {table: found[row.no] for table, found in beside.items() if row.no in found}
            told.raw += [row, *(part for found in parts.values() for part in found)]
            entry = mapping.Entry(row, parts, self.phone)
            if (reaction := read_row(row, lambda _, entry=entry: mapping.reaction_of(entry))) is not None:  # type: ignore[misc]
                told.events.append(reaction)
                continue
            if mapping.is_told_elsewhere(entry):
                continue
            message = read_row(row, lambda _, entry=entry: mapping.message_of(entry))  # type: ignore[misc]
            if message is None:
                continue
            told.events.append(MessageSeen(message))
            told.events += mapping.changes_of(entry, message)
            if (file := mapping.file_of(entry, message)) is not None:
                told.files.append(file)
        return told

    def _beside(self, table: str, numbers: list[int]) -> dict[int, list[Row]]:
        return self.tables.joined("messages", table, _BESIDE[table], numbers)
