"""``ChatStorage.sqlite`` of WhatsApp on iPhones and Macs, with the files of names, hidden ids and calls beside it.

What a file holds is found by its tables and columns, which Core Data names after WhatsApp's own classes. Nothing is
ever written to the files.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from msgspec import Struct

from backscroll.core import ids
from backscroll.core.events import Event, MessageSeen, PhoneSeen
from backscroll.ingest.connectors.foreign.pieces import Found, Piece, first_piece
from backscroll.ingest.connectors.foreign.rows import OnSkip, Row, read_row
from backscroll.ingest.connectors.foreign.sqlite import ForeignFile, Product, opened
from backscroll.ingest.connectors.foreign.stages import Stage, Told, each, events_of, walk
from backscroll.ingest.connectors.foreign.tables import Tables, rowids
from backscroll.ingest.connectors.foreign.whatsmeow import own_number
from backscroll.ingest.connectors.ios import names
from backscroll.ingest.connectors.ios.content import (
    CALL,
    Record,
    call_of,
    changes_of,
    file_of,
    is_without_id,
    message_of,
    type_of,
)

IPHONE = Product("WhatsApp for iPhone", "the phone's ")
BATCH = 500
MAX_KEPT = 50_000
"""Chats and members that are remembered."""
_MESSAGES = {"Z_PK", "ZCHATSESSION", "ZISFROMME", "ZMESSAGEDATE", "ZMESSAGETYPE", "ZSTANZAID"}
_CHATS = {"Z_PK", "ZCONTACTJID"}


class Files(Struct, frozen=True):
    """The phone's databases, those that are there."""

    chats: Path
    contacts: Path | None = None
    """ContactsV2.sqlite"""
    numbers: Path | None = None
    """LID.sqlite"""
    calls: Path | None = None
    """CallHistory.sqlite"""


def looks_like(tables: set[str]) -> bool:
    """Whether a database with these tables is a ``ChatStorage.sqlite``."""
    return {"ZWAMESSAGE", "ZWACHATSESSION"} <= tables


def look(files: Files, phone: str | None = None) -> Found:
    """Whose messages the files hold, and how many.

    ``Question`` where ``phone`` must be told, ``Unreadable`` where a file is not what it should be.
    """
    with _opened(files, phone, lambda skipped: None) as reading:
        return Found(reading.phone, int(reading.store.one("SELECT count(*) FROM ZWAMESSAGE")))


def read(
    files: Files, *, phone: str | None = None, after: str | None = None, batch_size: int = BATCH, on_skip: OnSkip
) -> Iterator[Piece]:
    """Everything that the files tell, from the place ``after`` on; raises as ``look``."""
    with _opened(files, phone, on_skip) as reading:
        if after is None:
            yield first_piece("backup", [PhoneSeen(jid=reading.phone)])
        yield from walk(reading.stages(), "backup", after, batch_size)


@contextmanager
def _opened(files: Files, phone: str | None, on_skip: OnSkip) -> Iterator[_Reading]:
    with ExitStack() as stack:
        store = stack.enter_context(opened(files.chats, IPHONE, "ChatStorage.sqlite"))
        if not (_MESSAGES.issubset(store.columns("ZWAMESSAGE")) and _CHATS.issubset(store.columns("ZWACHATSESSION"))):
            raise store.unreadable("this is not a database of WhatsApp for iPhone; name the file ChatStorage.sqlite")
        contacts = stack.enter_context(opened(files.contacts, IPHONE, "ContactsV2.sqlite"))
        numbers = stack.enter_context(opened(files.numbers, IPHONE, "LID.sqlite"))
        calls = stack.enter_context(opened(files.calls, IPHONE, "CallHistory.sqlite"))
        owner = own_number(phone, _own_numbers(store) if phone is None else set(), "this backup")
        yield _Reading(store, contacts, numbers, calls, owner, on_skip)


def _own_numbers(store: ForeignFile) -> set[str]:
    """To whom the newest message of a chat of two was sent that the phone received."""
    if not {"ZTOJID", "ZFROMJID"}.issubset(store.columns("ZWAMESSAGE")):
        return set()
    newest = """
        SELECT ZTOJID FROM ZWAMESSAGE WHERE ZISFROMME = 0 AND typeof(ZTOJID) = 'text'
        AND ZTOJID LIKE '%@s.whatsapp.net' AND ZFROMJID LIKE '%@s.whatsapp.net' ORDER BY Z_PK DESC LIMIT 1
    """
    return {jid for (told,) in store.rows(newest) if (jid := names.person_of(told)) and ids.kind_of(jid) == "user"}


class _Kept:
    """Rows of a table that many messages name."""

    def __init__(self, tables: Tables, table: str) -> None:
        self._tables = tables
        self._table = table
        self._rows: dict[int, Row | None] = {}

    def learn(self, numbers: Iterable[object]) -> None:
        """Look these up together."""
        named = rowids(numbers)
        if len(self._rows) + len(named) > MAX_KEPT:
            self._rows.clear()
        wanted = named - self._rows.keys()
        found = self._tables.by_number(self._table, wanted)
        self._rows |= {no: found.get(no) for no in wanted}

    def get(self, number: object) -> Row | None:
        """The row with this number; None where there is none."""
        return self._rows.get(number) if isinstance(number, int) else None


