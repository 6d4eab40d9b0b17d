"""Payloads of GOWA v8 and later: messages and their changes, receipts, groups, channels, calls. See gowa.md."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urljoin

import msgspec
from msgspec import Raw, Struct

from backscroll.core.errors import Unreadable
from backscroll.core.events import (
    ChatLabeled,
    ChatSeen,
    Event,
    MessageEdited,
    MessageRevoked,
    MessageSeen,
    ReactionSet,
    ReceiptSet,
    Target,
)
from backscroll.core.ids import canonical, is_person
from backscroll.core.kinds import gowa_kind
from backscroll.core.model import Details, Kind, Media, Message, MessageKey, Quote
from backscroll.ingest.connectors.pushed import Observed, Setup, nothing
from backscroll.ingest.connectors.webhooks import proto_json, wire
from backscroll.ingest.connectors.webhooks.proto_json import Node

SOURCE = "gowa"
MUTED_FOREVER = 253_402_300_799_000_000
"""The last second of the year 9999, for WhatsApp's "always"."""

_MEDIA: tuple[tuple[str, Kind], ...] = (
    ("image", "image"),
    ("video", "video"),
    ("video_note", "video_note"),
    ("audio", "audio"),
    ("document", "document"),
    ("sticker", "sticker"),
)
_NOTICES = {"join": "add", "leave": "leave", "promote": "promote", "demote": "demote"}


class _Envelope(Struct):
    event: str
    payload: Raw
    device_id: str | None = None
    timestamp: str | None = None


class _MediaFile(Struct):
    path: str | None = None
    url: str | None = None
    caption: str | None = None
    filename: str | None = None


class _Card(Struct, rename={"display_name": "displayName"}):
    display_name: str | None = None
    vcard: str | None = None


class _Common(Struct):
    """What all payloads of messages share."""

    chat_id: str
    from_: str | None = msgspec.field(default=None, name="from")
    id: str = ""
    timestamp: str = ""
    is_from_me: bool = False
    chat_lid: str | None = None
    from_lid: str | None = None
    from_name: str | None = None


class _Message(_Common):
    body: str | None = None
    replied_to_id: str | None = None
    quoted_body: str | None = None
    view_once: bool | None = None
    forwarded: bool | None = None
    referral: dict[str, Any] | None = None
    image: str | _MediaFile | None = None
    video: str | _MediaFile | None = None
    video_note: str | _MediaFile | None = None
    audio: str | _MediaFile | None = None
    document: str | _MediaFile | None = None
    sticker: str | _MediaFile | None = None
    contact: _Card | None = None
    contacts_array: list[_Card] | None = None
    location: dict[str, Any] | None = None
    live_location: dict[str, Any] | None = None
    choices: Any = msgspec.field(default=None, name="list")
    order: Any = None
    interactive: Any = None


class _Reaction(_Common):
    reaction: str = ""
    reacted_message_id: str = ""


class _Revoked(_Common):
    revoked_message_id: str = ""
    revoked_from_me: bool | None = None


class _Edited(_Common):
    original_message_id: str = ""
    body: str | None = None


class _Ack(Struct):
    chat_id: str
    receipt_type: str
    ids: list[str] = []
    from_: str | None = msgspec.field(default=None, name="from")
    from_lid: str | None = None


class _Deleted(Struct):
    deleted_message_id: str
    chat_id: str | None = None
    original_content: str | None = None
    original_sender: str | None = None
    original_timestamp: str | None = None
    was_from_me: bool | None = None
    original_media_type: str | None = None
    original_filename: str | None = None


class _Group(Struct):
    chat_id: str
    type: str
    jids: list[str] = []
    group_name: str | None = None


class _ChannelMessage(Struct):
    message_id: str
    timestamp: str
    type: str | None = None


class _Channel(Struct):
    newsletter_id: str
    name: str | None = None
    description: str | None = None
    mute: str | None = None
    messages: list[_ChannelMessage] = []


class _Call(Struct):
    call_id: str
    from_: str = msgspec.field(name="from")
    from_lid: str | None = None
    auto_rejected: bool | None = None
    group_jid: str | None = None


class _Label(Struct):
    label_id: str
    name: str | None = None
    color: wire.Whole | None = None
    deleted: bool | None = None


