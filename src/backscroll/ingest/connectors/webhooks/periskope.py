"""Payloads of Periskope, in both formats: ``{"event", "data"}``, and the object itself with ``event_type`` in it.

The objects are those of its API, so what they say is read by the connector of its answers. See periskope.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Raw, Struct

from backscroll.core.errors import Unreadable
from backscroll.core.events import Event, MessageRevoked, MessageSeen, PhoneSeen, Target
from backscroll.core.ids import canonical
from backscroll.ingest.connectors.periskope import answers
from backscroll.ingest.connectors.periskope.pages import PulledPage
from backscroll.ingest.connectors.pushed import Connection, ConnectionState, Observed, Setup, nothing
from backscroll.ingest.connectors.webhooks import wire

SOURCE = "periskope"

_ENVELOPE = ("event", "event_type", "integration_name", "previous_attributes", "timestamp_sent", "webhook_id")
_STATES: dict[str, ConnectionState] = {
    "CONNECTED": "CONNECTED",
    "OPENING": "CONNECTING",
    "PAIRING": "CONNECTING",
    "DISCONNECTED": "DISCONNECTED",
}


class _Phone(Struct):
    org_phone: str
    wa_state: str | None = None


def observe(body: bytes, setup: Setup) -> Observed:
    """The events of one payload; raises ``Unreadable`` if it is not one of Periskope's."""
    fields = wire.decode(SOURCE, body, dict[str, Raw])
    event, data = _taken_apart(fields)
    if event in _PHONES:
        return _phone(event, data, fields)
    if event in _PASSING:
        return nothing()
    read = _HANDLERS.get(event)
    if read is None:
        raise Unreadable(SOURCE, "event", f"this version does not know the event {event[:80]!r}")
    page = read(data)
    problems = [Unreadable(SOURCE, f"data.{_inner(row.error.where)}", row.error.problem) for row in page.unreadable]
    # In the flat spelling the time is the object's own.
    at = _at(fields) if "data" in fields else None
    return Observed(events=_with_deletion(event, page.events, at), raw=body, problems=problems)


def _taken_apart(fields: dict[str, Raw]) -> tuple[str, bytes]:
    """The event's name and its object, whichever way they are wrapped."""
    name = next((fields[key] for key in ("event", "event_type", "integration_name") if key in fields), None)
    event = _decoded(name, str) if name is not None else None
    if not event:
        raise Unreadable(SOURCE, "event", "is missing")
    if "data" in fields and "event" in fields:
        return event, bytes(fields["data"])
    return event, msgspec.json.encode({key: raw for key, raw in fields.items() if key not in _ENVELOPE})


def _decoded(raw: Raw, shape: type[wire.T]) -> wire.T | None:
    try:
        return msgspec.json.decode(raw, type=shape)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None


def _inner(where: str) -> str:
    """``messages[0].ack`` as ``ack``: here there is one object."""
    return where.partition("].")[2] or "body"


def _at(fields: dict[str, Raw]) -> int | None:
    raw = fields.get("timestamp")
    told = _decoded(raw, str | int | float) if raw is not None else None  # type: ignore[arg-type]
    return wire.instant_or_none(told, SOURCE, "timestamp")


def _as_list(data: bytes) -> bytes:
    return b"[" + data + b"]"


def _message(data: bytes) -> PulledPage:
    return answers.messages(_as_list(data))


def _message_or_nothing(data: bytes) -> PulledPage:
    """Tickets and flags may come with the message or without."""
    fields = wire.decode(SOURCE, data, dict[str, Any])
    if "message_id" in fields and "timestamp" in fields:
        return _message(data)
    return PulledPage(events=[], rows=1, times=[], unreadable=[])


def _nothing_known(data: bytes) -> PulledPage:
    """What an archive of messages has no place for: only the payload is kept."""
    return PulledPage(events=[], rows=1, times=[], unreadable=[])


def _with_deletion(event: str, events: list[Event], at: int | None) -> list[Event]:
    if event != "message.deleted":
        return events
    seen = [event for event in events if isinstance(event, MessageSeen)]
    keys = [message.message.key for message in seen]
    return [*events, *(MessageRevoked(target=Target(k.phone, k.chat, k.id, k.sender), at=at) for k in keys)]


def _phone(event: str, data: bytes, fields: dict[str, Raw]) -> Observed:
    """A phone's state. The payload may hold the picture of its QR code, so it is not kept."""
    phone = wire.decode(SOURCE, data, _Phone)
    jid = canonical(phone.org_phone)
    state = _PHONES[event] or _STATES.get((phone.wa_state or "").upper())
    seen: list[Event] = [PhoneSeen(jid=jid)]
    at = _at(fields) if "data" in fields else None
    return Observed(events=seen, connections=[Connection(jid, state, at)] if state else [])


_PASSING = {"org.created", "org.updated", "org.deleted", "org.subscription.updated"}

_PHONES: dict[str, ConnectionState | None] = {
    "org.phone.connected": "CONNECTED",
    "org.phone.disconnected": "DISCONNECTED",
    "org.phone.qr": "DISCONNECTED",
    "org.phone.updated": None,
    "org.phone.created": None,
}

_HANDLERS: dict[str, Callable[[bytes], PulledPage]] = {
    "message.created": _message,
    "message.updated": _message,
    "message.deleted": _message,
    "message.ack.updated": _message,
    "message.flagged": _message,
    "message.unflagged": _message,
    "message.ticket.attached": _message_or_nothing,
    "note.created": _message_or_nothing,
    "reaction.created": lambda data: answers.reactions(_as_list(data)),
    "reaction.added": lambda data: answers.reactions(_as_list(data)),
    "reaction.updated": lambda data: answers.reactions(_as_list(data)),
    "chat.created": lambda data: answers.chats(_as_list(data)),
    "chat.updated": lambda data: answers.chats(_as_list(data)),
    "chat.label.updated": lambda data: answers.chats(_as_list(data)),
    "chat.custom_properties.updated": lambda data: answers.chats(_as_list(data)),
    "chat.notification.created": lambda data: answers.notifications(_as_list(data)),
    "ticket.created": _nothing_known,
    "ticket.updated": _nothing_known,
    "ticket.deleted": _nothing_known,
    "task.created": _nothing_known,
    "task.updated": _nothing_known,
}
