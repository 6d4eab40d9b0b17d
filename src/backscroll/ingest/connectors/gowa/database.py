"""GOWA's own files: ``chatstorage.db`` (chats and messages) and, beside it, ``whatsapp.db`` (names, LIDs, settings).

Every version since v7.1 is read, by the columns that a file has and not by its version number: also the v7 files
that GOWA v8 and v9 open and then cannot use. Nothing is ever written to the files or left beside them.
"""

from __future__ import annotations

import base64
import logging
import re
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import msgspec
from msgspec import Struct

from backscroll.core import ids
from backscroll.core.errors import BadField, Question, Unreadable
from backscroll.core.events import (
    Batch,
    ChatSeen,
    ContactSeen,
    Event,
    MessageEdited,
    MessageSeen,
    NumberMapped,
    PhoneSeen,
    ReactionSet,
    Target,
)
from backscroll.core.model import MEDIA_KINDS, Call, Details, Kind, Location, Media, Message, MessageKey, Quote

RAW_TYPE = "application/x-ndjson"
MUTED_FOREVER = 253_402_300_799_000_000
"""The last second of the year 9999, for WhatsApp's "always"."""

_log = logging.getLogger(__name__)
_T = TypeVar("_T")


class Skipped(Struct, frozen=True, kw_only=True):
    """A row that could not be told, or one value of it. The row itself is in the raw payload of its batch."""

    table: str
    row: int
    """SQLite's rowid."""
    name: str | None
    """The message id, JID or slot id of the row, where it can be read."""
    column: str
    problem: str
    kept: bool
    """True when the rest of the row was told."""

    def __str__(self) -> str:
        named = f" ({self.name})" if self.name else ""
        return f"{self.table} row {self.row}{named}: {self.column} {self.problem}"


OnSkip = Callable[[Skipped], None]


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
        store = stack.enter_context(_opened(chatstorage, "chatstorage.db", needed="messages"))
        whatsapp = stack.enter_context(_opened(whatsapp_db, "whatsapp.db", needed="whatsmeow_device"))
        yield from _Reading(store, whatsapp, account, batch_size, on_skip or _log_skipped).batches()


def count(chatstorage: Path) -> int:
    """How many messages ``read`` will come across."""
    with _opened(chatstorage, "chatstorage.db", needed="messages") as store:
        return int(store.one("SELECT count(*) FROM messages"))


def _log_skipped(skipped: Skipped) -> None:
    _log.warning("GOWA import: %s", skipped)


# Times


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_GO_STRING = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?) ([+-]\d\d)(\d\d)(?: \S+)?(?: m=[+-][\d.]+)?")
_MICROSECOND = timedelta(microseconds=1)


def instant(text: str) -> int | None:
    """Microseconds since 1970 of a time as Go's SQLite drivers spell it; None for Go's zero time.

    ``2026-01-15 10:30:00.5+07:00`` and ``2026-01-15 10:30:00.5 +0700 WIB m=+12.3`` are the same; no zone is UTC.
    Raises ``ValueError`` for anything else.
    """
    go = _GO_STRING.fullmatch(text)
    when = datetime.fromisoformat(f"{go[1]}{go[2]}:{go[3]}" if go else text)
    if when.year == 1:
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return (when - _EPOCH) // _MICROSECOND


def _instant_of_unix(number: int) -> int:
    """The SQLite driver takes whole numbers above 10¹² for milliseconds, others for seconds."""
    return number * 1000 if number > 10**12 else number * 1_000_000


def _sort_key(value: object) -> int | None:
    """``instant`` for SQL, which must not raise; the text comes as a blob since it may not be UTF-8."""
    try:
        if isinstance(value, bytes):
            text = value.decode().strip()
            return _instant_of_unix(int(text)) if text.isdigit() else instant(text)
    except ValueError:
        pass
    return None


# Files


class _Broken(bytes):
    """A TEXT value that is not UTF-8."""


def _decoded(raw: bytes) -> str | _Broken:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return _Broken(raw)


class _File:
    """A foreign SQLite file, seen as it was at the moment of opening."""

    def __init__(self, path: Path, db: sqlite3.Connection) -> None:
        self.path = path
        self.db = db

    def one(self, sql: str, *values: Any) -> Any:
        return next(self.rows(sql, *values))[0]

    def rows(self, sql: str, *values: Any) -> Iterator[tuple[Any, ...]]:
        try:
            yield from self.db.execute(sql, values)
        except sqlite3.DatabaseError as error:
            raise Unreadable("GOWA database", self.path.name, f"{error}; copy the file again") from error

    def columns(self, table: str) -> tuple[str, ...]:
        return tuple(name for (name,) in self.rows("SELECT name FROM pragma_table_info(?)", table))

    def has_rows(self, table: str) -> bool:
        return bool(self.columns(table)) and bool(self.one(f"SELECT EXISTS (SELECT 1 FROM {table})"))  # noqa: S608


