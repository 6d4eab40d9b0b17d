"""``msgstore.db`` of WhatsApp on Android, in the shapes that it had from 2020 to 2026, and ``wa.db`` beside it.

What a file holds is found by its tables and columns: their names stayed, and new ones came beside them. Until 2022 the
messages stood in a table ``messages``, since then in ``message`` with some two hundred tables around it. Files of the
time between hold both, and both are read. Nothing is ever written to the files.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from backscroll.core import ids
from backscroll.core.events import Event, MessageSeen
from backscroll.ingest.connectors.foreign.pieces import Piece
from backscroll.ingest.connectors.foreign.rows import OnSkip, Row, read_row
from backscroll.ingest.connectors.foreign.sqlite import ForeignFile, Product, opened
from backscroll.ingest.connectors.foreign.stages import Stage, Told, each, events_of, walk
from backscroll.ingest.connectors.foreign.tables import Tables
from backscroll.ingest.connectors.msgstore import changes, legacy, names
from backscroll.ingest.connectors.msgstore.content import (
    call_of,
    file_of,
    is_placeholder,
    message_of,
)
from backscroll.ingest.connectors.msgstore.records import Jids, Record, Records

ANDROID = Product("WhatsApp for Android", "the phone's ")
BATCH = 500
_MESSAGE = {"_id", "chat_row_id", "from_me", "key_id", "timestamp", "message_type"}
_MESSAGES = {"_id", "key_remote_jid", "key_from_me", "key_id", "timestamp", "media_wa_type"}
_COUNTED = ("messages", "message", "call_log")


def looks_like(tables: set[str]) -> bool:
    """Whether a database with these tables is a ``msgstore.db``."""
    return "jid" in tables and "chat" in tables and bool({"message", "messages"} & tables)


def read(
    path: Path,
    wa_db: Path | None = None,
    *,
    phone: str,
    after: str | None = None,
    batch_size: int = BATCH,
    on_skip: OnSkip,
) -> Iterator[Piece]:
    """Everything that the files tell of the own number ``phone`` (a JID), from the place ``after`` on.

    ``on_skip`` hears of every row or value that could not be read. Raises ``Unreadable`` where a file is not what it
    should be.
    """
    with ExitStack() as stack:
        store = stack.enter_context(opened(path, ANDROID, "msgstore.db"))
        contacts = stack.enter_context(opened(wa_db, ANDROID, "wa.db"))
        _check(store, contacts, wa_db)
        yield from walk(_Reading(store, contacts, phone, on_skip).stages(), "backup", after, batch_size)


def count(path: Path) -> int:
    """How many rows ``read`` counts: messages and calls."""
    with opened(path, ANDROID, "msgstore.db") as store:
        present = [table for table in _COUNTED if store.columns(table)]
        return sum(int(store.one(f"SELECT count(*) FROM {table}")) for table in present)  # noqa: S608


def _check(store: ForeignFile, contacts: ForeignFile, wa_db: Path | None) -> None:
    if not (_MESSAGE.issubset(store.columns("message")) or _MESSAGES.issubset(store.columns("messages"))):
        if "wa_contacts" in store.tables():
            raise store.unreadable("this is the phone's wa.db, which holds no messages; name the file msgstore.db")
        raise store.unreadable("this is not a database of WhatsApp for Android; name the phone's msgstore.db")
    if wa_db is not None and "jid" not in contacts.columns("wa_contacts"):
        raise contacts.unreadable("this is not WhatsApp's list of contacts; name the phone's wa.db")


class _Reading:
    def __init__(self, store: ForeignFile, contacts: ForeignFile, phone: str, on_skip: OnSkip) -> None:
        self.store = store
        self.phone = phone
        self.tables = Tables(store, on_skip)
        self.names = Tables(contacts, on_skip)
        self.records = Records(self.tables)
        self.jids: Jids = self.records.jids

    def stages(self) -> tuple[Stage, ...]:
        """In the order in which what they tell can be applied."""
        store, contacts = self.tables, self.names
        old = _MESSAGES.issubset(self.store.columns("messages"))
        new = _MESSAGE.issubset(self.store.columns("message"))
        return (
            Stage("jid_map", store, self._mappings),
            each("wa_contacts", contacts, lambda row: names.contact_of(row, self.phone)),
            each("wa_vnames", contacts, lambda row: names.business_of(row, self.phone)),
            each("wa_group_descriptions", contacts, lambda row: names.description_of(row, self.phone)),
            each("lid_display_name", store, lambda row: names.shown_name_of(row, self.phone, self.jids)),
            Stage("chat", store, self._chats),
            each("labels", store, lambda row: names.label_of(row, self.phone)),
            each("labeled_jids", store, lambda row: names.labeled_of(row, self.phone, self.jids)),
            Stage("labeled_jid", store, self._labeled),
            *([Stage("messages", store, self._old_messages, counts=True)] if old else ()),
            *([Stage("message", store, self._messages, counts=True)] if new else ()),
            each("call_log", store, lambda row: MessageSeen(call_of(row, self.phone, self.jids)), counts=True),
        )

    def _mappings(self, numbers: list[int]) -> Told:
        rows = list(self.tables.rows("jid_map", numbers))
        self.jids.learn(row.values.get(column) for row in rows for column in ("lid_row_id", "jid_row_id"))
        return Told(list(events_of(rows, lambda row: names.mapping_of(row, self.jids))), rows)

    def _labeled(self, numbers: list[int]) -> Told:
        rows = list(self.tables.rows("labeled_jid", numbers))
        self.jids.learn(row.values.get("jid_row_id") for row in rows)
        return Told(list(events_of(rows, lambda row: names.labeled_of(row, self.phone, self.jids))), rows)

    def _chats(self, numbers: list[int]) -> Told:
        rows = list(self.tables.rows("chat", numbers))
        groups = [no for row in rows if isinstance(no := row.values.get("jid_row_id"), int)]
        members = self.tables.belonging("group_participant_user", "group_jid_row_id", groups)
        letters = self.tables.by_number("newsletter", (row.no for row in rows))
        everybody = [row.values.get("user_jid_row_id") for told in members.values() for row in told]
        self.jids.learn([*groups, *everybody])

        def tell(row: Row) -> Event | None:
            told = members.get(row.values.get("jid_row_id") or 0, [])
            return self._chat(row, told, letters.get(row.no))

        return Told(list(events_of(rows, tell)), rows)

    def _chat(self, row: Row, members: list[Row], newsletter: Row | None) -> Event | None:
        jid = self.jids.get(row.values.get("jid_row_id"))
        if not members and jid is not None and ids.kind_of(jid) == "group":
            members = self._old_members(jid)
        return names.chat_of(row, self.phone, self.jids, members, newsletter)

    def _old_members(self, group: str) -> list[Row]:
        """Members by the table of before 2022."""
        if "gjid" not in self.store.columns("group_participants"):
            return []
        sql = "SELECT rowid FROM group_participants WHERE gjid = ? LIMIT 5000"
        return list(self.tables.rows("group_participants", [no for (no,) in self.store.rows(sql, group)]))

    def _messages(self, numbers: list[int]) -> Told:
        return self._told(self.records.of(numbers))

    def _old_messages(self, numbers: list[int]) -> Told:
        return self._told(legacy.records_of(self.tables, numbers))

    def _told(self, records: list[Record]) -> Told:
        told = Told()
        for record in records:
            if is_placeholder(record):
                continue
            told.raw += record.rows()
            message = read_row(record.row, lambda _, record=record: message_of(record, self.phone, self.jids))  # type: ignore[misc]
            if message is None:
                continue
            told.events.append(MessageSeen(message))
            told.events += changes.told(record, message, self.phone, self.jids)
            if (file := file_of(record, message)) is not None:
                told.files.append(file)
        return told
