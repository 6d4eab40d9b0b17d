"""The archive's own format, for programs that no other connector knows: ``{"events": [ … ]}``. See events.md.

Unknown fields are refused, because a misspelt one would be lost silently.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, assert_never

import msgspec
from msgspec import Meta, Struct

from backscroll.core import events, model
from backscroll.core.errors import Unreadable
from backscroll.core.ids import canonical
from backscroll.core.limits import MAX_COLOR, MAX_NAME
from backscroll.core.model import Details, Kind, Message, MessageKey
from backscroll.ingest.connectors.pushed import Observed, Setup
from backscroll.ingest.connectors.webhooks import wire

SOURCE = "events"
MAX_EVENTS = 1000

Jid = Annotated[str, Meta(min_length=1, max_length=512, description="A JID, or a phone number with its country code.")]
Id = Annotated[str, Meta(min_length=1, max_length=512, description="The id that WhatsApp gave the message.")]
LabelId = Annotated[str, Meta(min_length=1, max_length=MAX_NAME, description="The id that WhatsApp gave the label.")]
Timestamp = Annotated[
    int | float | str, Meta(description="ISO 8601 (no zone means UTC), or seconds or milliseconds since 1970.")
]
AckWord = Literal["failed", "pending", "sent", "delivered", "read", "played"]
_ACKS: dict[AckWord, int] = {"failed": -1, "pending": 1, "sent": 2, "delivered": 3, "read": 4, "played": 5}


class Media(Struct, frozen=True, forbid_unknown_fields=True):
    """A file. ``sha256`` is hex, ``duration`` seconds, ``size`` bytes."""

    mimetype: str | None = None
    size: wire.Count | None = None
    filename: str | None = None
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")] | None = None
    width: wire.Count | None = None
    height: wire.Count | None = None
    duration: Annotated[float, Meta(ge=0)] | None = None
    url: str | None = None


class Quoted(Struct, frozen=True, forbid_unknown_fields=True):
    """The message that this one answers."""

    id: Id | None = None
    sender: Jid | None = None
    text: str | None = None


class Location(Struct, frozen=True, forbid_unknown_fields=True):
    """Degrees."""

    latitude: Annotated[float, Meta(ge=-90, le=90)]
    longitude: Annotated[float, Meta(ge=-180, le=180)]
    name: str | None = None
    address: str | None = None
    url: str | None = None


class Poll(Struct, frozen=True, forbid_unknown_fields=True):
    """A question with options; ``selectable`` 0 is any number."""

    name: str
    options: list[str] = []
    selectable: wire.Count | None = None


class _Of(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``phone`` may be left out where the source was set up for one; ``sender`` is who wrote the message meant."""

    chat: Jid
    id: Id
    phone: Jid | None = None
    sender: Jid | None = None


class MessageEvent(_Of, frozen=True, tag_field="type", tag="message", kw_only=True):
    """A message, a call or a notice."""

    timestamp: Timestamp
    from_me: bool = False
    sender_name: str | None = None
    kind: Kind = "text"
    text: str | None = None
    ack: AckWord | None = None
    media: Media | None = None
    quoted: Quoted | None = None
    mentions: list[Jid] = []
    location: Location | None = None
    vcards: list[str] | None = None
    poll: Poll | None = None
    is_forwarded: bool | None = None
    is_view_once: bool | None = None
    is_ephemeral: bool | None = None
    is_gif: bool | None = None
    is_starred: bool | None = None


class EditEvent(_Of, frozen=True, tag_field="type", tag="edit", kw_only=True):
    """The message's text from ``timestamp`` on. ``edit_id`` is the id of the edit itself."""

    text: str
    timestamp: Timestamp
    by: Jid | None = None
    edit_id: Id | None = None


class RevokeEvent(_Of, frozen=True, tag_field="type", tag="revoke", kw_only=True):
    """Deleted for everyone, by its author or by an admin of the group."""

    timestamp: Timestamp | None = None
    by: Jid | None = None
    by_admin: bool = False


class ReactionEvent(_Of, frozen=True, tag_field="type", tag="reaction", kw_only=True):
    """``emoji`` "" takes the reaction back."""

    by: Jid
    emoji: Annotated[str, Meta(max_length=64)]
    timestamp: Timestamp | None = None


class ReceiptEvent(_Of, frozen=True, tag_field="type", tag="receipt", kw_only=True):
    """How far an own message came, with one participant of a group or in the whole chat."""

    ack: AckWord
    participant: Jid | None = None
    timestamp: Timestamp | None = None