_NEEDED = {"messages": {"id", "chat_jid", "sender", "timestamp"}, "whatsmeow_device": {"jid"}}


@contextmanager
def _opened(path: Path | None, usual: str, *, needed: str) -> Iterator[_File]:
    """The file, which must hold the table ``needed``; without a path, an empty one."""
    with ExitStack() as stack:
        db = _empty(stack) if path is None else _connect(path, usual, stack)
        file = _File(path or Path(usual), db)
        if path is not None and not _NEEDED[needed].issubset(file.columns(needed)):
            _refuse(file, usual)
        yield file


def _refuse(file: _File, usual: str) -> NoReturn:
    tables = {str(name) for (name,) in file.rows("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if "whatsmeow_device" in tables:
        problem = "this is GOWA's whatsapp.db, which holds no messages"
    elif usual == "whatsapp.db" and {"messages", "chats"} <= tables:
        problem = "this is GOWA's chatstorage.db"
    else:
        problem = "no database of GOWA"
    raise Unreadable("GOWA database", file.path.name, f"{problem}; name the file {usual}")


def _empty(stack: ExitStack) -> sqlite3.Connection:
    db = sqlite3.connect(":memory:")
    stack.callback(db.close)
    return db


def _connect(path: Path, usual: str, stack: ExitStack) -> sqlite3.Connection:
    """A connection to the file as it is, or to a copy where reading it in place would leave a trace."""
    write_ahead = _check_header(path, usual)
    wal, shm, journal = (path.with_name(path.name + suffix) for suffix in ("-wal", "-shm", "-journal"))
    if not write_ahead or shm.exists():
        try:
            return _connection(f"{path.resolve().as_uri()}?mode=ro", stack)
        except sqlite3.OperationalError:
            # A log that has to be played back first, or a folder that SQLite may not use.
            return _copied(path, (wal, journal), stack)
    if _size(wal):
        return _copied(path, (wal,), stack)
    return _connection(f"{path.resolve().as_uri()}?mode=ro&immutable=1", stack)


def _connection(uri: str, stack: ExitStack) -> sqlite3.Connection:
    db = sqlite3.connect(uri, uri=True, timeout=30, isolation_level=None, check_same_thread=False)
    try:
        db.execute("BEGIN")
        db.execute("SELECT count(*) FROM sqlite_master")
    except sqlite3.DatabaseError as error:
        db.close()
        if isinstance(error, sqlite3.OperationalError):
            raise
        raise Unreadable("GOWA database", Path(uri.partition("?")[0]).name, f"{error}; copy the file again") from error
    stack.callback(db.close)
    db.text_factory = _decoded
    db.create_function("instant", 1, _sort_key, deterministic=True)
    return db


def _copied(path: Path, logs: Iterable[Path], stack: ExitStack) -> sqlite3.Connection:
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="backscroll-gowa-")))
    for file in (path, *(log for log in logs if log.exists())):
        shutil.copyfile(file, folder / file.name)
    try:
        return _connection((folder / path.name).as_uri(), stack)
    except sqlite3.OperationalError as error:
        raise Unreadable("GOWA database", path.name, f"{error}; stop GOWA and copy the files again") from error


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _check_header(path: Path, usual: str) -> bool:
    """Whether the database keeps a write-ahead log; refuses what is no whole SQLite file."""

    def refuse(problem: str) -> NoReturn:
        raise Unreadable("GOWA database", path.name, f"{problem}; name GOWA's storages/{usual}")

    if not path.is_file():
        refuse("there is no such file")
    with path.open("rb") as file:
        header = file.read(100)
    if not header:
        refuse("the file is empty")
    if len(header) < 100 or not header.startswith(b"SQLite format 3\0"):
        refuse("this is no SQLite database")
    page_size = int.from_bytes(header[16:18], "big")
    whole = int.from_bytes(header[28:32], "big") * (65536 if page_size == 1 else page_size)
    trusted = header[24:28] == header[92:96]
    if trusted and _size(path) < whole and not _size(path.with_name(path.name + "-wal")):
        refuse(f"the file is cut off ({_size(path)} of {whole} bytes)")
    return header[18] == 2


