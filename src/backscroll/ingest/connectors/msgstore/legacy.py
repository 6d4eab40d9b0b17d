"""The table ``messages``, which WhatsApp used until 2022, read as if it were the tables of today."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from backscroll.core import ids
from backscroll.ingest.connectors.foreign.rows import Row
from backscroll.ingest.connectors.foreign.tables import Tables, rowids
from backscroll.ingest.connectors.msgstore.content import DELETED, SYSTEM
from backscroll.ingest.connectors.msgstore.records import Record

_STATUS_SYSTEM = 6
_COLUMNS = {
    "from_me": "key_from_me",
    "key_id": "key_id",
    "status": "status",
    "timestamp": "timestamp",
    "received_timestamp": "received_timestamp",
    "receipt_server_timestamp": "receipt_server_timestamp",
    "text_data": "data",
    "starred": "starred",
    "origin": "origin",
    "forwarded": "forwarded",
}
_MEDIA = {
    "mime_type": "media_mime_type",
    "file_length": "media_size",
    "media_name": "media_name",
    "media_caption": "media_caption",
    "file_hash": "media_hash",
    "enc_file_hash": "media_enc_hash",
    "media_duration": "media_duration",
    "message_url": "media_url",
}
ONE = (
    "message_media",
    "message_thumbnail",
    "message_revoked",
    "message_view_once_media",
    "message_ephemeral",
    "message_system",
    "missed_call_logs",
)
MANY = ("message_system_chat_participant", "receipt_user", "message_vcard")
_CONTACTS = (4, 14)
_PLACES = (5, 16)


def records_of(tables: Tables, numbers: Sequence[int]) -> list[Record]:
    """The rows of ``messages`` with these rowids as records of today. ``TooMuch`` as ``Records.of``."""
    rows = list(tables.rows("messages", numbers))
    found = [row.no for row in rows]
    one = {table: tables.belonging(table, "message_row_id", found) for table in ONE}
    many = {table: tables.belonging(table, "message_row_id", found) for table in MANY}
    cards = tables.belonging("messages_vcards", "message_row_id", found)
    quotes = tables.by_number("messages_quotes", rowids(row.values.get("quoted_row_id") for row in rows))
    records = []
    for row in rows:
        record = _record(row, quotes.get(row.values.get("quoted_row_id") or 0))
        # The newer tables know more where both are there.
        record.one |= {table: side[row.no][0] for table, side in one.items() if row.no in side}
        record.many |= {table: side[row.no] for table, side in many.items() if row.no in side}
        if row.no in cards:
            record.many["message_vcard"] = cards[row.no]
        records.append(record)
    return records


def _record(row: Row, quote: Row | None) -> Record:
    kind = _type(row)
    values = {new: row.values.get(old) for new, old in _COLUMNS.items()}
    translated = _as(row, "messages", values | {"message_type": kind})
    record = Record(row=translated, chat=_jid(row.values.get("key_remote_jid")) or "", sender=_person(row))
    if kind == SYSTEM:
        record.one["message_system"] = _as(row, "messages", {"action_type": row.values.get("media_size")})
    elif kind in _CONTACTS:
        record.many["message_vcard"] = [_as(row, "messages", {"vcard": row.values.get("data")})]
    elif kind in _PLACES:
        told = {"latitude": row.values.get("latitude"), "longitude": row.values.get("longitude")}
        place = {"place_name": row.values.get("media_name"), "place_address": None, "url": row.values.get("media_url")}
        record.one["message_location"] = _as(row, "messages", told | place)
    elif row.values.get("media_mime_type") or row.values.get("media_hash"):
        record.one["message_media"] = _as(row, "messages", {new: row.values.get(old) for new, old in _MEDIA.items()})
    mentioned = row.values.get("mentioned_jids")
    if isinstance(mentioned, str) and mentioned.strip():
        parts = [part.strip() for part in mentioned.split(",")][:1000]
        record.many["message_mentions"] = [_as(row, "messages", {"jid": part}) for part in parts if "@" in part]
    if quote is not None:
        record.one["message_quoted"] = _quoted(quote)
    return record


def _quoted(row: Row) -> Row:
    told = {"key_id": row.values.get("key_id"), "text_data": row.values.get("data") or row.values.get("media_caption")}
    told |= {"from_me": row.values.get("key_from_me"), "message_type": _type(row), "sender": _person(row)}
    return _as(row, "messages_quotes", told)


def _type(row: Row) -> int:
    """System messages were plain messages of another status."""
    value = row.values.get("media_wa_type")
    kind = int(value) if isinstance(value, str | int) and str(value).isdecimal() else 0
    if row.values.get("edit_version") == 7 and kind not in DELETED:
        return DELETED[0]
    return SYSTEM if kind == 0 and row.values.get("status") == _STATUS_SYSTEM else kind


def _jid(value: object) -> str | None:
    return ids.canonical(value) if isinstance(value, str) and "@" in value and "\0" not in value else None


def _person(row: Row) -> str | None:
    jid = _jid(row.values.get("remote_resource"))
    return jid if jid is not None and ids.is_person(jid) else None


class _Translated(Row):
    """A row under today's names. Its payload is the row as it stands in the file."""

    def __init__(self, original: Row, table: str, values: dict[str, Any]) -> None:
        super().__init__(table, original.no, values, original._on_skip)
        self._original = original

    def raw(self) -> bytes:
        return self._original.raw()


def _as(row: Row, table: str, values: dict[str, Any]) -> Row:
    return _Translated(row, table, values)