class VoteEvent(_Of, frozen=True, tag_field="type", tag="vote", kw_only=True):
    """All that one person chooses now; no options take the vote back."""

    by: Jid
    options: list[str]
    timestamp: Timestamp


class PinEvent(_Of, frozen=True, tag_field="type", tag="pin", kw_only=True):
    """Pinned in its chat for everyone, until ``until`` if that is known; ``pinned`` false unpins it."""

    timestamp: Timestamp
    pinned: bool = True
    by: Jid | None = None
    until: Timestamp | None = None


class ChatEvent(Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="chat", kw_only=True):
    """What is known of a chat."""

    chat: Jid
    phone: Jid | None = None
    timestamp: Timestamp | None = None
    name: str | None = None
    description: str | None = None
    unread: wire.Count | None = None
    archived: bool | None = None
    pinned: bool | None = None
    labels: list[str] | None = None


class LabelEvent(Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="label", kw_only=True):
    """One of the phone's labels. ``id`` and ``color``, a number, are WhatsApp's; a deleted label keeps its chats."""

    id: LabelId
    phone: Jid | None = None
    timestamp: Timestamp | None = None
    name: Annotated[str, Meta(min_length=1)] | None = None
    color: Annotated[int, Meta(ge=0, le=MAX_COLOR)] | None = None
    deleted: bool | None = None


class ChatLabelEvent(Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="chat_label", kw_only=True):
    """The chat has the label with this id, or, with ``labeled`` false, has it no longer."""

    chat: Jid
    label: LabelId
    phone: Jid | None = None
    timestamp: Timestamp | None = None
    labeled: bool = True


class ContactEvent(Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="contact", kw_only=True):
    """Names of a person: ``name`` is saved by the phone's owner, ``push_name`` chosen by the person.

    Readers of other phones do not see what a ``phone`` is named for.
    """

    jid: Jid
    phone: Jid | None = None
    timestamp: Timestamp | None = None
    name: str | None = None
    push_name: str | None = None
    business_name: str | None = None


class NumberEvent(Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="number", kw_only=True):
    """A hidden id (LID or BSUID) and a phone number are one person."""

    lid: Jid
    jid: Jid


AnyEvent = (
    MessageEvent
    | EditEvent
    | RevokeEvent
    | ReactionEvent
    | ReceiptEvent
    | VoteEvent
    | PinEvent
    | ChatEvent
    | LabelEvent
    | ChatLabelEvent
    | ContactEvent
    | NumberEvent
)


class Batch(Struct, frozen=True, forbid_unknown_fields=True):
    """Up to a thousand events, written together or not at all."""

    events: Annotated[list[AnyEvent], Meta(max_length=MAX_EVENTS)]
    sequence: (
        Annotated[
            int,
            Meta(ge=0, le=2**53, description="One more with each request of this source; a number left out is a gap."),
        ]
        | None
    ) = None


def schema() -> dict[str, Any]:
    """The JSON Schema of a request."""
    return msgspec.json.schema(Batch)


def components(where: str) -> dict[str, Any]:
    """The same in parts, which name each other below ``where``: ``events.Batch`` is the request."""
    _, parts = msgspec.json.schema_components((Batch,), ref_template=f"{where}events.{{name}}")
    return {f"events.{name}": part for name, part in parts.items()}


def observe(body: bytes, setup: Setup) -> Observed:
    """What a request says; ``Unreadable`` names the event and the field that cannot be used."""
    batch = wire.decode(SOURCE, body, Batch)
    observed: list[events.Event] = []
    for at, event in enumerate(batch.events):
        try:
            observed.append(_event(event, setup))
        except Unreadable as error:
            raise Unreadable(SOURCE, f"events[{at}].{error.where}", error.problem) from None
    raw = body if observed else None
    return Observed(events=wire.unrepeated(observed), raw=raw, sequence=batch.sequence)


def _event(event: AnyEvent, setup: Setup) -> events.Event:
    match event:
        case ContactEvent():
            return events.ContactSeen(
                jid=event.jid,
                phone=None if event.phone is None and setup.phone is None else _phone(event.phone, setup),
                at=_time(event.timestamp),
                name=event.name,
                push_name=event.push_name,
                business_name=event.business_name,
                is_saved=True if event.name else None,
            )
        case NumberEvent():
            return events.NumberMapped(lid=event.lid, jid=event.jid)
        case ChatEvent():
            return _chat(event, _phone(event.phone, setup))
        case LabelEvent() | ChatLabelEvent():
            return _label(event, _phone(event.phone, setup))
        case MessageEvent():
            return events.MessageSeen(_message(event, _phone(event.phone, setup)))
        case _:
            return _annotation(event, _target(event, _phone(event.phone, setup)))


