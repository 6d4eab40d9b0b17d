"""The rows of a message, its flags, and the way between a row and what a source told.

Wherever rows are read, their columns have names: a few are unpacked, more become a named tuple in the order of the
statement, and the value of a single column comes from ``only_value``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import NoneType
from typing import Any, NamedTuple, get_args

import msgspec
from msgspec import Struct

from backscroll.core.limits import EARLIEST, LATEST
from backscroll.core.model import MEDIA_KINDS, NO_DETAILS, SOURCE_RANK, Details, Kind, Message, MessageKey, Source
from backscroll.database.protocol import Row, Txn

EXPORT_PREFIX = "exp_"
"""Ids that exported chats were given, because they have none (ingest/exports/lines.py)."""

CLASS = 3
"""Bits of the class: 0 message, 1 call, 2 notice."""
CALL, NOTICE = 1, 2
FROM_ME = 4
MEDIA = 8
"""Also written out in the partial index of 0001_first.sql."""
ANNOTATED = 16
"""The message has annotations: reactions, receipts, votes, pins or edits."""
OBSERVED = 32
"""observations holds what the sources told; without it the row itself is the only observation."""
DELETED = 64
NOTIFICATION = 256
"""Calls and notices: what Periskope lists apart from messages."""
EXPORTED = 128
"""Known from an exported chat only: the id is made up."""

_ENCODER = msgspec.json.Encoder()
_DETAILS = msgspec.json.Decoder(Details)


def only_value(row: Row | None) -> Any:
    """The value of a row that has one column; None where there is no row."""
    if row is None:
        return None
    (value,) = row
    return value


def only_number(rows: Sequence[Row]) -> int:
    """The number of a read that gives one row of one column; 0 where it is NULL, as a sum of nothing is."""
    ((number,),) = rows
    return int(number or 0)


class PhoneRow(NamedTuple):
    """A row of phones, in the order of columns of the statement list_phones."""

    phone: int
    jid: str
    phone_id: str
    device_id: str | None
    name: str | None
    created_at: int
    contact: int
    state: str | None


def phone_rows(tx: Txn, org: int) -> list[PhoneRow]:
    """The own phones of an organisation, oldest first."""
    return [PhoneRow(*row) for row in tx.all("list_phones", {"org": org})]


class ListedRow(Struct, gc=False):
    """What pages read of a row of messages, in the order of ``LISTED_COLUMNS`` (database/protocol.py)."""

    no: int
    phone: int
    chat: int
    sender: int
    id: str
    sent_at: int
    flags: int
    kind: Kind
    text: str | None
    details: str | None
    ack: int | None
    deleted_at: int | None
    edited_at: int | None
    prev_text: str | None
    fts: str | None
    """None also where the reader does not show it."""
    stored_at: int
    changed_at: int


class MessageRow(ListedRow, gc=False):
    """A row of messages, in the order of ``MESSAGE_COLUMNS`` (database/protocol.py)."""

    source: Source
    raw: int | None


class ObservationRow(NamedTuple):
    """A row of tellings, in the order of columns of the statement known_observations."""

    chat: int
    id: str
    sender: int
    source: Source
    digest: str
    message: str
    told: str | None
    """Who told it, encoded (storage/records/tellers.py)."""


class AnnotationRow(NamedTuple):
    """A row of addons, in the order of columns of the statement known_annotations. ``at`` in microseconds UTC."""

    chat: int
    id: str
    kind: str
    actor: int
    target: int
    ref: str
    at: int
    value: str
    told: str | None


def row_of(values: tuple[Any, ...]) -> MessageRow:
    return MessageRow(*values)


def encode_details(details: Details) -> str | None:
    """JSON, or None if there are no details."""
    text = _ENCODER.encode(details)
    return None if text == b"{}" else text.decode()


def decode_details(text: str | None) -> Details:
    return NO_DETAILS if text is None else _DETAILS.decode(text)


_TYPES = {
    "no": (int,),
    "phone": (int,),
    "chat": (int,),
    "sender": (int,),
    "id": (str,),
    "sent_at": (int,),
    "flags": (int,),
    "kind": (str,),
    "text": (str, NoneType),
    "details": (str, NoneType),
    "ack": (int, NoneType),
    "deleted_at": (int, NoneType),
    "edited_at": (int, NoneType),
    "prev_text": (str, NoneType),
    "fts": (str, NoneType),
    "source": (str,),
    "raw": (int, NoneType),
    "stored_at": (int,),
    "changed_at": (int,),
}
_KINDS = frozenset(get_args(Kind))
_SOUND = frozenset((text, fts, prev) for text in (str, NoneType) for fts in (str, NoneType) for prev in (str, NoneType))


def are_sound(rows: Iterable[ListedRow]) -> bool:
    """Whether the rows can be shown, as far as a quick look tells: every row of every page gets one."""
    return all(
        [  # noqa: C419 -- faster than a generator
            (type(row.text), type(row.fts), type(row.prev_text)) in _SOUND
            and type(row.id) is str
            and row.kind in _KINDS
            and type(row.sent_at) is int
            and EARLIEST <= row.sent_at <= LATEST
            for row in rows
        ]
    )


def problem_of(row: ListedRow) -> str | None:
    """What makes a row unreadable; None for a sound one."""
    for column in row.__struct_fields__:
        types = _TYPES[column]
        if type(getattr(row, column)) not in types:
            return f"{column} holds no {' or '.join(kind.__name__ for kind in types)}"
    if row.kind not in _KINDS:
        return f"kind {row.kind[:40]!r} is unknown"
    if isinstance(row, MessageRow) and row.source not in SOURCE_RANK:
        return f"source {row.source[:40]!r} is unknown"
    for name in ("sent_at", "deleted_at", "edited_at", "stored_at", "changed_at"):
        at = getattr(row, name)
        if at is not None and not EARLIEST <= at <= LATEST:
            return f"{name} lies outside the years 1 to 9999"
    try:
        decode_details(row.details)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        return f"details cannot be decoded ({error})"
    return None


def kind_flags(kind: Kind) -> int:
    """The bits of a row's flags that follow from the kind of message."""
    if kind in MEDIA_KINDS:
        return MEDIA
    if kind == "call":
        return CALL | NOTIFICATION
    return NOTICE | NOTIFICATION if kind == "notice" else 0


def observation_of(row: MessageRow) -> Message:
    """What the one source of an untouched row told. Its key is filled by the store's numbers elsewhere."""
    return Message(
        key=MessageKey("", "", row.id),
        sent_at=row.sent_at,
        from_me=bool(row.flags & FROM_ME),
        kind=row.kind,
        text=row.text,
        ack=row.ack,
        details=decode_details(row.details),
    )