class _Reading:
    def __init__(
        self,
        store: ForeignFile,
        contacts: ForeignFile,
        numbers: ForeignFile,
        calls: ForeignFile,
        phone: str,
        on_skip: OnSkip,
    ) -> None:
        self.store = store
        self.phone = phone
        self.tables = Tables(store, on_skip)
        self.contacts = Tables(contacts, on_skip)
        self.numbers = Tables(numbers, on_skip)
        self.calls = Tables(calls, on_skip)
        self.sessions = _Kept(self.tables, "ZWACHATSESSION")
        self.members = _Kept(self.tables, "ZWAGROUPMEMBER")
        self.has_log = calls.has_rows("ZWACDCALLEVENT")

    def stages(self) -> tuple[Stage, ...]:
        """In the order in which what they tell can be applied."""
        pairs = "ZWAPHONENUMBERLIDPAIR"
        return (
            each("ZWAZACCOUNT", self.numbers, partial(names.account_of, phone=self.phone)),
            each(pairs, self.numbers, partial(names.account_of, phone=self.phone)),
            each(f"chats.{pairs}", self.tables, partial(names.account_of, phone=self.phone), table=pairs),
            each("ZWAADDRESSBOOKCONTACT", self.contacts, partial(names.contact_of, phone=self.phone)),
            each("ZWAPROFILEPUSHNAME", self.tables, partial(names.push_name_of, phone=self.phone)),
            Stage("ZWACHATSESSION", self.tables, self._chats),
            Stage("ZWAMESSAGE", self.tables, self._messages, counts=True),
            Stage("ZWACDCALLEVENT", self.calls, self._log),
        )

    def _chats(self, numbers: list[int]) -> Told:
        rows = list(self.tables.rows("ZWACHATSESSION", numbers))
        members = self.tables.belonging("ZWAGROUPMEMBER", "ZCHATSESSION", numbers)
        groups = self.tables.by_number("ZWAGROUPINFO", rowids(row.values.get("ZGROUPINFO") for row in rows))

        def tell(row: Row) -> list[Event]:
            group = groups.get(row.values.get("ZGROUPINFO") or 0)
            return names.chat_of(row, self.phone, members.get(row.no, []), group)

        return Told(list(events_of(rows, tell)), rows)

    def _messages(self, numbers: list[int]) -> Told:
        told = Told()
        for record in self._records(numbers):
            if is_without_id(record) or (type_of(record) == CALL and self.has_log):
                continue
            told.raw += record.rows()
            message = read_row(record.row, lambda _, record=record: message_of(record, self.phone))  # type: ignore[misc]
            if message is None:
                continue
            told.events.append(MessageSeen(message))
            told.events += changes_of(record, message, self.phone)
            if (file := file_of(record, message)) is not None:
                told.files.append(file)
        return told

    def _records(self, numbers: list[int]) -> list[Record]:
        rows = list(self.tables.rows("ZWAMESSAGE", numbers))
        parents = self.tables.by_number("ZWAMESSAGE", rowids(row.values.get("ZPARENTMESSAGE") for row in rows))
        everything = [*rows, *parents.values()]
        self.sessions.learn(row.values.get("ZCHATSESSION") for row in rows)
        self.members.learn(row.values.get("ZGROUPMEMBER") for row in everything)
        media = self.tables.by_number("ZWAMEDIAITEM", rowids(row.values.get("ZMEDIAITEM") for row in rows))
        infos = self.tables.belonging("ZWAMESSAGEINFO", "ZMESSAGE", [row.no for row in rows])
        records = []
        for row in rows:
            parent = parents.get(row.values.get("ZPARENTMESSAGE") or 0)
            records.append(
                Record(
                    row=row,
                    session=self.sessions.get(row.values.get("ZCHATSESSION")),
                    member=self.members.get(row.values.get("ZGROUPMEMBER")),
                    media=media.get(row.values.get("ZMEDIAITEM") or 0),
                    info=next(iter(infos.get(row.no, [])), None),
                    parent=parent,
                    parent_member=self.members.get(parent.values.get("ZGROUPMEMBER")) if parent is not None else None,
                )
            )
        return records

    def _log(self, numbers: list[int]) -> Told:
        """Who took part belongs to what WhatsApp shows as one line: several calls one after the other."""
        rows = list(self.calls.rows("ZWACDCALLEVENT", numbers))
        lines = rowids(row.values.get("Z1CALLEVENTS") for row in rows)
        shown = self.calls.by_number("ZWAAGGREGATECALLEVENT", lines)
        people = self.calls.belonging("ZWACDCALLEVENTPARTICIPANT", "Z1PARTICIPANTS", sorted(lines))

        def tell(row: Row) -> MessageSeen:
            line = row.values.get("Z1CALLEVENTS") or 0
            return MessageSeen(call_of(row, self.phone, shown.get(line), people.get(line, [])))

        return Told(list(events_of(rows, tell)), [*rows, *shown.values()])