class _Labeled(Struct):
    label_id: str
    labeled: bool
    chat_id: str
    chat_lid: str | None = None


def observe(body: bytes, setup: Setup) -> Observed:
    """The events of one payload; raises ``Unreadable`` if it is not one of GOWA's."""
    envelope = wire.decode(SOURCE, body, _Envelope)
    if envelope.event in _PASSING:
        return nothing()
    handler = _HANDLERS.get(envelope.event)
    if handler is None:
        raise Unreadable(SOURCE, "event", f"this version does not know the event {envelope.event[:80]!r}")
    phone = wire.required_jid(envelope.device_id or setup.phone, SOURCE, "device_id")
    events = handler(_Delivery(phone, envelope, setup))
    return Observed(events=wire.unrepeated(events), raw=body)


class _Delivery(Struct):
    """One payload on its way to events."""

    phone: str
    envelope: _Envelope
    setup: Setup

    def payload(self, shape: type[wire.T]) -> wire.T:
        return wire.decode_part(SOURCE, "payload", bytes(self.envelope.payload), shape)

    def at(self, timestamp: str | None = None) -> int:
        """When it happened: the payload's time, else the envelope's."""
        text = timestamp or self.envelope.timestamp
        if not text:
            raise Unreadable(SOURCE, "timestamp", "is missing")
        return wire.instant(text, SOURCE, "timestamp")

    def target(self, chat: str, id: str, field: str, sender: str | None = None) -> Target:
        """The message that an event is about; ``Unreadable`` naming ``field`` when its id is missing."""
        if not id:
            raise Unreadable(SOURCE, f"payload.{field}", "is missing")
        return Target(self.phone, canonical(chat), id, sender)

    def actor(self, wire_: _Common) -> str:
        """Who did it."""
        if wire_.is_from_me:
            return self.phone
        return wire.required_jid(wire_.from_ or wire_.from_lid, SOURCE, "payload.from")


def _people(wire_: _Common) -> list[Event]:
    return [*wire.same_person(wire_.from_lid, wire_.from_), *wire.same_person(wire_.chat_lid, wire_.chat_id)]


# Messages


def _message(delivery: _Delivery) -> list[Event]:
    payload = delivery.payload(_Message)
    if not payload.id:
        raise Unreadable(SOURCE, "payload.id", "is missing")
    kind, file = _kind(payload)
    message = Message(
        key=MessageKey(delivery.phone, canonical(payload.chat_id), payload.id, delivery.actor(payload)),
        sent_at=delivery.at(payload.timestamp),
        from_me=payload.is_from_me,
        kind=kind,
        text=_text(payload, file),
        details=_details(payload, file, delivery.setup),
    )
    return [*_people(payload), MessageSeen(message)]


def _kind(payload: _Message) -> tuple[Kind, _MediaFile | None]:
    for name, kind in _MEDIA:
        file = getattr(payload, name)
        if file is not None:
            return kind, _MediaFile(path=file) if isinstance(file, str) else file
    return _kind_without_file(payload), None


def _kind_without_file(payload: _Message) -> Kind:
    """GOWA names no kind: what it could not download, and polls, leave nothing but a message that holds nothing."""
    candidates: tuple[tuple[Kind, object], ...] = (
        ("location", payload.location),
        ("live_location", payload.live_location),
        ("contact", payload.contact),
        ("contacts", payload.contacts_array),
        ("order", payload.order),
        ("interactive", payload.choices),
        ("interactive", payload.interactive),
    )
    found = next((kind for kind, value in candidates if value is not None), None)
    return found or ("text" if payload.body is not None else "unknown")


def _text(payload: _Message, file: _MediaFile | None) -> str | None:
    if payload.body is not None:
        return payload.body
    if file is not None:
        return file.caption or None
    if payload.live_location is not None:
        return Node(payload.live_location).text("caption")
    for name, value in (("listMessage", payload.choices), ("orderMessage", payload.order)):
        if value and (content := proto_json.read({name: value})) is not None:
            return content.text
    return payload.interactive if isinstance(payload.interactive, str) else None


