"""Making events storable: text that every engine accepts, numbers that fit a column, ids of a reasonable length."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, cast

import msgspec
from msgspec import Struct, structs

from backscroll.core import events, ids, limits
from backscroll.core.errors import BadField

MAX_EVENT = 32 << 20
"""Maximum bytes of one event as JSON."""
_ENCODER = msgspec.json.Encoder()


def cleaned(event: events.Event) -> events.Event:
    """The event in storable form, nearly always itself; raises ``BadField`` if that is impossible."""
    if isinstance(event, events.MessageSeen):
        event = _with_clean_text(event)
    try:
        encoded = _ENCODER.encode(event)
    except UnicodeEncodeError:
        encoded = b"\\u0000"
    if b"\\u0000" in encoded:
        event = cast(events.Event, _deep_cleaned(event))
    if len(encoded) > MAX_EVENT:
        raise BadField("event", None, f"must have at most {MAX_EVENT >> 20} MiB")
    limits.check(event)
    return event


def cleaned_batch(batch: events.Batch) -> events.Batch:
    """The batch with every event in storable form."""
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


def jids_of(event: events.Event) -> Iterator[str]:
    """JIDs that occur in nearly every event of this kind, to be looked up together."""
    match event:
        case events.MessageSeen(message):
            yield message.key.chat
            if message.key.sender is not None:
                yield message.key.sender
        case events.ChatSeen(chat=chat) | events.ChatLabeled(chat=chat):
            yield chat
        case events.ContactSeen(jid=jid):
            yield jid
        case events.LabelSeen() | events.NumberMapped() | events.PhoneSeen():
            pass
        case _:
            yield event.target.chat
            if event.target.sender is not None:
                yield event.target.sender


class ToldOf(Struct):
    """The contacts and chats that some events mention, each once, spelled as in the source."""

    everybody: set[str] = set()
    """JIDs of all contacts."""
    places: set[tuple[str, str]] = set()
    """Phones and chats."""
    named: set[tuple[str | None, str]] = set()
    """Contacts for which a name or another fact is reported, each with the phone whose source reports it."""


def told_of(incoming: Iterable[events.Event]) -> ToldOf:
    """What some events mention. Messages, most of an import's batch, are handled by a faster path."""
    told = ToldOf()
    for event in incoming:
        if isinstance(event, events.MessageSeen):
            key = event.message.key
            told.places.add((key.phone, key.chat))
            if key.sender is not None:
                told.everybody.add(key.sender)
                if event.message.details.push_name:
                    told.named.add((key.phone, key.sender))
        else:
            told.everybody.update(everybody_in(event))
            told.named.update((phone_telling(event), jid) for jid in named_in(event))
            place = place_of(event)
            if place is not None:
                told.places.add(place)
    told.everybody.update(chat for _, chat in told.places)
    return told


def everybody_in(event: events.Event) -> Iterator[str]:
    """JIDs of all contacts that the event names."""
    yield from jids_of(event)
    match event:
        case events.ReactionSet(by=by) | events.PollVoted(by=by):
            yield by
        case events.MessageEdited(by=str(by)) | events.MessageRevoked(by=str(by)) | events.MessagePinned(by=str(by)):
            yield by
        case events.ReceiptSet(participant=str(participant)):
            yield participant
        case _:
            pass


def place_of(event: events.Event) -> tuple[str, str] | None:
    """Phone and chat to which the event belongs."""
    match event:
        case events.MessageSeen(message):
            return (message.key.phone, message.key.chat)
        case events.ChatSeen(phone=phone, chat=chat) | events.ChatLabeled(phone=phone, chat=chat):
            return (phone, chat)
        case events.LabelSeen() | events.ContactSeen() | events.NumberMapped() | events.PhoneSeen():
            return None
        case _:
            return (event.target.phone, event.target.chat)


def phone_telling(event: events.Event) -> str | None:
    """The own phone whose source reports a contact; None if it is reported for everybody."""
    match event:
        case events.ContactSeen(phone=phone):
            return phone
        case _:
            place = place_of(event)
            return None if place is None else place[0]


def named_in(event: events.Event) -> Iterator[str]:
    """JIDs of the contacts about whom the event reports something."""
    match event:
        case events.MessageSeen(message):
            if message.details.push_name and not message.from_me:
                yield message.key.sender or message.key.chat
        case events.ContactSeen(jid=jid):
            yield jid
        case _:
            pass