# Rows


class _Unusable(Exception):
    def __init__(self, column: str, problem: str) -> None:
        super().__init__(column, problem)
        self.column = column
        self.problem = problem


class _Row:
    """One row of a foreign table; what cannot be read in it is reported when it is asked for."""

    def __init__(self, table: str, no: int, values: dict[str, Any], on_skip: OnSkip) -> None:
        self.table = table
        self.no = no
        self.values = values
        self.altered: set[str] = set()
        self._on_skip = on_skip
        self._reported: set[str] = set()

    def report(self, column: str, problem: str, *, kept: bool) -> None:
        if kept and column in self._reported:
            return
        self._reported.add(column)
        name = next(iter(self.values.values()), None)
        skipped = Skipped(
            table=self.table,
            row=self.no,
            name=name if isinstance(name, str) else None,
            column=column,
            problem=problem,
            kept=kept,
        )
        self._on_skip(skipped)

    def key(self, column: str) -> str:
        """Text that the row makes no sense without."""
        value = self.values.get(column)
        if not isinstance(value, str):
            raise _Unusable(column, _what_it_is(value))
        if not value.strip() or "\0" in value:
            raise _Unusable(column, "holds NUL" if value.strip() else "is empty")
        return value

    def text(self, column: str) -> str | None:
        value = self.values.get(column)
        if value is None or value == "":
            return None
        if isinstance(value, str):
            cleaned, changed = ids.clean_text(value)
        else:
            self.report(column, f"{_what_it_is(value)}; told as far as it can be read", kept=True)
            raw = value if isinstance(value, bytes) else str(value).encode()
            cleaned, changed = ids.clean_text(raw.decode(errors="replace"))[0], True
        if changed:
            self.altered.add(column)
        return cleaned

    def time(self, column: str) -> int | None:
        value = self.values.get(column)
        if value is None or value == "":
            return None
        try:
            if isinstance(value, str):
                return instant(value.strip())
            if isinstance(value, int) and 0 < value < 10**14:
                return _instant_of_unix(value)
        except ValueError:
            pass
        self.report(column, "is no time", kept=True)
        return None

    def number(self, column: str) -> int | None:
        value = self.values.get(column)
        return value if isinstance(value, int) and value > 0 else None

    def flag(self, column: str) -> bool | None:
        value = self.values.get(column)
        if isinstance(value, str):
            return value.strip().lower() in ("1", "t", "true")
        return None if value is None else bool(value)

    def blob(self, column: str) -> bytes | None:
        value = self.values.get(column)
        if value is None or value in ("", b""):
            return None
        if isinstance(value, bytes) and not isinstance(value, _Broken):
            return value
        self.report(column, "is no bytes", kept=True)
        return None

    def object(self, column: str) -> dict[str, Any] | None:
        text = self.text(column)
        if text is None:
            return None
        try:
            return msgspec.json.decode(text, type=dict[str, Any])
        except msgspec.DecodeError:
            self.report(column, "is no JSON object", kept=True)
            return None

    def raw(self) -> bytes:
        """The row as a line of JSON. Bytes are ``{"base64": …}``, text that is not UTF-8 ``{"broken_text": …}``."""
        row = {name: _json_value(value) for name, value in self.values.items()}
        return msgspec.json.encode({"table": self.table, "rowid": self.no, "row": row})


def _what_it_is(value: object) -> str:
    if value is None:
        return "is missing"
    if isinstance(value, _Broken):
        return "is not UTF-8"
    return "is a blob, not text" if isinstance(value, bytes) else "is a number, not text"


def _json_value(value: object) -> object:
    if isinstance(value, bytes):
        name = "broken_text" if isinstance(value, _Broken) else "base64"
        return {name: base64.b64encode(value).decode()}
    return value


def _quoted(columns: Iterable[str], alias: str) -> str:
    return ", ".join(f'{alias}."{column.replace(chr(34), chr(34) * 2)}"' for column in columns)


# Reading


_DEVICE_COLUMNS = ("device_id", "display_name", "jid", "ad_jid", "created_at", "updated_at")
"""The others of ``devices`` hold webhook secrets."""
_WHATSAPP_COLUMNS = {
    "whatsmeow_device": ("jid", "lid", "push_name"),
    "whatsmeow_contacts": (
        "their_jid",
        "our_jid",
        "first_name",
        "full_name",
        "push_name",
        "business_name",
        "redacted_phone",
    ),
    "whatsmeow_lid_map": ("lid", "pn"),
    "whatsmeow_chat_settings": ("chat_jid", "our_jid", "muted_until", "pinned", "archived"),
}
"""Nothing else is read there: the file also holds the account's private keys."""