def _details(payload: _Message, file: _MediaFile | None, setup: Setup) -> Details:
    cards = [payload.contact] if payload.contact else payload.contacts_array
    chat = canonical(payload.chat_id)
    return Details(
        media=None if file is None else _media(file, setup),
        has_media=True if file else None,
        quoted=_quote(payload),
        location=proto_json.location(Node(payload.location or payload.live_location)),
        vcards=None if cards is None else tuple(card.vcard for card in cards if card.vcard),
        is_view_once=payload.view_once,
        is_forwarded=payload.forwarded,
        is_status=True if chat == "status@broadcast" else None,
        push_name=payload.from_name or None,
        interactive=wire.storable(payload.choices or payload.order or payload.interactive),
        referral=wire.storable(payload.referral),
    )


def _media(file: _MediaFile, setup: Setup) -> Media:
    """GOWA tells neither type nor size nor hash. A relative path is a link only where its address is known."""
    path = (file.path or "").lstrip("/")
    link = urljoin(setup.base_url.rstrip("/") + "/", path) if path and setup.base_url else None
    return Media(filename=file.filename or path.rpartition("/")[2] or None, url=file.url or link)


def _quote(payload: _Message) -> Quote | None:
    if not payload.replied_to_id and payload.quoted_body is None:
        return None
    return Quote(id=payload.replied_to_id or None, text=payload.quoted_body)


def _reaction(delivery: _Delivery) -> list[Event]:
    payload = delivery.payload(_Reaction)
    reaction = ReactionSet(
        target=delivery.target(payload.chat_id, payload.reacted_message_id, "reacted_message_id"),
        by=delivery.actor(payload),
        emoji=payload.reaction,
        at=delivery.at(payload.timestamp),
        id=payload.id or None,
    )
    return [*_people(payload), reaction]


def _revoked(delivery: _Delivery) -> list[Event]:
    payload = delivery.payload(_Revoked)
    actor = delivery.actor(payload)
    # ``revoked_from_me`` is said from the side of who revokes: false is an admin at somebody else's message.
    own = payload.revoked_from_me is not False
    revoke = MessageRevoked(
        target=delivery.target(
            payload.chat_id, payload.revoked_message_id, "revoked_message_id", actor if own else None
        ),
        at=delivery.at(payload.timestamp),
        by=actor,
        by_admin=not own,
    )
    return [*_people(payload), revoke]


def _edited(delivery: _Delivery) -> list[Event]:
    """An edit without a body changed a caption, which GOWA does not tell: the payload is kept, nothing else known."""
    payload = delivery.payload(_Edited)
    actor = delivery.actor(payload)
    target = delivery.target(payload.chat_id, payload.original_message_id, "original_message_id", actor)
    at = delivery.at(payload.timestamp)
    people = _people(payload)
    if payload.body is None:
        return [*people]
    return [*people, MessageEdited(target=target, text=payload.body, at=at, id=payload.id or None, by=actor)]


_ACKS = {"delivered": 3, "": 3, "inactive": 3, "sender": 2, "read": 4, "played": 5}
_OWN_READS = {"read-self", "played-self"}


def _ack(delivery: _Delivery) -> list[Event]:
    payload = delivery.payload(_Ack)
    at, chat = delivery.at(), canonical(payload.chat_id)
    reader = wire.number_first(payload.from_, payload.from_lid)
    people = wire.same_person(payload.from_lid, payload.from_)
    if payload.receipt_type in _OWN_READS or (reader == delivery.phone and payload.receipt_type in ("read", "played")):
        return [*people, ChatSeen(phone=delivery.phone, chat=chat, at=at, unread=0)]
    ack = _ACKS.get(payload.receipt_type)
    if ack is None or (reader == delivery.phone and ack > 2):
        return [*people]
    participant = None if ack == 2 or is_person(chat) else reader
    own = [Target(delivery.phone, chat, id, delivery.phone) for id in payload.ids if id]
    return [*people, *(ReceiptSet(target=target, ack=ack, participant=participant, at=at) for target in own)]


