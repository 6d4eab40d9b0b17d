"""Quarantined input that came with an import or was pulled: how each form of it is read again.

The column ``via`` of such input says its form, and what else is needed to read it: ``row FORM ARGUMENT``. That of what
a live source pushed is the source's id.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from backscroll.core.errors import BadField, Unreadable
from backscroll.core.events import Batch, Event, MessageSeen
from backscroll.core.ids import bare_number, canonical
from backscroll.core.model import Org, Phone, Source
from backscroll.ingest.connectors.foreign.rows import Row, Skipped, Unusable, read_row
from backscroll.ingest.connectors.foreign.sqlite import BrokenText
from backscroll.ingest.connectors.gowa import answers as gowa
from backscroll.ingest.connectors.gowa.answers import person_of
from backscroll.ingest.connectors.gowa.mapping import chat_of, message_of
from backscroll.ingest.connectors.periskope import answers as periskope
from backscroll.ingest.connectors.periskope.pages import PulledPage
from backscroll.ingest.jsonl import line_of
from backscroll.storage.store import Store
from backscroll.storage.transfer.dump import Line
from backscroll.storage.write.validation import cleaned

_PREFIX = "row "
_EVENT = msgspec.json.Decoder(Event)
_SOURCE = msgspec.json.Decoder(Source)
_PERISKOPE: dict[str, Callable[[bytes], PulledPage]] = {
    "messages": periskope.messages,
    "chats": periskope.chats,
    "contacts": periskope.contacts,
    "reactions": periskope.reactions,
    "notifications": periskope.notifications,
    "phones": periskope.phones,
}


def via_gowa(list_: str, phone: str) -> str:
    """A row of what a running GOWA answered: of its ``chats`` or ``messages``, for an own phone (JID)."""
    return f"{_PREFIX}gowa-{list_} {phone}"


def via_gowa_database(account: str | None) -> str:
    """A row of GOWA's chatstorage.db; ``account`` as it was answered."""
    return f"{_PREFIX}gowa-database {account or ''}".rstrip()


def via_periskope(list_: str) -> str:
    """A row of a list of Periskope's API."""
    return f"{_PREFIX}periskope {list_}"


def is_row(via: str | None) -> bool:
    """Whether the input is of one of these forms."""
    return via is not None and via.startswith(_PREFIX)


class StillBad(Exception):
    """It cannot be understood yet; the text says why."""


def read_again(store: Store, org: Org, via: str, payload: bytes) -> Batch | Line:
    """What a quarantined row tells. ``StillBad`` when it cannot be understood, or not be kept, yet."""
    form, _, argument = via.removeprefix(_PREFIX).partition(" ")
    try:
        if form == "jsonl":
            return line_of(payload)
        batch = _READERS[form](_Asked(store, org, argument, payload))
        for event in batch.events:
            cleaned(event)
        return batch
    except KeyError:
        raise StillBad("it was put here by another version, which this one does not know") from None
    except (BadField, Unreadable) as error:
        raise StillBad(str(error)) from error
    except Unusable as error:
        raise StillBad(f"{error.column} {error.problem}") from error


class _Asked(Struct, frozen=True):
    store: Store
    org: Org
    argument: str
    payload: bytes


def _read_event(asked: _Asked) -> Batch:
    try:
        source = _SOURCE.decode(msgspec.json.encode(asked.argument))
        return Batch(source=source, events=[_EVENT.decode(asked.payload)])
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise StillBad(str(error)) from error


def _read_periskope(asked: _Asked) -> Batch:
    page = _PERISKOPE[asked.argument](b'{"%s":[%s]}' % (asked.argument.encode(), asked.payload))
    if page.unreadable:
        raise StillBad(str(page.unreadable[0].error))
    return Batch(source="periskope", events=page.events, raw=asked.payload)


def _read_gowa(asked: _Asked, read: Callable[[bytes, str], gowa.Chats | gowa.Messages]) -> Batch:
    page = read(b'{"results":{"data":[%s]}}' % asked.payload, asked.argument)
    if page.bad:
        raise StillBad(page.bad[0].problem)
    return Batch(source="gowa", events=page.events, raw=asked.payload)


def _read_gowa_row(asked: _Asked) -> Batch:
    """A message or chat of its database. The others are read with their neighbours: from the whole file only."""
    found = msgspec.json.decode(asked.payload, type=dict[str, Any])
    values = {name: _value(value) for name, value in found["row"].items()}
    problems: list[Skipped] = []
    row = Row(found["table"], found["rowid"], values, problems.append)
    phone = _phone_of(asked, row)
    event: Event | None = None
    if row.table == "messages":
        message = read_row(row, lambda row: message_of(row, phone.jid, person_of))
        event = None if message is None else MessageSeen(message)
    elif row.table == "chats":
        event = read_row(row, lambda row: chat_of(row, phone.jid, canonical(row.key("jid")), None))
    else:
        raise StillBad("import the database again, which reads this row with those that it belongs to")
    if event is None:
        raise StillBad("; ".join(map(str, problems)))
    return Batch(source="gowa", events=[event], raw=asked.payload)


def _phone_of(asked: _Asked, row: Row) -> Phone:
    phones = asked.store.list_phones(asked.org.no)
    slot = row.text("device_id") or ""
    named = [part.rpartition("=") for part in asked.argument.split(",") if part]
    answers = {slot: number for slot, _, number in named}
    wanted = bare_number(answers.get(slot, answers.get("", "")).partition("@")[0])
    for phone in phones:
        if phone.number == wanted or canonical(slot) == phone.jid or (slot and phone.device_id == slot):
            return phone
    if len(phones) == 1 and not slot and not wanted:
        return phones[0]
    raise StillBad("nothing tells which phone the row is of; add that phone, with its device id")


def _value(value: Any) -> Any:
    if isinstance(value, dict) and len(value) == 1:
        [(name, text)] = value.items()
        if name in ("base64", "broken_text") and isinstance(text, str):
            raw = base64.b64decode(text)
            return BrokenText(raw) if name == "broken_text" else raw
    return value


_READERS: Mapping[str, Callable[[_Asked], Batch]] = {
    "event": _read_event,
    "periskope": _read_periskope,
    "gowa-messages": lambda asked: _read_gowa(asked, gowa.read_messages),
    "gowa-chats": lambda asked: _read_gowa(asked, gowa.read_chats),
    "gowa-database": _read_gowa_row,
}