class _Reading:
    def __init__(self, store: _File, whatsapp: _File, account: str | None, batch_size: int, on_skip: OnSkip) -> None:
        self.store = store
        self.whatsapp = whatsapp
        self.batch_size = batch_size
        self.on_skip = on_skip
        self.device_rows = self._oldest_first(self._rows(store, "devices", _DEVICE_COLUMNS))
        self.linked_rows = list(self._rows(whatsapp, "whatsmeow_device"))
        self.accounts = _Accounts(self, account)

    def batches(self) -> Iterator[Batch]:
        phones = [*self.device_rows, *self.linked_rows]
        yield Batch(source="gowa", events=self._phones(), raw=_lines(phones), raw_type=RAW_TYPE)
        yield from self._simple(self._rows(self.whatsapp, "whatsmeow_lid_map"), _numbers)
        yield from self._simple(self._rows(self.whatsapp, "whatsmeow_contacts"), _contact)
        yield from self._chats()
        yield from self._messages()
        for table, key, told in (
            ("message_reactions", "message_id", self._reaction),
            ("message_edits", "original_message_id", self._edit),
        ):
            yield from self._simple(self._orphans(table, key), told)

    # phones

    def _oldest_first(self, rows: Iterable[_Row]) -> list[_Row]:
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

    def _rows(self, file: _File, table: str, columns: tuple[str, ...] = ()) -> Iterator[_Row]:
        """The rows of a table in the order they were made; none when the file does not have it."""
        wanted = columns or _WHATSAPP_COLUMNS.get(table, ())
        there = file.columns(table)
        shown = tuple(name for name in wanted if name in there) if wanted else there
        if shown:
            sql = f"SELECT t.rowid, {_quoted(shown, 't')} FROM {table} AS t"  # noqa: S608
            for no, *values in file.rows(sql):
                yield _Row(table, no, dict(zip(shown, values, strict=True)), self.on_skip)

    def _simple(self, rows: Iterator[_Row], told: Callable[[_Row], Event | None]) -> Iterator[Batch]:
        """Batches of a table whose rows stand each for itself."""
        while chunk := list(islice(rows, self.batch_size)):
            events = [event for row in chunk if (event := _told(row, told)) is not None]
            yield Batch(source="gowa", events=events, raw=_lines(chunk), raw_type=RAW_TYPE)

    def _account(self, row: _Row) -> str:
        """The own phone whose row this is."""
        partition = row.key("device_id").strip() if row.values.get("device_id") else ""
        if partition not in self.accounts.by_partition:
            raise _Unusable("device_id", "names no account")
        return self.accounts.by_partition[partition]

    # chats

    def _chats(self) -> Iterator[Batch]:
        settings = {self._settings_key(row): row for row in self._rows(self.whatsapp, "whatsmeow_chat_settings")}
        used: set[tuple[str, str]] = set()

        def told(row: _Row) -> ChatSeen:
            key = self._account(row), ids.canonical(row.key("jid"))
            used.add(key)
            return _chat(row, *key, settings.get(key))

        def left(row: _Row) -> ChatSeen | None:
            return None if self._settings_key(row) in used else _settings_alone(row)

        yield from self._simple(self._rows(self.store, "chats"), told)
        yield from self._simple(iter(settings.values()), left)

    def _settings_key(self, row: _Row) -> tuple[str, str]:
        return ids.canonical(row.text("our_jid") or ""), ids.canonical(row.text("chat_jid") or "")

    # messages

    def _messages(self) -> Iterator[Batch]:
        columns = self.store.columns("messages")
        # The limit keeps SQLite from merging the two selects: only times and row numbers are sorted, not whole rows.
        sql = f"""
            SELECT m.rowid, {_quoted(columns, "m")}
            FROM (SELECT rowid AS no FROM messages ORDER BY instant(CAST(timestamp AS BLOB)), rowid LIMIT -1) AS o
            CROSS JOIN messages AS m ON m.rowid = o.no
        """  # noqa: S608
        rows = (
            _Row("messages", no, dict(zip(columns, values, strict=True)), self.on_skip)
            for no, *values in self.store.rows(sql)
        )
        while chunk := list(islice(rows, self.batch_size)):
            yield self._batch_of_messages(chunk)

    def _batch_of_messages(self, rows: list[_Row]) -> Batch:
        numbers = msgspec.json.encode([row.no for row in rows]).decode()
        edits = self._belonging("message_edits", "original_message_id", numbers)
        reactions = self._belonging("message_reactions", "message_id", numbers)
        events: list[Event] = []
        for row in rows:
            message = _told(row, self._message)
            changes = _told_all(edits.get(row.no, ()), self._edit)
            events += _with_edits(message, changes) if message else [edit for _, edit in changes]
            told = _told_all(reactions.get(row.no, ()), self._reaction)
            events += [_aimed(reaction, message) for _, reaction in told]
        attached = [row for found in (edits, reactions) for attached in found.values() for row in attached]
        return Batch(source="gowa", events=events, raw=_lines([*rows, *attached]), raw_type=RAW_TYPE)

    def _message(self, row: _Row) -> Message:
        return _message(row, self._account(row), self.accounts)

    def _reaction(self, row: _Row) -> ReactionSet:
        phone = self._account(row)
        by = phone if row.flag("is_from_me") else self.accounts.jid_of(row.key("reactor_jid"))
        if by is None:
            raise _Unusable("reactor_jid", "names no person")
        target = Target(phone, ids.canonical(row.key("chat_jid")), row.key("message_id"))
        return ReactionSet(target=target, by=by, emoji=row.text("emoji") or "", at=row.time("reaction_timestamp"))

    def _edit(self, row: _Row) -> MessageEdited:
        at = row.time("edited_at") or row.time("created_at")
        if at is None:
            raise _Unusable("edited_at", "is unknown")
        phone, editor = self._account(row), row.text("editor")
        target = Target(phone, ids.canonical(row.key("chat_jid")), row.key("original_message_id"))
        by = self.accounts.jid_of(editor) if editor else None
        return MessageEdited(target=target, text=row.text("new_content"), at=at, id=row.text("edit_event_id"), by=by)

    def _belonging(self, table: str, key: str, numbers: str) -> dict[int, list[_Row]]:
        """The rows of ``table`` that belong to the messages of these row numbers."""
        found: dict[int, list[_Row]] = {}
        columns = self.store.columns(table)
        if columns:
            sql = f"""
                SELECT m.rowid, t.rowid, {_quoted(columns, "t")}
                FROM messages AS m CROSS JOIN {table} AS t ON {self._joined(columns, key)}
                WHERE m.rowid IN (SELECT value FROM json_each(?)) ORDER BY t.rowid
            """  # noqa: S608
            for message, no, *values in self.store.rows(sql, numbers):
                row = _Row(table, no, dict(zip(columns, values, strict=True)), self.on_skip)
                found.setdefault(message, []).append(row)
        return found

    def _orphans(self, table: str, key: str) -> Iterator[_Row]:
        """The rows of ``table`` whose message is not in the file."""
        columns = self.store.columns(table)
        if columns:
            sql = f"""
                SELECT t.rowid, {_quoted(columns, "t")} FROM {table} AS t
                WHERE NOT EXISTS (SELECT 1 FROM messages AS m WHERE {self._joined(columns, key)})
            """  # noqa: S608
            for no, *values in self.store.rows(sql):
                yield _Row(table, no, dict(zip(columns, values, strict=True)), self.on_skip)

    def _joined(self, columns: tuple[str, ...], key: str) -> str:
        both = "device_id" in columns and "device_id" in self.store.columns("messages")
        same_device = " AND m.device_id = t.device_id" if both else ""
        return f"m.id = t.{key} AND m.chat_jid = t.chat_jid{same_device}"