def _deleted(delivery: _Delivery) -> list[Event]:
    """Deleted only on the own phone: the message stays, with what GOWA still knew about it."""
    payload = delivery.payload(_Deleted)
    if not (payload.chat_id and payload.original_timestamp and payload.original_sender):
        return []
    kind = gowa_kind(payload.original_media_type)
    from_me = bool(payload.was_from_me)
    sender = delivery.phone if from_me else canonical(payload.original_sender)
    key = MessageKey(delivery.phone, canonical(payload.chat_id), payload.deleted_message_id, sender)
    media = Media(filename=payload.original_filename) if payload.original_filename else None
    message = Message(
        key=key,
        sent_at=delivery.at(payload.original_timestamp),
        from_me=from_me,
        kind=kind,
        text=payload.original_content or None,
        details=Details(media=media),
    )
    return [MessageSeen(message)]


# Groups, channels, calls, labels


def _group(delivery: _Delivery) -> list[Event]:
    payload = delivery.payload(_Group)
    chat, at = canonical(payload.chat_id), delivery.at()
    jids = [canonical(jid) for jid in payload.jids if jid]
    change = _NOTICES.get(payload.type, payload.type)
    notice = wire.notice_of(delivery.phone, chat, change, at, jids)
    named = ChatSeen(phone=delivery.phone, chat=chat, at=at, name=payload.group_name or None)
    events = [notice, *wire.membership(delivery.phone, chat, change, at, jids)]
    return [*events, named] if payload.group_name else events


def _channel(delivery: _Delivery) -> list[Event]:
    payload = delivery.payload(_Channel)
    muted = {"on": MUTED_FOREVER, "off": 0}.get(payload.mute or "")
    return [
        ChatSeen(
            phone=delivery.phone,
            chat=canonical(payload.newsletter_id),
            at=delivery.at(),
            name=payload.name or None,
            description=payload.description or None,
            muted_until=muted,
            is_exited={"newsletter.joined": False, "newsletter.left": True}.get(delivery.envelope.event),
        )
    ]


def _channel_messages(delivery: _Delivery) -> list[Event]:
    """GOWA tells that there are messages, not what they say."""
    payload = delivery.payload(_Channel)
    chat = canonical(payload.newsletter_id)
    return [
        MessageSeen(
            Message(
                key=MessageKey(delivery.phone, chat, message.message_id, chat),
                sent_at=delivery.at(message.timestamp),
                from_me=False,
                kind="text" if message.type in (None, "", "text") else gowa_kind(message.type),
            )
        )
        for message in payload.messages
        if message.message_id
    ]


def _call(delivery: _Delivery) -> list[Event]:
    payload = delivery.payload(_Call)
    caller = canonical(payload.from_)
    chat = canonical(payload.group_jid) if payload.group_jid else caller
    result = "rejected" if payload.auto_rejected else None
    people = wire.same_person(payload.from_lid, payload.from_)
    if chat == delivery.phone:
        # A call of the own phone: GOWA does not tell who was called.
        return [*people]
    return [*people, wire.call_of(delivery.phone, chat, payload.call_id, delivery.at(), caller, result=result)]


def _label(delivery: _Delivery) -> list[Event]:
    """The whole label as it is now: WhatsApp leaves out ``deleted`` where it is false."""
    payload = delivery.payload(_Label)
    deleted = bool(payload.deleted)
    return [wire.label_of(delivery.phone, payload.label_id, delivery.at(), payload.name, payload.color, deleted)]


def _labeled(delivery: _Delivery) -> list[Event]:
    payload = delivery.payload(_Labeled)
    labeled = ChatLabeled(
        phone=delivery.phone,
        chat=canonical(payload.chat_id),
        label=payload.label_id,
        labeled=payload.labeled,
        at=delivery.at(),
    )
    return [*wire.same_person(payload.chat_lid, payload.chat_id), labeled]


_PASSING = {"chat_presence"}
"""Gone when they are over."""

_HANDLERS: dict[str, Callable[[_Delivery], list[Event]]] = {
    "message": _message,
    "message.reaction": _reaction,
    "message.revoked": _revoked,
    "message.edited": _edited,
    "message.ack": _ack,
    "message.deleted": _deleted,
    "group.participants": _group,
    "group.joined": _group,
    "newsletter.joined": _channel,
    "newsletter.left": _channel,
    "newsletter.mute": _channel,
    "newsletter.message": _channel_messages,
    "call.offer": _call,
    "label.edit": _label,
    "label.association": _labeled,
}
