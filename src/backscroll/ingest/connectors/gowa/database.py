"""GOWA's own files: ``chatstorage.db`` (chats and messages) and, beside it, ``whatsapp.db`` (names, LIDs, settings).

Every version since v7.1 is read, by the columns that a file has and not by its version number: also the v7 files
that GOWA v8 and v9 open and then cannot use. Nothing is ever written to the files or left beside them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from itertools import chain, islice
from pathlib import Path

import msgspec

from backscroll.core import ids
from backscroll.core.events import (
    Batch,
    ChatSeen,
    ContactSeen,
    Event,
    MessageEdited,
    NumberMapped,
    PhoneSeen,
    ReactionSet,
    Target,
)
from backscroll.core.model import Message
from backscroll.ingest.connectors.foreign import whatsmeow
from backscroll.ingest.connectors.foreign.rows import (
    OnSkip,
    Row,
    Skipped,
    Unusable,
    raw_lines,
    read_row,
    read_rows,
)
from backscroll.ingest.connectors.foreign.sqlite import ForeignFile, TooLarge
from backscroll.ingest.connectors.gowa.accounts import Accounts
from backscroll.ingest.connectors.gowa.files import opened
from backscroll.ingest.connectors.gowa.mapping import (
    aimed_at,
    chat_of,
    chat_of_settings,
    contact_of,
    message_of,
    number_mapping,
    with_edits,
)

RAW_TYPE = "application/x-ndjson"
_BATCH_BYTES = 32 << 20


_log = logging.getLogger(__name__)


def read(
    chatstorage: Path,
    whatsapp_db: Path | None = None,
    *,
    account: str | None = None,
    batch_size: int = 1000,
    on_skip: OnSkip | None = None,
) -> Iterator[Batch]:
    """All that the files hold: phones, numbers, contacts, chats, then messages, oldest first.

    ``account`` says whose messages they are where the file does not: a number, or ``SLOT=NUMBER,…`` for several.
    ``on_skip`` hears of every row or value that could not be read; without it they are logged.
    Raises ``Question`` when an account has to be named, ``Unreadable`` when a file is not what it should be.
    """
    with ExitStack() as stack:
        store = stack.enter_context(opened(chatstorage, "chatstorage.db", needed="messages"))
        whatsapp = stack.enter_context(opened(whatsapp_db, "whatsapp.db", needed="whatsmeow_device"))
        yield from _Reading(store, whatsapp, account, batch_size, on_skip or _log_skipped).batches()


def count(chatstorage: Path) -> int:
    """How many messages ``read`` will come across."""
    with opened(chatstorage, "chatstorage.db", needed="messages") as store:
        return int(store.one("SELECT count(*) FROM messages"))


def _log_skipped(skipped: Skipped) -> None:
    _log.warning("GOWA import: %s", skipped)


_DEVICE_COLUMNS = ("device_id", "display_name", "jid", "ad_jid", "created_at", "updated_at")
"""The others of ``devices`` hold webhook secrets."""


class _Reading:
    def __init__(
        self, store: ForeignFile, whatsapp: ForeignFile, account: str | None, batch_size: int, on_skip: OnSkip
    ) -> None:
        self.store = store
        self.whatsapp = whatsapp
        self.batch_size = batch_size
        self.on_skip = on_skip
        self.device_rows = self._oldest_first(self._rows(store, "devices", _DEVICE_COLUMNS))
        self.linked_rows = list(self._rows(whatsapp, "whatsmeow_device"))
        self.accounts = Accounts(store, whatsapp, self.device_rows, self.linked_rows, account)

    def batches(self) -> Iterator[Batch]:
        """Everything that the files tell, in the order in which it can be applied."""
        phones = [*self.device_rows, *self.linked_rows]
        own_phones = self._phones()
        yield Batch(source="gowa", events=own_phones, raw=raw_lines(phones), raw_type=RAW_TYPE)
        yield from self._simple(self._rows(self.whatsapp, "whatsmeow_lid_map"), number_mapping)
        own = {ids.canonical(event.jid) for event in own_phones if isinstance(event, PhoneSeen)}

        def contact(row: Row) -> ContactSeen | None:
            account = ids.canonical(row.text("our_jid") or "")
            return contact_of(row, account if account in own else None)

        yield from self._simple(self._rows(self.whatsapp, "whatsmeow_contacts"), contact)
        yield from self._chats()
        yield from self._messages()
        for table, key, told in (
            ("message_reactions", "message_id", self._reaction),
            ("message_edits", "original_message_id", self._edit),
        ):
            yield from self._simple(self._orphans(table, key), told)

    # phones

    def _oldest_first(self, rows: Iterable[Row]) -> list[Row]:
        return sorted(rows, key=lambda row: row.time("created_at") or 0)

    def _phones(self) -> list[Event]:
        push_names = {self.accounts.own(row): row.text("push_name") for row in self.linked_rows}
        phones: dict[tuple[str, str | None], PhoneSeen] = {}
        for row in self.device_rows:
            slot = row.text("device_id")
            jid = self.accounts.by_partition.get(slot or "") or self.accounts.own(row)
            if jid and slot:
                device_id = None if "@" in slot else slot
                name = row.text("display_name") or push_names.get(jid)
                phone = PhoneSeen(jid=jid, device_id=device_id, name=name, created_at=row.time("created_at"))
                phones.setdefault((jid, device_id), phone)
        for slot, jid in self.accounts.by_partition.items():
            device_id = slot if slot and "@" not in slot else None
            if device_id or not any(known == jid for known, _ in phones):
                phones.setdefault((jid, device_id), PhoneSeen(jid=jid, device_id=device_id, name=push_names.get(jid)))
        for linked, push_name in push_names.items():
            if linked and not any(known == linked for known, _ in phones):
                phones[linked, None] = PhoneSeen(jid=linked, name=push_name)
        lids = [(self.accounts.own(row), row.text("lid")) for row in self.linked_rows]
        return [*phones.values(), *(NumberMapped(lid=ids.canonical(lid), jid=jid) for jid, lid in lids if jid and lid)]

    # tables

    def _rows(self, file: ForeignFile, table: str, columns: tuple[str, ...] = ()) -> Iterator[Row]:
        """The rows of a table in the order they were made; none when the file does not have it."""
        wanted = columns or whatsmeow.COLUMNS.get(table, ())
        there = file.columns(table)
        shown = tuple(name for name in wanted if name in there) if wanted else there
        if shown:
            yield from self._picked(file, table, shown, (no for (no,) in file.rows(f"SELECT rowid FROM {table}")))  # noqa: S608

    def _picked(self, file: ForeignFile, table: str, columns: tuple[str, ...], numbers: Iterable[int]) -> Iterator[Row]:
        """The rows with these rowids, but for those that are too large to be GOWA's."""
        wanted = iter(numbers)
        while chunk := list(islice(wanted, self.batch_size)):
            for no, values in file.picked(table, columns, chunk):
                row = Row(table, no, dict(zip(columns, values or (), strict=False)), self.on_skip)
                if values is None:
                    row.report("row", "is too large", kept=False)
                else:
                    yield row

    def _chunks(self, rows: Iterator[Row]) -> Iterator[list[Row]]:
        """As many rows as a batch takes, or fewer where they are large."""
        chunk: list[Row] = []
        size = 0
        for row in rows:
            chunk.append(row)
            size += len(row.raw())
            if len(chunk) >= self.batch_size or size >= _BATCH_BYTES:
                yield chunk
                chunk, size = [], 0
        if chunk:
            yield chunk

    def _simple(self, rows: Iterator[Row], told: Callable[[Row], Event | None]) -> Iterator[Batch]:
        """Batches of a table whose rows stand each for itself."""
        for chunk in self._chunks(rows):
            events: list[Event] = [event for row in chunk if (event := read_row(row, told)) is not None]
            yield Batch(source="gowa", events=events, raw=raw_lines(chunk), raw_type=RAW_TYPE)

    def _account(self, row: Row) -> str:
        """The own phone whose row this is."""
        partition = row.key("device_id").strip() if row.values.get("device_id") else ""
        if partition not in self.accounts.by_partition:
            raise Unusable("device_id", "refers to no account")
        return self.accounts.by_partition[partition]

    # chats

    def _chats(self) -> Iterator[Batch]:
        settings = {self._settings_key(row): row for row in self._rows(self.whatsapp, "whatsmeow_chat_settings")}
        used: set[tuple[str, str]] = set()

        def told(row: Row) -> ChatSeen:
            key = self._account(row), ids.canonical(row.key("jid"))
            used.add(key)
            return chat_of(row, *key, settings.get(key))

        def left(row: Row) -> ChatSeen | None:
            return None if self._settings_key(row) in used else chat_of_settings(row)

        yield from self._simple(self._rows(self.store, "chats"), told)
        yield from self._simple(iter(settings.values()), left)

    def _settings_key(self, row: Row) -> tuple[str, str]:
        return ids.canonical(row.text("our_jid") or ""), ids.canonical(row.text("chat_jid") or "")

    # messages

    def _messages(self) -> Iterator[Batch]:
        rows = self._picked(self.store, "messages", self.store.columns("messages"), self._in_order())
        for chunk in self._chunks(rows):
            yield self._batch_of_messages(chunk)

    def _in_order(self) -> Iterator[int]:
        """Row numbers of messages, oldest first; as they were made where a time is too large to sort by."""
        numbers = self.store.rows("SELECT rowid FROM messages ORDER BY instant(CAST(timestamp AS BLOB)), rowid")
        try:
            first = next(numbers, None)
        except TooLarge:
            numbers = self.store.rows("SELECT rowid FROM messages")
            first = next(numbers, None)
        if first is not None:
            yield from (no for (no,) in chain([first], numbers))

    def _batch_of_messages(self, rows: list[Row]) -> Batch:
        numbers = msgspec.json.encode([row.no for row in rows]).decode()
        edits = self._belonging("message_edits", "original_message_id", numbers)
        reactions = self._belonging("message_reactions", "message_id", numbers)
        events: list[Event] = []
        for row in rows:
            message = read_row(row, self._message)
            changes = read_rows(edits.get(row.no, ()), self._edit)
            events += with_edits(message, changes) if message else [edit for _, edit in changes]
            told = read_rows(reactions.get(row.no, ()), self._reaction)
            events += [aimed_at(reaction, message) for _, reaction in told]
        attached = [row for found in (edits, reactions) for attached in found.values() for row in attached]
        return Batch(source="gowa", events=events, raw=raw_lines([*rows, *attached]), raw_type=RAW_TYPE)

    def _message(self, row: Row) -> Message:
        return message_of(row, self._account(row), self.accounts.jid_of)

    def _reaction(self, row: Row) -> ReactionSet:
        phone = self._account(row)
        by = phone if row.flag("is_from_me") else self.accounts.jid_of(row.key("reactor_jid"))
        if by is None:
            raise Unusable("reactor_jid", "refers to no person")
        target = Target(phone, ids.canonical(row.key("chat_jid")), row.key("message_id"))
        return ReactionSet(target=target, by=by, emoji=row.text("emoji") or "", at=row.time("reaction_timestamp"))

    def _edit(self, row: Row) -> MessageEdited:
        at = row.time("edited_at") or row.time("created_at")
        if at is None:
            raise Unusable("edited_at", "is unknown")
        phone, editor = self._account(row), row.text("editor")
        target = Target(phone, ids.canonical(row.key("chat_jid")), row.key("original_message_id"))
        by = self.accounts.jid_of(editor) if editor else None
        return MessageEdited(target=target, text=row.text("new_content"), at=at, id=row.text("edit_event_id"), by=by)

    def _belonging(self, table: str, key: str, numbers: str) -> dict[int, list[Row]]:
        """The rows of ``table`` that belong to the messages of these row numbers."""
        found: dict[int, list[Row]] = {}
        columns = self.store.columns(table)
        if columns:
            sql = f"""
                SELECT m.rowid, t.rowid FROM messages AS m CROSS JOIN {table} AS t ON {self._joined(columns, key)}
                WHERE m.rowid IN (SELECT value FROM json_each(?)) ORDER BY t.rowid
            """  # noqa: S608
            pairs = list(self.store.rows(sql, numbers))
            rows = {row.no: row for row in self._picked(self.store, table, columns, [no for _, no in pairs])}
            for message, no in pairs:
                if no in rows:
                    found.setdefault(message, []).append(rows[no])
        return found

    def _orphans(self, table: str, key: str) -> Iterator[Row]:
        """The rows of ``table`` whose message is not in the file."""
        columns = self.store.columns(table)
        if columns:
            sql = f"""
                SELECT t.rowid FROM {table} AS t
                WHERE NOT EXISTS (SELECT 1 FROM messages AS m WHERE {self._joined(columns, key)})
            """  # noqa: S608
            yield from self._picked(self.store, table, columns, (no for (no,) in self.store.rows(sql)))

    def _joined(self, columns: tuple[str, ...], key: str) -> str:
        both = "device_id" in columns and "device_id" in self.store.columns("messages")
        same_device = " AND m.device_id = t.device_id" if both else ""
        return f"m.id = t.{key} AND m.chat_jid = t.chat_jid{same_device}"