def _told(row: _Row, told: Callable[[_Row], _T]) -> _T | None:
    try:
        return told(row)
    except _Unusable as error:
        row.report(error.column, error.problem, kept=False)
        return None


def _told_all(rows: Iterable[_Row], told: Callable[[_Row], _T]) -> list[tuple[_Row, _T]]:
    return [(row, event) for row in rows if (event := _told(row, told)) is not None]


def _lines(rows: Iterable[_Row]) -> bytes:
    return b"\n".join(row.raw() for row in rows)


# Accounts


class _Accounts:
    """Whose messages they are: the own phone of every partition (``device_id``) of the file.

    A partition is an account's JID, the slot id of a device, or "" where the file does not tell devices apart.
    """

    def __init__(self, reading: _Reading, answer: str | None) -> None:
        self._reading = reading
        self._whatsapp = reading.whatsapp
        self._has_lids = bool(reading.whatsapp.columns("whatsmeow_lid_map"))
        self._linked = {jid for row in reading.linked_rows if (jid := self.own(row))}
        self._slots = {row.text("device_id"): self.own(row) for row in reading.device_rows}
        self._named, self._answer = _answers(answer)
        self.by_partition = self._resolved()

    def own(self, row: _Row) -> str | None:
        """The account of a row of ``devices`` or ``whatsmeow_device``; None when it is logged out."""
        jid = row.text("jid") or row.text("ad_jid")
        return self._number_of(ids.canonical(jid)) if jid else None

    def jid_of(self, text: str, chat: str | None = None) -> str | None:
        """The person that a sender column means; None when it is none (a group, a channel).

        Rows of v7 hold the user part alone, without saying whether it is a number or a LID.
        """
        user = re.split(r"[.:]", text)[0]
        if "@" in text:
            jid = ids.canonical(text)
        elif chat is not None and user == ids.user_part(chat):
            jid = chat
        else:
            jid = f"{user}@lid" if self._is_lid(user) else ids.canonical(user)
        return jid if ids.is_person(jid) else None

    def _is_lid(self, user: str) -> bool:
        sql = "SELECT EXISTS (SELECT 1 FROM whatsmeow_lid_map WHERE lid = ?)"
        return self._has_lids and bool(self._whatsapp.one(sql, user))

    def _number_of(self, jid: str) -> str | None:
        """The phone-number form of a JID, where there is one."""
        if ids.kind_of(jid) == "user":
            return jid
        if ids.kind_of(jid) != "lid" or not self._has_lids:
            return None
        for (pn,) in self._whatsapp.rows("SELECT pn FROM whatsmeow_lid_map WHERE lid = ?", ids.user_part(jid)):
            return ids.canonical(str(pn))
        return None

    def _resolved(self) -> dict[str, str]:
        known = {partition: self._by_itself(partition) for partition in self._partitions()}
        undecided = [partition for partition, jid in known.items() if jid is None]
        for partition in undecided:
            if self._answer is None or len(undecided) > 1:
                raise Question(self._question(undecided), "--account")
            known[partition] = self._answer
        return {partition: jid for partition, jid in known.items() if jid is not None}

    def _partitions(self) -> list[str]:
        """In the order of their names; what is no text is left to the rows that hold it."""
        found: set[str] = set()
        for table in ("messages", "chats", "message_reactions", "message_edits"):
            columns = self._reading.store.columns(table)
            if "device_id" in columns:
                names = self._reading.store.rows(f"SELECT DISTINCT device_id FROM {table}")  # noqa: S608
                found.update((name or "").strip() for (name,) in names if name is None or isinstance(name, str))
            elif columns and self._reading.store.has_rows(table):
                found.add("")
        return sorted(found)

    def _by_itself(self, partition: str) -> str | None:
        if named := self._named.get(partition):
            return named
        if "@" in partition and (jid := self._number_of(ids.canonical(partition))):
            return jid
        if slot := self._slots.get(partition):
            return slot
        senders = self._own_senders(partition)
        if partition:
            return _only(senders) or (None if senders or self._answer else _only(self._linked))
        devices = {jid for jid in self._slots.values() if jid} | self._linked
        if self._answer:
            return None
        if _only(devices) and senders and _only(senders) != _only(devices):
            return None
        return _only(devices) or _only(senders)

    def _own_senders(self, partition: str) -> set[str]:
        """The numbers that the partition's outgoing messages were sent from."""
        columns = self._reading.store.columns("messages")
        if "is_from_me" not in columns:
            return set()
        mine = "AND trim(device_id) = ?" if "device_id" in columns else "AND ? = ''"
        sql = f"SELECT DISTINCT sender FROM messages WHERE is_from_me {mine}"  # noqa: S608
        jids = {self.jid_of(name) for (name,) in self._reading.store.rows(sql, partition) if isinstance(name, str)}
        return {number for jid in jids if jid and (number := self._number_of(jid))}

    def _question(self, undecided: list[str]) -> str:
        file = self._reading.store.path.name
        if undecided == [""]:
            return f"{file} does not say whose messages it holds: which WhatsApp number is it?"
        names = ", ".join(name or "(none)" for name in undecided)
        if len(undecided) == 1:
            return f"{file} does not say which WhatsApp number the device {names} was: which is it?"
        return f"{file} does not say which WhatsApp numbers the devices {names} were (SLOT=NUMBER,…): which are they?"


