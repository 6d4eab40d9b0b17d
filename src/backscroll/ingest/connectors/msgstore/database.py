"""``msgstore.db`` of WhatsApp on Android, in the shapes that it had from 2020 to 2026, and ``wa.db`` beside it.

What a file holds is found by its tables and columns: their names stayed, and new ones came beside them. Until 2022 the
messages stood in a table ``messages``, since then in ``message`` with some two hundred tables around it. Files of the
time between hold both, and both are read. Nothing is ever written to the files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

from backscroll.core import ids
from backscroll.core.events import Event, MessageSeen
from backscroll.core.model import Message
from backscroll.ingest.connectors.foreign.pieces import LocalFile, Piece, Place, piece_of
from backscroll.ingest.connectors.foreign.rows import OnSkip, Row, read_row
from backscroll.ingest.connectors.foreign.sqlite import ForeignFile, Product, opened
from backscroll.ingest.connectors.foreign.tables import Tables, TooMuch
from backscroll.ingest.connectors.msgstore import changes, legacy, names
from backscroll.ingest.connectors.msgstore.content import (
    call_of,
    file_of,
    is_placeholder,
    message_of,
)
from backscroll.ingest.connectors.msgstore.records import Jids, Record, Records

ANDROID = Product("WhatsApp for Android", "the phone's ")
STAGES = (
    "jid_map",
    "wa_contacts",
    "wa_vnames",
    "wa_group_descriptions",
    "lid_display_name",
    "chat",
    "messages",
    "message",
    "call_log",
)
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
        place = Place.parse(after, STAGES)
        yield from _Reading(store, contacts, phone, batch_size, on_skip).pieces(place)


def count(path: Path) -> int:
    """How many rows ``read`` counts: messages and calls."""
    with opened(path, ANDROID, "msgstore.db") as store:
        present = [table for table in _COUNTED if store.columns(table)]
        return sum(int(store.one(f"SELECT count(*) FROM {table}")) for table in present)  # noqa: S608


def _check(store: ForeignFile, contacts: ForeignFile, wa_db: Path | None) -> None:
    if not (_MESSAGE.issubset(store.columns("message")) or _MESSAGES.issubset(store.columns("messages"))):
        if "wa_contacts" in store.tables():
            raise store.unreadable("this is the phone's wa.db, which holds no messages; name the file msgstore.db")
        raise store.unreadable("this is no database of WhatsApp for Android; name the phone's msgstore.db")
    if wa_db is not None and "jid" not in contacts.columns("wa_contacts"):
        raise contacts.unreadable("this is no list of WhatsApp's contacts; name the phone's wa.db")


class _Reading:
    def __init__(self, store: ForeignFile, contacts: ForeignFile, phone: str, batch_size: int, on_skip: OnSkip) -> None:
        self.store = store
        self.contacts = contacts
        self.phone = phone
        self.batch_size = batch_size
        self.tables = Tables(store, on_skip)
        self.names = Tables(contacts, on_skip)
        self.records = Records(self.tables)
        self.jids: Jids = self.records.jids

    def pieces(self, place: Place) -> Iterator[Piece]:
        """Every stage that is not over, in the order in which they can be applied."""
        for stage in STAGES:
            after = place.after(stage, STAGES)
            if after is not None:
                yield from self._stage(stage, after)

    def _stage(self, stage: str, after: int) -> Iterator[Piece]:
        of_messages = {"message": self.records.of, "messages": lambda numbers: legacy.records_of(self.tables, numbers)}
        if stage in of_messages:
            needed = _MESSAGE if stage == "message" else _MESSAGES
            if needed.issubset(self.store.columns(stage)):
                yield from self._messages(stage, after, of_messages[stage])
            return
        tables = self.names if stage.startswith("wa_") else self.tables
        if not tables.file.columns(stage):
            return
        for numbers in tables.file.chunks(stage, self.batch_size, after):
            yield from self._halved(numbers, tables, lambda some, tables=tables: self._simple(stage, tables, some))  # type: ignore[misc]

    def _simple(self, stage: str, tables: Tables, numbers: list[int]) -> Piece:
        """A piece of a table whose rows stand each for itself."""
        rows = list(tables.rows(stage, numbers))
        if stage == "jid_map":
            self.jids.learn(row.values.get(column) for row in rows for column in ("lid_row_id", "jid_row_id"))
        events = list(self._chats(rows) if stage == "chat" else self._told(stage, rows))
        counted = len(numbers) if stage in _COUNTED else 0
        return piece_of("backup", events, Place(stage, numbers[-1]), rows, rows=counted)

    def _told(self, stage: str, rows: list[Row]) -> Iterator[Event]:
        told: dict[str, Callable[[Row], Event | None]] = {
            "jid_map": lambda row: names.mapping_of(row, self.jids),
            "wa_contacts": names.contact_of,
            "wa_vnames": names.business_of,
            "wa_group_descriptions": lambda row: names.description_of(row, self.phone),
            "lid_display_name": lambda row: names.shown_name_of(row, self.jids),
            "call_log": lambda row: MessageSeen(call_of(row, self.phone, self.jids)),
        }
        for row in rows:
            if (event := read_row(row, told[stage])) is not None:
                yield event

    def _chats(self, rows: list[Row]) -> Iterator[Event]:
        groups = [no for row in rows if isinstance(no := row.values.get("jid_row_id"), int)]
        members = self.tables.belonging("group_participant_user", "group_jid_row_id", groups)
        letters = self.tables.by_number("newsletter", (row.no for row in rows))
        numbers = [row.values.get("user_jid_row_id") for told in members.values() for row in told]
        self.jids.learn([*groups, *numbers])
        for row in rows:
            told = members.get(row.values.get("jid_row_id") or 0, [])
            seen = read_row(row, lambda row, told=told: self._chat(row, told, letters.get(row.no)))  # type: ignore[misc]
            if seen is not None:
                yield seen

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

    # messages

    def _messages(self, stage: str, after: int, records: Callable[[list[int]], list[Record]]) -> Iterator[Piece]:
        for numbers in self.store.chunks(stage, self.batch_size, after):
            yield from self._halved(numbers, self.tables, lambda some: self._piece(stage, some, records(some)))

    def _halved(self, numbers: list[int], tables: Tables, piece: Callable[[list[int]], Piece]) -> Iterator[Piece]:
        """The piece of these rows, or several of fewer where they hold more than one may."""
        tables.begin(is_whole=len(numbers) == 1)
        try:
            made = piece(numbers)
        except TooMuch:
            half = len(numbers) // 2
            yield from self._halved(numbers[:half], tables, piece)
            yield from self._halved(numbers[half:], tables, piece)
        else:
            yield made

    def _piece(self, stage: str, numbers: list[int], records: list[Record]) -> Piece:
        events: list[Event] = []
        files: list[LocalFile] = []
        told = [record for record in records if not is_placeholder(record)]
        for record in told:
            message = self._message(record)
            if message is None:
                continue
            events.append(MessageSeen(message))
            events += changes.told(record, message, self.phone, self.jids)
            if (file := file_of(record, message)) is not None:
                files.append(file)
        raw: Iterable[Row] = (row for record in told for row in record.rows())
        return piece_of("backup", events, Place(stage, numbers[-1]), raw, files, rows=len(numbers))

    def _message(self, record: Record) -> Message | None:
        return read_row(record.row, lambda _: message_of(record, self.phone, self.jids))
