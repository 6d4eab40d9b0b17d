"""Events made fit to be stored: text that every engine can keep, numbers that fit a column, ids of a sane length."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import msgspec
from msgspec import Struct, structs

from backscroll.core import events, ids
from backscroll.core.errors import BadField
from backscroll.core.limits import EARLIEST, LATEST, MAX_ID
from backscroll.storage.records.resolve import ACK_ORDER

_ENCODER = msgspec.json.Encoder()


def cleaned(event: events.Event) -> events.Event:
    """The event as it can be stored, nearly always itself; ``BadField`` when nothing can be made of it."""
    if isinstance(event, events.MessageSeen):
        event = _with_clean_text(event)
    try:
        encoded = _ENCODER.encode(event)
    except UnicodeEncodeError:
        encoded = b"\\u0000"
    if b"\\u0000" in encoded:
        event = cast(events.Event, _deep_cleaned(event))
    _check(event)
    return event


def cleaned_batch(batch: events.Batch) -> events.Batch:
    return structs.replace(batch, events=[cleaned(event) for event in batch.events])


def _with_clean_text(event: events.MessageSeen) -> events.MessageSeen:
    message = event.message
    text, altered = (None, False) if message.text is None else ids.clean_text(message.text)
    if not altered:
        return event
    details = structs.replace(message.details, altered=True)
    return events.MessageSeen(structs.replace(message, text=text, details=details))


def _deep_cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return ids.clean_text(value)[0]
    if isinstance(value, Struct):
        return structs.replace(value, **{f: _deep_cleaned(getattr(value, f)) for f in value.__struct_fields__})
    if isinstance(value, tuple | list):
        return type(value)(_deep_cleaned(v) for v in value)
    if isinstance(value, dict):
        return {_deep_cleaned(k): _deep_cleaned(v) for k, v in value.items()}
    return value


def _check(event: events.Event) -> None:
    match event:
        case events.MessageSeen(message):
            _check_id(message.key.id)
            _check_time("timestamp", message.sent_at)
            _check_ack(message.ack)
        case events.ChatSeen():
            _check_time("at", event.at)
            _check_time("last_message_at", event.last_message_at)
        case events.ContactSeen():
            _check_time("at", event.at)
        case events.PhoneSeen():
            _check_time("created_at", event.created_at)
        case events.NumberMapped():
            pass
        case events.MediaHeld():
            _check_id(event.target.id)
        case _:
            _check_id(event.target.id)
            _check_time("at", event.at)
            if isinstance(event, events.ReceiptSet):
                _check_ack(event.ack)


def _check_id(id: str) -> None:
    if not id or len(id) > MAX_ID:
        raise BadField("id", id[:80], f"must be a WhatsApp message id of 1 to {MAX_ID} characters")


def _check_time(field: str, at: int | None) -> None:
    if at is not None and not EARLIEST <= at <= LATEST:
        raise BadField(field, str(at)[:80], "must lie between the years 1 and 9999")


def _check_ack(ack: int | None) -> None:
    if ack is not None and ack not in ACK_ORDER:
        raise BadField("ack", str(ack)[:80], "must be a number from -1 to 5")


def jids_of(event: events.Event) -> Iterator[str]:
    """JIDs that are met in nearly every event of its kind, to be looked up together."""
    match event:
        case events.MessageSeen(message):
            yield message.key.chat
            if message.key.sender is not None:
                yield message.key.sender
        case events.ChatSeen(chat=chat):
            yield chat
        case events.ContactSeen(jid=jid):
            yield jid
        case events.NumberMapped() | events.PhoneSeen():
            pass
        case _:
            yield event.target.chat
            if event.target.sender is not None:
                yield event.target.sender


def named_in(event: events.Event) -> Iterator[str]:
    """JIDs of those whom the event tells something of."""
    match event:
        case events.MessageSeen(message):
            if message.details.push_name and not message.from_me:
                yield message.key.sender or message.key.chat
        case events.ContactSeen(jid=jid):
            yield jid
        case _:
            pass