def _only(jids: set[str]) -> str | None:
    return next(iter(jids)) if len(jids) == 1 else None


def _answers(account: str | None) -> tuple[dict[str, str], str | None]:
    """The numbers named for single devices, and the one named for whatever is undecided."""
    if account is None:
        return {}, None
    if "=" not in account:
        return {}, _own_number(account)
    pairs = (pair.rpartition("=") for pair in account.split(","))
    return {slot.strip(): _own_number(number) for slot, _, number in pairs}, None


def _own_number(text: str) -> str:
    jid = ids.canonical(text)
    if ids.kind_of(jid) != "user" or not ids.bare_number(ids.user_part(jid)):
        raise BadField("account", text, "must be a phone number with its country code, or SLOT=NUMBER,…")
    return jid


# Mapping


def _numbers(row: _Row) -> NumberMapped:
    lid, number = row.key("lid"), row.key("pn")
    return NumberMapped(lid=ids.canonical(lid if "@" in lid else f"{lid}@lid"), jid=ids.canonical(number))


def _contact(row: _Row) -> ContactSeen | None:
    name = row.text("full_name") or row.text("first_name")
    push_name, business_name = row.text("push_name"), row.text("business_name")
    redacted = row.text("redacted_phone")
    if not (name or push_name or business_name or redacted):
        return None
    return ContactSeen(
        jid=ids.canonical(row.key("their_jid")),
        name=name,
        push_name=push_name,
        business_name=business_name,
        is_business=True if business_name else None,
        is_saved=True if name else None,
        extras={"redacted_phone": redacted} if redacted else None,
    )