def _annotation(
    event: EditEvent | RevokeEvent | ReactionEvent | ReceiptEvent | VoteEvent | PinEvent, target: events.Target
) -> events.Event:
    match event:
        case EditEvent():
            at = wire.instant(event.timestamp, SOURCE, "timestamp")
            return events.MessageEdited(target=target, text=event.text, at=at, id=event.edit_id, by=event.by)
        case RevokeEvent():
            at_ = _time(event.timestamp)
            return events.MessageRevoked(target=target, at=at_, by=event.by, by_admin=event.by_admin)
        case ReactionEvent():
            return events.ReactionSet(target=target, by=event.by, emoji=event.emoji, at=_time(event.timestamp))
        case ReceiptEvent():
            ack, at_ = _ACKS[event.ack], _time(event.timestamp)
            return events.ReceiptSet(target=target, ack=ack, participant=event.participant, at=at_)
        case VoteEvent():
            at = wire.instant(event.timestamp, SOURCE, "timestamp")
            return events.PollVoted(target=target, by=event.by, options=tuple(event.options), at=at)
        case PinEvent():
            at, until = wire.instant(event.timestamp, SOURCE, "timestamp"), None
            if event.pinned:
                until = wire.instant_or_none(event.until, SOURCE, "until")
            return events.MessagePinned(target=target, pinned=event.pinned, at=at, by=event.by, until=until)
        case _:
            assert_never(event)


def _phone(phone: str | None, setup: Setup) -> str:
    if phone or setup.phone:
        return canonical(phone or setup.phone or "")
    raise Unreadable(SOURCE, "phone", "is missing; the source was set up without a phone, so each event must name one")


def _time(timestamp: wire.Time | None) -> int | None:
    return wire.instant_or_none(timestamp, SOURCE, "timestamp")


def _target(event: _Of, phone: str) -> events.Target:
    return events.Target(phone, event.chat, event.id, event.sender)


def _message(event: MessageEvent, phone: str) -> Message:
    sender = phone if event.from_me else event.sender
    quoted, place, poll = event.quoted, event.location, event.poll
    details = Details(
        media=model.Media(**msgspec.structs.asdict(event.media)) if event.media else None,
        has_media=True if event.media else None,
        quoted=model.Quote(**msgspec.structs.asdict(quoted)) if quoted else None,
        mentions=tuple(event.mentions),
        location=model.Location(**msgspec.structs.asdict(place)) if place else None,
        vcards=None if event.vcards is None else tuple(event.vcards),
        poll=model.Poll(name=poll.name, options=tuple(poll.options), selectable=poll.selectable) if poll else None,
        push_name=event.sender_name,
        is_forwarded=event.is_forwarded,
        is_view_once=event.is_view_once,
        is_ephemeral=event.is_ephemeral,
        is_gif=event.is_gif,
        is_starred=event.is_starred,
    )
    return Message(
        key=MessageKey(phone, event.chat, event.id, sender),
        sent_at=wire.instant(event.timestamp, SOURCE, "timestamp"),
        from_me=event.from_me,
        kind=event.kind,
        text=event.text,
        ack=_ACKS[event.ack] if event.ack else None,
        details=details,
    )


def _label(event: LabelEvent | ChatLabelEvent, phone: str) -> events.Event:
    at = _time(event.timestamp)
    if isinstance(event, ChatLabelEvent):
        return events.ChatLabeled(phone=phone, chat=event.chat, label=event.label, labeled=event.labeled, at=at)
    name, color, deleted = event.name, event.color, event.deleted
    return events.LabelSeen(phone=phone, id=event.id, at=at, name=name, color=color, deleted=deleted)


def _chat(event: ChatEvent, phone: str) -> events.ChatSeen:
    return events.ChatSeen(
        phone=phone,
        chat=event.chat,
        at=_time(event.timestamp),
        name=event.name,
        description=event.description,
        unread=event.unread,
        archived=event.archived,
        pinned=event.pinned,
        labels=None if event.labels is None else tuple(event.labels),
    )