def _chat(row: _Row, phone: str, chat: str, settings: _Row | None) -> ChatSeen:
    """Settings come from the account itself, so they win over GOWA's copy."""
    name = row.text("name")
    updated_at = row.time("updated_at")
    return ChatSeen(
        phone=phone,
        chat=chat,
        at=updated_at,
        name=None if name in _made_up_names(chat) else name,
        archived=settings.flag("archived") if settings else row.flag("archived"),
        pinned=settings.flag("pinned") if settings else None,
        muted_until=_muted_until(settings) if settings else None,
        ephemeral_seconds=row.number("ephemeral_expiration"),
        created_at=row.time("created_at"),
        updated_at=updated_at,
    )


def _settings_alone(settings: _Row) -> ChatSeen | None:
    """A chat that only the account's settings name; none when they are the usual ones."""
    if not any(settings.flag(name) for name in ("muted_until", "pinned", "archived")):
        return None
    return ChatSeen(
        phone=ids.canonical(settings.key("our_jid")),
        chat=ids.canonical(settings.key("chat_jid")),
        archived=settings.flag("archived"),
        pinned=settings.flag("pinned"),
        muted_until=_muted_until(settings),
    )


def _made_up_names(chat: str) -> tuple[str, ...]:
    """What GOWA writes where it knows no name."""
    user = ids.user_part(chat)
    return (chat, user, f"+{user}", f"Group {user}", f"Newsletter {user}")


def _muted_until(settings: _Row) -> int | None:
    if settings.values.get("muted_until") == -1:
        return MUTED_FOREVER
    seconds = settings.number("muted_until")
    return min(seconds * 1_000_000, MUTED_FOREVER) if seconds else None


_KINDS: dict[str, Kind] = {
    "image": "image",
    "video": "video",
    "video_note": "video_note",
    "audio": "audio",
    "ptt": "voice",
    "document": "document",
    "sticker": "sticker",
    "call": "call",
}
_CONTACT = re.compile(r"Contact: .+ \(\+?[\d\s().-]{4,}\)")
_CONTACTS = re.compile(r"Contacts: .+")
_LOCATION = re.compile(r"(?:(.*) — )?(https://maps\.google\.com/\?q=(-?\d{1,2}(?:\.\d+)?),(-?\d{1,3}(?:\.\d+)?))", re.S)


def _message(row: _Row, phone: str, accounts: _Accounts) -> Message:
    chat = ids.canonical(row.key("chat_jid"))
    from_me = row.flag("is_from_me") or False
    kind = _kind(row)
    text = row.text("content")
    location = _location(text) if kind == "text" else None
    if kind == "text" and text:
        kind = "location" if location else _summary_kind(text)
    created_at = row.time("created_at")
    return Message(
        key=MessageKey(phone, chat, row.key("id"), phone if from_me else _sender(row, chat, accounts)),
        sent_at=_sent_at(row, created_at),
        from_me=from_me,
        kind=kind,
        text=text,
        details=Details(
            media=_media(row) if kind in MEDIA_KINDS else None,
            quoted=_quote(row),
            location=location,
            call=_call(row, from_me) if kind == "call" else None,
            has_media=kind in MEDIA_KINDS,
            is_status=True if chat == "status@broadcast" else None,
            created_at=created_at,
            updated_at=row.time("updated_at"),
            altered=True if "content" in row.altered else None,
            type_name=row.text("media_type") if kind == "unknown" else None,
            referral=row.object("referral_metadata"),
        ),
    )


def _kind(row: _Row) -> Kind:
    media_type = row.text("media_type")
    return _KINDS.get(media_type, "unknown") if media_type else "text"


def _sender(row: _Row, chat: str, accounts: _Accounts) -> str | None:
    """Old history rows name the group itself as the sender, which is nobody."""
    sender = row.values.get("sender")
    if sender is not None and not isinstance(sender, str):
        raise _Unusable("sender", _what_it_is(sender))
    jid = accounts.jid_of(sender, chat) if sender and "\0" not in sender else None
    return jid or (chat if ids.is_person(chat) else None)


def _sent_at(row: _Row, created_at: int | None) -> int:
    sent_at = row.time("timestamp")
    if sent_at is not None:
        return sent_at
    if created_at is None:
        raise _Unusable("timestamp", "is unknown")
    row.report("timestamp", "is unknown; dated by when GOWA stored the message", kept=True)
    return created_at


def _media(row: _Row) -> Media:
    media_key, sha256, enc_sha256 = (row.blob(name) for name in ("media_key", "file_sha256", "file_enc_sha256"))
    return Media(
        size=row.number("file_length"),
        filename=row.text("filename"),
        sha256=sha256.hex() if sha256 else None,
        url=row.text("url"),
        media_key=base64.b64encode(media_key).decode() if media_key else None,
        direct_path=row.text("direct_path"),
        enc_sha256=enc_sha256.hex() if enc_sha256 else None,
    )


def _call(row: _Row, from_me: bool) -> Call:
    metadata = row.object("call_metadata")
    rejected = metadata is not None and metadata.get("auto_rejected") is True
    return Call(outgoing=from_me, result="rejected" if rejected else None, metadata=metadata)


def _quote(row: _Row) -> Quote | None:
    """Only GOWA after v9.2 keeps what a message answers, and only the id."""
    answered = (row.object("context_metadata") or {}).get("replied_to_id")
    return Quote(id=answered) if isinstance(answered, str) and answered else None


def _summary_kind(text: str) -> Kind:
    """GOWA keeps of contact cards only a line that a person could also have typed."""
    if _CONTACT.fullmatch(text):
        return "contact"
    return "contacts" if _CONTACTS.fullmatch(text) else "text"


def _location(text: str | None) -> Location | None:
    found = _LOCATION.fullmatch(text) if text else None
    if found is None:
        return None
    latitude, longitude = float(found[3]), float(found[4])
    if abs(latitude) > 90 or abs(longitude) > 180:
        return None
    name, _, address = (found[1] or "").partition(" — ")
    return Location(latitude=latitude, longitude=longitude, name=name or None, address=address or None, url=found[2])


def _with_edits(message: Message, told: list[tuple[_Row, MessageEdited]]) -> list[Event]:
    """The message with its first text, and every edit of it.

    The row holds the newest text. Where its history does not lead there, a last edit does; but a row that went
    back to the first text was only overwritten by a late history sync.
    """
    if not told:
        return [MessageSeen(message)]
    told = sorted(told, key=lambda pair: (pair[1].at, pair[0].no))
    first_text = told[0][0].text("previous_content")
    if first_text is None and message.kind not in MEDIA_KINDS:
        first_text = message.text
    edits = [_aimed(edit, message) for _, edit in told]
    last = edits[-1]
    if message.text not in (first_text, last.text):
        at = max(message.details.updated_at or 0, last.at + 1)
        edits.append(MessageEdited(target=last.target, text=message.text, at=at))
    return [MessageSeen(msgspec.structs.replace(message, text=first_text)), *edits]


_Aimed = TypeVar("_Aimed", MessageEdited, ReactionSet)


def _aimed(event: _Aimed, message: Message | None) -> _Aimed:
    """The event with its message's author, where that is known."""
    if message is None:
        return event
    return msgspec.structs.replace(event, target=msgspec.structs.replace(event.target, sender=message.key.sender))
